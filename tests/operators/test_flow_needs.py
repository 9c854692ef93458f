"""What a flow needs is decided by what its source connection reads from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from tests.support.aep import make_ends, page_in_aep, writes
from tests.support.exports import connect, create_flow, onboard, params, selected_segments
from tests.support.files import FILE_DESTINATIONS, S3, SECRET, exported, make_columns
from tests.support.operators import activate, create_source
from tests.support.streaming import customers
from tests.support.tasks import run

START = 4_000_000_000


# Datasets

DATASET_FLOWS = pytest.mark.parametrize(
    ("name", "flow_spec"),
    [
        ("Amazon S3", specs.AMAZON_S3_DATASET_FLOW),
        ("Azure Blob Storage", specs.AZURE_BLOB_DATASET_FLOW),
        ("Azure Data Lake Gen2", specs.AZURE_DATA_LAKE_DATASET_FLOW),
        ("Data Landing Zone", specs.DATA_LANDING_ZONE_DATASET_FLOW),
        ("Google Cloud Storage", specs.GOOGLE_CLOUD_STORAGE_DATASET_FLOW),
        ("SFTP", specs.SFTP_DATASET_FLOW),
    ],
)


def dataset_ends(hook: FlowServiceHook, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    destination = next(each for each in FILE_DESTINATIONS if each.name == name)
    base = connect(destination, monkeypatch)
    schema_id = hook.send(customers().create()).id
    dataset_id = hook.send(DesiredDataset(name="customers", schema_id=schema_id).create()).id
    source, _ = run(
        FlowServiceCreateSourceConnectionOperator(
            task_id="x",
            name="datasets",
            connection_spec=specs.DATA_LAKE_EXPORT,
            source_params={"datasets": [{"dataSetId": dataset_id, "name": "customers"}]},
        )
    )
    target, _ = run(
        FlowServiceCreateTargetConnectionOperator(
            task_id="x",
            name="datasets",
            connection_spec=destination.spec_id,
            base_connection_id=base,
            target_params={**destination.target_params, "datasetFileType": "JSON"},
            data_format=None,
        )
    )
    return source, target


@DATASET_FLOWS
def test_datasets_are_exported_on_a_schedule_that_can_be_changed(
    control: EmulatorControl,
    hook: FlowServiceHook,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    flow_spec: str,
) -> None:
    ends = dataset_ends(hook, name, monkeypatch)
    schedule = {"interval": 3, "timeUnit": "hour", "startTime": START}
    made, _ = run(create_flow(flow_spec, *ends, schedule_params=schedule))
    (flow,) = control.state()["flows"]
    assert (flow["flowSpec"]["id"], flow.get("transformations", [])) == (flow_spec, [])
    control.clear_requests()
    assert run(create_flow(flow_spec, *ends, schedule_params=schedule))[0] == made
    assert writes(control) == []
    other = {**schedule, "interval": 6, "endTime": START + 1}
    assert run(create_flow(flow_spec, *ends, schedule_params=other, if_exists="update"))[0] == made
    (flow,) = control.state()["flows"]
    assert {key: int(flow["scheduleParams"][key]) for key in ("interval", "endTime")} == {
        "interval": 6,
        "endTime": START + 1,
    }


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (None, "schedule_params.timeUnit"),
        ({"frequency": "day", "interval": 1, "startTime": START}, "schedule_params.timeUnit"),
        ({"interval": 1, "timeUnit": "hour", "startTime": START}, "schedule_params.interval"),
        ({"interval": 3, "timeUnit": "hour"}, "schedule_params.startTime"),
    ],
)
def test_a_dataset_schedule_that_aep_would_refuse_is_named_before_anything_is_sent(
    control: EmulatorControl,
    hook: FlowServiceHook,
    monkeypatch: pytest.MonkeyPatch,
    schedule: Any,
    field: str,
) -> None:
    ends = dataset_ends(hook, "Data Landing Zone", monkeypatch)
    control.clear_requests()
    with pytest.raises(FlowServicePermanentException) as caught:
        run(create_flow(specs.DATA_LANDING_ZONE_DATASET_FLOW, *ends, schedule_params=schedule))
    assert str(caught.value).startswith(f"{field}: ")
    assert writes(control) == []


def test_an_update_does_not_give_a_dataset_export_a_bad_schedule(
    control: EmulatorControl, hook: FlowServiceHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = dataset_ends(hook, "Data Landing Zone", monkeypatch)
    schedule = {"interval": 3, "timeUnit": "hour", "startTime": START}
    run(create_flow(specs.DATA_LANDING_ZONE_DATASET_FLOW, *ends, schedule_params=schedule))
    control.clear_requests()
    other = {"frequency": "day", "interval": 1, "startTime": START}
    with pytest.raises(
        FlowServicePermanentException, match=r"^schedule_params\.timeUnit: None is not supported"
    ):
        run(
            create_flow(
                specs.DATA_LANDING_ZONE_DATASET_FLOW, *ends, schedule_params=other, if_exists="update"
            )
        )
    assert writes(control) == []


@pytest.mark.parametrize(
    "schedule",
    [
        {"interval": 24, "timeUnit": "hour", "startTime": START},
        {"interval": 0, "timeUnit": "day", "startTime": START, "exportMode": "DAILY_FULL_EXPORT"},
    ],
)
def test_datasets_are_exported_daily_or_once(
    control: EmulatorControl, hook: FlowServiceHook, monkeypatch: pytest.MonkeyPatch, schedule: dict[str, Any]
) -> None:
    ends = dataset_ends(hook, "Data Landing Zone", monkeypatch)
    made, _ = run(create_flow(specs.DATA_LANDING_ZONE_DATASET_FLOW, *ends, schedule_params=schedule))
    assert page_in_aep(hook, made).endswith("/destination/browse")
    assert control.state()["flows"][0]["scheduleParams"] == schedule
    with pytest.raises(FlowServicePermanentException, match="exports datasets, so nothing can be activated"):
        run(activate(made, [exported(control.segments[0])]))


# What decides


def reads(control: EmulatorControl) -> list[str]:
    """The specs and source connections that were read one by one."""
    paths = [entry["path"].split("/") for entry in control.requests("GET")]
    return [path[-2] for path in paths if path[-2] in ("sourceConnections", "flowSpecs")]


def test_a_new_flow_costs_a_read_of_its_source_and_one_of_a_spec_of_its_own(
    control: EmulatorControl, profiles: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    onboard(S3, profiles, monkeypatch)
    assert reads(control) == ["sourceConnections", "flowSpecs"]
    control.clear_requests()
    onboard(S3, profiles, monkeypatch)
    assert reads(control) == []


def test_transformations_that_are_given_are_sent_without_asking(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    general = {"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": []}}}
    ends = make_ends(hook)
    control.clear_requests()
    run(create_flow(specs.PROFILE_DESTINATION_FLOW, *ends, transformations=[general]))
    assert reads(control) == []
    assert params(control) == general["params"]


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("Oracle Responsys", "51d675ce-e270-408d-91fc-22717bdf2148"),
        ("Salesforce Marketing Cloud", "493b2bd6-26e4-4167-ab3b-5e910bba44f0"),
    ],
)
def test_what_a_destination_takes_is_told_by_its_flow_spec(
    control: EmulatorControl, profiles: str, monkeypatch: pytest.MonkeyPatch, name: str, spec: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps({"conn_type": "generic", "password": SECRET}))
    base, _ = run(
        FlowServiceCreateConnectionOperator(
            task_id="x", name="mail", connection_spec=name, auth_conn_id="files"
        )
    )
    target, _ = run(
        FlowServiceCreateTargetConnectionOperator(
            task_id="x",
            name="mail",
            connection_spec=name,
            base_connection_id=base,
            target_params={"path": "out"},
        )
    )
    flow, _ = run(create_flow(spec, profiles, target))
    run(activate(flow, [exported(control.segments[0])], profile_attributes=["person.name"]))
    assert set(params(control)) == {"profileSelectors", "segmentSelectors"}


PARTNERS_SPEC, PARTNERS_FLOW_SPEC = (
    "b0ab1a5e-0000-4000-8000-000000000001",
    "b0ab1a5e-0000-4000-8000-000000000002",
)


@pytest.mark.parametrize("flow_spec", [PARTNERS_FLOW_SPEC, specs.PROFILE_DESTINATION_FLOW])
def test_a_partners_destination_is_connected_and_activated(
    control: EmulatorControl,
    hook: FlowServiceHook,
    profiles: str,
    monkeypatch: pytest.MonkeyPatch,
    flow_spec: str,
) -> None:
    control.set_switches(unknown_specs="accept")
    monkeypatch.setenv(
        "AIRFLOW_CONN_FILES", json.dumps({"conn_type": "generic", "login": "acme", "password": SECRET})
    )
    base, _ = run(
        FlowServiceCreateConnectionOperator(
            task_id="x", name="partner", connection_spec=PARTNERS_SPEC, auth_conn_id="files"
        )
    )
    target, _ = run(
        FlowServiceCreateTargetConnectionOperator(
            task_id="x",
            name="partner",
            connection_spec=PARTNERS_SPEC,
            base_connection_id=base,
            target_params={"account": "acme"},
        )
    )
    flow, _ = run(create_flow(flow_spec, profiles, target))
    assert page_in_aep(hook, flow).endswith("/destination/browse")
    settings = {"profile_mapping": make_columns(hook), "mandatory_fields": ["email"]}
    run(activate(flow, control.segments[:2], profile_attributes=["person.name"], **settings))
    assert [each["value"]["id"] for each in selected_segments(control)] == control.segments[:2]
    assert params(control)["profileMapping"] == settings["profile_mapping"]


# In a plan


def test_a_plan_shows_what_a_flow_from_a_source_that_is_planned_too_needs(
    control: EmulatorControl, task_log: pytest.LogCaptureFixture
) -> None:
    source, _ = run(create_source("plan:base_connection:x", plan_only=True))
    task_log.clear()
    run(create_flow(specs.AMAZON_S3_FLOW, source, "plan:target_connection:x", plan_only=True))
    assert '"profileMapping": {}' in task_log.text
    task_log.clear()
    lake, _ = run(
        FlowServiceCreateSourceConnectionOperator(
            task_id="x", name="datasets", connection_spec=specs.DATA_LAKE_EXPORT, plan_only=True
        )
    )
    with pytest.raises(FlowServicePermanentException, match=r"^schedule_params\.timeUnit: "):
        run(create_flow(specs.AMAZON_S3_DATASET_FLOW, lake, "plan:target_connection:x", plan_only=True))
    assert control.state()["flows"] == []


def test_a_plan_says_what_it_does_not_know(
    control: EmulatorControl, task_log: pytest.LogCaptureFixture
) -> None:
    run(
        create_flow(
            specs.AMAZON_S3_FLOW, "plan:source_connection:x", "plan:target_connection:x", plan_only=True
        )
    )
    assert "What flow 'files' requires is not known before its source connections exist" in task_log.text


def test_of_several_sources_the_one_that_needs_something_decides() -> None:
    assert specs.FlowSource.of() is specs.FlowSource.SYSTEM
    assert specs.FlowSource.of("other", specs.UNIFIED_PROFILE_SERVICE) is specs.FlowSource.PROFILES
    assert specs.FlowSource.of("other", specs.DATA_LAKE_EXPORT) is specs.FlowSource.DATASETS
