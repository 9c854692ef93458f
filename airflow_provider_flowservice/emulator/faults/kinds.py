"""Kinds of fault: each takes a request in the place of the service, which it may or may not call."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_flowservice.emulator.clock import pause
from airflow_provider_flowservice.emulator.exchange import Marks, Reply
from airflow_provider_flowservice.emulator.faults.foreign import edit_as_someone_else

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.journal import Exchange
    from airflow_provider_flowservice.emulator.world import World


@dataclass
class Victim:
    """The request that a fault meets.

    :param serve: lets the service answer it.
    """

    world: World
    exchange: Exchange
    marks: Marks
    serve: Callable[[], Awaitable[Reply]]


class Fault(ABC):
    """What happens to a request. Fields of a subclass are its parameters."""

    kind: ClassVar[str]

    @abstractmethod
    async def meet(self, victim: Victim) -> Reply | None:
        """Deal with a request.

        :return: the answer; None to close the connection without one.
        """

    def as_json(self) -> dict[str, Any]:
        """Kind and parameters."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class StatusFault(Fault):
    """Answers with a status of your choice; the service never sees the request.

    :param body: text, or anything that JSON can hold; a plain message by default.
    """

    kind: ClassVar[str] = "status"
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise ValueError("status must be a number from 200 to 599")

    async def meet(self, victim: Victim) -> Reply | None:
        """Answer at once."""
        body = {"message": HTTPStatus(self.status).phrase} if self.body is None else self.body
        return Reply.of(self.status, body, self.headers)


@dataclass(frozen=True)
class DelayFault(Fault):
    """Keeps the caller waiting, then serves.

    :param seconds: of real time.
    """

    kind: ClassVar[str] = "delay"
    seconds: float

    async def meet(self, victim: Victim) -> Reply | None:
        """Wait and serve."""
        await pause(self.seconds)
        return await victim.serve()


@dataclass(frozen=True)
class ResetFault(Fault):
    """Closes the connection before the request is applied."""

    kind: ClassVar[str] = "reset"

    async def meet(self, victim: Victim) -> Reply | None:
        """Give no answer."""
        return None


@dataclass(frozen=True)
class ResetAfterFault(Fault):
    """Applies the request and closes the connection without an answer."""

    kind: ClassVar[str] = "reset_after"

    async def meet(self, victim: Victim) -> Reply | None:
        """Serve, and keep the answer back."""
        await victim.serve()
        return None


@dataclass(frozen=True)
class ConflictFault(Fault):
    """Someone else changes the resource just before the request arrives.

    A flow gets a selector for a segment of theirs, anything else a new description; the etag moves.

    :param segment_id: that segment; a new id each time by default.
    """

    kind: ClassVar[str] = "conflict"
    segment_id: str | None = None

    async def meet(self, victim: Victim) -> Reply | None:
        """Change the resource, then serve."""
        edit_as_someone_else(victim.world, victim.exchange, self.segment_id or str(uuid.uuid4()))
        return await victim.serve()


_KINDS: dict[str, type[Fault]] = {
    each.kind: each for each in (StatusFault, DelayFault, ResetFault, ResetAfterFault, ConflictFault)
}


def parse_fault(spec: Any) -> Fault:
    """Make a fault from ``{"kind": ..., <parameters>}``.

    :raises ValueError: when the kind or a parameter is unknown, missing or out of range.
    """
    if not isinstance(spec, dict) or spec.get("kind") not in _KINDS:
        raise ValueError(f"fault.kind must be one of {', '.join(sorted(_KINDS))}")
    parameters = {name: value for name, value in spec.items() if name != "kind"}
    try:
        return _KINDS[spec["kind"]](**parameters)
    except TypeError as error:
        raise ValueError(f"fault {spec['kind']!r}: {error}") from error
