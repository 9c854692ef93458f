"""Waits for the state of a flow (``GET /flows/{id}``)."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.activation.mismatch import Keys, Mismatch, mismatch
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.client.waits.base import BaseWait, Judgement, Steps

_IGNORED = (
    "AEP has changed the flow since this wait began, and completed that change without them. If somebody activated"
    " them, AEP ignores them: a destination with a mapping set takes its attributes from profile_mapping, not from"
    " profile_attributes"
)


class SeenSelectors(Frozen, frozen=True):
    """What a poll has seen of the selectors of a flow.

    :param mismatch: how they differ from the ones that the flow should have.
    :param first_update: when the flow was changed before the first poll; milliseconds since 1970-01-01 UTC.
    :param are_ignored: whether AEP has completed a change since then, and something is still missing.
    """

    mismatch: Mismatch
    first_update: int
    are_ignored: bool = False


class SelectorsMapped(BaseWait, frozen=True, kw_only=True):
    """Wait until a flow has segments and profile attributes, and does not have others (``GET /flows/{id}``).

    :param segments: ids of segments that it should have.
    :param attributes: paths of profile attributes that it should have; None leaves its attributes out of account.
    :param absent: ids of segments that it should not have.
    :param exact: whether it should have nothing but ``segments`` and, unless they are None, ``attributes``.
    :param fail_fast: whether it is an error that AEP completes a change of the flow while something is still missing.
    :param first_update: when the flow was changed before the first poll, in milliseconds since 1970-01-01 UTC; None
        before that poll.
    """

    flow_id: str
    segments: tuple[str, ...] = ()
    attributes: tuple[str, ...] | None = None
    absent: tuple[str, ...] = ()
    exact: bool = False
    fail_fast: bool = False
    first_update: int | None = None

    @property
    def goal(self) -> str:
        """What the flow has then."""
        wanted = {"segments": Keys.of(self.segments), "profile attributes": Keys.of(self.attributes or ())}
        parts = [f"{what} {keys}" for what, keys in wanted.items() if keys]
        if self.exact:
            parts.append("nothing else" if parts else "no segments")
        if self.absent:
            parts.append(f"not segments {Keys.of(self.absent)}")
        return f"flow {self.flow_id} has {' and '.join(parts)}"

    def look(self, seen: Any = None) -> Steps[Judgement]:
        """Read the flow. The observed state is how its selectors differ from the given ones.

        :raises DriftError: with ``fail_fast``, if AEP has completed a change and something is still missing.
        """
        flow = yield request.get(request.FLOWS, self.flow_id)
        found = mismatch(flow, self.segments, self.attributes, absent=self.absent, exact=self.exact)
        first = self.first_update
        if first is None:
            first = SeenSelectors.from_json(seen).first_update if seen else flow.updated_at
        is_changed = flow.updated_at > first and flow.has_completed_change
        now = SeenSelectors(found, first, are_ignored=is_changed and found.has_missing)
        if now.are_ignored and self.fail_fast:
            raise DriftError(f"flow {self.flow_id} {found}. {_IGNORED}.")
        return Judgement(not found, now.to_json())

    def describe(self, seen: Any) -> str:
        """Name what is missing, what is still there and what else is there."""
        now = SeenSelectors.from_json(seen)
        return f"flow {self.flow_id} {now.mismatch}{f'. {_IGNORED}' if now.are_ignored else ''}"

    def after(self, judged: Judgement) -> SelectorsMapped:
        """Return a wait that compares with the flow as it was seen first."""
        first = SeenSelectors.from_json(judged.seen).first_update
        return msgspec.structs.replace(self, first_update=first)


class FlowInState(BaseWait, frozen=True, kw_only=True):
    """Wait until a flow has a state (``GET /flows/{id}``).

    :param state: the state, for example ``enabled``.
    """

    flow_id: str
    state: str

    @property
    def goal(self) -> str:
        """The state of the flow then."""
        return f"flow {self.flow_id} is {self.state}"

    def look(self, seen: Any = None) -> Steps[Judgement]:
        """Read the flow. The observed state is the flow's state."""
        flow = yield request.get(request.FLOWS, self.flow_id)
        return Judgement(flow.state == self.state, flow.state)

    def describe(self, seen: Any) -> str:
        """Name the current and the desired state."""
        return f"flow {self.flow_id} is {plain_text(str(seen))}, not {self.state}"


class FlowSettled(BaseWait, frozen=True, kw_only=True):
    """Wait until the last change of a flow is old enough for AEP to ingest records (``GET /flows/{id}``).

    :param settle_seconds: minimum age of the last change, in seconds.
    :param changed_at: time of the last change, in seconds since 1970-01-01 UTC; None reads it from AEP.
    """

    flow_id: str
    settle_seconds: float
    changed_at: float | None = None

    @property
    def goal(self) -> str:
        """The age of the last change then."""
        return f"the last change of flow {self.flow_id} is {self.settle_seconds:.0f} s old"

    def look(self, seen: Any = None) -> Steps[Judgement]:
        """Read the flow, unless ``changed_at`` is set. The observed state is the time of its last change."""
        changed = self.changed_at
        if changed is None:
            flow = yield request.get(request.FLOWS, self.flow_id)
            changed = max(flow.created_at, flow.updated_at) / 1000
        # AEP's timestamps are in milliseconds; a smaller remainder is a rounding error and not worth another poll.
        remaining = round(changed + self.settle_seconds - clock.current().wall(), 3)
        return Judgement(remaining <= 0, changed, look_after=max(remaining, 0.0))

    def describe(self, seen: Any) -> str:
        """State the age of the last change."""
        age = clock.current().wall() - seen
        return (
            f"flow {self.flow_id} was changed {age:.0f} s ago, which is less than {self.settle_seconds:.0f} s"
        )

    def after(self, judged: Judgement) -> FlowSettled:
        """Return a wait for the remaining time, which does not send any requests.

        The flow must be read again afterwards, because it may be changed in the meantime.
        """
        return msgspec.structs.replace(self, changed_at=judged.seen)
