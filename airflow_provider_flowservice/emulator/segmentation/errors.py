"""The errors of the segmentation service."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.settings import Switches


class SegmentationError(ApiError):
    """An error of the segmentation service. The shape is documented; most numbers are guesses.

    :param number: six digits that name the error.
    """

    def __init__(self, status: int, number: str, message: str) -> None:
        super().__init__(status, message)
        self.number = number

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the errors by status, and a title."""
        return {
            "requestId": request_id,
            "errors": {str(self.status): [{"code": self.status, "message": self.message}]},
            "type": f"https://ns.adobe.com/aep/errors/UPAPI-{self.number}-{self.status}",
            "title": self.message,
            "status": self.status,
        }


def invalid(message: str) -> SegmentationError:
    """Return the error for a body that is not well formed."""
    return SegmentationError(400, "113400", message)
