"""Validation of export schedules by AEP's rules, before anything is sent. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from airflow_provider_flowservice.client.errors import InvalidInputError


class ExportMode(StrEnum):
    """Whether each file contains all profiles, or only those that have changed."""

    DAILY_FULL = "DAILY_FULL_EXPORT"
    INCREMENTAL = "FIRST_FULL_THEN_INCREMENTAL"


_FREQUENCIES = {
    ExportMode.DAILY_FULL: ("ONCE", "DAILY"),
    ExportMode.INCREMENTAL: ("DAILY", "EVERY_3_HOURS", "EVERY_6_HOURS", "EVERY_8_HOURS", "EVERY_12_HOURS"),
}
_DATASET_INTERVALS = {"hour": (3, 6, 9, 12), "day": (1,)}
_TRIGGERS = ("AFTER_SEGMENT_EVAL", "SCHEDULED")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_FILENAME_MACROS = ("%SEGMENT_ID%", "%DESTINATION_NAME%")
#: The fields of a segment selector that define when and how the segment is exported.
EXPORT_FIELDS = ("exportMode", "filenameTemplate", "schedule", "enrichmentInfo")


def check_export(value: Mapping[str, Any], where: str) -> None:
    """Validate the export settings of a segment.

    :param value: ``exportMode``, ``schedule`` and ``filenameTemplate`` as in AEP's API; all are optional.
    :param where: name of the segment in error messages.
    :raises InvalidInputError: if AEP would reject a setting.
    """
    if (template := value.get("filenameTemplate")) is not None:
        _check_filename(template, f"{where}.filenameTemplate")
    if value.get("exportMode") is None and value.get("schedule") is None:
        return
    mode = _mode(value.get("exportMode"), f"{where}.exportMode")
    schedule = value.get("schedule")
    if not isinstance(schedule, Mapping):
        remedy = "Give a dict with frequency, triggerType, startDate and startTime."
        raise InvalidInputError(f"{where}.schedule", f"{schedule!r} is not a schedule", remedy)
    _check_schedule(mode, schedule, f"{where}.schedule")


def check_dataset_schedule(schedule: Mapping[str, Any]) -> None:
    """Validate the ``scheduleParams`` of a flow that exports datasets.

    :raises InvalidInputError: if AEP would reject a setting.
    """
    _one_of(schedule.get("timeUnit"), tuple(_DATASET_INTERVALS), "schedule_params.timeUnit")
    start = _seconds(schedule.get("startTime"), "schedule_params.startTime")
    interval, allowed = schedule.get("interval"), _DATASET_INTERVALS[schedule["timeUnit"]]
    if isinstance(interval, bool) or interval not in allowed:
        problem = f"{interval!r} is not supported with timeUnit {schedule['timeUnit']}"
        remedy = f"Choose one of: {', '.join(map(str, allowed))}."
        raise InvalidInputError("schedule_params.interval", problem, remedy)
    end = schedule.get("endTime")
    if end is not None and _seconds(end, "schedule_params.endTime") <= start:
        raise InvalidInputError(
            "schedule_params.endTime", f"{end!r} is not after startTime", "Give a later time."
        )


def _mode(value: Any, where: str) -> ExportMode:
    _one_of(value, tuple(mode.value for mode in ExportMode), where)
    return ExportMode(value)


def _check_schedule(mode: ExportMode, schedule: Mapping[str, Any], where: str) -> None:
    _one_of(schedule.get("frequency"), _FREQUENCIES[mode], f"{where}.frequency")
    trigger = schedule.get("triggerType")
    if trigger is not None or mode is ExportMode.DAILY_FULL:
        _one_of(trigger, _TRIGGERS, f"{where}.triggerType")
    start_time = schedule.get("startTime")
    if trigger == "AFTER_SEGMENT_EVAL":
        if start_time is not None:
            problem = f"{start_time!r} cannot be combined with AFTER_SEGMENT_EVAL"
            remedy = "Remove it."
            raise InvalidInputError(f"{where}.startTime", problem, remedy)
    elif not _TIME.fullmatch(str(start_time)):
        raise InvalidInputError(f"{where}.startTime", f"{start_time!r} is not a time", "Give HH:mm in UTC.")
    _check_dates(schedule, where)


def _check_dates(schedule: Mapping[str, Any], where: str) -> None:
    start, end = schedule.get("startDate"), schedule.get("endDate")
    for name, day in (("startDate", start), ("endDate", end)):
        if (day is not None or name == "startDate") and not _is_date(day):
            raise InvalidInputError(f"{where}.{name}", f"{day!r} is not a date", "Give YYYY-MM-DD.")
    if end is None:
        return
    if schedule.get("frequency") == "ONCE":
        raise InvalidInputError(f"{where}.endDate", f"{end!r} cannot be combined with ONCE", "Remove it.")
    if str(end) < str(start):
        raise InvalidInputError(f"{where}.endDate", f"{end!r} is before startDate", "Give a later date.")


def _is_date(value: Any) -> bool:
    try:
        return bool(_DATE.fullmatch(str(value)) and date.fromisoformat(str(value)))
    except ValueError:
        return False


def _check_filename(template: Any, where: str) -> None:
    missing = [macro for macro in _FILENAME_MACROS if macro not in str(template)]
    if missing:
        raise InvalidInputError(
            where, f"{template!r} lacks {' and '.join(missing)}", "Add them, so that file names are unique."
        )


def _one_of(value: Any, allowed: tuple[str, ...], where: str) -> None:
    if value not in allowed:
        raise InvalidInputError(where, f"{value!r} is not supported", f"Choose one of: {', '.join(allowed)}.")


def _seconds(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 10_000_000_000:
        raise InvalidInputError(where, f"{value!r} is not a time", "Give seconds since 1970-01-01 UTC.")
    return value
