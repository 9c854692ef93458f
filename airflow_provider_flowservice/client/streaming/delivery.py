"""Delivery of batches to an inlet, with a result for each record.

Inlets do not support idempotency keys: if a response is lost, the batch is sent again, and its records are counted as
possibly duplicated.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    ApiError,
    BadRequestError,
    FlowServiceError,
    InvalidInputError,
    ServerError,
    is_ambiguous,
    is_permanent,
)
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.retry import backoff, delay_after
from airflow_provider_flowservice.client.streaming.batches import Batch
from airflow_provider_flowservice.client.streaming.inlet import (
    Endpoints,
    Envelope,
    MessageStatus,
    PostResult,
    Refusal,
)
from airflow_provider_flowservice.client.streaming.rate import Pace

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Maximum number of times that a batch, or the messages in it that the inlet is too busy for, are sent. With waits of
#: up to 1, 2, 4 and 8 s in between, that bridges brief overload; messages still not accepted then count as rejected.
ATTEMPTS = 5


class Transport(Protocol):
    """What sends a request."""

    async def send(self, request: Request[T], *, pace: Pace | None = None, messages: int = 1) -> T:
        """Send a request, and return its response."""

    async def close(self) -> None:
        """Close the connections."""


class Delivered(msgspec.Struct):
    """What has become of a batch.

    :param accepted: number of records that are accepted.
    :param duplicated: number of them that were sent twice, because a response was lost.
    :param unknown: number of records of which it is not known, because the last response was lost.
    :param refused: the others, by their index in the batch's ``raws``.
    :param error: why it was not delivered completely, if it was not.
    :param open: number of its requests that have not ended.
    """

    batch: Batch
    accepted: int = 0
    duplicated: int = 0
    unknown: int = 0
    refused: dict[int, Refusal] = {}
    first_xaction_id: str | None = None
    last_xaction_id: str | None = None
    error: BaseException | None = None
    open: int = 0


class Courier:
    """Delivers batches: sends their records, and what the inlet is too busy for again.

    :param endpoints: the endpoints of the inlet.
    :param envelope: wraps plain records; None sends records unchanged.
    :param single: whether each record is sent alone, to the endpoint for single messages.
    :param sync_validation: whether AEP validates the records.
    :param maybe_sent_below: records before this index of the input may have been sent by an interrupted attempt.
    :param pace: how fast requests may be sent.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        envelope: Envelope | None,
        single: bool,
        sync_validation: bool,
        maybe_sent_below: int,
        pace: Pace,
    ) -> None:
        self._endpoints = endpoints
        self._envelope = envelope
        self._single = single
        self._sync_validation = sync_validation
        self._maybe_sent_below = maybe_sent_below
        self._pace = pace

    def requests(self, batch: Batch) -> Sequence[Sequence[int]]:
        """Return what goes into each request of a batch: indices of its ``raws``."""
        count = len(batch.raws)
        return [(offset,) for offset in range(count)] if self._single else [range(count)]

    async def deliver(self, transport: Transport, delivered: Delivered, offsets: Sequence[int]) -> None:
        """Send one request of a batch, and add the results to it. An error is a part of them."""
        try:
            await self._deliver(transport, delivered, delivered.batch.raws, offsets)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 (the main thread raises it)
            delivered.error = delivered.error or error

    async def _deliver(
        self,
        transport: Transport,
        delivered: Delivered,
        raws: list[bytes],
        offsets: Sequence[int],
        *,
        sent_before: bool = False,
    ) -> None:
        """Send records of a batch; repeat those that the inlet is too busy for, or all if the response is lost.

        :param sent_before: whether they may have arrived already.
        """
        pending = offsets
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                sent = raws if len(pending) == len(raws) else [raws[offset] for offset in pending]
                result = await self._send(transport, sent)
            except FlowServiceError as error:
                if isinstance(error, ApiError) and error.status == 413 and len(pending) > 1:
                    middle = len(pending) // 2
                    for half in (pending[:middle], pending[middle:]):
                        await self._deliver(transport, delivered, raws, half, sent_before=sent_before)
                    return
                # If the request for a token has failed, nothing was sent.
                sent_before |= is_ambiguous(error) and error.path in self._endpoints.paths
                if last or not is_ambiguous(error) or is_permanent(error):
                    delivered.unknown += len(pending) if sent_before else 0
                    raise
                log.warning("Trying again to deliver %d records: %s", len(pending), error)
                delay = delay_after(error, attempt)
            else:
                pending = self._account(delivered, pending, result, sent_before=sent_before, last=last)
                if not pending:
                    return
                delay = backoff(attempt, random.random())  # noqa: S311
            await clock.current().sleep_async(delay)

    async def _send(self, transport: Transport, raws: list[bytes]) -> PostResult:
        messages = [self._envelope.wrap(raw) for raw in raws] if self._envelope else raws
        request = self._endpoints.single(messages[0]) if self._single else self._endpoints.batch(messages)
        try:
            return await transport.send(request, pace=self._pace, messages=len(messages))
        except BadRequestError as error:
            # This is the result of a single message and, with status 413, of a batch of one. Any other
            # rejection concerns the request as a whole.
            if not self._single and (error.status != 413 or len(messages) > 1):
                raise
            return PostResult(0, {0: Refusal(MessageStatus.REJECTED, error.status, error.message)})
        except ServerError as error:
            if self._sync_validation and error.status == 501:
                raise InvalidInputError("sync_validation", error.message, "Remove it.") from None
            raise

    def _account(
        self,
        delivered: Delivered,
        pending: Sequence[int],
        result: PostResult,
        *,
        sent_before: bool,
        last: bool,
    ) -> Sequence[int]:
        """Count the results, and return the records to send again."""
        delivered.accepted += result.accepted
        delivered.first_xaction_id = delivered.first_xaction_id or result.first_xaction_id
        delivered.last_xaction_id = result.last_xaction_id or delivered.last_xaction_id
        again = []
        for index, refusal in result.refused.items():
            if refusal.reason is MessageStatus.BUSY and not last:
                again.append(pending[index])
            else:
                delivered.refused[pending[index]] = refusal
        batch = delivered.batch
        if sent_before:
            delivered.duplicated += result.accepted
        elif batch.begin < self._maybe_sent_below:
            accepted = (offset for index, offset in enumerate(pending) if index not in result.refused)
            delivered.duplicated += sum(batch.locate(each)[0] < self._maybe_sent_below for each in accepted)
        if again:
            self._pace.slow_down()
        return sorted(again)
