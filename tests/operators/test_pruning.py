from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_flowservice.client import FLOWS, FlowState
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Operation
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import FlowServicePruneFlowsOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import kinesis, make, make_ends, profile_flow, stream, writes
from tests.support.faults import fault
from tests.support.operators import onboard
from tests.support.tasks import Attempts, TaskStateStore, refused, rendered, run

EMPTY: dict[str, list[str]] = {
    name: []
    for name in (
        "kept",
        "unexpected",
        "disabled",
        "deleted",
        "left",
        "deleted_connections",
        "left_connections",
        "unmatched",
    )
}
ACTING = pytest.mark.parametrize("action", ["disable", "delete"])


def prune(keep: list[Any], **changes: Any) -> FlowServicePruneFlowsOperator:
    return FlowServicePruneFlowsOperator(task_id="x", **{"keep": keep, "name_prefix": "App: ", **changes})


def flows(hook: FlowServiceHook, *names: str, disabled: bool = False) -> list[str]:
    """Flows that share their ends; their ids."""
    ends = make_ends(hook)
    made = [make(hook, profile_flow(*ends, name)) for name in names]
    for flow in made if disabled else ():
        hook.set_flow_state(flow, FlowState.DISABLED)
    return made


def states(control: EmulatorControl) -> dict[str, str]:
    """State of each flow by its id."""
    return {flow["id"]: flow["state"] for flow in control.state()["flows"]}


def before_acting(mocker: Any, flow: str, change: Callable[[], object]) -> None:
    """Let somebody change something when a flow is read, after it was listed."""
    send = FlowServiceHook.send
    pending = [change]

    def race(self: FlowServiceHook, wanted: Any) -> Any:
        if wanted.method == "GET" and wanted.path.endswith(f"flows/{flow}") and pending:
            pending.pop()()
        return send(self, wanted)

    mocker.patch.object(FlowServiceHook, "send", race)


# What is looked at


def test_a_report_changes_nothing_and_says_what_is_unexpected(
    control: EmulatorControl, hook: FlowServiceHook, task_log: pytest.LogCaptureFixture
) -> None:
    kept, by_id, odd = flows(hook, "App: kept", "App: by id", "App: \x1bodd")
    flows(hook, "Another: flow", "app: other case")
    control.inject(fault("foreign", "POST", "flows"), fault("foreign", "POST", "flows", client=None))
    flows(hook, "App: of somebody else", "App: of nobody")
    control.clear_requests()
    task_log.clear()
    result, _ = run(prune(["App: kept", by_id.upper()]))
    assert result == {**EMPTY, "kept": [by_id, kept], "unexpected": [odd], "left": [odd]}
    assert [(entry["method"], entry["path"][-6:]) for entry in control.requests(path="flowservice")] == [
        ("GET", "/flows")
    ]
    assert "Flows of this credential whose names begin with 'App: ': 2 kept, 1 unexpected" in task_log.text
    (line,) = [line for line in task_log.text.splitlines() if odd in line]
    assert line.split() == ["unexpected", "enabled", odd, "App:", "odd"]


def test_every_page_is_read_once(control: EmulatorControl, hook: FlowServiceHook) -> None:
    made = flows(hook, *(f"App: {number}" for number in range(205)))
    control.clear_requests()
    result, _ = run(prune(made[:204]))
    assert (len(result["kept"]), result["unexpected"]) == (204, made[204:])
    assert len(control.requests("GET", "/flows")) == 3


def test_an_entry_that_matches_nothing_is_a_warning_in_a_report(
    control: EmulatorControl, hook: FlowServiceHook, task_log: pytest.LogCaptureFixture
) -> None:
    (flow, _) = flows(hook, "App: sale", "Elsewhere")
    result, _ = run(prune(["App: sael", "Elsewhere"]))
    assert result == {**EMPTY, "unexpected": [flow], "left": [flow], "unmatched": ["App: sael"]}
    (warning,) = [record for record in task_log.records if record.getMessage().startswith("keep")]
    assert warning.levelname == "WARNING"
    assert warning.getMessage() == "keep: no flow has the name or id 'App: sael'; is it misspelled?"


@ACTING
def test_an_entry_that_matches_nothing_is_an_error_where_flows_would_be_affected(
    control: EmulatorControl, hook: FlowServiceHook, action: str
) -> None:
    kept, flow = flows(hook, "App: kept", "App: sale", disabled=action == "delete")
    control.clear_requests()
    message = refused(prune(["App: kept", "App: sael"], action=action))
    assert "keep: no flow has the name or id 'App: sael'. An entry may be misspelled" in message
    assert f"would be {action}d ('App: sale' ({flow}))" in message
    assert writes(control) == []
    result, _ = run(prune([flow, kept, "App: sael"], action=action))
    assert result["unmatched"] == ["App: sael"]


@ACTING
def test_an_entry_in_other_case_than_the_name_matches_nothing(
    control: EmulatorControl, hook: FlowServiceHook, action: str
) -> None:
    flows(hook, "app: kept", "app: sale", disabled=action == "delete")
    arguments = {"name_prefix": "app: ", "action": action}
    message = refused(prune(["app: kept", "app: Sale"], **arguments))
    assert "keep: no flow has the name or id 'app: Sale'." in message


def test_a_flow_that_lists_do_not_show_yet_is_waited_for(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    _, gone = flows(hook, "App: kept", "App: gone")
    control.inject(fault("eventual", "POST", "flows", seconds=4))
    flows(hook, "App: new")
    result, _ = run(prune(["App: kept", "App: new"], action="disable"))
    assert (len(result["kept"]), result["disabled"], result["unmatched"]) == (2, [gone], [])


# Disabling


def test_unexpected_flows_are_disabled_once(control: EmulatorControl, hook: FlowServiceHook) -> None:
    kept, gone, off = flows(hook, "App: kept", "App: gone", "App: off")
    hook.set_flow_state(off, FlowState.DISABLED)
    other = flows(hook, "Other")[0]
    control.clear_requests()
    result, _ = run(prune(["App: kept"], action="disable"))
    expected = {**EMPTY, "kept": [kept], "unexpected": [off, gone], "disabled": [gone], "left": [off]}
    assert result == expected
    assert states(control) == {kept: "enabled", gone: "disabled", off: "disabled", other: "enabled"}
    methods = [entry["method"] for entry in control.requests(path="/flows")]
    assert methods == ["GET", "GET", "POST", "GET"]
    control.clear_requests()
    result, _ = run(prune(["App: kept"], action="disable"))
    assert result == {**expected, "disabled": [], "left": [off, gone]}
    assert writes(control) == []


@pytest.mark.parametrize("lost", ["reset_after", "html", "reset"])
def test_a_flow_whose_answer_is_lost_is_disabled(
    control: EmulatorControl, hook: FlowServiceHook, lost: str
) -> None:
    _, gone = flows(hook, "App: kept", "App: gone")
    control.inject(fault(lost, "POST", "flows/*/action"))
    result, _ = run(prune(["App: kept"], action="disable"))
    assert (result["disabled"], states(control)[gone]) == ([gone], "disabled")
    assert control.faults_left() == []


def test_a_draft_is_left(control: EmulatorControl, hook: FlowServiceHook) -> None:
    flows(hook, "App: kept")
    draft = hook.send(profile_flow(*make_ends(hook), "App: draft", draft=True).create()).id
    for action in ("disable", "delete"):
        result, _ = run(prune(["App: kept"], action=action))
        assert (result["unexpected"], result["left"]) == ([draft], [draft])
    assert states(control)[draft] == "draft"


# Deletion


def test_only_disabled_flows_are_deleted_and_their_connections_stay(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    kept, running, off = flows(hook, "App: kept", "App: running", "App: off")
    hook.set_flow_state(off, FlowState.DISABLED)
    control.clear_requests()
    result, _ = run(prune(["App: kept"], action="delete"))
    assert result == {
        **EMPTY,
        "kept": [kept],
        "unexpected": [off, running],
        "deleted": [off],
        "left": [running],
    }
    assert states(control) == {kept: "enabled", running: "enabled"}
    assert len(control.state()["targetConnections"]) == 1
    assert [entry["method"] for entry in control.requests(path="flowservice")] == ["GET", "GET", "DELETE"]


def disabled_destination(hook: FlowServiceHook, name: str) -> dict[str, str]:
    made = onboard(name)
    hook.set_flow_state(made["flows"], FlowState.DISABLED)
    return made


def test_unshared_connections_go_with_their_flow(control: EmulatorControl, hook: FlowServiceHook) -> None:
    kept = onboard("App: kept")
    made = disabled_destination(hook, "App: gone")
    # Another flow reads from the same source connection.
    target = make(hook, stream(make(hook, kinesis("another")), "another"))
    other = make(hook, profile_flow(made["sourceConnections"], target, "Other"))
    plan, _ = run(prune(["App: kept"], action="delete", with_connections=True, plan_only=True))
    result, _ = run(prune(["App: kept"], action="delete", with_connections=True))
    assert result == {
        **EMPTY,
        "kept": [kept["flows"]],
        "unexpected": [made["flows"]],
        "deleted": [made["flows"]],
        "deleted_connections": [made["targetConnections"], made["connections"]],
        "left_connections": [made["sourceConnections"], made["profile store"]],
    }
    assert set(plan["deleted_connections"]) == set(made.values()) - {made["flows"]}
    assert set(states(control)) == {kept["flows"], other}


def test_a_connection_that_two_of_them_share_goes_with_the_last(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    onboard("Other")
    flows(hook, "App: a", "App: b", disabled=True)
    result, _ = run(prune(["Other"], action="delete", with_connections=True, max_removals=2))
    assert (len(result["deleted"]), len(result["deleted_connections"]), result["left_connections"]) == (
        2,
        4,
        [],
    )


def test_a_connection_of_another_credential_stays(
    control: EmulatorControl, hook: FlowServiceHook, task_log: pytest.LogCaptureFixture
) -> None:
    onboard("App: kept")
    control.inject(
        fault("foreign", "POST", "connections", after=1), fault("foreign", "POST", "sourceConnections")
    )
    made = disabled_destination(hook, "App: gone")
    result, _ = run(prune(["App: kept"], action="delete", with_connections=True))
    assert result["deleted_connections"] == [made["targetConnections"]]
    assert f"Leaving base connection {made['connections']}: another credential created it" in task_log.text
    assert f"Leaving source connection {made['sourceConnections']}" in task_log.text
    assert len(control.state()["connections"]) == 4


# What changes meanwhile


@ACTING
@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("name", "Other", "its name is 'Other'"),
        ("name", "App: kept", "which is kept"),
        ("state", "", "it is "),
    ],
)
def test_what_changes_meanwhile_is_left(
    control: EmulatorControl,
    hook: FlowServiceHook,
    mocker: Any,
    task_log: pytest.LogCaptureFixture,
    action: str,
    field: str,
    value: str,
    why: str,
) -> None:
    _, gone = flows(hook, "App: kept", "App: gone", disabled=action == "delete")
    other = FlowState.ENABLED if action == "delete" else FlowState.DISABLED

    def change() -> None:
        if field == "name":
            hook.update_flow(gone, name=value)
        else:
            hook.set_flow_state(gone, other)

    before_acting(mocker, gone, change)
    result, _ = run(prune(["App: kept"], action=action))
    assert (result["unexpected"], result["left"]) == ([gone], [gone])
    assert (result["disabled"], result["deleted"]) == ([], [])
    (line,) = [record.getMessage() for record in task_log.records if "Leaving" in record.getMessage()]
    assert f"'App: gone' ({gone}): " in line
    assert why in line
    expected = other if field == "state" else {"delete": "disabled", "disable": "enabled"}[action]
    assert states(control)[gone] == expected


@ACTING
def test_what_is_gone_meanwhile_is_fine(
    control: EmulatorControl, hook: FlowServiceHook, mocker: Any, action: str
) -> None:
    _, gone = flows(hook, "App: kept", "App: gone", disabled=action == "delete")
    before_acting(mocker, gone, lambda: hook.delete(FLOWS, gone))
    result, _ = run(prune(["App: kept"], action=action))
    assert result == {**EMPTY, "kept": result["kept"], "unexpected": [gone]}


def test_a_flow_whose_connections_change_meanwhile_is_left(
    control: EmulatorControl, hook: FlowServiceHook, mocker: Any, task_log: pytest.LogCaptureFixture
) -> None:
    onboard("App: kept")
    made = disabled_destination(hook, "App: gone")
    target = make(hook, stream(made["connections"], "another", "another"))

    def change() -> None:
        flow = hook.get(FLOWS, made["flows"])
        other = Operation(op="replace", path="/targetConnectionIds", value=[target])
        hook.patch(FLOWS, flow.id, flow.etag or "", [other])

    before_acting(mocker, made["flows"], change)
    result, _ = run(prune(["App: kept"], action="delete", with_connections=True))
    assert result["left"] == [made["flows"]]
    assert "its connections have changed" in task_log.text


# Limits


@ACTING
def test_more_than_half_is_refused_and_nothing_is_changed(
    control: EmulatorControl, hook: FlowServiceHook, action: str
) -> None:
    off = action == "delete"
    made = flows(hook, "App: kept", "App: b", "App: c", "App: d", disabled=off)
    control.clear_requests()
    for plan_only in (False, True):
        message = refused(prune(["App: kept"], action=action, plan_only=plan_only))
        assert "3 of the 4 flows whose names begin with 'App: ' would be" in message
        assert f"{action}d, but at most 2 may be" in message
        assert all(f"'App: {name}' ({flow})" in message for name, flow in zip("bcd", made[1:], strict=True))
        assert "If that is intended, set max_removals=3." in message
    assert "at most 0 may be" in refused(prune(["App: kept"], action=action, max_removals=0))
    assert writes(control) == []
    result, _ = run(prune(["App: kept"], action=action, max_removals="3"))
    assert len(result[f"{action}d"]) == 3


@ACTING
def test_half_is_allowed(control: EmulatorControl, hook: FlowServiceHook, action: str) -> None:
    flows(hook, "App: a", "App: b", "App: c", "App: d", disabled=action == "delete")
    result, _ = run(prune(["App: a", "App: b"], action=action))
    assert len(result[f"{action}d"]) == 2


@ACTING
def test_in_a_backfill_flows_are_only_reported_unless_allowed(
    control: EmulatorControl, hook: FlowServiceHook, action: str
) -> None:
    flows(hook, "App: kept", "App: gone", disabled=action == "delete")
    backfill = SimpleNamespace(run_type="backfill")
    for plan_only in (False, True):
        message = refused(prune(["App: kept"], action=action, plan_only=plan_only), dag_run=backfill)
        assert message.startswith(f"action '{action}' in a backfill would keep")
        assert "Use action='report', or set allow_in_backfill=True." in message
    assert len(run(prune(["App: kept"]), dag_run=backfill)[0]["unexpected"]) == 1
    result, _ = run(prune(["App: kept"], action=action, allow_in_backfill="true"), dag_run=backfill)
    assert len(result[f"{action}d"]) == 1


# Dry run


@ACTING
def test_a_dry_run_returns_what_would_be_done(
    control: EmulatorControl, hook: FlowServiceHook, task_log: pytest.LogCaptureFixture, action: str
) -> None:
    flows(hook, "App: kept", "App: gone", "App: another", disabled=action == "delete")
    before = control.state()
    keep = ["App: kept", "App: another", "plan:flow:App: new"]
    planned, _ = run(prune([*keep, "App: planned"], action=action, plan_only=True))
    assert control.state() == before
    assert planned["unmatched"] == ["App: planned"]
    assert f"\n  would be {action}d" in task_log.text
    message = refused(prune(keep, action=action))
    assert message.startswith("keep[2]: 'plan:flow:App: new' is a placeholder from a plan_only task.")
    done, _ = run(prune(keep[:2], action=action))
    assert done == {**planned, "unmatched": []}


# Arguments


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"keep": []}, "keep: is empty"),
        ({"keep": ["a", None]}, r"keep\[1\]: is None, although it was given"),
        ({"keep": [""]}, r"keep\[0\]: is '', although it was given"),
        ({"keep": "App: kept"}, "keep: must be a list"),
        ({"name_prefix": "ab"}, "name_prefix: 'ab' has fewer than 3 characters"),
        ({"name_prefix": " a  "}, "name_prefix: ' a  ' has fewer than 3 characters"),
        ({"name_prefix": ""}, "name_prefix: is ''"),
        ({"action": "remove"}, "action: 'remove' is not supported. Choose one of: report, disable, delete"),
        ({"max_removals": -1}, "max_removals: -1 is not a whole number"),
    ],
)
def test_what_makes_no_sense_is_rejected_before_anything_is_sent(
    control: EmulatorControl, arguments: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        prune(**{"keep": ["App: kept"], **arguments})
    make_rendered = partial(FlowServicePruneFlowsOperator, task_id="x")
    values = {"keep": ["App: kept"], "name_prefix": "App: ", **arguments}
    with pytest.raises(FlowServicePermanentException, match=problem):
        run(rendered(make_rendered, **values))
    assert control.requests() == []


def test_a_skipped_upstream_task_keeps_nothing_and_is_an_error(control: EmulatorControl) -> None:
    operator = prune(["App: kept", "{{ task.output }}"], action="delete")
    operator.keep = ["App: kept", "None"]
    assert refused(operator).startswith("keep[1]: is 'None', although it was given")
    assert control.requests() == []


# Interrupted attempts


@pytest.mark.parametrize("done", range(10))
def test_an_interrupted_deletion_loses_no_connection_and_returns_the_same(
    control: EmulatorControl, hook: FlowServiceHook, done: int
) -> None:
    kept = [onboard(f"App: kept {number}")["flows"] for number in (1, 2)]
    made = [disabled_destination(hook, f"App: gone {number}") for number in (1, 2)]
    store = TaskStateStore()
    operator = partial(prune, kept, action="delete", with_connections=True)
    control.inject(fault("status", "DELETE", "*", after=done, times=20, status=503))
    with pytest.raises(FlowServiceTransientException):
        run(operator(), task_state_store=store)
    assert len(control.requests("DELETE", status=202)) == done
    control.clear_faults()
    result, _ = run(operator(), task_state_store=store)
    assert set(result["deleted"]) == {each["flows"] for each in made}
    assert set(result["unexpected"]) == set(result["deleted"])
    assert set(result["deleted_connections"]) == {
        each for of_flow in made for kind, each in of_flow.items() if kind != "flows"
    }
    assert set(states(control)) == set(kept)
    assert len(control.state()["connections"]) == 4
    assert store == {}


def test_an_attempt_after_a_finished_one_returns_the_same(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flows(hook, "App: kept", "App: a")
    attempts = Attempts(has_store=True)
    operator = partial(prune, ["App: kept"], action="disable")
    first, _ = run(operator(), **attempts.another())
    assert first["disabled"]
    assert run(operator(), **attempts.another())[0] == first
    assert run(operator(), **attempts.cleared())[0] == {**first, "disabled": [], "left": first["unexpected"]}


def test_a_flow_that_was_enabled_between_two_attempts_is_not_deleted(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    onboard("App: kept")
    made = disabled_destination(hook, "App: gone")
    store = TaskStateStore()
    operator = partial(prune, ["App: kept"], action="delete", with_connections=True)
    control.inject(fault("status", "DELETE", "*", times=20, status=503))
    with pytest.raises(FlowServiceTransientException):
        run(operator(), task_state_store=store)
    control.clear_faults()
    assert store
    hook.set_flow_state(made["flows"], FlowState.ENABLED)
    result, _ = run(operator(), task_state_store=store)
    assert (result["deleted"], result["left"]) == ([], [made["flows"]])
    assert control.requests("DELETE", status=202) == []


def test_an_interrupted_deletion_is_finished_whatever_is_kept_by_then(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    onboard("App: kept")
    disabled_destination(hook, "App: gone")
    store = TaskStateStore()
    control.inject(fault("status", "DELETE", "targetConnections/*", times=20, status=503))
    arguments = {"action": "delete", "with_connections": True}
    with pytest.raises(FlowServiceTransientException):
        run(prune(["App: kept"], **arguments), task_state_store=store)
    control.clear_faults()
    run(prune(["App: kept", "App: gone"], **arguments), task_state_store=store)
    assert len(control.state()["connections"]) == 2
