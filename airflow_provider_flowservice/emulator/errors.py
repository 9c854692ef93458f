"""The errors of the gateway, and those that several services share.

Each service has an error body of its own, which it writes in a class that derives from :class:`ApiError`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from airflow_provider_flowservice.emulator.settings import Switches


class ApiError(Exception):
    """An error response.

    :param status: HTTP status.
    :param message: what is wrong, for people.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the JSON body.

        :param switches: decide where AEP has several shapes.
        :param request_id: value of ``x-request-id``.
        """
        return {"message": self.message}


class GatewayFault(Enum):
    """What Adobe's API gateway refuses before a service sees the request: status, code, message."""

    TOKEN_MISSING = (403, "403010", "Oauth token is missing.")
    TOKEN_INVALID = (401, "401013", "Oauth token is not valid")
    KEY_MISSING = (403, "403000", "Api Key is required")
    KEY_INVALID = (403, "403003", "Api Key is invalid")
    ORG_MISSING = (400, "400003", "Missing header (x-gw-ims-org-id)")
    ORG_UNKNOWN = (403, "403025", "Profile is not valid")
    ORG_MALFORMED = (403, "403027", "User region is missing")
    TOO_MANY_REQUESTS = (429, "429050", "Too many requests")


class GatewayError(ApiError):
    """An error of the gateway: ``error_code`` and ``message``.

    :param status: another HTTP status than the documented one.
    """

    def __init__(self, fault: GatewayFault, status: int | None = None) -> None:
        documented, self.code, message = fault.value
        super().__init__(documented if status is None else status, message)

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the gateway's body; the switch decides whether ``error_code`` is a string or a number."""
        code = int(self.code) if switches.error_code_type == "integer" else self.code
        return {"error_code": code, "message": self.message}


class PlatformError(ApiError):
    """An error in the problem format that several platform services share: type, title, status, detail.

    :param title: short name of the problem.
    """

    def __init__(self, status: int, title: str, message: str) -> None:
        super().__init__(status, message)
        self.title = title

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the problem body."""
        return {
            "type": "/placeholder/type/uri",
            "status": self.status,
            "title": self.title,
            "detail": self.message,
        }


def bad_request(message: str) -> PlatformError:
    """Return the error for a request that is not well formed."""
    return PlatformError(400, "BadRequestError", message)


class FlowServiceError(ApiError):
    """An error with a Flow Service code, in either of the two shapes that Adobe documents.

    :param number: four digits; the code is ``FLOW-<number>-<status>``.
    :param title: short name of the problem.
    """

    def __init__(self, number: str, status: int, title: str, message: str) -> None:
        super().__init__(status, message)
        self.number = number
        self.title = title

    def report(self, request_id: str) -> dict[str, str]:
        """Return the details of the current shape."""
        return {"detailed-message": self.message, "request-id": request_id}

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the current body (type, title, status, report) or the old one; the switch decides."""
        old = {"errorMessage": self.message, "errorDetails": self.message}
        if switches.error_shape == "old":
            return old
        return {
            "type": f"https://ns.adobe.com/aep/errors/FLOW-{self.number}-{self.status}",
            "title": self.title,
            "status": self.status,
            "report": self.report(request_id),
            **old,
        }


class SandboxProblem(Enum):
    """What can be wrong with ``x-sandbox-name``: number, HTTP status, title."""

    NOT_FOUND = ("2100", 404, "Sandbox not found")
    MISSING = ("2105", 400, "header x-sandbox-name is missing")
    ALL = ("2111", 403, "Cross-sandbox query is not permitted")


class SandboxError(FlowServiceError):
    """The sandbox cannot be used. That every service returns Flow Service's error for it is a guess."""

    def __init__(self, problem: SandboxProblem, message: str) -> None:
        super().__init__(*problem.value, message)
