from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows.schedules import check_dataset_schedule


def dataset(**changes: Any) -> dict[str, Any]:
    usual = {"interval": 3, "timeUnit": "hour", "startTime": 1_700_000_000}
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "schedule",
    [
        *(dataset(interval=hours) for hours in (3, 6, 9, 12, 24)),
        dataset(interval=1, timeUnit="day"),
        dataset(exportMode="FIRST_FULL_THEN_INCREMENTAL"),
        dataset(interval=0, timeUnit="day"),
        dataset(interval=0, timeUnit="day", exportMode="DAILY_FULL_EXPORT"),
        dataset(folderNameTemplate="%DESTINATION%"),
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
            "Choose one of: 3, 6, 9, 12, 24",
        ),
        (
            dataset(interval=3, timeUnit="day"),
            "interval",
            "3 is not supported with timeUnit day",
            "Choose one of: 0, 1",
        ),
        (dataset(interval=True, timeUnit="day"), "interval", "True", "Choose one of: 0, 1"),
        (dataset(interval="3"), "interval", "'3'", "Choose one of:"),
        (dataset(interval=None), "interval", "None", "Choose one of:"),
        (dataset(startTime=None), "startTime", "None", "Give seconds since 1970"),
        (dataset(startTime=1_700_000_000_000), "startTime", "1700000000000", "Give seconds since 1970"),
        (dataset(startTime=0), "startTime", "0", "Give seconds"),
        (dataset(startTime=True), "startTime", "True", "Give seconds"),
        (dataset(startTime="1700000000"), "startTime", "'1700000000'", "Give seconds"),
        (dataset(endTime=1_700_000_000), "endTime", "1700000000 is not after startTime", "Give a later time"),
        (dataset(endTime="later"), "endTime", "'later'", "Give seconds"),
        (dataset(exportMode="FULL"), "exportMode", "'FULL'", "Choose one of: DAILY_FULL_EXPORT, FIRST_FULL"),
        (
            dataset(exportMode="DAILY_FULL_EXPORT"),
            "exportMode",
            "takes place once",
            "Give timeUnit day and interval 0",
        ),
        (dataset(timeUnit=["day"]), "timeUnit", "['day']", "Choose one of: hour, day"),
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


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    wrong = dataset(timeUnit="week", exportMode="FULL", startTime="now", endTime="then")
    with pytest.raises(InvalidInputError) as caught:
        check_dataset_schedule(wrong)
    for name in ("timeUnit", "exportMode", "startTime", "endTime"):
        assert str(caught.value).count(f"schedule_params.{name}: ") == 1
    assert caught.value.field == "schedule_params.timeUnit"
