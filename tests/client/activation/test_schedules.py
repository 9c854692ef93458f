from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.activation.schedules import check_dataset_schedule, check_export
from airflow_provider_flowservice.client.errors import InvalidInputError

FULL, INCREMENTAL = "DAILY_FULL_EXPORT", "FIRST_FULL_THEN_INCREMENTAL"
AFTER, SCHEDULED = "AFTER_SEGMENT_EVAL", "SCHEDULED"
NAME = "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%"


def export(mode: Any = FULL, template: Any = NAME, **schedule: Any) -> dict[str, Any]:
    """The settings of a segment; what is None is left out."""
    usual = {"frequency": "DAILY", "triggerType": SCHEDULED, "startDate": "2026-01-31", "startTime": "09:30"}
    schedule = {key: value for key, value in {**usual, **schedule}.items() if value is not None}
    value = {"exportMode": mode, "filenameTemplate": template, "schedule": schedule}
    return {key: held for key, held in value.items() if held is not None}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"filenameTemplate": NAME},
        export(),
        export(template=None),
        export(frequency="ONCE"),
        export(triggerType=AFTER, startTime=None),
        export(endDate="2026-01-31"),
        export(endDate="2026-02-01"),
        export(startDate="2028-02-29"),
        export(startTime="00:00"),
        export(startTime="23:59"),
        export(INCREMENTAL),
        export(INCREMENTAL, triggerType=None),
        export(INCREMENTAL, triggerType=AFTER, startTime=None),
        *(export(INCREMENTAL, frequency=f"EVERY_{hours}_HOURS") for hours in (3, 6, 8, 12)),
    ],
)
def test_what_aep_takes_passes(value: dict[str, Any]) -> None:
    check_export(value, "segments[0]")


@pytest.mark.parametrize(
    ("value", "field", "shown", "remedy"),
    [
        (export("FULL"), "exportMode", "'FULL'", f"Choose one of: {FULL}, {INCREMENTAL}"),
        ({"schedule": {}}, "exportMode", "None", "Choose one of:"),
        ({"exportMode": FULL}, "schedule", "None", "Give a dict with frequency, triggerType, startDate"),
        ({"exportMode": FULL, "schedule": "daily"}, "schedule", "'daily'", "Give a dict with frequency"),
        (
            export(frequency="EVERY_3_HOURS"),
            "schedule.frequency",
            "'EVERY_3_HOURS'",
            "Choose one of: ONCE, DAILY",
        ),
        (export(frequency="daily"), "schedule.frequency", "'daily'", "Choose one of: ONCE, DAILY"),
        (export(frequency=None), "schedule.frequency", "None", "Choose one of:"),
        (
            export(INCREMENTAL, frequency="ONCE"),
            "schedule.frequency",
            "'ONCE'",
            "Choose one of: DAILY, EVERY_3",
        ),
        (export(INCREMENTAL, frequency="EVERY_4_HOURS"), "schedule.frequency", "'EVERY_4_HOURS'", "EVERY_12"),
        (export(triggerType=None), "schedule.triggerType", "None", f"Choose one of: {AFTER}, {SCHEDULED}"),
        (export(triggerType="HOURLY"), "schedule.triggerType", "'HOURLY'", "Choose one of:"),
        (export(INCREMENTAL, triggerType="x"), "schedule.triggerType", "'x'", "Choose one of:"),
        (export(triggerType=AFTER), "schedule.startTime", "'09:30'", "Remove it"),
        (export(startTime=None), "schedule.startTime", "None", "Give HH:mm in UTC"),
        (export(startTime="9:30"), "schedule.startTime", "'9:30'", "Give HH:mm"),
        (export(startTime="24:00"), "schedule.startTime", "'24:00'", "Give HH:mm"),
        (export(startTime="09:60"), "schedule.startTime", "'09:60'", "Give HH:mm"),
        (export(startTime=930), "schedule.startTime", "930", "Give HH:mm"),
        (export(startDate=None), "schedule.startDate", "None", "Give YYYY-MM-DD"),
        (export(startDate="2026-02-29"), "schedule.startDate", "'2026-02-29'", "Give YYYY-MM-DD"),
        (export(startDate="31.01.2026"), "schedule.startDate", "'31.01.2026'", "Give YYYY-MM-DD"),
        (export(startDate="2026-01-31T00:00"), "schedule.startDate", "'2026-01-31T00:00'", "Give YYYY-MM-DD"),
        (export(endDate="soon"), "schedule.endDate", "'soon'", "Give YYYY-MM-DD"),
        (export(endDate="2026-01-30"), "schedule.endDate", "'2026-01-30'", "Give a later date"),
        (export(frequency="ONCE", endDate="2026-02-01"), "schedule.endDate", "'2026-02-01'", "Remove it"),
        (
            export(template="%SEGMENT_ID%"),
            "filenameTemplate",
            "'%SEGMENT_ID%' lacks %DESTINATION_NAME%",
            "Add them, so that",
        ),
        (
            export(template="x"),
            "filenameTemplate",
            "'x' lacks %SEGMENT_ID% and %DESTINATION_NAME%",
            "Add them, so that",
        ),
        ({"filenameTemplate": ""}, "filenameTemplate", "''", "Add them, so that"),
    ],
)
def test_what_aep_refuses_is_named_with_value_and_remedy(
    value: dict[str, Any], field: str, shown: str, remedy: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_export(value, "segments[3]")
    assert caught.value.field == f"segments[3].{field}"
    assert shown in caught.value.problem
    assert remedy in caught.value.remedy


def dataset(**changes: Any) -> dict[str, Any]:
    usual = {"interval": 3, "timeUnit": "hour", "startTime": 1_700_000_000}
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "schedule",
    [
        *(dataset(interval=hours) for hours in (3, 6, 9, 12)),
        dataset(interval=1, timeUnit="day"),
        dataset(endTime=1_700_000_001),
    ],
)
def test_a_dataset_schedule_that_aep_takes_passes(schedule: dict[str, Any]) -> None:
    check_dataset_schedule(schedule)


@pytest.mark.parametrize(
    ("schedule", "field", "shown", "remedy"),
    [
        ({}, "timeUnit", "None", "Choose one of: hour, day"),
        (dataset(timeUnit="week"), "timeUnit", "'week'", "Choose one of: hour, day"),
        (
            dataset(interval=1),
            "interval",
            "1 is not supported with timeUnit hour",
            "Choose one of: 3, 6, 9, 12",
        ),
        (
            dataset(interval=3, timeUnit="day"),
            "interval",
            "3 is not supported with timeUnit day",
            "Choose one of: 1",
        ),
        (dataset(interval=True, timeUnit="day"), "interval", "True", "Choose one of: 1"),
        (dataset(interval="3"), "interval", "'3'", "Choose one of:"),
        (dataset(interval=None), "interval", "None", "Choose one of:"),
        (dataset(startTime=None), "startTime", "None", "Give seconds since 1970"),
        (dataset(startTime=1_700_000_000_000), "startTime", "1700000000000", "Give seconds since 1970"),
        (dataset(startTime=0), "startTime", "0", "Give seconds"),
        (dataset(startTime=True), "startTime", "True", "Give seconds"),
        (dataset(startTime="1700000000"), "startTime", "'1700000000'", "Give seconds"),
        (dataset(endTime=1_700_000_000), "endTime", "1700000000 is not after startTime", "Give a later time"),
        (dataset(endTime="later"), "endTime", "'later'", "Give seconds"),
    ],
)
def test_a_dataset_schedule_that_aep_refuses_is_named(
    schedule: dict[str, Any], field: str, shown: str, remedy: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_dataset_schedule(schedule)
    assert caught.value.field == f"schedule_params.{field}"
    assert shown in caught.value.problem
    assert remedy in caught.value.remedy
