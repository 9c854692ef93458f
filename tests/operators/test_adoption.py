"""Create operators that adopt, by its id, an object that was made by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator
from tests.support.adoption import ADOPTABLES, NOWHERE, Adoptable
from tests.support.arguments import task_types
from tests.support.kills import Killed, die_at
from tests.support.operation import NAME
from tests.support.tasks import TaskInstance, TaskStateStore, refused, rendered, run

pytestmark = pytest.mark.usefixtures("control")
EACH = pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in ADOPTABLES.items()])
PLANNED = "plan:flow:summer"


def sent(control: EmulatorControl, *, reads: bool = False) -> list[tuple[str, str]]:
    """Method and path of what was sent, without tokens, specs and, by default, reads."""
    return [
        (entry["method"], entry["path"])
        for entry in control.requests()
        if "/ims/" not in entry["path"]
        and "Specs" not in entry["path"]
        and (reads or entry["method"] != "GET")
    ]


def entry_of(kind: Adoptable, object_id: str) -> str:
    return f"{kind.path}/{object_id}"


def test_every_create_operator_is_looked_at() -> None:
    creating = {each for each in task_types() if issubclass(each, FlowServiceCreateOperator)}
    assert {
        type(kind.build("a" if name != "flow" else "ab")) for name, kind in ADOPTABLES.items()
    } == creating


@EACH
@pytest.mark.parametrize("position", [0, 1])
def test_of_several_with_one_name_the_given_one_is_used(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable, position: int
) -> None:
    parents = kind.parents(hook)
    twins = [kind.make(hook, parents) for _ in range(2)]
    for _ in range(2):
        control.clear_requests()
        made, pushed = run(kind.build(parents, adopt_id=twins[position]))
        assert (made, pushed["created"]) == (twins[position], False)
        assert sent(control, reads=True) == [("GET", entry_of(kind, made))]


@EACH
def test_a_difference_is_named_and_left_alone(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable
) -> None:
    parents = kind.parents(hook)
    found = kind.make(hook, parents, "by hand")
    control.clear_requests()
    error = refused(kind.build(parents, adopt_id=found, **kind.changes))
    assert found in error
    assert f"name is 'by hand', expected '{NAME}'" in error
    if kind.is_renamed:
        assert kind.differing in error
        assert "Set if_exists='update' to change it, or change the arguments" in error
        # Another name is the remedy only for an object that was found by its name.
        assert "another name" not in error
    else:
        assert "cannot be changed" in error
        assert "remove adopt_id to create a new one" in error
    assert sent(control) == []


@EACH
def test_an_update_changes_that_and_nothing_else(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable
) -> None:
    parents = kind.parents(hook)
    name = "by hand" if kind.is_renamed else NAME
    found, other = (kind.make(hook, parents, name) for _ in range(2))
    update = partial(kind.build, parents, adopt_id=found, **kind.changes)
    control.clear_requests()
    made, pushed = run(update(if_exists="update"))
    assert (made, pushed["created"]) == (found, False)
    assert sent(control) == [(kind.verb, entry_of(kind, found))]
    control.clear_requests()
    assert run(update())[0] == found
    if not kind.has_secrets:
        assert run(update(if_exists="update"))[0] == found
    assert sent(control) == []
    assert run(kind.build(parents, name=name, adopt_id=other))[0] == other


@EACH
def test_a_name_alone_is_changed_where_an_update_changes_names(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable
) -> None:
    parents = kind.parents(hook)
    found = kind.make(hook, parents, "by hand")
    control.clear_requests()
    rename = kind.build(parents, adopt_id=found, if_exists="update")
    if kind.is_renamed:
        assert run(rename)[0] == found
        assert sent(control) == [(kind.verb, entry_of(kind, found))]
        assert run(kind.build(parents, adopt_id=found))[0] == found
    else:
        error = refused(rename)
        assert f"has other settings, which cannot be changed: name is 'by hand', expected '{NAME}'" in error
        assert sent(control) == []


@EACH
@pytest.mark.parametrize("if_exists", ["reuse", "update"])
def test_what_does_not_exist_is_an_error_that_says_what_to_do(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable, if_exists: str
) -> None:
    parents = kind.parents(hook)
    kind.make(hook, parents)
    control.clear_requests()
    for changes in ({}, {"plan_only": True}):
        error = refused(kind.build(parents, adopt_id=NOWHERE, if_exists=if_exists, **changes))
        assert (
            f"adopt_id: AEP has no {kind.desired(parents, NAME).label} '{NOWHERE}' in this sandbox" in error
        )
        assert "Correct the id or the sandbox, or remove adopt_id to create a new one." in error
    assert {method for method, _ in sent(control, reads=True)} == {"GET"}


@pytest.mark.parametrize("if_exists", ["reuse", "update"])
@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        pytest.param(kind, *elsewhere, id=f"{name} {number}")
        for name, kind in ADOPTABLES.items()
        for number, elsewhere in enumerate(kind.elsewhere)
    ],
)
def test_what_has_another_spec_or_other_parents_is_not_adopted(
    control: EmulatorControl,
    hook: FlowServiceHook,
    kind: Adoptable,
    arguments: dict[str, Any],
    named: str,
    if_exists: str,
) -> None:
    parents = kind.parents(hook)
    found = kind.make(hook, parents)
    control.clear_requests()
    error = refused(kind.build(parents, adopt_id=found, if_exists=if_exists, **arguments))
    assert "has other settings, which cannot be changed" in error
    assert found in error
    assert named in error
    assert "Correct adopt_id" in error
    assert sent(control) == []


@pytest.mark.parametrize("kind", [pytest.param(k, id=n) for n, k in ADOPTABLES.items() if k.stuck])
def test_a_setting_that_aep_cannot_change_is_an_error_that_says_what_to_do(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable
) -> None:
    parents = kind.parents(hook)
    found = kind.make(hook, parents)
    control.clear_requests()
    error = refused(kind.build(parents, adopt_id=found, if_exists="update", **kind.stuck))
    assert sent(control) == []
    assert "AEP cannot change them: data.format is 'json', expected 'parquet'" in error
    assert "For a new one, remove adopt_id." in error


@EACH
def test_a_plan_shows_what_would_be_changed_and_sends_nothing(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable, task_log: pytest.LogCaptureFixture
) -> None:
    parents = kind.parents(hook)
    found, _ = (kind.make(hook, parents) for _ in range(2))
    control.clear_requests()
    plan = partial(kind.build, parents, adopt_id=found, plan_only=True)
    assert run(plan())[0] == found
    assert "would be reused as it is" in task_log.text
    if kind.changes:
        assert run(plan(if_exists="update", **kind.changes))[0] == found
        assert f"would be changed: {kind.verb} " in task_log.text
        assert kind.differing in refused(plan(**kind.changes))
    assert {method for method, _ in sent(control, reads=True)} == {"GET"}


@EACH
def test_a_plan_with_the_id_of_what_is_planned_sends_nothing(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable
) -> None:
    parents = kind.parents(hook)
    control.clear_requests()
    assert run(kind.build(parents, adopt_id=PLANNED, plan_only=True))[0] == PLANNED
    assert [entry for entry in control.requests() if "plan:" in entry["path"]] == []
    assert "adopt_id: 'plan:flow:summer' is a placeholder" in refused(kind.build(parents, adopt_id=PLANNED))
    assert sent(control) == []


@EACH
@pytest.mark.parametrize("if_exists", ["fail", "create"])
def test_what_contradicts_the_id_is_refused_when_the_dag_is_parsed(kind: Adoptable, if_exists: str) -> None:
    build = partial(kind.build, "ab")
    problem = f"adopt_id: is given together with if_exists='{if_exists}'"
    for adopt_id in (NOWHERE, "{{ params.id }}"):
        with pytest.raises(InvalidInputError) as caught:
            build(adopt_id=adopt_id, if_exists=if_exists)
        assert str(caught.value).startswith(problem)
        assert "set if_exists to 'reuse' or 'update'" in str(caught.value)
    assert problem in refused(rendered(partial(build, adopt_id=NOWHERE), if_exists=if_exists))


@EACH
@pytest.mark.parametrize("value", [None, "", " ", "None"])
def test_an_id_that_was_given_and_is_nothing_is_refused(
    control: EmulatorControl, kind: Adoptable, value: str | None
) -> None:
    error = refused(rendered(partial(kind.build, "ab"), adopt_id=value))
    assert f"adopt_id: is {value!r}, although it was given" in error
    assert control.requests() == []


@EACH
def test_an_attempt_that_is_killed_after_its_change_leaves_nothing_to_do(
    control: EmulatorControl, hook: FlowServiceHook, kind: Adoptable, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = kind.parents(hook)
    found = kind.make(hook, parents, "by hand" if kind.is_renamed else NAME)
    store = TaskStateStore()

    def attempt() -> Any:
        context = {"ti": TaskInstance(), "task_state_store": store}
        return kind.build(parents, adopt_id=found, if_exists="update", **kind.changes).execute(context)

    control.clear_requests()
    die_at(monkeypatch, RequestsTransport, "_attempt", counts=lambda _, step: step.method == kind.verb)
    with pytest.raises(Killed):
        attempt()
    assert attempt() == found
    # Credentials are not shown, so only sending them again makes sure of them.
    assert sent(control) == [(kind.verb, entry_of(kind, found))] * (2 if kind.has_secrets else 1)


@EACH
def test_what_an_earlier_attempt_has_created_is_not_taken_for_what_is_to_be_adopted(
    hook: FlowServiceHook, kind: Adoptable, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents, store = kind.parents(hook), TaskStateStore()
    context: dict[str, Any] = {"ti": TaskInstance(), "task_state_store": store}
    die_at(
        monkeypatch,
        RequestsTransport,
        "_attempt",
        counts=lambda _, step: step.method == "POST" and step.path.endswith(kind.path),
    )
    with pytest.raises(Killed):
        kind.build(parents).execute(context)
    assert store
    found = kind.make(hook, parents)
    assert kind.build(parents, adopt_id=found).execute(context) == found
