from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pendulum
import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.times import epoch_seconds, iso

NEW_YEAR = 1_767_225_600
BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (NEW_YEAR, NEW_YEAR),
        (NEW_YEAR + 0.25, NEW_YEAR + 0.25),
        (Decimal(NEW_YEAR), NEW_YEAR),
        (str(NEW_YEAR), NEW_YEAR),
        (f" {NEW_YEAR}.5 ", NEW_YEAR + 0.5),
        (10**9, 10**9),
        (10**10 - 1, 10**10 - 1),
        (datetime(2026, 1, 1, tzinfo=UTC), NEW_YEAR),
        (datetime(2026, 1, 1, 1, tzinfo=BERLIN), NEW_YEAR),
        (pendulum.datetime(2026, 1, 1, 1, tz="Europe/Berlin"), NEW_YEAR),
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01T02:00:00+02:00", NEW_YEAR),
        ("2026-01-01T02:00:00+0200", NEW_YEAR),
        ("2026-01-01T00:00Z", NEW_YEAR),
        (" 2026-01-01T00:00:00Z\n", NEW_YEAR),
        ("20260101T000000Z", NEW_YEAR),
        # What templates without native rendering make of a datetime.
        (str(pendulum.datetime(2026, 1, 1)), NEW_YEAR),
        (str(datetime(2026, 1, 1, tzinfo=UTC)), NEW_YEAR),
        ("2026-01-01 00:00:00.250000+00:00", NEW_YEAR + 0.25),
    ],
)
def test_a_time_is_seconds_or_has_a_time_zone(value: Any, seconds: float) -> None:
    assert epoch_seconds("x", value) == seconds


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime(2026, 1, 1), "2026-01-01T00:00:00"),
        (pendulum.naive(2026, 1, 1), "2026-01-01T00:00:00"),
        (date(2026, 1, 1), "2026-01-01"),
        ("2026-01-01", "'2026-01-01'"),
        ("2026-01-01T00:00:00", "'2026-01-01T00:00:00'"),
        ("20260101T000000", "'20260101T000000'"),
    ],
)
def test_a_time_without_a_time_zone_could_be_any(value: Any, shown: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        epoch_seconds("started_after", value)
    assert str(caught.value) == (
        f"started_after: {shown} has no time zone. Add a time of day and Z or an offset such as +00:00. In a"
        " template, {{ ts }} and {{ data_interval_start }} have a time zone."
    )


@pytest.mark.parametrize("value", [NEW_YEAR * 1000, f"{NEW_YEAR * 1000}", NEW_YEAR * 1000.0])
def test_milliseconds_are_told_apart(value: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        epoch_seconds("x", value)
    assert str(caught.value) == (
        f"x: {value!r} seems to be in milliseconds. Divide it by 1000: the unit is seconds since 1970-01-01 UTC."
    )


@pytest.mark.parametrize(
    "value",
    [
        0,
        -NEW_YEAR,
        20260101,
        "20260101",
        20260101000000000,
        10**9 - 1,
        10**10,
        10**400,
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime.min.replace(tzinfo=BERLIN),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
    ],
)
def test_other_numbers_are_no_times(value: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=r"^x: .* is not (between 2001-09-09 and 2286|a time)\. Give a time"
    ):
        epoch_seconds("x", value)


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        "",
        "nan",
        float("inf"),
        b"1767225600",
        bytearray(b"1767225600"),
        "yesterday",
        "2026-13-01T00:00:00Z",
        timedelta(seconds=NEW_YEAR),
        [NEW_YEAR],
        {"a": 1},
        pytest.param(10**5000, id="huge"),
    ],
)
def test_what_is_no_time_is_shown(value: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"^x: .+ is not a time\. Give a time with a time zone"):
        epoch_seconds("x", value)


def test_a_time_is_shown_in_utc() -> None:
    assert iso(NEW_YEAR + 0.9) == "2026-01-01T00:00:00+00:00"
    assert epoch_seconds("x", iso(NEW_YEAR)) == NEW_YEAR
