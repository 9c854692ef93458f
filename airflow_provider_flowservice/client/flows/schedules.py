"""Validation of the schedule of a flow that exports datasets. All functions are pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from airflow_provider_flowservice.client.errors import InvalidInputError


class ExportMode(StrEnum):
    """Whether each export contains everything, or only what has changed."""

    DAILY_FULL = "DAILY_FULL_EXPORT"
    INCREMENTAL = "FIRST_FULL_THEN_INCREMENTAL"


#: Adobe's pages differ on 24 hours. An interval of 0 days is the export that takes place once.
_INTERVALS = {"hour": (3, 6, 9, 12, 24), "day": (0, 1)}


def check_dataset_schedule(schedule: Mapping[str, Any]) -> None:
    """Validate the ``scheduleParams`` of a flow that exports datasets.

    :raises InvalidInputError: if no source of Adobe's allows a setting; the message lists all such settings.
    """
    InvalidInputError.reject(_problems(schedule))


def one_of(value: Any, allowed: tuple[str, ...], where: str) -> Iterator[InvalidInputError]:
    """Yield the problem of a value that is not among the allowed ones."""
    if value not in allowed:
        yield InvalidInputError(where, f"{value!r} is not supported", f"Choose one of: {', '.join(allowed)}.")


def _problems(schedule: Mapping[str, Any]) -> Iterator[InvalidInputError]:
    unit, interval, mode = (schedule.get(name) for name in ("timeUnit", "interval", "exportMode"))
    times: dict[str, Any] = {name: schedule.get(name) for name in ("startTime", "endTime")}
    yield from one_of(unit, tuple(_INTERVALS), "schedule_params.timeUnit")
    intervals = _INTERVALS.get(str(unit))
    if intervals and (type(interval) is not int or interval not in intervals):
        problem = f"{interval!r} is not supported with timeUnit {unit}"
        remedy = f"Choose one of: {', '.join(map(str, intervals))}."
        yield InvalidInputError("schedule_params.interval", problem, remedy)
    if mode is not None:
        yield from one_of(mode, tuple(ExportMode), "schedule_params.exportMode")
    if mode == ExportMode.DAILY_FULL and (unit, interval) != ("day", 0):
        problem = f"{mode!r} is an export that takes place once"
        remedy = "Give timeUnit day and interval 0, or choose FIRST_FULL_THEN_INCREMENTAL."
        yield InvalidInputError("schedule_params.exportMode", problem, remedy)
    for name, value in times.items():
        if (value is not None or name == "startTime") and not _is_seconds(value):
            problem, remedy = f"{value!r} is not a time", "Give seconds since 1970-01-01 UTC."
            yield InvalidInputError(f"schedule_params.{name}", problem, remedy)
    start, end = times.values()
    if _is_seconds(start) and _is_seconds(end) and end <= start:
        problem = f"{end!r} is not after startTime"
        yield InvalidInputError("schedule_params.endTime", problem, "Give a later time.")


def _is_seconds(value: Any) -> bool:
    return type(value) is int and 0 < value < 10_000_000_000
