"""When a flow runs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_provider_flowservice.emulator.flow.catalogue import FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.selectors import SEGMENTS, selector_list
from airflow_provider_flowservice.emulator.flow.store import Resource

_HOUR = 3600
_SECONDS = {"minute": 60, "hour": _HOUR, "day": 24 * _HOUR, "week": 7 * 24 * _HOUR}
_AUDIENCE_SECONDS = {
    "DAILY": 24 * _HOUR,
    "EVERY_3_HOURS": 3 * _HOUR,
    "EVERY_6_HOURS": 6 * _HOUR,
    "EVERY_8_HOURS": 8 * _HOUR,
    "EVERY_12_HOURS": 12 * _HOUR,
}
_MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Rhythm:
    """A start and what follows.

    :param start: seconds since the epoch; so is ``end``.
    :param period: seconds; None to run once.
    """

    start: float
    period: float | None
    end: float | None = None

    def between(self, since: float, until: float) -> list[float]:
        """Times after ``since`` and up to ``until``, at most the latest 500."""
        if self.end is not None:
            until = min(until, self.end)
        if self.period is None:
            return [self.start] if since < self.start <= until else []
        first = max(0, int((since - self.start) // self.period) + 1)
        last = int((until - self.start) // self.period)
        first = max(first, last - _MOST_AT_ONCE + 1)
        return [self.start + number * self.period for number in range(first, last + 1)]


def due_times(flow: Resource, since: float, until: float) -> list[float]:
    """When a flow ran by itself in a span of time.

    :param since: seconds since the epoch; so is ``until``.
    """
    return sorted({time for rhythm in _rhythms(flow) for time in rhythm.between(since, until)})


def _rhythms(flow: Resource) -> Iterator[Rhythm]:
    """What the schedules ask for; a streaming destination sums up each hour."""
    spec = FLOW_SPECS[flow.body["flowSpec"]["id"]]
    created = flow.created_at / 1000
    schedule = flow.body.get("scheduleParams")
    if spec.scheduled and schedule:
        yield _of_schedule(schedule, created)
        return
    for selector in selector_list(flow.body, SEGMENTS) or []:
        audience = selector["value"].get("schedule")
        yield _of_audience(audience, created) if audience else Rhythm(created + _HOUR, _HOUR)


def _of_schedule(schedule: dict[str, Any], created: float) -> Rhythm:
    start = float(schedule["startTime"])
    unit = schedule.get("frequency", schedule.get("timeUnit"))
    if unit == "once":
        return _once(start, created)
    end = schedule.get("endTime")
    period = int(schedule["interval"]) * _SECONDS[str(unit)]
    return Rhythm(start, period, None if end is None else float(end))


def _of_audience(schedule: dict[str, Any], created: float) -> Rhythm:
    start = _moment(schedule["startDate"], schedule.get("startTime") or "00:00")
    period = _AUDIENCE_SECONDS.get(schedule["frequency"])
    if period is None:
        return _once(start, created)
    end = schedule.get("endDate")
    return Rhythm(start, period, None if end is None else _moment(end, "23:59"))


def _once(start: float, created: float) -> Rhythm:
    """What should have started before the flow existed starts with it."""
    return Rhythm(max(start, created + 1), None)


def _moment(date: str, time: str) -> float:
    return datetime.strptime(f"{date} {time}", "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc).timestamp()
