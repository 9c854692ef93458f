"""Values of any type, as users give them."""

from __future__ import annotations

import math

from airflow_provider_flowservice.client.text import plain_text


def finite_number(value: object) -> float | None:
    """Convert a finite number, or a string that contains one; None for other values."""
    if isinstance(value, (bool, bytes, bytearray)):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """Return a value for an error message, shortened."""
    try:
        return plain_text(repr(value), limit=200)
    except ValueError:
        return f"an {type(value).__name__} of thousands of digits"
