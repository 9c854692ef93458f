"""Errors of the data collection service.

Documented: the body for a missing token, that of synchronous validation, and the wording about XDM format
and organization. The wording about sizes, rates, encodings and flows is a guess.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.settings import Switches

_PROBLEM = "http://ns.adobe.com/adobecloud/problem/data-collection-service"


class InletError(ApiError):
    """An error of an inlet.

    :param title: short name of the problem.
    :param cause: details, for synchronous validation.
    """

    def __init__(self, status: int, title: str, message: str, cause: dict[str, Any] | None = None) -> None:
        super().__init__(status, message)
        self.title = title
        self.cause = cause

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the problem body."""
        report: dict[str, Any] = {"message": self.message}
        if self.cause is not None:
            report["cause"] = self.cause
        return {"type": f"{_PROBLEM}/inlet", "status": self.status, "title": self.title, "report": report}


class InletAuthorizationError(ApiError):
    """A token is missing or invalid. The status in this body is a string."""

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the problem body, as the tutorial shows it."""
        return {
            "type": "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization",
            "status": str(self.status),
            "title": "Authorization",
            "report": {"message": self.message},
        }
