"""Flow Service's errors.

The codes are documented. Most of the wording is not: it is a guess wherever Adobe shows no sample.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from airflow_provider_flowservice.emulator.errors import ApiError, FlowServiceError
from airflow_provider_flowservice.emulator.settings import Switches


class FlowCode(Enum):
    """Error codes: number, HTTP status, title."""

    LIMIT_WITH_COUNT = ("1401", 400, "Limit and count cannot be combined")
    ACTION_NOT_PERMITTED = ("1402", 400, "Action not permitted")
    IF_MATCH_MISSING = ("1403", 400, "If-Match header is missing")
    VERSION_MISMATCH = ("1404", 412, "Version not matching")
    EMPTY_BODY = ("1405", 400, "Request body is empty")
    STATE_IN_CREATE = ("1410", 400, "State cannot be set")
    MAPPING_VERSION = ("1412", 400, "Mapping version is wrong")
    SPEC_INVALID = ("1413", 400, "Spec is invalid")
    SPEC_UNCHANGEABLE = ("1414", 400, "Connection spec cannot be changed")
    AUTH_SPEC_INVALID = ("1415", 400, "Auth spec is invalid")
    WRONG_STATE_FOR_DELETE = ("1416", 400, "Resource cannot be deleted in its state")
    BASE_CONNECTION_IN_USE = ("1418", 400, "Base connection is in use")
    MAPPING_INVALID = ("1419", 400, "Mapping is invalid")
    TRANSITION_REFUSED = ("1421", 400, "State transition is not possible")
    ACTION_NOT_APPLICABLE = ("1422", 400, "Action is not applicable")
    MAPPING_SCHEMA_DIFFERS = ("1425", 400, "Mapping and dataset have different schemas")
    RUN_NOT_PERMITTED = ("1427", 400, "Operation is not permitted")
    RUN_FLOW_NOT_FOUND = ("1430", 400, "Flow not found")
    ORDER_PREFIX = ("1432", 400, "Order prefix is invalid")
    ORDER_FIELD = ("1433", 400, "Order field is invalid")
    PATCH_OPERATION = ("1434", 400, "Patch operation is invalid")
    RESOURCE_NOT_FOUND = ("1439", 404, "Resource not found")
    OPERATOR_NOT_IMPLEMENTED = ("1440", 400, "Operator is not implemented")
    MANY_VALUES_COMPARED = ("1443", 400, "Comparison takes one value")
    FLOW_STATE_UNEXPECTED = ("1444", 400, "Flow is not in the expected state")
    FILTER_INVALID = ("1448", 400, "Filter is invalid")
    LIMIT_INVALID = ("1449", 400, "Limit is invalid")
    TOKEN_INVALID = ("1450", 400, "Continuation token is invalid")
    UNKNOWN_PARAMETER = ("1451", 400, "Query parameter is unknown")
    FIELD_INVALID = ("1452", 400, "Field is invalid")
    EMPTY_FILTER_VALUE = ("1453", 400, "Filter value is empty")
    FIELD_NOT_PATCHABLE = ("1454", 400, "Field cannot be changed")
    FIELD_MISSING = ("1455", 400, "Missing field")
    DRAFT_NOT_SUPPORTED = ("1457", 400, "Draft mode is not supported")
    PUBLISH_ORDER = ("1458", 400, "Resource cannot be published")
    # A guess: Adobe documents neither such an error nor its code.
    NAME_TAKEN = ("1459", 409, "Resource already exists")


class FlowError(FlowServiceError):
    """An error of Flow Service.

    :param code: number, status and title.
    :param message: the detailed message.
    :param kind: collection of the resource in question, for example ``flows``.
    :param resource_id: its id.
    """

    def __init__(self, code: FlowCode, message: str, *, kind: str = "", resource_id: str = "") -> None:
        super().__init__(*code.value, message)
        self.kind = kind
        self.resource_id = resource_id

    def report(self, request_id: str) -> dict[str, str]:
        """Return the report, which names the resource in question."""
        about = {"id": self.resource_id, "type": self.kind} if self.resource_id else {}
        return super().report(request_id) | about


class InvalidSpecIdError(FlowError):
    """The id of a spec is unknown. The old shape of this error is a bare ``message``."""

    def __init__(self) -> None:
        super().__init__(FlowCode.SPEC_INVALID, "Please provide a valid spec id")

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the body in the shape that the switch selects."""
        if switches.error_shape == "old":
            return {"message": self.message}
        return super().body(switches, request_id)


class MissingFieldError(ApiError):
    """422: a required field is missing. Only the status is documented; the body is a guess."""

    def __init__(self, message: str) -> None:
        super().__init__(422, message)

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the body."""
        return {"errorMessage": self.message, "errorDetails": self.message}


def not_found(kind: str, resource_id: str) -> FlowError:
    """Return the 404 for a resource that does not exist in this sandbox."""
    return FlowError(
        FlowCode.RESOURCE_NOT_FOUND,
        f"The requested {kind} resource {resource_id} is not found."
        " Verify the resource ID before trying again.",
        kind=kind,
        resource_id=resource_id,
    )


def invalid(message: str) -> FlowError:
    """Return the error for a field with an invalid value. Which code AEP gives here is a guess."""
    return FlowError(FlowCode.FIELD_INVALID, message)
