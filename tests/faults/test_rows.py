"""The fault matrix, its rows 1 to 10, each as a DAG: tokens, conflicts, lost answers, limits, broken answers."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.faults.kinds import REQUEST_TRIES
from tests.support import operators
from tests.support.aep import FLOW_SERVICE, make_flow, statuses, writes
from tests.support.airflow import flowservice_connection
from tests.support.dags import Ran, run
from tests.support.faults import fault
from tests.support.operation import NAME, SEGMENTS, Sandbox
from tests.support.tasks import run as run_operator

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

IMS = "/ims/token/v3"
CREATES = ("connections", "sourceConnections", "targetConnections", "flows")


def onboarding() -> None:
    """All of a destination, with an activation at its end."""
    store = operators.create_profile_store()
    source = operators.create_source(store.output)
    target = operators.create_target(operators.create_kinesis().output)
    operators.activate(operators.create_flow(source.output, target.output).output, SEGMENTS)


def one_create() -> None:
    operators.create_profile_store(NAME)


def assert_onboarded(ran: Ran, control: EmulatorControl) -> None:
    """One of everything, all segments once, no fault left."""
    assert ran.succeeded, ran.states
    state = control.state()
    assert [len(state[kind]) for kind in CREATES] == [2, 1, 1, 1]
    (flow,) = state["flows"]
    selectors = flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    assert [selector["value"]["id"] for selector in selectors] == SEGMENTS
    assert control.faults_left() == []


def test_row_1_a_token_that_expires_is_renewed_once(control: EmulatorControl, time: VirtualClock) -> None:
    control.inject(fault("expire_token", "POST", "sourceConnections"))
    assert_onboarded(run("row_1", onboarding), control)
    assert statuses(control, "POST", "/sourceConnections") == [401, 201]
    assert len(control.requests(path=IMS)) == 2
    assert time.monotonic() <= 5


def test_row_1_a_second_refusal_is_left_to_airflows_retries(
    control: EmulatorControl, time: VirtualClock
) -> None:
    control.inject(fault("expire_token", "POST", "sourceConnections", times=2))
    ran = run("row_1_twice", onboarding)
    assert isinstance(ran.error, FlowServiceTransientException)
    assert (ran.error.status, ran.error.code) == (401, "401013")
    assert ran.states["source"] == "failed"
    assert ran.states["activate"] == "upstream_failed"
    assert control.state()["sourceConnections"] == control.state()["flows"] == []
    assert statuses(control, "POST", "/sourceConnections") == [401, 401]
    assert control.faults_left() == []
    assert time.monotonic() <= 5


def test_row_1_many_threads_renew_a_token_once(sandbox: Sandbox, time: VirtualClock) -> None:
    control = sandbox.control
    flow = make_flow(sandbox.hook)
    control.clear_requests()
    control.inject(fault("expire_token", "GET", "flows/*"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: run_operator(operators.activate(flow, SEGMENTS)), range(8)))
    assert sandbox.selected(flow)[0] == SEGMENTS
    assert len(control.requests(path=IMS)) == 1
    assert control.faults_left() == []
    assert time.monotonic() <= 120


def test_row_2_an_identity_service_that_stumbles_is_asked_again(
    control: EmulatorControl, time: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    control.inject(
        fault("status", "POST", IMS, status=500),
        fault("rate_limit", "POST", IMS, retry_after=3),
        fault("html", "POST", IMS),
        fault("status", "POST", IMS, status=200, body="garbage"),
    )
    assert_onboarded(run("row_2", onboarding), control)
    assert statuses(control, "POST", IMS) == [500, 429, 502, 200, 200]
    assert control.credential.client_secret not in caplog.text
    assert time.monotonic() <= 1 + 4 + 4 + 8 + 1


@pytest.mark.parametrize("times", [1, 5])
def test_row_3_an_activation_keeps_what_others_do_meanwhile(
    sandbox: Sandbox, time: VirtualClock, times: int
) -> None:
    control = sandbox.control
    flow = make_flow(sandbox.hook)
    control.inject(fault("conflict", "PATCH", "flows/*", times=times))
    ran = run(f"row_3_{times}", lambda: operators.activate(flow, SEGMENTS))
    assert ran.succeeded
    found, _ = sandbox.selected(flow)
    assert found[times:] == SEGMENTS
    assert len(set(found)) == len(SEGMENTS) + times
    assert statuses(control, "PATCH", flow) == [412] * times + [200]
    assert control.faults_left() == []
    assert time.monotonic() <= 1 + 2 + 4 + 8 + 10 + 1


def test_row_3_what_another_editor_did_already_is_not_sent(sandbox: Sandbox, time: VirtualClock) -> None:
    control = sandbox.control
    flow = make_flow(sandbox.hook)
    control.inject(fault("conflict", "PATCH", "flows/*", segment_id=SEGMENTS[0]))
    ran = run("row_3_done", lambda: operators.activate(flow, SEGMENTS[:1]))
    assert ran.succeeded
    assert sandbox.selected(flow)[0] == SEGMENTS[:1]
    assert statuses(control, "PATCH", flow) == [412]
    assert control.faults_left() == []
    assert time.monotonic() <= 2


def test_row_4_an_activation_whose_answer_is_lost_is_made_once(sandbox: Sandbox, time: VirtualClock) -> None:
    control = sandbox.control
    flow = make_flow(sandbox.hook)
    control.inject(fault("reset_after", "PATCH", "flows/*"))
    ran = run("row_4", lambda: operators.activate(flow, SEGMENTS))
    assert ran.succeeded
    assert sandbox.selected(flow)[0] == SEGMENTS
    assert ran.results["activate"]["added"] == SEGMENTS
    assert statuses(control, "PATCH", flow) == [None]
    assert control.faults_left() == []
    assert time.monotonic() <= 2


@pytest.mark.parametrize(("lost", "sends"), [("reset_after", 1), ("truncate", 1), ("status", 2)])
def test_row_5_creates_whose_answers_are_lost_make_one_object_each(
    control: EmulatorControl, time: VirtualClock, lost: str, sends: int
) -> None:
    more = {"status": 503} if lost == "status" else {}
    control.inject(*(fault(lost, "POST", kind, **more) for kind in CREATES))
    ran = run(f"row_5_{lost}", onboarding)
    assert_onboarded(ran, control)
    assert ran.results["flow"] == control.state()["flows"][0]["id"]
    posts = [kind for method, kind in writes(control) if method == "POST"]
    assert [posts.count(kind) for kind in CREATES] == [1 + sends, sends, sends, sends]
    assert time.monotonic() <= len(CREATES) * 16 + 5


def test_row_6_a_server_that_asks_to_wait_is_obeyed_up_to_a_cap(
    control: EmulatorControl, time: VirtualClock
) -> None:
    control.inject(
        fault("rate_limit", "GET", "connections"),
        fault("rate_limit", "GET", "connections", retry_after=7),
        fault("rate_limit", "GET", "connections", retry_after=7, as_date=True),
        fault("rate_limit", "GET", "connections", retry_after=1_000_000),
    )
    ran = run("row_6", one_create)
    assert ran.succeeded
    assert [item["name"] for item in control.state()["connections"]] == [NAME]
    assert statuses(control, "GET", "/connections") == [429] * 4 + [200, 200]
    assert control.faults_left() == []
    assert 7 + 5 + 60 <= time.monotonic() <= 1 + 8 + 9 + 61


def test_row_7_a_burst_of_failures_is_outlasted(control: EmulatorControl, time: VirtualClock) -> None:
    control.inject(
        *(fault("status", "GET", "connections", status=status) for status in (500, 503, 504)),
        fault("html", "GET", "connections"),
    )
    ran = run("row_7", one_create)
    assert ran.succeeded
    assert statuses(control, "GET", "/connections") == [500, 503, 504, 502, 200, 200]
    assert len(control.state()["connections"]) == 1
    assert control.faults_left() == []
    assert time.monotonic() <= 1 + 2 + 4 + 8


def test_row_7_a_page_of_html_that_stays_is_told_in_a_line(
    control: EmulatorControl, time: VirtualClock
) -> None:
    control.inject(fault("html", "GET", "connections", times=REQUEST_TRIES))
    ran = run("row_7_stays", one_create)
    assert isinstance(ran.error, FlowServiceTransientException)
    assert f"GET {FLOW_SERVICE}/connections: HTTP 502" in str(ran.error)
    assert "\n" not in str(ran.error)
    assert control.state()["connections"] == []
    assert writes(control) == []
    assert control.faults_left() == []
    assert time.monotonic() <= 1 + 2 + 4 + 8


def test_row_8_a_connection_that_breaks_before_anything_is_done(
    control: EmulatorControl, time: VirtualClock
) -> None:
    control.inject(*(fault("reset", "*", kind) for kind in CREATES))
    assert_onboarded(run("row_8", onboarding), control)
    assert time.monotonic() <= len(CREATES) * 16


@pytest.mark.parametrize("failure", ["unknown host", "refused"])
def test_row_8_a_host_that_cannot_be_reached_for_a_while(
    emulator: EmulatorServer, time: VirtualClock, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    resolve, tries = socket.getaddrinfo, []

    def unreachable(host: Any, *arguments: Any, **options: Any) -> Any:
        tries.append(host)
        if len(tries) > 2:
            return resolve(host, *arguments, **options)
        if failure == "unknown host":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, closed.getsockname()[1])

    control = emulator.control
    url = emulator.url.replace("127.0.0.1", "localhost")
    connection = flowservice_connection(url, control.credential)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        time.follow(None)  # the way to the emulator's clock is blocked as well
        with monkeypatch.context() as blocked:
            blocked.setattr(socket, "getaddrinfo", unreachable)
            ran = run(f"row_8_{failure.replace(' ', '_')}", one_create)
    assert ran.succeeded
    assert len(tries) > 2
    assert len(control.state()["connections"]) == 1
    assert writes(control) == [("POST", "connections")]
    assert control.faults_left() == []
    assert 0 < time.monotonic() <= 3


def test_row_8_a_certificate_that_does_not_verify_is_permanent(
    control: EmulatorControl, time: VirtualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    chain, key = str(tmp_path / "chain.pem"), str(tmp_path / "key.pem")
    certificate.private_key_pem.write_to_path(key)
    for part in certificate.cert_chain_pems:
        part.write_to_path(chain, append=True)
    with EmulatorServer(ssl_certfile=chain, ssl_keyfile=key) as other:
        connection = flowservice_connection(other.url, control.credential)
        monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)
        ran = run("row_8_tls", one_create)
    assert isinstance(ran.error, FlowServicePermanentException)
    assert "certificate cannot be verified" in str(ran.error)
    assert "REQUESTS_CA_BUNDLE" in str(ran.error)
    assert control.requests() == []
    assert control.faults_left() == []
    assert time.monotonic() == 0


def test_row_9_an_answer_that_does_not_come_is_not_waited_for(
    emulator: EmulatorServer, time: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = emulator.control
    connection = flowservice_connection(emulator.url, control.credential, read_timeout=0.5)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)
    control.inject(fault("delay", "GET", "connections", seconds=2))
    ran = run("row_9_stall", one_create)
    assert ran.succeeded
    assert len(control.state()["connections"]) == 1
    assert writes(control) == [("POST", "connections")]
    assert control.faults_left() == []
    assert time.monotonic() <= 1


class TickingClock(VirtualClock):
    """Each look at it takes a second, as if what lies between two looks took one."""

    def monotonic(self) -> float:
        self.advance(1.0)
        return super().monotonic()


def test_row_9_an_answer_that_drips_without_end_is_given_up(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_flowservice.client import clock

    control = emulator.control
    connection = flowservice_connection(emulator.url, control.credential, retries=0, retry_budget=12)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)
    control.inject(fault("slow_body", "GET", "connections", seconds=2))
    with clock.installed(TickingClock()) as ticking:
        ran = run("row_9_drip", one_create)
    assert isinstance(ran.error, FlowServiceTransientException)
    assert "took too long" in str(ran.error)
    assert control.state()["connections"] == []
    assert writes(control) == []
    assert control.faults_left() == []
    assert ticking.monotonic() <= 40


def test_row_10_answers_that_are_cut_or_of_another_shape_are_asked_for_again(
    control: EmulatorControl, time: VirtualClock
) -> None:
    control.inject(
        fault("truncate", "GET", "connections"),
        fault("status", "GET", "connections", status=200, body={"items": 5}),
        fault("status", "POST", "connections", status=201, body={}),
        fault("truncate", "POST", "sourceConnections"),
    )
    assert_onboarded(run("row_10", onboarding), control)
    assert [kind for _, kind in writes(control)].count("connections") == 3
    assert [kind for _, kind in writes(control)].count("sourceConnections") == 1
    assert time.monotonic() <= 25


def test_row_10_an_answer_of_another_shape_that_stays_is_a_typed_error(
    control: EmulatorControl, time: VirtualClock
) -> None:
    control.inject(fault("status", "GET", "connections", times=REQUEST_TRIES, status=200, body=[1]))
    ran = run("row_10_stays", one_create)
    assert isinstance(ran.error, FlowServiceTransientException)
    assert "HTTP 200, invalid response" in str(ran.error)
    assert control.state()["connections"] == []
    assert writes(control) == []
    assert control.faults_left() == []
    assert time.monotonic() <= 15
