"""What the emulator raises when it refuses, and how the gateway says so.

Each service has an error body of its own; a service's module derives from :class:`ApiError` and writes it.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from airflow_provider_flowservice.emulator.switches import Switches


class ApiError(Exception):
    """A refusal with an HTTP status.

    :param status: HTTP status.
    :param message: what is wrong, for people.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def body(self, switches: Switches, request_id: str) -> Any:
        """The JSON body.

        :param switches: decide where AEP knows several shapes.
        :param request_id: value of ``x-request-id``.
        """
        return {"message": self.message}


class GatewayFault(Enum):
    """What Adobe's API gateway refuses before a service sees the request."""

    TOKEN_MISSING = (403, "403010", "Oauth token is missing.")
    TOKEN_INVALID = (401, "401013", "Oauth token is not valid")
    KEY_MISSING = (403, "403000", "Api Key is required")
    KEY_INVALID = (403, "403003", "Api Key is invalid")
    ORG_MISSING = (400, "400003", "Missing header (x-gw-ims-org-id)")
    ORG_UNKNOWN = (403, "403025", "Profile is not valid")
    ORG_MALFORMED = (403, "403027", "User region is missing")
    TOO_MANY_REQUESTS = (429, "429050", "Too many requests")


class GatewayError(ApiError):
    """A refusal by the gateway: ``error_code`` and ``message``."""

    def __init__(self, fault: GatewayFault) -> None:
        status, self.code, message = fault.value
        super().__init__(status, message)

    def body(self, switches: Switches, request_id: str) -> Any:
        """The gateway's body; ``error_code`` is text or a number, by switch."""
        code = int(self.code) if switches.error_code_type == "integer" else self.code
        return {"error_code": code, "message": self.message}


class PlatformError(ApiError):
    """The plain problem body that several platform services share: type, title, status, detail.

    :param title: short name of the problem.
    """

    def __init__(self, status: int, title: str, message: str) -> None:
        super().__init__(status, message)
        self.title = title

    def body(self, switches: Switches, request_id: str) -> Any:
        """The problem body."""
        return {
            "type": "/placeholder/type/uri",
            "status": self.status,
            "title": self.title,
            "detail": self.message,
        }
