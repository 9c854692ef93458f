"""What OpenLineage hears of tasks that Airflow runs as a worker does: the events that its file transport writes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.assets import flow_asset
from airflow_provider_flowservice.client import FLOWS, SOURCE_CONNECTIONS, TARGET_CONNECTIONS, specs
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from tests.support.aep import kinesis, make, make_ends, make_flow
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow
from tests.support.lifecycle import WINDOW
from tests.support.operators import activate, create_flow
from tests.support.streaming import Source, open_source, people
from tests.support.task_logs import Logged, Worker
from tests.support.tasks import run

pytest.importorskip("airflow.providers.openlineage")

from airflow_provider_flowservice.openlineage import Lineage

DATASET = ("flowservice://dev", "datasets/5c8c3c555033b814b69f947f")
MISSING = "aaaaaaaa-0000-4000-8000-000000000000"
NUMBERS = itertools.count()
IMPORTS = """\
from airflow_provider_flowservice.operators.activation import *
from airflow_provider_flowservice.operators.connections import *
from airflow_provider_flowservice.operators.flows import *
from airflow_provider_flowservice.operators.inlet import *
"""


@dataclass
class Told:
    """What the events say in which the attempts of a task end, except for those that wait.

    :param text: all events.
    """

    events: list[dict[str, Any]]
    text: str

    @property
    def types(self) -> list[str]:
        """Their types, in which each start of a process is one."""
        return [event["eventType"] for event in self.events]

    @property
    def inputs(self) -> dict[str, int | None]:
        """Datasets that the task has read, with their numbers of records, as the last event says."""
        return self._rows("inputs", "inputFacets", "inputStatistics")

    @property
    def outputs(self) -> dict[str, int | None]:
        """Datasets that the task has written."""
        return self._rows("outputs", "outputFacets", "outputStatistics")

    def _rows(self, side: str, facets: str, facet: str) -> dict[str, int | None]:
        datasets = self.events[-1][side]
        return {
            f"{each['namespace']} {each['name']}": each.get(facets, {}).get(facet, {}).get("rowCount")
            for each in datasets
        }


@dataclass
class Listened:
    """A task whose process tells OpenLineage."""

    worker: Worker
    file: Path

    def run(self, *, between: Callable[[], object] | None = None) -> Told:
        """Run the task to its end.

        :param between: happens while it waits in the triggerer; None if it does not.
        """
        self.attempt("deferred" if between else None)
        if between:
            between()
            self.worker.fire()
            self.attempt(None)
        text = self.file.read_text()
        return Told([json.loads(line) for line in text.splitlines()], text)

    def attempt(self, state: str | None) -> None:
        logged: Logged = self.worker.attempt()
        assert state in (None, logged.state), logged.records
        heard = [each for each in logged.records if "openlineage" in str(each.get("logger"))]
        assert [each for each in heard if each["level"] not in ("debug", "info")] == []


Listen = Callable[[str], Listened]


@pytest.fixture
def listen(airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listen]:
    """Make a task of its code. The processes of the tasks inherit the listener, which is OpenLineage's own."""
    from airflow.providers.openlineage.plugins.listener import OpenLineageListener
    from airflow.sdk.execution_time.task_runner import get_listener_manager

    # Before OpenLineage is enabled: other tests would have the listener that comes with the plugin.
    manager = get_listener_manager()
    file = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    listener = OpenLineageListener()
    manager.add_listener(listener)

    def make(code: str) -> Listened:
        folder = tmp_path / f"lineage_{next(NUMBERS)}"
        folder.mkdir()
        return Listened(Worker(folder, IMPORTS + code, monkeypatch), file)

    yield make
    manager.pm.unregister(listener)


@pytest.fixture
def at(control: EmulatorControl) -> Callable[..., list[str]]:
    """Name datasets of the sandbox as the events have them."""
    namespace = f"flowservice://{control.credential.sandbox}"
    return lambda *names: [f"{namespace} {name}" for name in names]


At = Callable[..., list[str]]


@pytest.fixture
def source(hook: FlowServiceHook, control: EmulatorControl) -> Source:
    """A source that can be posted to."""
    return open_source(hook, authenticated=True)


def test_a_flow_leads_from_its_sources_to_its_targets(hook: FlowServiceHook, listen: Listen, at: At) -> None:
    source, target = make_ends(hook)
    told = listen(
        f"FlowServiceCreateFlowOperator(task_id='x', name='flow', flow_spec={specs.PROFILE_DESTINATION_FLOW!r},"
        f" source_connection_ids=[{source!r}], target_connection_ids=[{target!r}])"
    ).run()
    flow = hook.find_flow("flow")
    assert told.types == ["START", "COMPLETE"]
    assert list(told.inputs) == at(f"sourceConnections/{source}", f"flows/{flow.id}")
    assert list(told.outputs) == at(f"targetConnections/{target}")


def test_a_flow_that_cannot_be_created(hook: FlowServiceHook, listen: Listen, at: At) -> None:
    source, target = make_ends(hook)
    run(create_flow(source, target))
    told = listen(
        f"FlowServiceCreateFlowOperator(task_id='x', name='flow', flow_spec={specs.PROFILE_DESTINATION_FLOW!r},"
        f" source_connection_ids=[{source!r}], target_connection_ids=[{target!r}], if_exists='fail')"
    ).run()
    assert told.types == ["START", "FAIL"]
    assert list(told.inputs) == at(f"sourceConnections/{source}")
    assert list(told.outputs) == at(f"targetConnections/{target}")
    assert "already exists" in told.events[-1]["run"]["facets"]["errorMessage"]["message"]


def test_the_connections_of_a_flow_lead_from_the_profile_store_to_a_stream(
    hook: FlowServiceHook, listen: Listen, at: At
) -> None:
    told = listen(
        "FlowServiceCreateSourceConnectionOperator("
        f"task_id='x', name='profiles', connection_spec={specs.UNIFIED_PROFILE_SERVICE!r})"
    ).run()
    (source,) = hook.iterate(SOURCE_CONNECTIONS)
    assert list(told.inputs) == at("profiles")
    assert list(told.outputs) == at(f"sourceConnections/{source.id}")
    base = make(hook, kinesis())
    told = listen(
        "FlowServiceCreateTargetConnectionOperator(task_id='x', name='stream', connection_spec='Amazon Kinesis',"
        f" base_connection_id={base!r}, target_params={{'stream': 'events', 'region': 'eu-west-1'}})"
    ).run()
    (target,) = hook.iterate(TARGET_CONNECTIONS)
    assert list(told.inputs) == at(f"targetConnections/{target.id}")
    assert list(told.outputs) == ["kinesis://kinesis.eu-west-1.amazonaws.com events"]


def test_segments_go_into_the_flow(
    hook: FlowServiceHook, control: EmulatorControl, listen: Listen, at: At
) -> None:
    flow = make_flow(hook)
    (name, named), (_, other), *_ = control.segments_by_name.items()
    segments = [{"name": name}, other]
    told = listen(
        f"FlowServiceActivateSegmentsOperator(task_id='x', flow_id={flow!r}, segments={segments!r})"
    ).run()
    (target,) = hook.get(FLOWS, flow).target_connection_ids
    assert told.types == ["START", "COMPLETE"]
    assert list(told.inputs) == at(f"segments/{named}", f"segments/{other}")
    assert list(told.outputs) == at(f"flows/{flow}", f"targetConnections/{target}")
    told = listen(
        f"FlowServiceActivateSegmentsOperator(task_id='x', flow_id={flow!r}, segments={[other]!r},"
        " activation_mode='remove')"
    ).run()
    assert list(told.inputs) == []


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_a_run_of_a_flow_has_counts(
    hook: FlowServiceHook, control: EmulatorControl, listen: Listen, at: At, deferrable: bool
) -> None:
    flow = make_run(hook, control, seconds=60 if deferrable else 0)
    told = listen(run_code(flow, deferrable)).run(
        between=(lambda: control.advance(60)) if deferrable else None
    )
    read = hook.get(FLOWS, flow)
    (source,), (target,) = read.source_connection_ids, read.target_connection_ids
    assert told.types == ["START"] * (1 + deferrable) + ["COMPLETE"]
    assert told.inputs == dict(zip(at(f"sourceConnections/{source}"), [1000], strict=True))
    assert told.outputs == dict(
        zip(at(f"flows/{flow}", f"targetConnections/{target}"), [1000, None], strict=True)
    )


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_a_run_that_fails_has_counts_and_the_error(
    hook: FlowServiceHook, control: EmulatorControl, listen: Listen, at: At, deferrable: bool
) -> None:
    flow = make_run(hook, control, seconds=60 if deferrable else 0)
    control.set_switches(run_outcome="failed")
    told = listen(run_code(flow, deferrable)).run(
        between=(lambda: control.advance(60)) if deferrable else None
    )
    assert told.types[-1] == "FAIL"
    assert told.outputs[at(f"flows/{flow}")[0]] == 0
    assert "CONNECTOR-2001-500" in told.events[-1]["run"]["facets"]["errorMessage"]["message"]


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_an_export_has_segments_and_counts(
    hook: FlowServiceHook, control: EmulatorControl, listen: Listen, at: At, deferrable: bool
) -> None:
    control.set_switches(scheduled_runs=False, run_seconds=60 if deferrable else 0)
    flow, segment = make_file_flow(hook), control.segments[0]
    hook.activate_segments(flow, [exported(segment)])
    told = listen(
        f"FlowServiceAdHocActivationOperator(task_id='x', flow_id={flow!r}, segments={[segment]!r},"
        f" poll_interval=1, deferrable={deferrable})"
    ).run(between=(lambda: control.advance(60)) if deferrable else None)
    assert told.types[-1] == "COMPLETE"
    assert list(told.inputs) == at(f"segments/{segment}")
    exporting = hook.last_run(flow)
    assert exporting is not None
    assert told.outputs == dict.fromkeys(at(f"flows/{flow}"), exporting.records_written)


def test_a_file_goes_into_the_flow(
    hook: FlowServiceHook, source: Source, listen: Listen, at: At, tmp_path: Path
) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in people(12)))
    told = listen(
        f"FlowServicePostToInletOperator(task_id='x', flow_id={source.flow_id!r}, path={str(file)!r},"
        " settle_seconds=0)"
    ).run()
    (target,) = hook.get(FLOWS, source.flow_id).target_connection_ids
    assert told.types == ["START", "COMPLETE"]
    assert told.inputs == {f"file {file}": 12}
    assert told.outputs == dict(
        zip(at(f"flows/{source.flow_id}", f"targetConnections/{target}"), [12, None], strict=True)
    )


def test_a_post_that_fails_has_counts_and_the_error_but_no_record_and_no_secret(
    control: EmulatorControl, source: Source, listen: Listen, at: At
) -> None:
    refused = {"xactionId": "9-1", "status": 400, "message": "not a mail address: 'ada1@example.com'"}
    body = {"inletId": "x", "batchId": "b", "responses": [{"xactionId": "9-0"}, refused]}
    control.inject(fault("status", "POST", source.paths[1], status=207, body=body))
    told = listen(
        f"FlowServicePostToInletOperator(task_id='x', flow_id={source.flow_id!r}, messages={people(2)!r},"
        " settle_seconds=0)"
    ).run()
    assert told.types == ["START", "FAIL"]
    assert told.inputs == {}
    assert told.outputs[at(f"flows/{source.flow_id}")[0]] == 1
    assert (
        "1 records were accepted, 1 rejected" in told.events[-1]["run"]["facets"]["errorMessage"]["message"]
    )
    credential = control.credential
    for hidden in ("@example.com", "Ada 0", "Ada 1", credential.client_secret, credential.org_id):
        assert hidden not in told.text


def test_a_task_with_a_wrong_argument_only_tells_its_error(control: EmulatorControl, listen: Listen) -> None:
    told = listen("FlowServiceActivateSegmentsOperator(task_id='x', flow_id='{{ none }}', segments=[])").run()
    assert told.types == ["START", "FAIL"]
    assert (told.inputs, told.outputs) == ({}, {})
    assert "flow_id: is 'None'" in told.events[-1]["run"]["facets"]["errorMessage"]["message"]


def test_a_plan_reads_and_writes_nothing(hook: FlowServiceHook) -> None:
    operator = activate(make_flow(hook), [], plan_only=True)
    run(operator)
    lineage = operator.get_openlineage_facets_on_complete(None)
    assert (lineage.inputs, lineage.outputs) == ([], [])


def test_lineage_costs_no_request(hook: FlowServiceHook, control: EmulatorControl) -> None:
    operator = activate(make_flow(hook), control.segments[:2])
    run(operator)
    control.clear_requests()
    assert len(operator.get_openlineage_facets_on_complete(None).inputs) == 2
    assert control.requests() == []


@pytest.mark.parametrize(
    ("url", "namespace", "name"),
    [
        ("s3://aws_default@acme/in/people.csv", "s3://acme", "in/people.csv"),
        ("s3a://acme/in/2026-*/*.csv", "s3://acme", "in"),
        ("gcs://acme/*.csv", "gs://acme", "/"),
        ("file:///in/people.csv", "file", "/in/people.csv"),
        ("/in/people.csv", "file", "/in/people.csv"),
        ("sftp://sftp_default@files.example.com/in/a.csv", "sftp://files.example.com", "in/a.csv"),
    ],
)
def test_files_have_the_names_of_openlineage(url: str, namespace: str, name: str) -> None:
    lineage = Lineage("dev")
    lineage.read_files(url)
    (dataset,) = lineage.to_operator_lineage().inputs
    assert (dataset.namespace, dataset.name) == (namespace, name)


@pytest.mark.parametrize(
    ("spec_id", "params", "names"),
    [
        (specs.AMAZON_S3, {"bucketName": "acme", "path": "/out/"}, [("s3://acme", "out")]),
        (specs.AMAZON_S3, {"bucketName": "acme"}, [("s3://acme", "/")]),
        (specs.GOOGLE_CLOUD_STORAGE, {"bucketName": "acme", "path": "out"}, [("gs://acme", "out")]),
        (specs.DATA_LAKE, {"dataSetId": "5c8c3c555033b814b69f947f"}, [DATASET]),
        (specs.AMAZON_KINESIS, {"stream": "events"}, []),
        (specs.AZURE_EVENT_HUBS, {"eventHubName": "events"}, []),
    ],
)
def test_targets_have_the_names_of_openlineage_as_far_as_they_are_known(
    spec_id: str, params: dict[str, str], names: list[tuple[str, str]]
) -> None:
    lineage = Lineage("dev")
    lineage.write_to_target(spec_id, params)
    assert [(each.namespace, each.name) for each in lineage.to_operator_lineage().outputs] == names


@pytest.mark.parametrize(
    ("spec_id", "base_id", "params", "names"),
    [
        (
            specs.DATA_LAKE_EXPORT,
            None,
            {"datasets": [{"dataSetId": DATASET[1].split("/")[1]}, {}]},
            [DATASET],
        ),
        (specs.HTTP_API, MISSING, {}, [("flowservice://dev", f"connections/{MISSING}")]),
        (specs.AMAZON_S3, MISSING, {"path": "in"}, []),
    ],
)
def test_sources_are_told_as_far_as_they_are_known(
    spec_id: str, base_id: str | None, params: dict[str, Any], names: list[tuple[str, str]]
) -> None:
    lineage = Lineage("dev")
    lineage.read_from_source(spec_id, base_id, params)
    assert [(each.namespace, each.name) for each in lineage.to_operator_lineage().inputs] == names


@pytest.mark.parametrize(
    ("inlet", "name"),
    [
        ({"connection_id": MISSING}, f"connections/{MISSING}"),
        ({"inlet_url": "https://dcs.adobedc.net/collection/abc"}, "inlets/abc"),
    ],
)
def test_without_a_flow_records_go_to_an_inlet(
    control: EmulatorControl, at: At, inlet: dict[str, str], name: str
) -> None:
    operator = FlowServicePostToInletOperator(task_id="x", messages=[], **inlet)
    operator._has_valid_arguments = True
    operator._inlet_id = "abc"
    (dataset,) = operator.get_openlineage_facets_on_complete(None).outputs
    assert [f"{dataset.namespace} {dataset.name}"] == at(name)


def test_an_asset_is_the_flow() -> None:
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset

    asset = flow_asset(MISSING, org_id="acme@AdobeOrg", sandbox="dev 2")
    dataset = translate_airflow_asset(asset, None)
    assert (dataset.namespace, dataset.name) == ("flowservice://dev%202", f"flows/{MISSING}")


def make_run(hook: FlowServiceHook, control: EmulatorControl, *, seconds: int) -> str:
    control.set_switches(scheduled_runs=False, run_seconds=seconds)
    return make_batch_flow(hook)


def run_code(flow: str, deferrable: bool) -> str:
    return (
        f"FlowServiceRunFlowOperator(task_id='x', flow_id={flow!r}, window_start={WINDOW.start},"
        f" window_end={WINDOW.end}, poll_interval=1, deferrable={deferrable})"
    )
