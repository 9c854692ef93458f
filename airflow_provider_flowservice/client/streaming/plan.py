"""How an input is posted."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.batches import Limits
from airflow_provider_flowservice.client.streaming.delivery import Courier
from airflow_provider_flowservice.client.streaming.inlet import (
    MAX_REQUEST_BYTES,
    SYNC_VALIDATIONS_PER_MINUTE,
    Endpoints,
    Envelope,
    Inlet,
)
from airflow_provider_flowservice.client.streaming.rate import Pace

#: Default for the number of records that another attempt may have to send again.
RESEND_WINDOW = 10_000
#: Number of single messages that are ready to be sent. They are small, and the thread that reads them may be late.
_SINGLES_AHEAD = 256
#: Single messages are accounted for together that are sent within this time in seconds, but at most so many.
_SINGLES_SECONDS = 0.02
_SINGLES_TOGETHER = 32


class Plan(Frozen, frozen=True, kw_only=True):
    """How records are posted.

    :param target: the inlet.
    :param flow_id: id of the flow that ingests the records, if known.
    :param envelope: wraps plain records; None sends records unchanged.
    :param batch_size: maximum number of records per request, including those that are rejected unsent; 1 uses the
        endpoint for single messages.
    :param batch_bytes: maximum size of a request in bytes. A larger record is sent alone.
    :param concurrency: number of requests that are sent at once.
    :param sync_validation: validate each record against the schema; records are sent one by one, at most 60 per
        minute.
    :param requests_per_second: maximum number of requests per second; None for any.
    :param messages_per_second: maximum number of messages per second; None for any.
    :param rate_share: share of both that this posting may use.
    :param resend_window: maximum number of records that another attempt has to send again if this one is killed, but
        at least those of one request.
    :raises InvalidInputError: if a number of records, bytes or requests is less than 1.
    """

    hidden: ClassVar = frozenset({"envelope"})

    target: Inlet
    flow_id: str | None = None
    envelope: Envelope | None = None
    batch_size: int = 500
    batch_bytes: int = MAX_REQUEST_BYTES
    concurrency: int = 8
    sync_validation: bool = False
    requests_per_second: float | None = 1000
    messages_per_second: float | None = 10_000
    rate_share: float = 1.0
    resend_window: int | None = None

    def __post_init__(self) -> None:
        """Reject what would send nothing.

        :raises InvalidInputError: if a number is less than 1.
        """
        for name in ("batch_size", "batch_bytes", "concurrency", "resend_window"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise InvalidInputError(name, f"{number!r} is less than 1", "Give a number such as 10.")

    @classmethod
    def of(cls, target: Inlet, *, flow_id: str | None, sync_validation: bool, **options: Any) -> Self:
        """Return the plan for an inlet whose URL may say to which flow the records go, and that they are validated.

        :raises InvalidInputError: if ``flow_id`` differs from the flow in the URL.
        """
        return cls(
            target=target,
            flow_id=target.flow_for(flow_id),
            sync_validation=sync_validation or target.validates,
            **options,
        )

    @property
    def is_single(self) -> bool:
        """Whether each record is sent alone."""
        return self.sync_validation or self.batch_size == 1

    @property
    def records_per_request(self) -> int:
        """The maximum number of records per request."""
        return 1 if self.is_single else self.batch_size

    @property
    def records_per_batch(self) -> int:
        """The maximum number of records that are accounted for together: those of a request, or some single ones."""
        if not self.is_single:
            return self.batch_size
        limits = (self._requests_per_second, self.messages_per_second)
        rate = min((limit for limit in limits if limit is not None), default=math.inf) * self.rate_share
        return max(1, int(min(rate * _SINGLES_SECONDS, _SINGLES_TOGETHER, self.resend_window or math.inf)))

    @property
    def window(self) -> int:
        """The number of records that may have been sent, but are not noted as settled."""
        usual = max(RESEND_WINDOW, self.concurrency * self.records_per_request)
        return max(self.resend_window or usual, self.records_per_request)

    @property
    def ahead(self) -> int:
        """The number of batches that are in memory: those that are being sent, and those that are sent next."""
        if not self.is_single:
            return 2 * self.concurrency
        return math.ceil((self.concurrency + max(self.concurrency, _SINGLES_AHEAD)) / self.records_per_batch)

    @property
    def only_xdm(self) -> bool:
        """Whether AEP accepts XDM messages only."""
        return self.target.data_type == "xdm" and not self.envelope and not self.flow_id

    def limits(self) -> Limits:
        """Return what fits into a batch."""
        added = len(self.envelope.wrap(b"")) if self.envelope else 0
        return Limits(self.records_per_batch, self.batch_bytes, added)

    def pace(self) -> Pace:
        """Return how fast requests may be sent."""
        return Pace(
            requests_per_second=self._requests_per_second,
            messages_per_second=self.messages_per_second,
            share=self.rate_share,
        )

    @property
    def _requests_per_second(self) -> float | None:
        limit = self.requests_per_second
        if self.sync_validation:
            limit = min(SYNC_VALIDATIONS_PER_MINUTE / 60, math.inf if limit is None else limit)
        return limit

    def courier(self, pace: Pace, maybe_sent_below: int) -> Courier:
        """Return what delivers the batches."""
        return Courier(
            Endpoints(self.target, self.flow_id, sync_validation=self.sync_validation),
            envelope=self.envelope,
            single=self.is_single,
            sync_validation=self.sync_validation,
            maybe_sent_below=maybe_sent_below,
            pace=pace,
        )
