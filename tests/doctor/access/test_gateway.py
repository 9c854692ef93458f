from __future__ import annotations

import pytest

from airflow_provider_flowservice.doctor.findings import Area, Outcome
from airflow_provider_flowservice.doctor.report import Works, verdicts
from airflow_provider_flowservice.doctor.services import EVERYTHING
from tests.support.customer import Customer, in_area
from tests.support.faults import fault

pytestmark = pytest.mark.usefixtures("airflow_database")


def test_a_gateway_that_accepts_everything(customer: Customer) -> None:
    findings = customer.access().findings
    assert in_area(findings, Area.GATEWAY)["headers"].outcome is Outcome.FINE
    sandbox = in_area(findings, Area.SANDBOX)
    assert sandbox["existence"].seen == "It exists for this credential."
    assert sandbox["type"].seen == "AEP says that it is a development sandbox."


@pytest.mark.parametrize(
    ("changes", "area", "subject", "status"),
    [
        ({"org_id": "0ACE0ACE@AdobeOrg"}, Area.GATEWAY, "organization", "403 403025"),
        ({"org_id": "acme-org@AdobeOrg"}, Area.GATEWAY, "organization", "403 403027"),
        ({"sandbox": "acme-missing"}, Area.SANDBOX, "existence", "404 FLOW-2100-404"),
        ({"sandbox": "*"}, Area.SANDBOX, "existence", "403 FLOW-2111-403"),
        ({"password": None, "access_token": "acme-token"}, Area.GATEWAY, "token", "401 401013"),
    ],
)
def test_what_the_gateway_refuses(
    customer: Customer, changes: dict[str, str], area: Area, subject: str, status: str
) -> None:
    customer.connect(**changes)
    found = customer.broken()
    assert (found.area, found.subject, found.operators) == (area, subject, EVERYTHING)
    assert f"(status {status})" in found.seen
    assert customer.access().aep is None


@pytest.mark.parametrize(
    ("code", "status", "subject", "words"),
    [
        ("403000", 403, "API key", "Client ID"),
        ("403003", 403, "API key", "Add API"),
        ("400003", 400, "organization", "API credentials"),
        ("FLOW-2000-401", 401, "organization", "Organization ID"),
        ("FLOW-2103-404", 404, "existence", "under API credentials add the credential"),
        ("FLOW-2105-400", 400, "existence", "Sandboxes"),
    ],
)
def test_the_codes_of_the_gateway(
    customer: Customer, code: str, status: int, subject: str, words: str
) -> None:
    gateway = {"error_code": code, "message": "Acme plan"}
    service = {"type": f"https://ns.adobe.com/aep/errors/{code}", "title": "Acme plan"}
    body = service if code.startswith("FLOW") else gateway
    customer.control.inject(fault("status", "GET", "flows", after=1, times=99, status=status, body=body))
    found = customer.broken()
    assert found.subject == subject
    assert words in found.remedy


def test_a_sandbox_that_is_missing_in_the_old_form_of_errors(customer: Customer) -> None:
    customer.control.set_switches(error_shape="old")
    customer.connect(sandbox="acme-missing")
    found = customer.broken()
    assert (found.area, found.subject) == (Area.SANDBOX, "existence")


@pytest.mark.parametrize(
    ("kind", "details"), [("status", {"status": 503}), ("html", {"status": 200}), ("reset", {})]
)
def test_an_aep_that_fails_is_not_called_broken(
    customer: Customer, kind: str, details: dict[str, int]
) -> None:
    customer.control.inject(fault(kind, "GET", "flows", after=1, times=99, **details))
    report = customer.report()
    found = in_area(report.findings, Area.GATEWAY)["headers"]
    assert (found.outcome, found.operators) == (Outcome.UNKNOWN, EVERYTHING)
    assert report.exit_code == 2
    assert {verdict.result for verdict in verdicts(report).values()} == {Works.UNKNOWN}


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (
            {"type": "production"},
            "AEP says that it is a production sandbox. --with-writes makes nothing in it.",
        ),
        (
            {"type": "acme"},
            "AEP does not say whether it is production. --with-writes makes nothing in it then.",
        ),
        ("acme", "AEP does not say whether it is production. --with-writes makes nothing in it then."),
    ],
)
@pytest.mark.parametrize("status", [200, 403, 500])
def test_the_type_of_the_sandbox_is_not_required(
    customer: Customer, body: object, seen: str, status: int
) -> None:
    path = "/data/foundation/sandbox-management/*"
    customer.control.inject(fault("status", "GET", path, times=99, status=status, body=body))
    found = in_area(customer.access().findings, Area.SANDBOX)["type"]
    assert found.outcome is Outcome.FINE
    if status == 200:
        assert found.seen == seen
