"""One poller for all triggers of an event loop that wait on the same connection and sandbox.

Each trigger asks for one flow, one run, or the runs of one flow. What is asked for at about the same time is read as a
list, so that ten thousand waits cost about a hundred calls. The answers are those that each trigger would have got
alone: what a list does not show is asked for by itself, and a list that AEP rejects is not asked for again.

A call that AEP cannot answer holds back all others for a second or two, and for ``Retry-After`` if there is one. For
some minutes afterwards, all triggers poll less often. Calls that are repeated thus come in place of others: AEP gets
fewer calls while it throttles or fails, not more.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    FlowServiceError,
    InvalidResponseError,
    NotFoundError,
    ServerError,
)
from airflow_provider_flowservice.client.flows import NEWEST_FIRST
from airflow_provider_flowservice.client.http import Reading, any_of, is_plain, page
from airflow_provider_flowservice.client.model import Flow, Page
from airflow_provider_flowservice.client.waits import JITTER

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http import AiohttpTransport, Caller, Kind, Member, Request

log = logging.getLogger(__name__)
T = TypeVar("T")

#: A list is read when nothing more has been asked for within this time in seconds, but after so many times of it. The
#: event loop itself takes most of a second to wake thousands of triggers.
GATHER_SECONDS = 0.05
_MAX_GATHERS = 20
#: Maximum number of ids in a list call: as many as a page has resources.
MAX_IDS = 100
#: Maximum length of the ids in a URL, in bytes; servers and proxies accept URLs of 8 kB.
_MAX_ID_BYTES = 6000
#: Number of lists that are read at once, and of requests that are sent at once because a list does not answer them.
#: While AEP asks to slow down, these wait, and everything else behind them.
_AT_ONCE = 4
#: Number of answers in a row that are in doubt, after which a list is not asked for again.
_MAX_DOUBTS = 3
#: Seconds for which a call that fails holds back all others, and up to as much more at random. Several of them add up,
#: to a minute at most, so that not even a hundred lists that fail are more than one call a second.
HOLD_SECONDS = 1.0
_MAX_HOLD_SECONDS = 60.0
#: Seconds after a call that failed in which the intervals between polls are longer, and how many times. This makes up
#: for every fifth call that fails. It is the same for all triggers, so that their polls still come together.
SLOW_SECONDS = 600.0
SLOWER = 1.25
#: Where the common moments of the polls lie, as a share of the interval: not at the same time in all triggerers.
_PHASE = random.random()  # noqa: S311


def aligned(interval: float) -> float:
    """Return a pause that leads to the next common moment for polls with an interval, or towards it.

    It differs from the interval by up to :data:`~airflow_provider_flowservice.client.waits.JITTER`. After a few polls,
    all triggers with this interval ask at the same time, so that their requests share lists.
    """
    ahead = interval - (clock.current().monotonic() - _PHASE * interval) % interval
    most = JITTER * interval
    if ahead >= interval - most:
        return ahead
    if ahead <= most:
        return interval + ahead
    return interval + most if ahead <= interval / 2 else interval - most


class _Brake:
    """Slows down a poller after a call that AEP could not answer: it throttled or failed, or the response was lost."""

    def __init__(self) -> None:
        self._until = 0.0
        self._slow_until = 0.0

    @property
    def is_slow(self) -> bool:
        """Whether a call has failed lately."""
        return clock.current().monotonic() < self._slow_until

    async def turn(self, messages: int) -> None:
        """Wait until a call may be sent."""
        while (delay := self._until - clock.current().monotonic()) > 0:
            await clock.current().sleep_async(delay)

    def saw(self, status: int | None, retry_after: float | None) -> None:
        """Learn how a call ended."""
        if status is not None and status != 429 and status < 500:
            return
        now = clock.current().monotonic()
        hold = HOLD_SECONDS * (1 + random.random())  # noqa: S311
        self._until = max(self._until, now + (retry_after or 0.0)) + hold
        self._until = min(self._until, now + _MAX_HOLD_SECONDS)
        self._slow_until = now + SLOW_SECONDS


class Poller:
    """Answers the requests of triggers, from lists where several ask at the same time.

    :param transport: sends the requests.
    """

    def __init__(self, transport: AiohttpTransport) -> None:
        self._transport = transport
        self._brake = _Brake()
        #: Number of triggers that use it. A single one has nobody to wait for.
        self.users = 0
        self._lists: dict[tuple[str, str], _List] = {}

    async def send(self, request: Request[T], caller: Caller | None = None) -> T:
        """Return the response to a request, parsed by its ``parse``.

        :param caller: the task that waits for it. A list is read in the name of what the callers have in common.
        :raises FlowServiceError: as the request alone would.
        """
        member = request.member
        if member is None or self.users < 2 or not is_plain(member.value):
            return await self._call(request, caller)
        key = (member.kind.path, member.field)
        if key not in self._lists:
            self._lists[key] = _List(self._call)
        answer: T = await self._lists[key].ask(request, member, caller)
        return answer

    def pause(self, interval: float) -> float:
        """Return the pause before the next poll of a trigger with an interval; see :func:`aligned`."""
        return aligned(interval * SLOWER if self._brake.is_slow else interval)

    async def _call(self, request: Request[T], caller: Caller | None = None) -> T:
        return await self._transport.send(request, pace=self._brake, caller=caller)

    async def close(self) -> None:
        """Close the connections."""
        for each in self._lists.values():
            each.close()
        await self._transport.close()


@dataclass
class _Asked:
    """Something that is asked for.

    :param caller: what those who have asked for it have in common; None for nothing.
    :param waiting: number of triggers that wait for it.
    """

    request: Request[Any]
    member: Member
    caller: Caller | None
    answer: asyncio.Future[Any]
    waiting: int = 0

    def fail(self, error: Exception) -> None:
        if self.waiting and not self.answer.done():
            self.answer.set_exception(error)

    def succeed(self, answer: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class _List:
    """What is asked for of one kind of resource by one field."""

    def __init__(self, call: Callable[[Request[Any], Caller | None], Awaitable[Any]]) -> None:
        self._call = call
        self._pending: dict[str, _Asked] = {}
        #: Number of requests so far.
        self._count = 0
        self._is_gathering = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._lists = asyncio.Semaphore(_AT_ONCE)
        self._alone = asyncio.Semaphore(_AT_ONCE)
        #: Whether AEP answers a list call for several ids, as far as is known.
        self._is_usable = True
        #: How often in a row it has answered as if it did not observe all of them.
        self._doubts = 0
        self._proof = asyncio.Lock()
        self._is_proven = False

    async def ask(self, request: Request[T], member: Member, caller: Caller | None) -> T:
        """Return the response to a request.

        :param caller: the task that waits for it.
        :raises FlowServiceError: if there is none.
        """
        asked = self._pending.get(member.value)
        if asked is None:
            answer = asyncio.get_running_loop().create_future()
            asked = self._pending[member.value] = _Asked(request, member, caller, answer)
            if len(self._pending) >= MAX_IDS:
                self._read_now()
            elif not self._is_gathering:
                self._is_gathering = True
                self._start(self._read_soon())
        else:
            asked.caller = _common(asked.caller, caller)
            if member.since < asked.member.since:
                asked.member = member
        self._count += 1
        asked.waiting += 1
        try:
            return await asyncio.shield(asked.answer)
        except FlowServiceError as error:
            # Each trigger raises an error of its own: a traceback grows wherever its error is raised.
            raise copy.copy(error) from None
        finally:
            asked.waiting -= 1
            if not asked.waiting and self._pending.get(member.value) is asked:
                del self._pending[member.value]

    def close(self) -> None:
        """Forget everything that is asked for."""
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read_soon(self) -> None:
        for _ in range(_MAX_GATHERS):
            before = self._count
            await clock.current().sleep_async(GATHER_SECONDS)
            if self._count == before:
                break
        self._is_gathering = False
        while self._pending:
            self._read_now()

    def _read_now(self) -> None:
        """Read a list for what has been asked for first."""
        chunk: list[_Asked] = []
        size = 0
        for asked in self._pending.values():
            size += len(asked.member.value) + 1
            if len(chunk) == MAX_IDS or (chunk and size > _MAX_ID_BYTES):
                break
            chunk.append(asked)
        for asked in chunk:
            del self._pending[asked.member.value]
        self._start(self._answer(chunk))

    async def _answer(self, chunk: Sequence[_Asked]) -> None:
        try:
            await self._read_or_ask(chunk)
        except Exception as error:
            # Not even a fault of this module may leave a trigger waiting for ever.
            for asked in chunk:
                asked.fail(error)
            raise

    async def _read_or_ask(self, chunk: Sequence[_Asked]) -> None:
        answers: Mapping[str, Any] = {}
        if len(chunk) > 1 and self._is_usable:
            try:
                async with self._lists:
                    answers = await self._read(
                        [asked.member for asked in chunk], reduce(_common, [asked.caller for asked in chunk])
                    )
            except FlowServiceError as error:
                if not _is_about_the_list(error):
                    for asked in chunk:
                        asked.fail(error)
                    return
                self._give_up(error.message)
        left = [asked for asked in chunk if asked.member.value not in answers]
        for asked in chunk:
            if asked.member.value in answers:
                asked.succeed(answers[asked.member.value])
        found = sum(await asyncio.gather(*map(self._ask_alone, left)))
        if len(chunk) > 1 and len(answers) < 2 < found:
            self._doubt()
        elif len(answers) > 1:
            self._doubts = 0

    async def _ask_alone(self, asked: _Asked) -> bool:
        """Send a request as it is. Return whether it has an answer."""
        async with self._alone:
            if not asked.waiting:
                return False
            try:
                answer = await self._call(asked.request, asked.caller)
            except FlowServiceError as error:
                asked.fail(error)
                return False
        asked.succeed(answer)
        return True

    def _doubt(self) -> None:
        self._doubts += 1
        if self._doubts >= _MAX_DOUBTS:
            self._give_up("it leaves out what each shows alone")

    def _give_up(self, problem: str) -> None:
        if self._is_usable:
            log.warning(
                "AEP does not answer list calls for several ids, so each is asked for alone: %s", problem
            )
        self._is_usable = False

    async def _read(self, members: Sequence[Member], caller: Caller | None) -> Mapping[str, Any]:
        """Read a list; the answers that it has, by the value that was asked for."""
        field, kind = members[0].field, members[0].kind
        values = [member.value for member in members]
        if field == "id":
            return {
                item.id: item async for item in self._items(kind, field, values, caller) if _is_whole(item)
            }
        if not self._is_proven and not await self._prove(kind, field, values):
            return {}
        runs: dict[str, list[Any]] = {value: [] for value in values}
        since = min(member.since for member in members)
        async for run in self._items(kind, field, values, caller, NEWEST_FIRST):
            if 0 < run.created_at < since:
                break
            runs.get(run.flow_id, []).append(run)
        return {flow_id: Page(items=tuple(found)) for flow_id, found in runs.items()}

    async def _prove(self, kind: Kind[Any], field: str, values: Sequence[str]) -> bool:
        """Find out whether a list shows the runs of each of several flows, of which none needs to have any.

        Otherwise an empty list would say nothing, and a trigger would wait for a run that it is never shown.
        """
        async with self._proof:
            if self._is_proven:
                return True
            newest = await self._call(page(kind, order_by=NEWEST_FIRST, limit=1), None)
            if not newest.items:
                return not newest.unreadable
            known = newest.items[0]
            if not is_plain(known.flow_id):
                self._doubt()
                return False
            other = next(value for value in values if value != known.flow_id)
            for pair in ((known.flow_id, other), (other, known.flow_id)):
                asked = page(kind, filters=(any_of(field, pair),), order_by=NEWEST_FIRST, limit=1)
                shown = (await self._call(asked, None)).items
                if not (shown and shown[0].created_at >= known.created_at):
                    self._doubt()
                    return False
            self._is_proven = True
            return True

    async def _items(
        self,
        kind: Kind[Any],
        field: str,
        values: Sequence[str],
        caller: Caller | None,
        order_by: str | None = None,
    ) -> AsyncIterator[Any]:
        filters = (any_of(field, values),)
        reading: Reading[Any] = Reading(
            f"{kind.label}s",
            lambda cursor: page(kind, filters=filters, order_by=order_by, continuation_token=cursor),
        )
        while asked := reading.next():
            for item in reading.take(await self._call(asked, caller)):
                yield item


def _is_whole(item: Any) -> bool:
    """Whether a list shows all that a read by id would; AEP may leave the transformations of flows out of lists."""
    return not isinstance(item, Flow) or item.shows_transformations


def _common(one: Caller | None, other: Caller | None) -> Caller | None:
    """Return what two callers have in common."""
    return None if one is None or other is None else one.and_also(other)


def _is_about_the_list(error: FlowServiceError) -> bool:
    """Whether an error says that AEP does not have this list, rather than that it cannot answer now."""
    is_unknown = isinstance(error, ServerError) and error.status == 501
    return is_unknown or isinstance(error, (BadRequestError, NotFoundError, InvalidResponseError))
