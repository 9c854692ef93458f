"""Times as users give them, read by one rule."""

from __future__ import annotations

from datetime import UTC, date, datetime

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.values import finite_number, shown

#: A time has ten digits before the decimal point, which is 2001-09-09 to 2286-11-20. A number of another length is
#: something else, such as milliseconds or the date 20260101.
_EARLIEST, _END = 10**9, 10**10
#: The year 10000, in seconds since 1970-01-01 UTC: :func:`iso` only knows earlier times.
END_OF_TIME = 253_402_300_800
_REMEDY = (
    "Give a time with a time zone (a datetime, or ISO 8601 such as '2026-01-01T00:00:00Z'), or seconds since"
    " 1970-01-01 UTC (ten digits)."
)
_ADD_A_ZONE = (
    "Add a time of day and Z or an offset such as +00:00. In a template, {{ ts }} and"
    " {{ data_interval_start }} have a time zone."
)


def epoch_seconds(field: str, value: object) -> float:
    """Convert a time to seconds since 1970-01-01 UTC.

    :param field: name of the argument, for the error.
    :param value: a datetime with a time zone, an ISO 8601 string with a time zone, or seconds since 1970-01-01 UTC as a
        number or string, between 2001-09-09 and 2286.
    :raises InvalidInputError: if it is something else.
    """
    found = finite_number(value)
    if found is None:
        moment = _datetime(value)
        if isinstance(moment, date):
            if not isinstance(moment, datetime) or moment.utcoffset() is None:
                raise InvalidInputError(field, f"{_shown(value)} has no time zone", _ADD_A_ZONE)
            found = moment.timestamp()
    if found is None:
        raise InvalidInputError(field, f"{_shown(value)} is not a time", _REMEDY)
    if 1000 * _EARLIEST <= found < 1000 * _END:
        problem = f"{_shown(value)} seems to be in milliseconds"
        raise InvalidInputError(
            field, problem, "Divide it by 1000: the unit is seconds since 1970-01-01 UTC."
        )
    if not _EARLIEST <= found < _END:
        raise InvalidInputError(field, f"{_shown(value)} is not between 2001-09-09 and 2286", _REMEDY)
    return found


def iso(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC, without a fraction of a second.

    :param seconds: seconds since 1970-01-01 UTC.
    """
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _datetime(value: object) -> object:
    """Return the datetime that an ISO 8601 string contains, and other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else shown(value)
