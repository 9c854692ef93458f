"""DAGs that prove what a change of a flow's segments has left, a removal included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from airflow_provider_flowservice.client import FLOWS, ActivationMode
from airflow_provider_flowservice.client.activation.mismatch import MAX_NAMED
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException, FlowServiceWaitTimeout
from airflow_provider_flowservice.operators.activation import FlowServiceActivateSegmentsOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowValidationSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow
from tests.support.dags import Ran, run
from tests.support.operation import Sandbox

pytestmark = pytest.mark.usefixtures("airflow_database")

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])
#: Seconds by which AEP shows a change late.
LATE = 100
Validate = Callable[..., FlowServiceFlowValidationSensor]


@pytest.fixture
def flow(sandbox: Sandbox) -> str:
    """A flow that sends two segments and one attribute."""
    flow = make_flow(sandbox.hook)
    sandbox.hook.activate_segments(flow, sandbox.control.segments[:2], ["person.name"])
    return flow


@pytest.fixture
def validate(flow: str, deferrable: bool) -> Validate:
    """The sensor that validates the flow."""
    return partial(
        FlowServiceFlowValidationSensor,
        task_id="validate",
        flow_id=flow,
        poke_interval=30,
        timeout=300,
        deferrable=deferrable,
    )


def change(sandbox: Sandbox, flow: str, mode: ActivationMode, segments: list[str]) -> None:
    """Change a flow as somebody does who does not read it back."""
    desired = sandbox.hook.desired_selectors(segments)
    held = sandbox.hook.get(FLOWS, flow)
    patch = sandbox.hook.plan_activation(held, desired, mode)
    sandbox.hook.patch(FLOWS, flow, held.etag, patch.operations)


def activate(flow: str, mode: str, segments: list[str], **more: Any) -> FlowServiceActivateSegmentsOperator:
    return FlowServiceActivateSegmentsOperator(
        task_id="activate", flow_id=flow, segments=segments, activation_mode=mode, **more
    )


def told(ran: Ran) -> str:
    """What a wait in vain says is wrong with the flow."""
    assert ran.states["validate"] == "failed"
    assert isinstance(ran.error, FlowServiceWaitTimeout)
    return str(ran.error).removeprefix("Timed out after 300 seconds: ").partition(". Check it")[0]


@MODES
def test_a_removal_is_proved(
    sandbox: Sandbox, control: EmulatorControl, flow: str, validate: Validate
) -> None:
    first, second = control.segments[:2]

    def build() -> None:
        removed = activate(flow, "remove", [first])
        removed >> validate(segments=[second], absent=[first.upper()])

    assert run("removal_is_proved", build).succeeded
    assert sandbox.selected(flow) == ([second], ["person.name"])


@MODES
def test_a_removal_is_waited_for(
    sandbox: Sandbox, control: EmulatorControl, time: VirtualClock, flow: str, validate: Validate
) -> None:
    control.set_switches(change_delay_seconds=LATE)
    change(sandbox, flow, ActivationMode.REMOVE, control.segments[:1])
    before = time.wall()
    assert run("removal_is_late", lambda: validate(absent=control.segments[:1])).succeeded
    assert LATE - 5 <= time.wall() - before <= LATE + 40


@MODES
def test_what_is_still_there_is_named(control: EmulatorControl, flow: str, validate: Validate) -> None:
    first, second, other = control.segments[:3]

    def build() -> None:
        activate(flow, "remove", [first]) >> validate(absent=[first, second, other])

    assert told(run("removal_is_forgotten", build)) == f"flow {flow} still has segments {second}"


@MODES
def test_what_aep_does_not_show_yet_is_still_there(
    sandbox: Sandbox, control: EmulatorControl, flow: str, validate: Validate
) -> None:
    first, second = control.segments[:2]
    control.set_switches(change_delay_seconds=1000)
    change(sandbox, flow, ActivationMode.REMOVE, [first, second])
    assert sandbox.selected(flow)[0] == []
    ran = run("removal_is_too_late", lambda: validate(absent=[second, first]))
    assert told(ran) == f"flow {flow} still has segments {first}, {second}"


@MODES
def test_a_sync_is_proved(control: EmulatorControl, flow: str, validate: Validate) -> None:
    wanted = control.segments[1:4]

    def build() -> None:
        synced = activate(flow, "sync", wanted, profile_attributes=["person.gender"], max_removals=1)
        synced >> validate(segments=wanted, profile_attributes=["person.gender"], exact="{{ 1 < 2 }}")

    assert run("sync_is_proved", build).succeeded


@MODES
def test_what_somebody_has_added_meanwhile_is_named(
    sandbox: Sandbox, control: EmulatorControl, time: VirtualClock, flow: str, validate: Validate
) -> None:
    wanted, foreign = control.segments[:2], control.segments[5]
    missing = control.segments[6]
    sandbox.hook.activate_segments(flow, [foreign], ["person.gender"])
    ran = run("sync_is_disturbed", lambda: validate(segments=wanted, exact=True))
    assert told(ran) == f"flow {flow} also has segments {foreign}"
    ran = run(
        "sync_is_more_disturbed",
        lambda: validate(
            segments=[*wanted, missing], profile_attributes=["person.name", "person.Gender"], exact=True
        ),
    )
    assert told(ran) == (
        f"flow {flow} lacks segments {missing} and profile attributes person.Gender;"
        f" also has segments {foreign} and profile attributes person.gender"
    )


@MODES
def test_an_empty_flow_is_proved(
    sandbox: Sandbox, control: EmulatorControl, flow: str, validate: Validate
) -> None:
    empty = partial(validate, segments=[], exact=True)
    first, second = control.segments[:2]
    assert told(run("flow_is_not_empty", empty)) == f"flow {flow} also has segments {first}, {second}"
    change(sandbox, flow, ActivationMode.REMOVE, [first, second])
    assert run("flow_is_empty", empty).succeeded
    ran = run("flow_has_attributes", lambda: empty(profile_attributes=[]))
    assert told(ran) == f"flow {flow} also has profile attributes person.name"


@MODES
def test_a_segment_is_given_by_name_or_by_an_upstream_task(
    sandbox: Sandbox, control: EmulatorControl, flow: str, validate: Validate
) -> None:
    (audience,) = [each for each in sandbox.hook.iterate_audiences() if each.name == "Loyal customers"]
    sandbox.hook.activate_segments(flow, [audience.id])
    ran = run("absent_by_name", lambda: validate(absent=[{"name": "Loyal customers"}]))
    assert told(ran) == f"flow {flow} still has segments {audience.id}"
    ran = run("absent_by_unknown_name", lambda: validate(absent=[{"name": "Loyal cats"}]))
    assert isinstance(ran.error, FlowServicePermanentException)
    assert str(ran.error).startswith("absent: AEP has none named 'Loyal cats'.")

    def build() -> None:
        removed = activate(flow, "remove", control.segments[:1])
        removed >> validate(absent="{{ ti.xcom_pull('activate')['removed'] }}", segments=[audience.id])

    assert run("absent_by_template", build, render_template_as_native_obj=True).succeeded
    assert control.segments[0] not in sandbox.selected(flow)[0]


@MODES
def test_an_external_audience_is_looked_for_by_both_of_its_ids(
    sandbox: Sandbox, control: EmulatorControl, flow: str, validate: Validate
) -> None:
    aeps_id = "1f0a6d2c-5b7e-4d57-9c1f-5f0b6f9f2f11"
    external = {"id": "extaud9001", "systemSegmentId": aeps_id, "namespace": "aamSegments"}
    sandbox.hook.activate_segments(flow, [external])
    ran = run("absent_external", lambda: validate(absent=[external]))
    assert told(ran) == f"flow {flow} still has segments extaud9001"
    ran = run("absent_by_aeps_id", lambda: validate(absent=[aeps_id.upper()]))
    assert told(ran) == f"flow {flow} still has segments extaud9001"
    sandbox.hook.activate_segments(flow, [external], activation_mode=ActivationMode.REMOVE)
    assert run("absent_in_both_ways", lambda: validate(absent=[external])).succeeded
    sandbox.hook.activate_segments(flow, [aeps_id])
    ran = run("absent_under_the_other_id", lambda: validate(absent=[external]))
    assert told(ran) == f"flow {flow} still has segments {aeps_id}"


@MODES
def test_a_segment_in_both_lists_is_rejected_before_the_flow_is_read(
    sandbox: Sandbox, control: EmulatorControl, flow: str, validate: Validate
) -> None:
    (audience,) = [each for each in sandbox.hook.iterate_audiences() if each.name == "Loyal customers"]
    control.clear_requests()
    lists = {"segments": [audience.id], "absent": [{"name": "Loyal customers"}]}
    ran = run("both_lists", lambda: validate(**lists))
    assert isinstance(ran.error, FlowServicePermanentException)
    assert str(ran.error).startswith(f"absent: '{audience.id}' is also in segments. Remove it from one")
    assert control.requests("GET", flow) == []


@MODES
def test_what_names_it_gives_stays_short(
    sandbox: Sandbox, control: EmulatorControl, flow: str, validate: Validate
) -> None:
    many = [f"{number:08x}-17e6-432c-a469-6aedafb16cd5" for number in range(300)]
    sandbox.hook.activate_segments(flow, many)
    wrong = told(run("many_segments", lambda: validate(absent=many)))
    assert wrong == f"flow {flow} still has segments {', '.join(many[:MAX_NAMED])}, ... (300 in all)"
