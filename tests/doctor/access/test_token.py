from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from airflow_provider_flowservice.client import FLOWS
from airflow_provider_flowservice.client.settings import DEFAULT_SCOPES
from airflow_provider_flowservice.doctor.findings import Area, Outcome
from airflow_provider_flowservice.doctor.services import EVERYTHING
from tests.support.customer import Customer, in_area
from tests.support.faults import fault

IMS = "/ims/token/v3"
pytestmark = pytest.mark.usefixtures("airflow_database")


def token_requests(customer: Customer) -> int:
    return len(customer.control.requests("POST", IMS))


def test_one_new_token_is_asked_for_whatever_is_cached(customer: Customer) -> None:
    hook = customer.hook()
    hook.count(FLOWS)
    hook.close()
    customer.control.clear_requests()
    access = customer.access()
    assert token_requests(customer) == 1
    assert access.aep is not None
    assert access.aep.token_lifetime == 86399
    assert "86399 seconds" in in_area(access.findings, Area.TOKEN)["lifetime"].seen


def test_a_secret_that_was_revoked_is_not_hidden_by_a_token_from_before(customer: Customer) -> None:
    hook = customer.hook()
    hook.get_conn().authorize()
    customer.control.inject(fault("status", "POST", IMS, status=401, body={"error": "invalid_client"}))
    assert customer.broken().subject == "IMS"


def test_a_short_lifetime_is_told(customer: Customer) -> None:
    customer.control.set_switches(token_lifetime=600)
    found = in_area(customer.access().findings, Area.TOKEN)["lifetime"]
    assert (found.outcome, "less than an hour" in found.seen) == (Outcome.FINE, True)
    assert token_requests(customer) == 1


def test_a_wrong_secret(customer: Customer) -> None:
    customer.connect(password="acme-secret")
    found = customer.broken()
    assert found.operators == EVERYTHING
    assert "invalid_client" in found.seen
    assert "Retrieve client secret" in found.remedy
    assert "Projects > your project > OAuth Server-to-Server" in found.remedy


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("invalid_scope", "Scopes (extra scopes)"),
        ("unauthorized_client", "Add API > Experience Platform API > OAuth Server-to-Server"),
        ("acme_error", "compare it with the connection"),
    ],
)
def test_what_ims_refuses(customer: Customer, code: str, remedy: str) -> None:
    body = {"error": code, "error_description": "Acme plan"}
    customer.control.inject(fault("status", "POST", IMS, times=9, status=400, body=body))
    found = customer.broken()
    assert remedy in found.remedy
    assert ("acme" in found.seen) is False


def test_a_page_of_a_proxy_instead_of_ims(customer: Customer) -> None:
    customer.control.inject(fault("html", "POST", IMS, times=9, status=403))
    found = customer.broken()
    assert "does not respond as IMS does" in found.seen
    assert "IMS host (extra ims_host)" in found.remedy


@pytest.mark.parametrize(
    ("kind", "details", "label"),
    [
        ("status", {"status": 503}, "status 503"),
        ("rate_limit", {}, "status 429"),
        ("reset", {}, "ResponseLostError"),
        ("status", {"status": 200, "body": "Acme plan"}, "InvalidResponseError"),
    ],
)
def test_an_ims_that_fails_is_not_called_broken(
    customer: Customer, kind: str, details: dict[str, Any], label: str
) -> None:
    customer.control.inject(fault(kind, "POST", IMS, times=9, **details))
    access = customer.access()
    (found,) = in_area(access.findings, Area.TOKEN).values()
    assert (found.outcome, found.operators) == (Outcome.UNKNOWN, EVERYTHING)
    assert found.seen == f"IMS does not issue a token now ({label})."
    assert access.aep is None


def jwt(**claims: Any) -> str:
    parts = ({"alg": "none"}, claims, {"s": 1})
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


def token_findings(customer: Customer, **claims: Any) -> dict[str, Any]:
    """What is said of an access token of the connection, which the emulator does not know."""
    customer.connect(password=None, access_token=jwt(**claims))
    access = customer.access()
    assert token_requests(customer) == 0
    assert access.aep is None
    found = in_area(access.findings, Area.TOKEN)
    assert customer.leaks(" ".join(f"{each.seen} {each.remedy}" for each in found.values())) == []
    return found


def test_the_scopes_of_a_token_are_read(customer: Customer) -> None:
    found = token_findings(customer, scope=DEFAULT_SCOPES)
    assert found["scopes"].seen == "The token has all scopes that AEP's guides ask for."
    found = token_findings(customer, scope="openid,AdobeID")
    missing = "read_organizations, additional_info.projectedProductContext, session"
    assert f"lacks {missing}," in found["scopes"].seen
    assert "Add API > Experience Platform API" in found["scopes"].remedy


def test_the_organization_of_a_token_is_compared(customer: Customer) -> None:
    own = customer.control.credential.org_id
    assert token_findings(customer, org=own)["organization"].outcome is Outcome.FINE
    other = token_findings(customer, org="0ACE0ACE@AdobeOrg")["organization"]
    assert (other.outcome, other.operators) == (Outcome.BROKEN, EVERYTHING)
    assert "Organization ID" in other.remedy
    assert token_findings(customer)["organization"].seen.endswith("the gateway decides.")


def test_the_client_of_a_token_is_compared(customer: Customer) -> None:
    found = token_findings(customer, client_id="another")["organization"]
    assert (found.outcome, found.seen) == (Outcome.BROKEN, "The token was issued for another client id.")


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.W10.c", "a.e30.c"])
def test_a_token_that_says_nothing(customer: Customer, token: str) -> None:
    customer.connect(password=None, access_token=token)
    found = in_area(customer.access().findings, Area.TOKEN)
    assert found["scopes"].seen.startswith("The token does not show its scopes")
