"""The tasks whose stored forms are recorded: each kind of wait, and each kind of note."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.client.flows import Window
from airflow_provider_flowservice.client.model import FlowState
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServicePruneFlowsOperator,
    FlowServiceRunFlowOperator,
)
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowRunSensor,
    FlowServiceFlowStateSensor,
    FlowServiceFlowValidationSensor,
)
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow
from tests.support.operators import create_profile_store, onboard
from tests.support.streaming import SETTLED, open_source, people

WINDOW = {"window_start": 1_700_000_000, "window_end": 1_700_086_400}


@dataclass(frozen=True)
class Place:
    """Where tasks run.

    :param clock: moves the time of AEP, too.
    :param folder: an empty folder for files.
    """

    control: EmulatorControl
    clock: VirtualClock
    hook: FlowServiceHook
    folder: Path


#: Makes an operator, anew for each attempt.
Make = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A task.

    :param arrange: puts into AEP what the task needs.
    :param dies_after: method, part of the path and number of the request after which the first attempt is lost; None if
        it comes to a deferral or to its end.
    :param finish: makes what a deferred task waits for happen; by default, time does.
    :param has_store: whether Airflow has a task state store.
    :param asks_nothing: whether a deferred task only waits for time to pass, which always ends well.
    """

    name: str
    arrange: Callable[[Place], Make]
    dies_after: tuple[str, str, int] | None = None
    finish: Callable[[Place], object] = lambda _: None
    has_store: bool = True
    asks_nothing: bool = False


def flow_of(place: Place) -> str:
    """The id of the one flow."""
    (flow,) = place.control.state()["flows"]
    return str(flow["id"])


def segments(place: Place) -> list[str]:
    return place.control.segments[:2]


def validation(place: Place) -> Make:
    flow = onboard()["flows"]
    return lambda: FlowServiceFlowValidationSensor(
        task_id="x", flow_id=flow, segments=segments(place), fail_fast=True, deferrable=True
    )


def state(place: Place) -> Make:
    flow = onboard()["flows"]
    return lambda: FlowServiceFlowStateSensor(task_id="x", flow_id=flow, state="disabled", deferrable=True)


def run_by_id(place: Place) -> Make:
    flow = make_batch_flow(place.hook)
    run = FlowServiceRunFlowOperator(task_id="x", flow_id=flow, wait_for_completion=False, **WINDOW)
    run_id = run.execute({"ti": _Quiet()})
    return lambda: FlowServiceFlowRunSensor(task_id="x", flow_id=flow, run_id=run_id, deferrable=True)


def runs_of_window(place: Place) -> Make:
    flow, began = make_batch_flow(place.hook), place.control.now()
    run = FlowServiceRunFlowOperator(task_id="x", flow_id=flow, wait_for_completion=False, **WINDOW)
    run.execute({"ti": _Quiet()})
    return lambda: FlowServiceFlowRunSensor(
        task_id="x",
        flow_id=flow,
        started_after=int(began) - 3600,
        start_timeout=3600,
        max_failed_records=0.5,
        deferrable=True,
    )


def run_flow(place: Place, **more: Any) -> Make:
    flow = make_batch_flow(place.hook)
    return lambda: FlowServiceRunFlowOperator(task_id="x", flow_id=flow, deferrable=True, **WINDOW, **more)


def run_flow_again(place: Place) -> Make:
    """The flow has a run already; those that follow are not waited for."""
    make = run_flow(place, wait_for_completion=False)
    place.hook.run_flow(flow_of(place), Window(1_600_000_000, 1_600_086_400))
    place.clock.advance(200)
    return make


def export(place: Place, **more: Any) -> Make:
    flow = make_file_flow(place.hook)
    place.hook.activate_segments(flow, [exported(segment) for segment in segments(place)])
    return lambda: FlowServiceAdHocActivationOperator(
        task_id="x", flow_id=flow, segments=segments(place), deferrable=True, **more
    )


def export_and_go_on(place: Place) -> Make:
    return export(place, wait_for_completion=False)


def post_to_new_flow(place: Place) -> Make:
    source = open_source(place.hook)
    return lambda: FlowServicePostToInletOperator(
        task_id="x",
        connection_id=source.connection_id,
        flow_id=source.flow_id,
        messages=people(2),
        deferrable=True,
    )


def post(place: Place) -> Make:
    """Posts in batches of two, each of which is noted before the next is sent; AEP rejects the first record."""
    source = open_source(place.hook)
    place.clock.advance(SETTLED)
    body = {"responses": [{"status": 400, "message": "bad"}, {"status": 200, "xactionId": "1:2:3"}]}
    place.control.inject(fault("status", "POST", source.paths[1], status=207, body=body))
    return lambda: FlowServicePostToInletOperator(
        task_id="x",
        connection_id=source.connection_id,
        flow_id=source.flow_id,
        messages=people(8),
        batch_size=2,
        resend_window=2,
        concurrency=1,
        max_failures=8,
        dead_letter_path=f"file://{place.folder / 'dead.jsonl'}",
    )


def create(place: Place) -> Make:
    return lambda: create_profile_store("mine", if_exists="fail")


def delete(place: Place) -> Make:
    flow = onboard()["flows"]
    return lambda: FlowServiceDeleteFlowOperator(task_id="x", flow_id=flow, with_connections=True)


def prune(place: Place, action: str) -> Make:
    for name in ("Kept 1", "Kept 2", "Kept 3", "Kept 4", "Kept old 1", "Kept old 2"):
        flow = onboard(name)["flows"]
        if action == "delete" and "old" in name:
            place.hook.set_flow_state(flow, FlowState.DISABLED)
    keep = [f"Kept {number}" for number in range(1, 5)]
    return lambda: FlowServicePruneFlowsOperator(
        task_id="x", keep=keep, name_prefix="Kept", action=action, with_connections=action == "delete"
    )


def prune_deleting(place: Place) -> Make:
    return prune(place, "delete")


def prune_disabling(place: Place) -> Make:
    return prune(place, "disable")


class _Quiet:
    """A task instance that keeps nothing."""

    def xcom_push(self, key: str, value: Any) -> None:
        pass


WAITS = (
    Case(
        "validation",
        validation,
        finish=lambda place: place.hook.activate_segments(flow_of(place), segments(place)),
    ),
    Case("state", state, finish=lambda place: place.hook.set_flow_state(flow_of(place), FlowState.DISABLED)),
    Case("run_by_id", run_by_id),
    Case("runs_of_window", runs_of_window),
    Case("run_flow", run_flow),
    Case("export", export),
    Case("post_to_new_flow", post_to_new_flow, asks_nothing=True),
)
NOTES = (
    Case("created_and_lost", create, ("POST", "/connections", 1)),
    Case("created_and_done", create),
    Case("run_started_and_lost", run_flow_again, ("POST", "/runs", 1)),
    Case("run_started_and_lost_without_store", run_flow_again, ("POST", "/runs", 1), has_store=False),
    Case("run_started_and_done", run_flow_again),
    Case("exported_and_lost", export_and_go_on, ("POST", "/adhocrun", 1)),
    Case("exported_and_lost_without_store", export_and_go_on, ("POST", "/adhocrun", 1), has_store=False),
    Case("exported_and_done", export_and_go_on),
    Case("deleting", delete, ("DELETE", "/flows/", 1)),
    Case("pruning_by_deleting", prune_deleting, ("DELETE", "/flows/", 1)),
    Case("pruning_by_disabling", prune_disabling, ("POST", "/action", 2)),
    Case("posting", post, ("POST", "/collection/", 3)),
    Case("posting_without_store", post, ("POST", "/collection/", 3), has_store=False),
)
