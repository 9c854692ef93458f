"""Habits of the gateway, and of errors."""

from __future__ import annotations

from airflow_provider_flowservice.client.model import member
from airflow_provider_flowservice.doctor.aep import FLOW_SERVICE, MISSING_ID, Aep
from airflow_provider_flowservice.doctor.habits.model import Habit, Seen

_ONE_FLOW = (("limit", "1"),)


def _error_code_type(aep: Aep) -> Seen:
    answer = aep.get(f"{FLOW_SERVICE}/flows", _ONE_FLOW, without=("Authorization",))
    code = member(answer.document, "error_code")
    if not isinstance(code, (str, int)):
        return Seen(None, f"The gateway's error has no error_code (status {answer.status}).")
    value = "integer" if isinstance(code, int) else "string"
    return Seen(value, f"error_code is of type {value}.")


def _error_shape(aep: Aep) -> Seen:
    answer = aep.get_flow_service(f"/flows/{MISSING_ID}")
    if member(answer.document, "type"):
        return Seen("new", "The error for an id that does not exist has type and report.")
    if member(answer.document, "errorMessage"):
        return Seen("old", "The error for an id that does not exist has errorMessage alone.")
    return Seen(
        None, f"The error for an id that does not exist has neither type nor errorMessage ({answer.label})."
    )


HABITS: tuple[Habit[Aep], ...] = (
    Habit(
        switch="error_code_type",
        documented="A string in the guides, an integer in the API reference.",
        look=_error_code_type,
    ),
    Habit(
        switch="error_shape",
        documented="Both: the guides have type and report, the API reference has errorMessage.",
        look=_error_shape,
    ),
)
