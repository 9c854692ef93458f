"""A user who runs the doctor on a connection whose values show where they leak."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_flowservice.doctor.access import Access, examine_access
from airflow_provider_flowservice.doctor.examine import examine
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome, Report
from airflow_provider_flowservice.doctor.privacy import Veil
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import operators
from tests.support.airflow import flowservice_connection

SANDBOX = "acme-sandbox"
OBJECT = "Acme plan"
CONN_ID = "acme_connection"
VARIABLE = "AIRFLOW_CONN_ACME_CONNECTION"
_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_VARIABLES, *(name.lower() for name in _VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


class Customer:
    """A user with a connection, who runs the doctor."""

    def __init__(self, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch) -> None:
        self.control = control
        self.url = control.url
        self._monkeypatch = monkeypatch
        self._more: set[str] = set()
        self.connect()

    def connect(self, **changes: Any) -> None:
        """Change the connection; None removes a field."""
        changes = {"sandbox": SANDBOX, "host": self.url, "ims_host": self.url, **changes}
        self._more |= {value for value in changes.values() if isinstance(value, str)}
        connection = flowservice_connection(self.url, self.control.credential, **changes)
        self._monkeypatch.setenv(VARIABLE, connection)

    def hook(self, sandbox: str | None = None) -> FlowServiceHook:
        return FlowServiceHook(CONN_ID, sandbox)

    def access(self, sandbox: str | None = None) -> Access:
        """What is found without the habits."""
        return examine_access(self.hook(sandbox), lambda _: None, Veil())

    def report(self) -> Report:
        return examine(self.hook(), lambda _: None)

    def broken(self) -> Finding:
        """The only finding that is broken."""
        (found,) = [each for each in self.access().findings if each.outcome is Outcome.BROKEN]
        assert found.remedy
        assert self.leaks(f"{found.seen} {found.remedy} {found.subject}") == []
        return found

    def leaks(self, text: str) -> list[str]:
        """What a text has and must not have."""
        credential = self.control.credential
        known = {
            SANDBOX,
            OBJECT,
            CONN_ID,
            credential.client_id,
            credential.client_secret,
            credential.org_id,
            credential.org_id.partition("@")[0],
            self.url,
            self.url.rpartition(":")[2],
            "127.0.0.1",
            "emulated.",
            *self._more,
        }
        return [value for value in known - {"flowservice", ""} if value in text] + _ID.findall(text)


@pytest.fixture
def customer(control: EmulatorControl, time: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Customer:
    """A user whose sandbox has a flow, and all that belongs to it."""
    control.open_sandbox(SANDBOX)
    customer = Customer(control, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setenv(
            "AIRFLOW_CONN_FLOWSERVICE_DEFAULT",
            flowservice_connection(control.url, control.credential, sandbox=SANDBOX),
        )
        operators.onboard(OBJECT)
    control.clear_requests()
    return customer


def in_area(findings: tuple[Finding, ...], area: Area) -> dict[str, Finding]:
    """The findings of an area by their subjects."""
    return {finding.subject: finding for finding in findings if finding.area is area}
