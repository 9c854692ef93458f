"""What the doctor learns by writing, and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.findings import Outcome
from airflow_provider_flowservice.doctor.habits import READ_HABITS
from airflow_provider_flowservice.doctor.habits.model import examine_habit
from airflow_provider_flowservice.doctor.writes import inlet_habits
from airflow_provider_flowservice.doctor.writes.session import WRITE_HABITS, writing
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.doctor.test_read_habits import IN_AN_EMPTY_SANDBOX
from tests.doctor.writes import DEFAULTS, Sandbox, aep_of, finding, run, values_of
from tests.support.faults import fault

TYPE = "/data/foundation/sandbox-management/sandboxes/*"
NUMBERS = {
    "change_delay_seconds": (1, 8),
    "finalization_seconds": (1, 8),
    "inlet_limit_bytes": (700, 1_048_576, 1_500_000),
}


def other_values() -> Iterator[tuple[str, object]]:
    """Every switch that writes show, with each value that is not its default, or other numbers."""
    for switch in fields(Switches):
        if switch.name in DEFAULTS:
            others = NUMBERS.get(switch.name) or switch.metadata.get("choices", (None, True))[1:]
            yield from ((switch.name, value) for value in others)


def test_each_habit_is_one_of_aep_that_reads_do_not_show() -> None:
    assert len(WRITE_HABITS) == len(DEFAULTS)
    assert {*DEFAULTS, *(habit.switch for habit in READ_HABITS)} == Switches.habits().keys()
    assert not DEFAULTS.keys() & {habit.switch for habit in READ_HABITS}


def test_the_defaults_are_found_and_everything_works(sandbox: Sandbox) -> None:
    before = sandbox.held()
    written = run(sandbox)
    assert values_of(written) == DEFAULTS
    assert {each.outcome for each in (*written.findings, *written.habits)} == {Outcome.FINE}
    assert sandbox.held() == before


@pytest.mark.parametrize(("switch", "value"), list(other_values()))
def test_exactly_the_switch_that_was_changed_is_found(sandbox: Sandbox, switch: str, value: object) -> None:
    before = sandbox.held()
    sandbox.control.set_switches(**{switch: value})
    assert values_of(run(sandbox)) == {**DEFAULTS, switch: value}
    assert sandbox.held() == before


@pytest.mark.parametrize("switch", sorted(Switches.habits().keys() - DEFAULTS.keys()))
def test_no_habit_of_reads_is_taken_for_another(sandbox: Sandbox, switch: str) -> None:
    (declared,) = (each for each in fields(Switches) if each.name == switch)
    choices = declared.metadata.get("choices")
    value = choices[1] if choices else False if declared.type == "bool" else 600
    sandbox.control.set_switches(**{switch: value})
    assert values_of(run(sandbox)) == DEFAULTS


@pytest.mark.parametrize(("finalization", "delay"), [(3, 8), (8, 3), (8, 8)])
def test_two_delays_are_told_from_each_other(sandbox: Sandbox, finalization: int, delay: int) -> None:
    delays = {"finalization_seconds": finalization, "change_delay_seconds": delay}
    sandbox.control.set_switches(**delays)
    assert values_of(run(sandbox)) == {**DEFAULTS, **delays}


def test_all_at_once_are_found(sandbox: Sandbox) -> None:
    others = dict(other_values())
    sandbox.control.set_switches(**others)
    assert values_of(run(sandbox)) == others


def test_an_empty_sandbox_shows_all_but_what_needs_a_schema(empty_sandbox: Sandbox) -> None:
    found = values_of(run(empty_sandbox))
    assert found == {**DEFAULTS, "profile_without_union": None}
    assert not any(empty_sandbox.held().values())


@pytest.mark.parametrize("delay", [0, 8])
def test_lists_of_an_empty_sandbox_show_habits_meanwhile(
    empty_sandbox: Sandbox, connect: Callable[[EmulatorControl], Aep], delay: int
) -> None:
    empty_sandbox.control.set_switches(change_delay_seconds=delay)
    aep = connect(empty_sandbox.control)
    with clock.installed(VirtualClock.in_step_with(empty_sandbox.control)):
        for habit in READ_HABITS:
            examine_habit(habit, aep)
        with writing(aep, lambda _: None):
            found = {habit.switch: examine_habit(habit, aep).value for habit in READ_HABITS}
    unknown = {switch for switch, value in found.items() if value is None}
    assert unknown < IN_AN_EMPTY_SANDBOX.keys()
    assert unknown == {"default_page_size", "runs_comma", "run_status_names", "union_without_identity"}


def _nothing_written(place: Sandbox, outcome: Outcome, seen: str, **changes: Any) -> None:
    written = run(place, **changes)
    assert place.written() == []
    (guard,) = written.findings
    assert (guard.outcome, guard.subject) == (outcome, "Type of the sandbox")
    assert seen in guard.seen
    assert {habit.outcome for habit in written.habits} == {Outcome.UNKNOWN}
    assert values_of(written) == dict.fromkeys(DEFAULTS)


def test_nothing_is_written_in_production(sandbox: Sandbox) -> None:
    _nothing_written(sandbox, Outcome.BROKEN, "not say that its type is development", sandbox="prod")


@pytest.mark.parametrize(
    "response",
    [
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 404},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 200, "body": "development"},
        {"kind": "status", "status": 200, "body": {}},
        {"kind": "status", "status": 200, "body": {"name": "dev", "type": None}},
        {"kind": "status", "status": 200, "body": {"name": "prod", "type": "development"}},
        {"kind": "status", "status": 200, "body": [{"name": "dev", "type": "development"}]},
        {"kind": "status", "status": 201, "body": {"name": "dev", "type": "development"}},
        {"kind": "html", "status": 200},
        {"kind": "html", "status": 502},
        {"kind": "reset"},
        {"kind": "truncate"},
        {"kind": "rate_limit"},
    ],
    ids=lambda response: " ".join(map(str, response.values())),
)
def test_nothing_is_written_unless_aep_says_that_it_may(sandbox: Sandbox, response: dict[str, Any]) -> None:
    sandbox.control.inject(fault(path=TYPE, times=10, **response))
    _nothing_written(sandbox, Outcome.UNKNOWN, "Nothing was written")


@pytest.mark.parametrize("kind", ["Staging", "developmental", "production"])
def test_nothing_is_written_in_a_sandbox_of_another_type(sandbox: Sandbox, kind: str) -> None:
    body = {"name": "dev", "type": kind}
    sandbox.control.inject(fault("status", path=TYPE, status=200, body=body))
    _nothing_written(sandbox, Outcome.BROKEN, "not say that its type is development")


def test_the_type_may_be_in_capitals(sandbox: Sandbox) -> None:
    body = {"name": "dev", "type": "DEVELOPMENT"}
    sandbox.control.inject(fault("status", path=TYPE, status=200, body=body))
    assert values_of(run(sandbox)) == DEFAULTS


#: Habits that need something of a kind.
NEED = {
    "connections": {
        *("duplicate_names", "delete_response", "draft_state", "legacy_base_connection", "unknown_specs"),
        *("batch_style", "sync_validation", "gzip", "inlet_bad_token", "inlet_org_header"),
        *("inlet_sandbox_header", "plain_xdm", "inlet_limit_bytes", "patch_response", "silent_patch"),
        *("finalization_seconds", "change_delay_seconds", "fields_in_create", "dataset_24_hours"),
        *("chained_frequency", "file_name_macros"),
    },
    "sourceConnections": {
        *("legacy_base_connection", "silent_patch", "fields_in_create", "dataset_24_hours"),
        *("chained_frequency", "file_name_macros"),
    },
    "targetConnections": {
        *("silent_patch", "fields_in_create", "dataset_24_hours", "chained_frequency", "file_name_macros")
    },
    "flows": {
        *("silent_patch", "fields_in_create", "dataset_24_hours", "chained_frequency", "file_name_macros")
    },
    "/data/foundation/catalog/dataSets": {"profile_without_union"},
}


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize("refused", NEED)
def test_what_cannot_be_made_leaves_the_other_habits(sandbox: Sandbox, refused: str, status: int) -> None:
    before = sandbox.held()
    sandbox.control.inject(fault("status", "POST", refused, status=status, times=100))
    written = run(sandbox)
    needs = dict.fromkeys(NEED[refused])
    assert values_of(written) == {**DEFAULTS, **needs}
    reasons = {habit.seen for habit in written.habits if habit.value is None}
    assert all(f"({status}" in reason for reason in reasons)
    sandbox.control.clear_faults()
    assert sandbox.held() == before
    if status == 403 and not refused.startswith("/"):
        create = finding(written, "Create")
        assert create.outcome is Outcome.BROKEN
        assert "Permissions" in create.remedy
        assert "FlowServiceCreateFlowOperator" in create.operators


@pytest.mark.parametrize("delay", [0, 8])
def test_a_lost_response_leaves_nothing(sandbox: Sandbox, delay: int) -> None:
    before = sandbox.held()
    sandbox.control.set_switches(profile_without_union="accept", change_delay_seconds=delay)
    sandbox.control.inject(
        *(fault("reset_after", "POST", kind) for kind in ("connections", "flows", "sourceConnections")),
        fault("reset_after", "POST", "/data/foundation/catalog/dataSets"),
    )
    written = run(sandbox)
    assert finding(written, "Removal").outcome is Outcome.FINE
    assert sandbox.held() == before


def test_a_request_that_was_lost_is_not_forgotten(sandbox: Sandbox) -> None:
    sandbox.control.inject(fault("reset", "POST", "targetConnections"))
    removal = finding(run(sandbox), "Removal")
    assert (removal.outcome, "no list shows: 1" in removal.seen) == (Outcome.UNKNOWN, True)


def test_what_is_not_removed_is_counted(sandbox: Sandbox) -> None:
    sandbox.control.inject(fault("status", "DELETE", "targetConnections/*", status=403, times=100))
    removal = finding(run(sandbox), "Removal")
    assert removal.outcome is Outcome.BROKEN
    assert removal.seen == "Not removed: base connection: 1, target connection: 1."
    assert "again in an hour" in removal.remedy


def test_an_inlet_that_does_not_respond_is_asked_once(sandbox: Sandbox) -> None:
    sandbox.control.inject(fault("reset", "POST", "/collection/*", times=100))
    unknown = {switch for switch, value in values_of(run(sandbox)).items() if value is None}
    assert unknown == {habit.switch for habit in inlet_habits.HABITS}
    assert sum(path.startswith("/collection/") for _, path in sandbox.written()) == 1


def test_the_removal_ends_although_aep_does_not(sandbox: Sandbox) -> None:
    sandbox.control.inject(fault("rate_limit", "DELETE", "*", times=1000, retry_after=50))
    removal = finding(run(sandbox, retries=1), "Removal")
    assert removal.outcome is Outcome.BROKEN
    assert removal.seen.startswith("Not removed: ")
    assert sum(method == "DELETE" for method, _ in sandbox.written()) < 15


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_everything_is_removed_if_the_run_ends_early(sandbox: Sandbox, error: type[BaseException]) -> None:
    before = sandbox.held()

    def stop(what: str) -> None:
        if what == "Habit gzip":
            assert len(sandbox.held()["flows"]) > len(before["flows"])
            raise error

    with (
        clock.installed(VirtualClock.in_step_with(sandbox.control)),
        aep_of(sandbox.settings()) as aep,
        pytest.raises(error),
        writing(aep, stop),
    ):
        pass
    assert sandbox.held() == before


def test_an_aep_that_ignores_etags_is_broken(sandbox: Sandbox) -> None:
    sandbox.control.inject(fault("status", "PATCH", "flows/*", after=1, status=200, body={"id": "x"}))
    stale = finding(run(sandbox), "PATCH with an outdated etag")
    assert (stale.outcome, "412" in stale.seen) == (Outcome.BROKEN, True)


def test_a_patch_that_is_refused_is_broken(sandbox: Sandbox) -> None:
    sandbox.control.inject(fault("status", "PATCH", "*", status=403, times=10))
    written = run(sandbox)
    patch = finding(written, "PATCH with the current etag")
    assert patch.outcome is Outcome.BROKEN
    assert "FlowServiceUpdateFlowOperator" in patch.operators
    unknown = {switch for switch, value in values_of(written).items() if value is None}
    assert unknown == {"patch_response", "silent_patch", "finalization_seconds", "change_delay_seconds"}


def test_an_inlet_on_another_host_gets_nothing(sandbox: Sandbox) -> None:
    written = run(sandbox, collection_host="https://dcs.adobedc.net")
    unknown = {habit.switch: habit.seen for habit in written.habits if habit.value is None}
    assert all("collection_host" in seen for seen in unknown.values())
    assert unknown.keys() == {
        *("batch_style", "sync_validation", "gzip", "inlet_bad_token", "inlet_org_header"),
        *("inlet_sandbox_header", "plain_xdm", "inlet_limit_bytes"),
    }


@pytest.mark.parametrize(
    ("switch", "value", "operators"),
    [
        ("silent_patch", True, ("FlowServiceActivateSegmentsOperator", "FlowServiceUpdateFlowOperator")),
        ("draft_state", "initializing", ("FlowServicePublishFlowOperator",)),
        ("sync_validation", "unsupported", ()),
        ("inlet_limit_bytes", 900_000, ("FlowServicePostToInletOperator",)),
        ("inlet_limit_bytes", 1_100_000, ()),
        ("change_delay_seconds", 8, ()),
        (
            "change_delay_seconds",
            20,
            (
                "FlowServiceActivateSegmentsOperator",
                "FlowServicePublishFlowOperator",
                "FlowServiceSetFlowStateOperator",
                "FlowServiceUpdateFlowOperator",
            ),
        ),
    ],
)
def test_operators_that_do_not_work_are_named(
    sandbox: Sandbox, switch: str, value: object, operators: tuple[str, ...]
) -> None:
    sandbox.control.set_switches(**{switch: value})
    (habit,) = (each for each in run(sandbox).habits if each.switch == switch)
    assert (habit.value, habit.operators) == (value, operators)
    assert (habit.outcome is Outcome.BROKEN) is bool(habit.remedy) is bool(operators)


def test_an_aep_that_never_shows_a_change_leaves_it_open(sandbox: Sandbox) -> None:
    sandbox.control.set_switches(change_delay_seconds=100_000)
    written = run(sandbox)
    assert values_of(written)["change_delay_seconds"] is None
    broken = {each.subject: each.remedy for each in written.findings if each.outcome is Outcome.BROKEN}
    assert {"Time until a change shows", "Time until a new object is in lists"} <= broken.keys()
    assert all(broken.values())
    sandbox.control.set_switches(change_delay_seconds=0, finalization_seconds=1000)
    found = values_of(run(sandbox))
    assert found == {**DEFAULTS, "finalization_seconds": None}


def test_a_read_that_fails_once_is_not_taken_for_a_change(sandbox: Sandbox) -> None:
    sandbox.control.inject(fault("status", "GET", "flows/*", after=3, status=404))
    assert values_of(run(sandbox)) == DEFAULTS
    assert sandbox.control.faults_left() == []


def test_no_value_of_a_user_is_shown(sandbox: Sandbox) -> None:
    written = run(sandbox)
    said = " ".join(f"{each.seen} {each.remedy}" for each in (*written.findings, *written.habits))
    credential, held = sandbox.control.credential, sandbox.held()
    hidden = {credential.client_id, credential.client_secret, credential.org_id, f" {credential.sandbox} "}
    hidden |= {each["id"] for kind in ("flows", "connections") for each in held[kind]}
    assert not [each for each in hidden if each in said]
    assert "airflow-flowservice-doctor-" not in said
    assert "AKIA" not in said


def test_a_run_takes_few_requests_and_objects(sandbox: Sandbox) -> None:
    with (
        clock.installed(virtual := VirtualClock.in_step_with(sandbox.control)),
        aep_of(sandbox.settings()) as aep,
        writing(aep, lambda _: None),
    ):
        made = {kind: len(held) for kind, held in sandbox.held().items() if held}
    assert made == {
        "connections": 8,
        "sourceConnections": 3,
        "targetConnections": 2,
        "flows": 4,
        "messages": 2,
        "datasets": 1,
    }
    assert aep.calls <= 85
    assert sum(virtual.sleeps) <= 15
    assert all(not messages for messages in sandbox.held()["messages"].values())


def test_what_is_posted_is_never_ingested(sandbox: Sandbox) -> None:
    sandbox.control.set_switches(plain_xdm="accept", gzip="accept")
    with (
        clock.installed(VirtualClock.in_step_with(sandbox.control)),
        aep_of(sandbox.settings()) as aep,
        writing(aep, lambda _: None),
    ):
        received = sandbox.held()["messages"]
    assert len(received) == 2
    assert not any(received.values())
