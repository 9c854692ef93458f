"""Habits of the gateway, of the token, and of errors."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.http import FLOW_SERVICE
from airflow_provider_flowservice.client.model import is_number, member
from airflow_provider_flowservice.doctor.aep import MISSING_ID, Aep, Answer, Pairs
from airflow_provider_flowservice.doctor.habits.model import Habit, Seen
from airflow_provider_flowservice.doctor.habits.objects import problem, remedy

_REQUEST_ID = MISSING_ID
#: More than any token lasts, in seconds; the emulator takes no larger number.
_LONGEST = 1_000_000_000


def _error_code_type(aep: Aep) -> Seen:
    answer = _without_token(aep)
    code = member(answer.document, "error_code")
    if not isinstance(code, str) and not is_number(code):
        return Seen(None, _not_the_gateway(answer))
    value = "string" if isinstance(code, str) else "integer"
    return Seen(value, f"error_code is of type {value}.")


def _missing_token(aep: Aep) -> Seen:
    answer = _without_token(aep)
    if answer.status not in (401, 403) or not isinstance(member(answer.document, "error_code"), (str, int)):
        return Seen(None, _not_the_gateway(answer))
    return Seen(str(answer.status), f"A request without a token gets {answer.status}.")


def _without_token(aep: Aep) -> Answer:
    return _one_flow(aep, without=("Authorization",))


def _not_the_gateway(answer: Answer) -> str:
    return (
        f"A request without a token does not get the gateway's error (status {answer.status}); check whether a proxy"
        " answers in its place."
    )


def _missing_sandbox(aep: Aep) -> Seen:
    if why := problem(aep.newest(http.FLOWS), "list of flows"):
        return Seen(None, why)
    answer = _one_flow(aep, without=("x-sandbox-name",))
    if problem(answer, "list") is None:
        return Seen("prod", "A request without x-sandbox-name gets an answer.")
    if answer.status == 400:
        return Seen("refuse", f"A request without x-sandbox-name is refused ({answer.label}).")
    return Seen(
        None,
        f"A request without x-sandbox-name gets {answer.label}, perhaps because this credential must not read the"
        " default sandbox: run the doctor again with one that may.",
    )


def _unknown_sandbox(aep: Aep) -> Seen:
    if why := problem(aep.newest(http.FLOWS), "list of flows"):
        return Seen(None, why)
    # An AEP that opens a sandbox has it from then on, so it is another one each time.
    answer = _one_flow(aep, (("x-sandbox-name", f"none-{secrets.token_hex(8)}"),))
    if problem(answer, "list") is None:
        return Seen("open", "A request for a sandbox that does not exist gets an answer.")
    if answer.status in (400, 403, 404):
        return Seen("refuse", f"A request for a sandbox that does not exist is refused ({answer.label}).")
    return Seen(
        None, f"A request for a sandbox that does not exist gets {answer.label}; run the doctor again."
    )


def _one_flow(aep: Aep, headers: Pairs = (), without: tuple[str, ...] = ()) -> Answer:
    return aep.get(f"{FLOW_SERVICE}/flows", (("limit", "1"),), headers, without=without)


def _error_shape(aep: Aep) -> Seen:
    answer = _missing_flow(aep)
    if isinstance(member(answer.document, "report"), Mapping):
        return Seen("new", "The error for an id that does not exist has type and report.")
    if member(answer.document, "errorMessage"):
        return Seen("old", "The error for an id that does not exist has errorMessage alone.")
    return Seen(
        None,
        f"The error for an id that does not exist has neither report nor errorMessage ({answer.label});"
        f" {remedy(answer)}.",
    )


def _request_id(aep: Aep) -> Seen:
    answer = _missing_flow(aep)
    shown = (answer.headers.get("x-request-id"), member(answer.document, "report", "request-id"))
    ids = [each for each in shown if isinstance(each, str) and each]
    if not ids:
        return Seen(
            None,
            "No response has a request id: run the doctor again where no proxy removes the header x-request-id.",
        )
    if _REQUEST_ID in ids:
        return Seen("echoed", "The response has the request id that was sent.")
    return Seen("own", "The response has another request id than the one that was sent.")


def _missing_flow(aep: Aep) -> Answer:
    return aep.get(f"{FLOW_SERVICE}/flows/{MISSING_ID}", (), (("x-request-id", _REQUEST_ID),))


def _token_lifetime(aep: Aep) -> Seen:
    seconds = aep.token_lifetime
    if seconds is None:
        return Seen(
            None, "An access token is given in the connection: set the client secret instead to see new ones."
        )
    if not 1 <= seconds <= _LONGEST:
        return Seen(
            None, "The lifetime of a new token is not a possible number of seconds; run the doctor again."
        )
    return Seen(int(seconds), f"A new token expires after {int(seconds)} seconds.")


HABITS: tuple[Habit[Aep], ...] = (
    Habit(
        switch="error_shape",
        documented="Both: the guides have type and report, the API reference has errorMessage.",
        look=_error_shape,
    ),
    Habit(
        switch="error_code_type",
        documented="A string in the guides, an integer in the API reference.",
        look=_error_code_type,
    ),
    Habit(
        switch="missing_token",
        documented="403 for a missing token, 401 for one that is not valid.",
        look=_missing_token,
    ),
    Habit(
        switch="missing_sandbox",
        documented="Both: the sandbox prod is used, or the request is refused with FLOW-2105-400.",
        look=_missing_sandbox,
    ),
    Habit(
        switch="unknown_sandbox",
        documented="The list of errors has 404 for a sandbox that is not found.",
        look=_unknown_sandbox,
    ),
    Habit(
        switch="request_id",
        documented="Errors have a request id in their report; nothing is said of the caller's own.",
        look=_request_id,
    ),
    Habit(switch="token_lifetime", documented="The sample response has 86399 seconds.", look=_token_lifetime),
)
