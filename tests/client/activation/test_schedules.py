from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.activation.schedules import check_export
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
        export(INCREMENTAL, triggerType=AFTER),
        export(INCREMENTAL, triggerType=None, startTime=None),
        export(frequency="CHAINED"),
        export(template="%DESTINATION%_%SEGMENT_ID%"),
        export(template="%SEGMENT_NAME%_%DATETIME(YYYYMMdd_HHmmss)%"),
        *(export(INCREMENTAL, frequency=f"EVERY_{hours}_HOURS") for hours in (3, 6, 8, 12)),
    ],
)
def test_what_a_page_of_adobes_shows_passes(value: dict[str, Any]) -> None:
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
        (export(frequency="daily"), "schedule.frequency", "'daily'", "Choose one of: ONCE, DAILY, CHAINED"),
        (export(INCREMENTAL, frequency="CHAINED"), "schedule.frequency", "'CHAINED'", "Choose one of: DAILY"),
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
        (export(template=" "), "filenameTemplate", "' ' is not a file name", "Give a name with macros"),
        (export(template=7), "filenameTemplate", "7 is not a file name", "Give a name with macros"),
        ({"filenameTemplate": ""}, "filenameTemplate", "''", "Give a name with macros"),
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


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    wrong = export(
        "FULL", "", frequency="weekly", triggerType="x", startTime="9", startDate="1.1.", endDate=""
    )
    with pytest.raises(InvalidInputError) as caught:
        check_export(wrong, "segments[0]")
    names = ("exportMode", "schedule.frequency", "schedule.triggerType", "schedule.startTime")
    for name in ("filenameTemplate", *names, "schedule.startDate", "schedule.endDate"):
        assert str(caught.value).count(f"segments[0].{name}: ") == 1
    assert caught.value.field == "segments[0].filenameTemplate"
