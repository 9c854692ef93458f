from __future__ import annotations

import pytest

from airflow_provider_flowservice.doctor.findings import Area, Outcome
from airflow_provider_flowservice.doctor.report import Works, operators_that_do_not_work, verdicts
from airflow_provider_flowservice.doctor.services import NEEDS, Service
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.customer import Customer, in_area
from tests.support.faults import fault

READABLE = [service for service in Service if service.probe is not None]
pytestmark = pytest.mark.usefixtures("airflow_database")


def test_a_sound_setup_works(customer: Customer) -> None:
    report = customer.report()
    assert {each.outcome for each in report.findings} == {Outcome.FINE, Outcome.SKIPPED}
    assert {verdict.result for verdict in verdicts(report).values()} == {Works.YES}
    assert set(in_area(report.findings, Area.PERMISSIONS)) == {service.title for service in Service}
    skipped = [each.subject for each in report.findings if each.outcome is Outcome.SKIPPED]
    assert skipped == [Service.AD_HOC.title, Service.INLETS.title]


@pytest.mark.parametrize("service", READABLE, ids=lambda service: service.name)
@pytest.mark.parametrize(
    ("kind", "details"), [("forbidden", {}), ("status", {"status": 403})], ids=["own format", "plain"]
)
def test_a_permission_that_is_missing_is_named_with_what_it_affects(
    customer: Customer, service: Service, kind: str, details: dict[str, int]
) -> None:
    paths = (service.base, f"{service.base}/*")
    customer.control.inject(*(fault(kind, "GET", path, times=99, **details) for path in paths))
    report = customer.report()
    (found,) = [each for each in report.checks if each.outcome is Outcome.BROKEN]
    assert (found.area, found.subject) == (Area.PERMISSIONS, service.title)  # type: ignore[union-attr]
    assert service.permissions in found.remedy
    assert "Permissions > Roles" in found.remedy
    assert report.exit_code == 1
    because = {name: verdict for name, verdict in verdicts(report).items() if verdict.because}
    needing = {name for name, needs in NEEDS.items() if service in needs.always}
    assert {name for name, verdict in because.items() if verdict.result is Works.NO} == needing
    assert set(operators_that_do_not_work(report)) == needing
    partly = {name for name, needs in NEEDS.items() if service in needs.sometimes}
    affected = {
        name for name, verdict in because.items() if f"{found.area}: {service.title}" in verdict.because
    }
    assert affected == needing | partly


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("status", {"status": 404, "body": {"message": "Not found"}}),
        ("status", {"status": 501, "body": {"message": "Not served"}}),
        ("status", {"status": 503, "body": {"message": "Acme plan is down"}}),
        ("status", {"status": 200, "body": "a page"}),
        ("reset", {}),
    ],
    ids=["404", "501", "503", "not JSON", "no response"],
)
def test_what_is_not_known_is_not_called_broken(
    customer: Customer, kind: str, details: dict[str, object]
) -> None:
    path = f"{Service.SCHEMAS.base}/*"
    customer.control.inject(fault(kind, "GET", path, times=99, **details))
    (found,) = [
        each for each in customer.access().findings if each.outcome in (Outcome.BROKEN, Outcome.UNKNOWN)
    ]
    assert (found.outcome, found.subject) == (Outcome.UNKNOWN, Service.SCHEMAS.title)
    assert found.operators == ("FlowServiceCreateSchemaOperator",)
    assert found.partly == ("FlowServiceCreateDatasetOperator",)
    assert customer.leaks(found.seen) == []


@pytest.mark.parametrize(
    ("kind", "details"), [("status", {"status": 503}), ("rate_limit", {"retry_after": 20}), ("reset", {})]
)
def test_a_service_that_is_out_of_order_is_given_up_after_the_first_question(
    customer: Customer, time: VirtualClock, kind: str, details: dict[str, int]
) -> None:
    for collection in ("connections", "runs"):
        customer.control.inject(
            *(fault(kind, "GET", path, times=99, **details) for path in (collection, f"{collection}/*"))
        )
    start = time.monotonic()
    report = customer.report()
    assert time.monotonic() - start <= 2 * 30
    unknown = [each.subject for each in report.findings if each.outcome is Outcome.UNKNOWN]
    assert unknown == [Service.CONNECTIONS.title, Service.RUNS.title]
    assert customer.control.faults_left()
    sent = [entry["path"] for entry in customer.control.requests()]
    assert sum(path.endswith("/runs") for path in sent) <= 3


def test_an_object_of_this_credential_shows_that_it_may_change_things(customer: Customer) -> None:
    found = in_area(customer.access().findings, Area.PERMISSIONS)
    assert "and changed: 2 of the newest 2" in found[Service.CONNECTIONS.title].seen
    assert "and changed: 1 of the newest 1" in found[Service.FLOWS.title].seen
    foreign = {"items": [{"id": "a", "createdClient": "another"}]}
    customer.control.inject(fault("status", "GET", "flows", times=99, status=200, body=foreign))
    found = in_area(customer.access().findings, Area.PERMISSIONS)
    assert "Nothing among the newest shows" in found[Service.FLOWS.title].seen


def test_an_empty_list_may_be_a_missing_permission(customer: Customer) -> None:
    found = in_area(customer.access().findings, Area.PERMISSIONS)
    assert "AEP may also show an empty list" in found[Service.CATALOG.title].seen
    assert "empty" not in found[Service.FLOWS.title].seen


def test_only_reads_and_one_request_for_a_token_are_sent(customer: Customer) -> None:
    access = customer.access()
    assert access.aep is not None
    sent = [(entry["method"], entry["path"]) for entry in customer.control.requests()]
    assert [each for each in sent if each[0] != "GET"] == [("POST", "/ims/token/v3")]
    # The emulator leaves what is asked of its root out of its journal.
    assert access.calls + access.aep.calls == len(sent) + 2


def test_a_report_sends_only_reads_too(customer: Customer) -> None:
    report = customer.report()
    sent = [(entry["method"], entry["path"]) for entry in customer.control.requests()]
    assert [each for each in sent if each[0] != "GET"] == [("POST", "/ims/token/v3")]
    assert report.calls == len(sent) + 2
