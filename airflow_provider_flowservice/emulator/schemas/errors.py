"""Schema Registry's errors."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.settings import Switches


class SchemaError(ApiError):
    """An error of Schema Registry.

    The numbers 1006 to 1009, 1012 and 3005 are documented; the others are guesses.

    :param number: four digits that name the error.
    """

    def __init__(self, status: int, number: str, title: str, message: str) -> None:
        super().__init__(status, message)
        self.number = number
        self.title = title

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the body: type, title, status, report, detail."""
        return {
            "type": f"http://ns.adobe.com/aep/errors/XDM-{self.number}-{self.status}",
            "title": self.title,
            "status": self.status,
            "report": {"registryRequestId": request_id, "detailed-message": self.message, "sub-errors": []},
            "detail": self.message,
        }


def invalid(message: str) -> SchemaError:
    """Return the error for a resource that is not well formed."""
    return SchemaError(400, "1521", "Validation error", message)


def not_found(what: str) -> SchemaError:
    """Return the error for a resource that does not exist."""
    return SchemaError(404, "1012", "Resource Not Found", f"Requested resource {what} is not found")
