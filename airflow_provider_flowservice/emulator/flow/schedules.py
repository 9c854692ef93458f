"""Schedules: of source flows, of dataset exports, and of audiences in file destinations.

The first half holds the rules for what is written, the second what is due when. The rules are documented;
the codes and the wording of the errors are guesses.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_provider_flowservice.emulator.flow.catalogue import FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.errors import invalid
from airflow_provider_flowservice.emulator.flow.selectors import SEGMENTS, selected_audiences, selector_list
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.emulator.world import Store, World

_SOURCE_FREQUENCIES = frozenset({"once", "minute", "hour", "day", "week"})
_MIN_MINUTES = 15
_DATASET_INTERVALS = {"hour": (3, 6, 9, 12), "day": (1,)}
_ONCE_IN_FULL = ("day", 0)
_FULL, _INCREMENTAL = "DAILY_FULL_EXPORT", "FIRST_FULL_THEN_INCREMENTAL"
_FREQUENCIES_OF_MODE = {
    _FULL: frozenset({"ONCE", "DAILY"}),
    _INCREMENTAL: frozenset({"DAILY", "EVERY_3_HOURS", "EVERY_6_HOURS", "EVERY_8_HOURS", "EVERY_12_HOURS"}),
}
_TRIGGERS = frozenset({"SCHEDULED", "AFTER_SEGMENT_EVAL"})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_HOUR = 3600
_SECONDS = {"minute": 60, "hour": _HOUR, "day": 24 * _HOUR, "week": 7 * 24 * _HOUR}
_AUDIENCE_SECONDS = {
    "DAILY": 24 * _HOUR,
    "EVERY_3_HOURS": 3 * _HOUR,
    "EVERY_6_HOURS": 6 * _HOUR,
    "EVERY_8_HOURS": 8 * _HOUR,
    "EVERY_12_HOURS": 12 * _HOUR,
}
_MAX_TIMES = 500
_MAX_DIGITS = 18
_MILLISECOND = 0.001


def check_source_schedule(schedule: dict[str, Any] | None) -> None:
    """Check ``scheduleParams`` of a source flow.

    :raises FlowError: for the first thing that is wrong.
    """
    schedule = _with_start(schedule)
    frequency = schedule.get("frequency")
    if frequency not in _SOURCE_FREQUENCIES:
        raise invalid(f"scheduleParams.frequency must be one of {_join(_SOURCE_FREQUENCIES)}.")
    if frequency == "once":
        extra = next((name for name in ("interval", "backfill") if name in schedule), None)
        if extra:
            raise invalid(f"scheduleParams.{extra} is not allowed when the frequency is once.")
        return
    minimum = _MIN_MINUTES if frequency == "minute" else 1
    interval = _whole_number(schedule.get("interval"))
    if interval is None or interval < minimum:
        raise invalid(f"scheduleParams.interval must be {minimum} or more when the frequency is {frequency}.")


def check_dataset_schedule(schedule: dict[str, Any] | None, switches: Switches) -> None:
    """Check ``scheduleParams`` of a dataset export.

    :raises FlowError: for the first thing that is wrong.
    """
    schedule = _with_start(schedule)
    unit = schedule.get("timeUnit")
    if unit not in _DATASET_INTERVALS:
        raise invalid(f"scheduleParams.timeUnit must be one of {_join(_DATASET_INTERVALS)}.")
    interval, mode = _whole_number(schedule.get("interval")), schedule.get("exportMode", _INCREMENTAL)
    if mode not in (_FULL, _INCREMENTAL):
        raise invalid(f"scheduleParams.exportMode must be {_FULL} or {_INCREMENTAL}.")
    if (mode == _FULL) != ((unit, interval) == _ONCE_IN_FULL):
        raise invalid(
            f"scheduleParams.exportMode {_FULL} goes with timeUnit day and interval 0, and only it does."
        )
    allowed = _DATASET_INTERVALS[str(unit)]
    if unit == "hour" and switches.dataset_24_hours == "accept":
        allowed += (24,)
    if mode == _INCREMENTAL and interval not in allowed:
        raise invalid(
            f"scheduleParams.interval must be one of {', '.join(map(str, allowed))} when timeUnit is {unit}."
        )
    end = schedule.get("endTime")
    if end is not None and (_whole_number(end) or 0) <= (_whole_number(schedule["startTime"]) or 0):
        raise invalid("scheduleParams.endTime must be after startTime.")


def check_start_kept(old: dict[str, Any] | None, new: dict[str, Any] | None, now: float) -> None:
    """Check that the start of a schedule is not changed once it is past.

    :param now: seconds since the epoch.
    :raises FlowError: if it is.
    """
    started = _whole_number(old.get("startTime")) if old else None
    wanted = _whole_number(new.get("startTime")) if new else None
    if started is not None and started <= now and wanted != started:
        raise invalid("scheduleParams.startTime cannot be changed once it is past.")


def check_audience_schedule(value: dict[str, Any], switches: Switches) -> None:
    """Check the value of a segment selector of a file destination.

    :raises FlowError: for the first thing that is wrong.
    """
    frequencies = _FREQUENCIES_OF_MODE.get(value.get("exportMode", ""))
    if frequencies is None:
        raise invalid(f"exportMode must be one of {_join(_FREQUENCIES_OF_MODE)}.")
    if value["exportMode"] == _FULL and switches.chained_frequency == "accept":
        frequencies |= {"CHAINED"}
    schedule = value.get("schedule")
    if schedule is None:
        raise invalid("schedule is required for an audience of a file destination.")
    if schedule.get("frequency") not in frequencies:
        raise invalid(f"schedule.frequency must be one of {_join(frequencies)} for {value['exportMode']}.")
    _check_trigger(value["exportMode"], schedule)
    if schedule["frequency"] == "ONCE" and schedule.get("endDate") is not None:
        raise invalid("schedule.endDate is not allowed when the frequency is ONCE.")
    if switches.file_name_macros == "required":
        _check_filename(value.get("filenameTemplate", value.get("fileNameTemplate")))


def _check_trigger(export_mode: str, schedule: dict[str, Any]) -> None:
    trigger = schedule.get("triggerType")
    if trigger is None and export_mode != _FULL:
        trigger = "SCHEDULED"
    if trigger not in _TRIGGERS:
        raise invalid(f"schedule.triggerType must be one of {_join(_TRIGGERS)}.")
    start_time = schedule.get("startTime")
    if trigger == "SCHEDULED" and start_time is None:
        raise invalid("schedule.startTime must be HH:mm in UTC.")
    if export_mode == _FULL and trigger == "AFTER_SEGMENT_EVAL" and start_time is not None:
        raise invalid("schedule.startTime is not allowed with AFTER_SEGMENT_EVAL.")


def check_dates(schedule: dict[str, Any]) -> None:
    """Check the times of an audience's schedule, whatever destination it is for.

    :raises FlowError: for the first thing that is wrong.
    """
    start, end, time = schedule.get("startDate", ""), schedule.get("endDate"), schedule.get("startTime")
    if not _is_date(start):
        raise invalid("schedule.startDate must be YYYY-MM-DD.")
    if end is not None and (not _is_date(end) or end < start):
        raise invalid("schedule.endDate must be YYYY-MM-DD and not before startDate.")
    if time is not None and not _TIME.fullmatch(time):
        raise invalid("schedule.startTime must be HH:mm in UTC.")


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _check_filename(text: str | None) -> None:
    # Adobe's pages have two names for the first macro.
    if text is None:
        return
    if "%SEGMENT_ID%" not in text or not ("%DESTINATION_NAME%" in text or "%DESTINATION%" in text):
        raise invalid("filenameTemplate must contain %DESTINATION_NAME% and %SEGMENT_ID%.")


def _with_start(schedule: dict[str, Any] | None) -> dict[str, Any]:
    """Return a schedule that has a start."""
    if schedule is None or _whole_number(schedule.get("startTime")) is None:
        raise invalid("scheduleParams.startTime must be a time in seconds since the epoch.")
    end = schedule.get("endTime")
    if end is not None and _whole_number(end) is None:
        raise invalid("scheduleParams.endTime must be a time in seconds since the epoch.")
    return schedule


def _whole_number(value: int | str | None) -> int | None:
    """Read a number that may be written as a string, as AEP's own responses do."""
    text = str(value)
    # Python reads no more than some thousand digits.
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


@dataclass(frozen=True)
class Recurrence:
    """When something starts, and at which intervals it recurs.

    :param start: seconds since the epoch, like ``end``.
    :param period: seconds; None to run once.
    """

    start: float
    period: float | None
    end: float | None = None

    def between(self, since: float, until: float) -> list[float]:
        """Return the times after ``since`` and up to ``until``, at most the latest 500."""
        if self.end is not None:
            until = min(until, self.end)
        if self.period is None:
            return [self.start] if since < self.start <= until else []
        first = max(0, int((since - self.start) // self.period) + 1)
        last = int((until - self.start) // self.period)
        first = max(first, last - _MAX_TIMES + 1)
        return [self.start + number * self.period for number in range(first, last + 1)]

    def first_after(self, since: float) -> float | None:
        """Return the first time after ``since``, if there is one."""
        if self.period is None:
            found = self.start if since < self.start else None
        else:
            found = self.start + max(0, int((since - self.start) // self.period) + 1) * self.period
        return None if found is None or (self.end is not None and found > self.end) else found


class Agenda(Store):
    """When the schedules of the flows ask for the next run, so that only flows whose time has come are looked at."""

    kept = (("_looked_at", float), ("_next", dict[str, float | None]), ("_heap", list[tuple[float, str]]))

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._looked_at = 0.0
        self._next: dict[str, float | None] = {}
        self._heap: list[tuple[float, str]] = []

    def due(self, store: FlowStore, until: float | None = None) -> list[tuple[Resource, list[float]]]:
        """Return the flows that have to run, oldest first, with the times at which they had to since the last call.

        What the time finds disabled, has no run.

        :param until: seconds since the epoch, not before the last call; now by default.
        """
        now, due = self.world.clock.now() if until is None else until, []
        for flow in sorted(self._candidates(store, now), key=lambda each: each.order):
            since = self._looked_at if flow.id in self._next else flow.created_at / 1000
            times = due_times(flow, since, now) if flow.state is State.ENABLED else []
            if times:
                due.append((flow, times))
            self._plan(flow, now)
        self._looked_at = now
        return due

    def _candidates(self, store: FlowStore, now: float) -> Iterable[Resource]:
        """Return the flows that are new or changed, or whose time has come."""
        found = dict(store.rescheduled)
        store.rescheduled.clear()
        while self._heap and self._heap[0][0] <= now:
            time, flow_id = heapq.heappop(self._heap)
            flow = store.find(Kind.FLOWS, flow_id)
            if flow is not None and self._next.get(flow_id) == time:
                found[flow_id] = flow
        return found.values()

    def _plan(self, flow: Resource, now: float) -> None:
        times = [each.first_after(now) for each in _recurrences(flow)]
        following = min((time for time in times if time is not None), default=None)
        if following is not None and following != self._next.get(flow.id):
            heapq.heappush(self._heap, (following, flow.id))
        self._next[flow.id] = following


def due_times(flow: Resource, since: float, until: float) -> list[float]:
    """Return when the schedules of a flow started a run in a period of time.

    :param since: seconds since the epoch, like ``until``.
    """
    return sorted({time for each in _recurrences(flow) for time in each.between(since, until)})


def due_audiences(flow: Resource, time: float) -> list[str]:
    """Return AEP's own ids of the segments whose schedules start a run of a flow at a time.

    :param time: seconds since the epoch, to the millisecond.
    """
    created, around = flow.created_at / 1000, (time - _MILLISECOND, time + _MILLISECOND)
    schedules = [(one, value.get("schedule")) for one, value in selected_audiences(flow.body)]
    return [
        one for one, schedule in schedules if schedule and _of_audience(schedule, created).between(*around)
    ]


def _recurrences(flow: Resource) -> Iterator[Recurrence]:
    """Yield what the schedules ask for. A streaming destination has one run per hour."""
    spec = FLOW_SPECS[flow.body["flowSpec"]["id"]]
    created = flow.created_at / 1000
    schedule = flow.body.get("scheduleParams")
    if isinstance(schedule, dict) and schedule and (spec.scheduled or "timeUnit" in schedule):
        yield _of_schedule(schedule, created)
        return
    for selector in selector_list(flow.body, SEGMENTS) or []:
        audience = selector["value"].get("schedule")
        yield _of_audience(audience, created) if audience else Recurrence(created + _HOUR, _HOUR)


def _of_schedule(schedule: dict[str, Any], created: float) -> Recurrence:
    start = float(schedule["startTime"])
    unit = schedule.get("timeUnit", schedule.get("frequency"))
    if unit == "once":
        return _once(start, created)
    end = schedule.get("endTime")
    period = int(schedule["interval"]) * _SECONDS[str(unit)]
    if not period:
        return _once(start, created)
    return Recurrence(start, period, None if end is None else float(end))


def _of_audience(schedule: dict[str, Any], created: float) -> Recurrence:
    start = _moment(schedule["startDate"], schedule.get("startTime") or "00:00")
    period = _AUDIENCE_SECONDS.get(schedule["frequency"])
    if period is None:
        return _once(start, created)
    end = schedule.get("endDate")
    return Recurrence(start, period, None if end is None else _moment(end, "23:59"))


def _once(start: float, created: float) -> Recurrence:
    """Return a single start. If it is before the flow existed, it is moved to right after that."""
    return Recurrence(max(start, created + 1), None)


def _moment(date: str, time: str) -> float:
    return datetime.strptime(f"{date} {time}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()
