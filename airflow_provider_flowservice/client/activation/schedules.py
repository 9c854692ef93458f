"""Validation of the export schedules of segments, before anything is sent. All functions are pure.

Only what none of Adobe's documents allows is rejected; whatever they disagree about is left to AEP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import ExportMode, one_of

_FREQUENCIES = {
    ExportMode.DAILY_FULL: ("ONCE", "DAILY", "CHAINED"),
    ExportMode.INCREMENTAL: ("DAILY", "EVERY_3_HOURS", "EVERY_6_HOURS", "EVERY_8_HOURS", "EVERY_12_HOURS"),
}
_TRIGGERS = ("AFTER_SEGMENT_EVAL", "SCHEDULED")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
#: The fields of a segment selector that define when and how the segment is exported.
EXPORT_FIELDS = ("exportMode", "filenameTemplate", "schedule", "enrichmentInfo")


def check_export(value: Mapping[str, Any], where: str) -> None:
    """Validate the export settings of a segment.

    :param value: ``exportMode``, ``schedule`` and ``filenameTemplate`` as in AEP's API; all are optional.
    :param where: name of the segment in error messages.
    :raises InvalidInputError: if no source of Adobe's allows a setting; the message lists all such settings.
    """
    InvalidInputError.reject(_problems(value, where))


def _problems(value: Mapping[str, Any], where: str) -> Iterator[InvalidInputError]:
    template, mode, schedule = (value.get(name) for name in ("filenameTemplate", "exportMode", "schedule"))
    if template is not None and not (isinstance(template, str) and template.strip()):
        remedy = "Give a name with macros, such as %DESTINATION_NAME%_%SEGMENT_ID%."
        yield InvalidInputError(f"{where}.filenameTemplate", f"{template!r} is not a file name", remedy)
    if mode is None and schedule is None:
        return
    yield from one_of(mode, tuple(ExportMode), f"{where}.exportMode")
    if not isinstance(schedule, Mapping):
        remedy = "Give a dict with frequency, triggerType, startDate and startTime."
        yield InvalidInputError(f"{where}.schedule", f"{schedule!r} is not a schedule", remedy)
        return
    known = [each for each in ExportMode if each == mode] or list(ExportMode)
    frequencies = tuple(dict.fromkeys(name for each in known for name in _FREQUENCIES[each]))
    yield from one_of(schedule.get("frequency"), frequencies, f"{where}.schedule.frequency")
    yield from _times(schedule, f"{where}.schedule", is_full=mode == ExportMode.DAILY_FULL)
    yield from _dates(schedule, f"{where}.schedule")


def _times(schedule: Mapping[str, Any], where: str, *, is_full: bool) -> Iterator[InvalidInputError]:
    trigger, start = schedule.get("triggerType"), schedule.get("startTime")
    if trigger is not None or is_full:
        yield from one_of(trigger, _TRIGGERS, f"{where}.triggerType")
    if is_full and trigger == "AFTER_SEGMENT_EVAL" and start is not None:
        problem = f"{start!r} cannot be combined with AFTER_SEGMENT_EVAL"
        yield InvalidInputError(f"{where}.startTime", problem, "Remove it.")
    elif (start is not None or trigger == "SCHEDULED") and not _TIME.fullmatch(str(start)):
        yield InvalidInputError(f"{where}.startTime", f"{start!r} is not a time", "Give HH:mm in UTC.")


def _dates(schedule: Mapping[str, Any], where: str) -> Iterator[InvalidInputError]:
    start, end = schedule.get("startDate"), schedule.get("endDate")
    for name, day in (("startDate", start), ("endDate", end)):
        if (day is not None or name == "startDate") and not _is_date(day):
            yield InvalidInputError(f"{where}.{name}", f"{day!r} is not a date", "Give YYYY-MM-DD.")
    if end is None:
        return
    if schedule.get("frequency") == "ONCE":
        yield InvalidInputError(f"{where}.endDate", f"{end!r} cannot be combined with ONCE", "Remove it.")
    if _is_date(start) and _is_date(end) and str(end) < str(start):
        yield InvalidInputError(f"{where}.endDate", f"{end!r} is before startDate", "Give a later date.")


def _is_date(value: Any) -> bool:
    try:
        return bool(_DATE.fullmatch(str(value)) and date.fromisoformat(str(value)))
    except ValueError:
        return False
