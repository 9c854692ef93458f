"""Schedules: of source flows, of dataset exports, and of audiences in file destinations.

The rules are documented; code and wording of the refusals are guesses.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from airflow_provider_flowservice.emulator.flow.rules import invalid

_SOURCE_FREQUENCIES = frozenset({"once", "minute", "hour", "day", "week"})
_LEAST_MINUTES = 15
_DATASET_INTERVALS = frozenset({1, 3, 6, 9, 12})
_DATASET_UNITS = frozenset({"hour", "day"})
_FREQUENCIES_OF_MODE = {
    "DAILY_FULL_EXPORT": frozenset({"ONCE", "DAILY"}),
    "FIRST_FULL_THEN_INCREMENTAL": frozenset(
        {"DAILY", "EVERY_3_HOURS", "EVERY_6_HOURS", "EVERY_8_HOURS", "EVERY_12_HOURS"}
    ),
}
_TRIGGERS = frozenset({"SCHEDULED", "AFTER_SEGMENT_EVAL"})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def check_source_schedule(schedule: Any) -> None:
    """Check ``scheduleParams`` of a source flow.

    :raises FlowError: for the first thing that is wrong.
    """
    frequency = _start_and(schedule, "frequency")
    if frequency not in _SOURCE_FREQUENCIES:
        raise invalid(f"scheduleParams.frequency must be one of {_listed(_SOURCE_FREQUENCIES)}.")
    if frequency == "once":
        extra = next((name for name in ("interval", "backfill") if name in schedule), None)
        if extra:
            raise invalid(f"scheduleParams.{extra} is not allowed when the frequency is once.")
        return
    least = _LEAST_MINUTES if frequency == "minute" else 1
    interval = _whole_number(schedule.get("interval"))
    if interval is None or interval < least:
        raise invalid(f"scheduleParams.interval must be {least} or more when the frequency is {frequency}.")


def check_dataset_schedule(schedule: Any) -> None:
    """Check ``scheduleParams`` of a dataset export.

    :raises FlowError: for the first thing that is wrong.
    """
    unit = _start_and(schedule, "timeUnit")
    if unit not in _DATASET_UNITS:
        raise invalid(f"scheduleParams.timeUnit must be one of {_listed(_DATASET_UNITS)}.")
    if _whole_number(schedule.get("interval")) not in _DATASET_INTERVALS:
        raise invalid("scheduleParams.interval must be one of 1, 3, 6, 9, 12.")
    end = schedule.get("endTime")
    if end is not None and (_whole_number(end) or 0) <= (_whole_number(schedule["startTime"]) or 0):
        raise invalid("scheduleParams.endTime must be after startTime.")


def check_start_kept(old: Any, new: Any, now: float) -> None:
    """The start of a schedule cannot be changed once it is past.

    :param now: seconds since the epoch.
    :raises FlowError: when it was.
    """
    started = _whole_number(old.get("startTime")) if isinstance(old, dict) else None
    wanted = _whole_number(new.get("startTime")) if isinstance(new, dict) else None
    if started is not None and started <= now and wanted != started:
        raise invalid("scheduleParams.startTime cannot be changed once it is past.")


def check_audience_schedule(value: dict[str, Any]) -> None:
    """Check the value of a segment selector of a file destination.

    :raises FlowError: for the first thing that is wrong.
    """
    frequencies = _FREQUENCIES_OF_MODE.get(value.get("exportMode", ""))
    if frequencies is None:
        raise invalid(f"exportMode must be one of {_listed(frozenset(_FREQUENCIES_OF_MODE))}.")
    schedule = value.get("schedule")
    if not isinstance(schedule, dict):
        raise invalid("schedule is required for an audience of a file destination.")
    if schedule.get("frequency") not in frequencies:
        raise invalid(f"schedule.frequency must be one of {_listed(frequencies)} for {value['exportMode']}.")
    _check_trigger(value["exportMode"], schedule)
    _check_dates(schedule)
    _check_filename(value.get("filenameTemplate", value.get("fileNameTemplate")))


def _check_trigger(export_mode: str, schedule: dict[str, Any]) -> None:
    trigger = schedule.get("triggerType")
    if trigger is None and export_mode != "DAILY_FULL_EXPORT":
        trigger = "SCHEDULED"
    if trigger not in _TRIGGERS:
        raise invalid(f"schedule.triggerType must be one of {_listed(_TRIGGERS)}.")
    start_time = schedule.get("startTime")
    if trigger == "SCHEDULED" and not _TIME.fullmatch(str(start_time)):
        raise invalid("schedule.startTime must be HH:mm in UTC.")
    if trigger == "AFTER_SEGMENT_EVAL" and start_time is not None:
        raise invalid("schedule.startTime is not allowed with AFTER_SEGMENT_EVAL.")


def _check_dates(schedule: dict[str, Any]) -> None:
    start, end = schedule.get("startDate"), schedule.get("endDate")
    if not _is_date(start):
        raise invalid("schedule.startDate must be YYYY-MM-DD.")
    if end is None:
        return
    if schedule["frequency"] == "ONCE":
        raise invalid("schedule.endDate is not allowed when the frequency is ONCE.")
    if not _is_date(end) or str(end) < str(start):
        raise invalid("schedule.endDate must be YYYY-MM-DD and not before startDate.")


def _is_date(value: object) -> bool:
    if not _DATE.fullmatch(str(value)):
        return False
    try:
        datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return True


def _check_filename(template: object) -> None:
    # Adobe's pages know two names for the first macro.
    if template is None:
        return
    text = str(template)
    if "%SEGMENT_ID%" not in text or not ("%DESTINATION_NAME%" in text or "%DESTINATION%" in text):
        raise invalid("filenameTemplate must contain %DESTINATION_NAME% and %SEGMENT_ID%.")


def _start_and(schedule: Any, field: str) -> object:
    """Check that there is a start, and give the other field."""
    if not isinstance(schedule, dict) or _whole_number(schedule.get("startTime")) is None:
        raise invalid("scheduleParams.startTime must be a time in seconds since the epoch.")
    return schedule.get(field)


def _whole_number(value: object) -> int | None:
    """A number that may be written as a text, as AEP's own answers do."""
    text = str(value)
    return int(text) if text.isdecimal() else None


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
