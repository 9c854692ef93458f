"""Runs with writes that are killed: the next one removes what is left, and nothing else."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.doctor.findings import Outcome
from airflow_provider_flowservice.doctor.writes.workshop import is_doctors_name
from tests.doctor.writes import DEFAULTS, HOUR, Sandbox, finding, run, values_of
from tests.emulator.conftest import CATALOG, UNIFIED_PROFILE, Api
from tests.support.faults import fault
from tests.support.kills import Killed

LEFTOVERS = "Leftovers of earlier runs"
#: A name that the doctor could have given.
NAME = "airflow-flowservice-doctor-0123456789abcdef-base"
#: Names that it could not.
OTHER_NAMES = (
    "airflow-flowservice-doctor",
    "airflow-flowservice-doctor-0123456789abcdef",
    "airflow-flowservice-doctor-0123456789abcdef-",
    "airflow-flowservice-doctor-0123456789abcde-base",
    "airflow-flowservice-doctor-0123456789abcdef0-base",
    "airflow-flowservice-doctor-0123456789ABCDEF-base",
    "airflow-flowservice-doctor-0123456789abcdef-base-",
    "airflow-flowservice-doctor-0123456789abcdef-base 2",
    "airflow-flowservice-doctor-0123456789abcdef-Base",
    "airflow-flowservice-doctor-0123456789abcdef-base\n",
    " airflow-flowservice-doctor-0123456789abcdef-base",
    "my-airflow-flowservice-doctor-0123456789abcdef-base",
    "Airflow-flowservice-doctor-0123456789abcdef-base",
)


def base(api: Api, name: str) -> str:
    return api.create("/connections", {"name": name, "connectionSpec": UNIFIED_PROFILE})["id"]


def base_of_someone_else(sandbox: Sandbox, client: str | None = "somebody-else", name: str = NAME) -> str:
    sandbox.control.inject(fault("foreign", "POST", "connections", client=client))
    return base(sandbox.api, name)


def doctors(held: dict[str, Any]) -> list[str]:
    """Names of all objects that a doctor could have made."""
    listed = itertools.chain(
        *(held[kind] for kind in ("flows", "targetConnections", "sourceConnections", "connections"))
    )
    named = (each["name"] for each in (*listed, *held["datasets"].values()))
    return sorted(name for name in named if is_doctors_name(name))


class Deaths:
    """Ends runs at one of their exchanges, which still has its effect."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self._left = 0
        self._interrupts = False
        self.is_dead = False
        send = RequestsTransport._exchange

        def mortal(transport: RequestsTransport, step: Any) -> Any:
            if self.is_dead:
                raise Killed
            answer = send(transport, step)
            self._left -= 1
            if not self._left and self._interrupts:
                raise KeyboardInterrupt
            if not self._left:
                self.is_dead = True
                raise Killed
            return answer

        patched.setattr(RequestsTransport, "_exchange", mortal)

    def kills(self, sandbox: Sandbox, exchange: int, *, interrupts: bool = False) -> bool:
        """Run the doctor, and return whether it died at an exchange, which counts from 1.

        :param interrupts: whether the run is only interrupted, so that it can still remove what it has made.
        """
        self._left, self.is_dead, self._interrupts = exchange, False, interrupts
        # Each process gets a token.
        auth.forget_all()
        try:
            run(sandbox)
        except (Killed, KeyboardInterrupt):
            return True
        finally:
            self._left, self.is_dead = 0, False
        return False


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> Deaths:
    return Deaths(monkeypatch)


@pytest.fixture
def accepting(sandbox: Sandbox) -> Sandbox:
    """A sandbox in which a run makes as many objects as it can."""
    sandbox.control.set_switches(
        profile_without_union="accept",
        unknown_specs="accept",
        legacy_base_connection="ignore",
        chained_frequency="accept",
        file_name_macros="optional",
    )
    return sandbox


@pytest.fixture
def bystanders(accepting: Sandbox) -> Sandbox:
    """A sandbox with objects that look like the doctor's and must stay."""
    base_of_someone_else(accepting)
    base_of_someone_else(accepting, client=None)
    for name in OTHER_NAMES:
        base(accepting.api, name)
    accepting.control.advance(2 * HOUR)
    return accepting


def test_whatever_exchange_kills_a_run_the_next_removes_everything(
    bystanders: Sandbox, deaths: Deaths
) -> None:
    before = bystanders.held()
    killed = 0
    while deaths.kills(bystanders, killed + 1):
        killed += 1
    assert killed > 85
    # The last run was not killed, and found all the others not old enough.
    left = doctors(bystanders.held())
    assert len(left) > 500
    bystanders.control.advance(HOUR)
    written = run(bystanders)
    assert bystanders.held() == before
    leftovers = finding(written, LEFTOVERS)
    removed = len(left) - len(doctors(before))
    assert leftovers.outcome is Outcome.FINE
    assert leftovers.seen == (
        f"{removed} removed. 1 left alone: AEP does not show who made it, or when."
        " 1 left alone: made by another credential."
    )


def test_a_run_that_is_killed_while_it_removes_leftovers_is_not_an_exception(
    bystanders: Sandbox, deaths: Deaths
) -> None:
    before = bystanders.held()
    for exchange in range(5, 75):
        assert deaths.kills(bystanders, 60)
        bystanders.control.advance(HOUR + 1)
        assert deaths.kills(bystanders, exchange)
        bystanders.control.advance(HOUR + 1)
    run(bystanders)
    assert bystanders.held() == before


def test_whatever_exchange_is_interrupted_the_run_itself_removes_everything(
    accepting: Sandbox, deaths: Deaths
) -> None:
    before = accepting.held()
    for exchange in range(1, 60):
        assert deaths.kills(accepting, exchange, interrupts=True)
        assert accepting.held() == before


def end_with_signal(sandbox: Sandbox, exchange: int, number: int) -> int:
    """Run the doctor in a process that gets a signal at an exchange, and return its exit code."""
    command = [sys.executable, "-m", "tests.doctor.killed_writes", sandbox.control.url]
    ended = subprocess.run(
        [*command, str(exchange), str(int(number))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return ended.returncode


@pytest.mark.parametrize("exchange", [30, 60])
def test_a_process_that_is_killed_leaves_nothing_after_the_next_run(
    accepting: Sandbox, exchange: int
) -> None:
    before = accepting.held()
    assert end_with_signal(accepting, exchange, signal.SIGKILL) == -signal.SIGKILL
    assert doctors(accepting.held())
    accepting.control.advance(HOUR)
    run(accepting)
    assert accepting.held() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_process_that_is_asked_to_end_removes_everything(
    accepting: Sandbox, number: int, code: int
) -> None:
    before = accepting.held()
    assert end_with_signal(accepting, 50, number) == code
    assert accepting.held() == before


def test_the_removal_is_not_interrupted(accepting: Sandbox) -> None:
    before = accepting.held()
    accepting.control.clear_requests()
    run(accepting)
    exchanges = [(entry["method"], entry["path"]) for entry in accepting.control.requests()]
    removal = next(
        n for n, (method, path) in enumerate(exchanges) if method == "DELETE" and "/target" in path
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        assert end_with_signal(accepting, removal, number) == 0
        assert accepting.held() == before


def test_a_leftover_of_another_credential_or_name_or_age_stays(sandbox: Sandbox) -> None:
    base_of_someone_else(sandbox)
    base_of_someone_else(sandbox, client=None)
    base_of_someone_else(sandbox, client=sandbox.control.credential.client_id.upper())
    for name in OTHER_NAMES:
        base(sandbox.api, name)
    sandbox.control.advance(HOUR + 60)
    base(sandbox.api, NAME)
    sandbox.control.advance(HOUR - 60)
    before = sandbox.held()
    seen = finding(run(sandbox), LEFTOVERS).seen
    assert sandbox.held() == before
    assert seen == (
        "1 left alone: AEP does not show who made it, or when. 2 left alone: made by another credential."
        " 1 left alone: not over an hour old."
    )


def test_an_old_leftover_is_removed(sandbox: Sandbox) -> None:
    before = sandbox.held()
    base(sandbox.api, NAME)
    sandbox.control.advance(HOUR + 1)
    assert finding(run(sandbox), LEFTOVERS).seen == "1 removed."
    assert sandbox.held() == before


@pytest.mark.parametrize(
    "change",
    [{"name": "mine now"}, {"createdClient": "somebody-else"}, {"createdAt": 4_000_000_000_000}],
    ids=lambda change: next(iter(change)),
)
def test_a_leftover_that_changes_between_list_and_deletion_stays(
    sandbox: Sandbox, change: dict[str, Any]
) -> None:
    leftover = base(sandbox.api, NAME)
    sandbox.control.advance(HOUR + 1)
    item = sandbox.api.item(f"/connections/{leftover}")
    body = {"items": [{**item, **change}]}
    sandbox.control.inject(fault("status", "GET", f"connections/{leftover}", status=200, body=body))
    before = sandbox.held()
    assert finding(run(sandbox), LEFTOVERS).seen == "1 left alone: changed meanwhile."
    assert sandbox.held() == before


def test_a_leftover_that_someone_else_deletes_meanwhile_is_not_a_problem(sandbox: Sandbox) -> None:
    leftover = base(sandbox.api, NAME)
    sandbox.control.advance(HOUR + 1)
    sandbox.control.inject(fault("status", "GET", f"connections/{leftover}", status=404))
    assert finding(run(sandbox), LEFTOVERS).outcome is Outcome.FINE


def test_a_leftover_in_use_stays_until_it_is_free(sandbox: Sandbox) -> None:
    leftover = base(sandbox.api, NAME)
    user = sandbox.api.source(leftover)["id"]
    sandbox.control.advance(HOUR + 1)
    before = sandbox.held()
    assert finding(run(sandbox), LEFTOVERS).seen == "1 left alone: in use."
    assert sandbox.held() == before
    assert ("DELETE", f"/data/foundation/flowservice/connections/{leftover}") not in sandbox.written()
    sandbox.api.call("DELETE", f"/sourceConnections/{user}")
    assert finding(run(sandbox), LEFTOVERS).seen == "1 removed."


def test_a_leftover_that_aep_does_not_delete_is_counted(sandbox: Sandbox) -> None:
    leftover = base(sandbox.api, NAME)
    sandbox.control.advance(HOUR + 1)
    sandbox.control.inject(fault("status", "DELETE", f"connections/{leftover}", status=400))
    written = run(sandbox)
    assert finding(written, LEFTOVERS).seen == "1 left alone: not deleted by AEP."
    assert values_of(written) == DEFAULTS


def test_leftovers_on_every_page_are_found(sandbox: Sandbox) -> None:
    sandbox.control.set_switches(continuation_token="padded")
    before = sandbox.held()
    for _ in range(2):
        base(sandbox.api, NAME)
        for number in range(101):
            base(sandbox.api, f"other {number}")
    reference = {"id": sandbox.api.schema(), "contentType": "application/vnd.adobe.xed+json;version=1"}
    for number in range(101):
        name = NAME if number in (0, 100) else f"dataset {number}"
        response = sandbox.api.call(
            "POST", f"{CATALOG}/dataSets", json={"name": name, "schemaRef": reference}
        )
        assert response.status_code == 201
    sandbox.control.advance(HOUR + 1)
    assert finding(run(sandbox), LEFTOVERS).seen == "4 removed."
    assert len(sandbox.held()["connections"]) == len(before["connections"]) + 202


@pytest.mark.parametrize("shown", [{}, {"createdClient": "somebody-else"}, {"createdClient": None}])
def test_a_dataset_of_someone_else_stays(sandbox: Sandbox, shown: dict[str, Any]) -> None:
    dataset = {"5ab53cb15ed9f011a2bfb9b1": {"name": NAME, "created": 1_500_000_000_000, **shown}}
    path = f"{CATALOG}/dataSets"
    sandbox.control.inject(fault("status", "GET", path, status=200, body=dataset))
    assert "1 left alone" in finding(run(sandbox), LEFTOVERS).seen
    assert not any("5ab53cb15ed9f011a2bfb9b1" in sent for _, sent in sandbox.written())


@pytest.mark.parametrize("kind", ["flows", "connections", "/data/foundation/catalog/dataSets"])
def test_what_aep_does_not_list_is_said(sandbox: Sandbox, kind: str) -> None:
    sandbox.control.inject(fault("status", "GET", kind, status=403))
    leftovers = finding(run(sandbox), LEFTOVERS)
    assert leftovers.outcome is Outcome.UNKNOWN
    assert leftovers.seen.startswith("AEP does not list ")


def test_a_leftover_stays_if_aep_does_not_list_what_may_use_it(sandbox: Sandbox) -> None:
    base(sandbox.api, NAME)
    sandbox.control.advance(HOUR + 1)
    sandbox.control.inject(fault("status", "GET", "sourceConnections", status=403))
    before = sandbox.held()
    assert finding(run(sandbox), LEFTOVERS).outcome is Outcome.UNKNOWN
    assert sandbox.held() == before


def test_a_link_that_is_not_an_address_ends_a_list(sandbox: Sandbox) -> None:
    page = {"items": [], "_links": {"next": {"href": "//[?continuationToken=x"}}}
    sandbox.control.inject(fault("status", "GET", "flows", status=200, body=page))
    assert finding(run(sandbox), LEFTOVERS).outcome is Outcome.FINE
