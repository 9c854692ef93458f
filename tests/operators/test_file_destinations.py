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
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from tests.support.aep import make_ends, writes
from tests.support.files import (
    DATA_LANDING_ZONE,
    EXPORT,
    FILE_DESTINATIONS,
    S3,
    SCHEDULE,
    SECRET,
    FileDestination,
    exported,
    make_file_flow,
)
from tests.support.operators import activate, create_profile_store, create_source
from tests.support.streaming import customers
from tests.support.tasks import run

DESTINATIONS = pytest.mark.parametrize(
    "destination", FILE_DESTINATIONS, ids=lambda each: each.auth_spec or each.name
)
START = 4_000_000_000


@pytest.fixture
def profiles(control: EmulatorControl) -> str:
    """A source connection of the profile store."""
    return str(run(create_source(run(create_profile_store())[0]))[0])


def connect(destination: FileDestination, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> str:
    """Make the base connection, with the credentials from an Airflow connection."""
    arguments: dict[str, Any] = {"connection_spec": destination.spec_id}
    if destination.connection:
        monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps(destination.connection))
        arguments["auth_conn_id"] = "files"
    made, _ = run(FlowServiceCreateConnectionOperator(task_id="x", name="files", **{**arguments, **changes}))
    return str(made)


def onboard(destination: FileDestination, profiles: str, monkeypatch: pytest.MonkeyPatch) -> str:
    base = connect(destination, monkeypatch)
    params = {**destination.target_params, "fileType": "CSV", "compression": "NONE"}
    target, _ = run(
        FlowServiceCreateTargetConnectionOperator(
            task_id="x",
            name="files",
            connection_spec=destination.spec_id,
            base_connection_id=base,
            target_params=params,
            data_format=None,
        )
    )
    flow, _ = run(create_flow(destination.flow_spec_id, profiles, target))
    return str(flow)


def create_flow(spec: str, source: str, target: str, **changes: Any) -> FlowServiceCreateFlowOperator:
    return FlowServiceCreateFlowOperator(
        task_id="x",
        name="files",
        flow_spec=spec,
        source_connection_ids=source,
        target_connection_ids=target,
        **changes,
    )


def params(control: EmulatorControl) -> dict[str, Any]:
    (flow,) = control.state()["flows"]
    return dict(flow["transformations"][0]["params"])


def selected_segments(control: EmulatorControl) -> list[Any]:
    return list(params(control)["segmentSelectors"]["selectors"])


@DESTINATIONS
def test_each_is_connected_and_a_second_run_changes_nothing(
    control: EmulatorControl, profiles: str, destination: FileDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    send = FlowServiceHook.send

    def spy(self: FlowServiceHook, wanted: Any) -> Any:
        sent.append(wanted)
        return send(self, wanted)

    monkeypatch.setattr(FlowServiceHook, "send", spy)
    flow = onboard(destination, profiles, monkeypatch)
    (base,) = [
        wanted.json for wanted in sent if wanted.method == "POST" and wanted.path.endswith("/connections")
    ]
    expected = {"specName": destination.auth_spec, "params": destination.auth_params}
    assert base.get("auth") == (expected if destination.auth_spec else None)
    (made,) = control.state()["flows"]
    assert (made["id"], made["flowSpec"]["id"]) == (flow, destination.flow_spec_id)
    assert params(control) == {
        "mandatoryFields": [],
        "primaryFields": [],
        "profileMapping": {},
        "segmentSelectors": {"selectors": []},
    }
    control.clear_requests()
    assert onboard(destination, profiles, monkeypatch) == flow
    assert writes(control) == []


@DESTINATIONS
def test_segments_are_activated_with_schedules_and_a_profile_mapping(
    control: EmulatorControl, profiles: str, destination: FileDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = onboard(destination, profiles, monkeypatch)
    first, second = control.segments[:2]
    incremental = {
        "id": second,
        "exportMode": "FIRST_FULL_THEN_INCREMENTAL",
        "filenameTemplate": EXPORT["filenameTemplate"],
        "schedule": {**SCHEDULE, "frequency": "EVERY_6_HOURS"},
    }
    settings = {
        "profile_mapping": {"mappingId": "m", "mappingVersion": 0},
        "mandatory_fields": ["GAID"],
        "primary_fields": [{"identityNamespace": "GAID", "fieldType": "IDENTITY"}],
    }
    control.clear_requests()
    run(activate(flow, [exported(first), incremental], **settings))
    assert writes(control) == [("PATCH", "flows")]
    held = params(control)
    selectors = [each["value"] for each in held["segmentSelectors"]["selectors"]]
    assert [(each["id"], each["schedule"]["frequency"]) for each in selectors] == [
        (first, "DAILY"),
        (second, "EVERY_6_HOURS"),
    ]
    assert held["profileMapping"] == settings["profile_mapping"]
    assert (held["mandatoryFields"], held["primaryFields"]) == (["GAID"], settings["primary_fields"])
    control.clear_requests()
    run(activate(flow, [exported(first), incremental], **settings))
    assert writes(control) == []


@pytest.mark.parametrize(
    ("segment", "problem"),
    [
        (EXPORT | {"schedule": {**SCHEDULE, "frequency": "EVERY_3_HOURS"}}, "segments[0].schedule.frequency"),
        (EXPORT | {"filenameTemplate": " "}, "segments[0].filenameTemplate"),
    ],
)
def test_an_export_that_aep_would_refuse_is_named_before_anything_is_sent(
    control: EmulatorControl, hook: FlowServiceHook, segment: dict[str, Any], problem: str
) -> None:
    flow = make_file_flow(hook)
    control.clear_requests()
    with pytest.raises(FlowServicePermanentException) as caught:
        run(activate(flow, [{"id": control.segments[0], **segment}]))
    assert problem in str(caught.value)
    assert writes(control) == []


def test_a_segment_without_a_schedule_is_left_to_aep_whose_reason_gets_a_remedy(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    with pytest.raises(FlowServicePermanentException) as caught:
        run(activate(make_file_flow(hook), [control.segments[0]]))
    assert f"segments: no exportMode and schedule for {control.segments[0]}, and AEP rejects" in str(
        caught.value
    )
    assert "FLOW-1452-400: exportMode must be one of" in str(caught.value)
    assert "If the flow exports files, give" in str(caught.value)
    assert selected_segments(control) == []


def test_attributes_of_a_file_destination_come_from_a_mapping_set(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow = make_file_flow(hook)
    with pytest.raises(
        FlowServicePermanentException,
        match="If it is a file destination with a mapping set, pass profile_mapping",
    ):
        run(activate(flow, [], profile_attributes=["person.name"]))


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("Amazon S3", {"login": None}, "does not contain s3AccessKey, which Amazon S3 needs. Set the login"),
        ("Amazon S3", {"extra": {"role_arn": "arn"}}, "AEP needs long-lived keys"),
        ("Azure Blob", {"extra": {}, "password": None}, "does not contain connectionString"),
        (
            "Azure Data Lake Gen2",
            {"host": None},
            "does not contain url, which Azure Data Lake Gen2 needs. Set the",
        ),
        (
            "Azure Data Lake Gen2",
            {"extra": {}},
            "does not contain tenant, which Azure Data Lake Gen2 needs. Set the",
        ),
        ("Azure Data Lake Gen2", {"password": None}, "does not contain servicePrincipalKey"),
        ("Google Cloud Storage", {"password": None}, "does not contain secretAccessKey"),
        ("SFTP", {"host": None}, "does not contain domain, which SFTP needs. Set the host"),
        ("SFTP", {"conn_type": "aws"}, "Use one of type generic or sftp or ssh"),
    ],
)
def test_a_credential_that_is_missing_is_named_with_its_place(
    control: EmulatorControl,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    changes: dict[str, Any],
    problem: str,
) -> None:
    destination = next(each for each in FILE_DESTINATIONS if each.name == name)
    assert destination.connection
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps({**destination.connection, **changes}))
    operator = FlowServiceCreateConnectionOperator(
        task_id="x", name="files", connection_spec=name, auth_conn_id="files"
    )
    with pytest.raises(FlowServicePermanentException) as caught:
        run(operator)
    assert problem in str(caught.value)
    assert writes(control) == []


def test_the_landing_zone_takes_no_credentials(
    control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps(S3.connection))
    with pytest.raises(FlowServicePermanentException, match="Data Landing Zone does not take credentials"):
        connect(DATA_LANDING_ZONE, monkeypatch, auth_conn_id="files")


# Datasets

DATASET_FLOWS = pytest.mark.parametrize(
    ("name", "flow_spec"),
    [
        ("Amazon S3", specs.AMAZON_S3_DATASET_FLOW),
        ("Azure Blob", specs.AZURE_BLOB_DATASET_FLOW),
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
    made, pushed = run(create_flow(specs.DATA_LANDING_ZONE_DATASET_FLOW, *ends, schedule_params=schedule))
    assert pushed["console_url"].endswith("/destination/browse")
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
    destination = FileDestination(name, name, spec, {"path": "out"}, {"conn_type": "generic", "login": "x"})
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
            target_params=destination.target_params,
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
    control: EmulatorControl, profiles: str, monkeypatch: pytest.MonkeyPatch, flow_spec: str
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
    flow, pushed = run(create_flow(flow_spec, profiles, target))
    assert pushed["console_url"].endswith("/destination/browse")
    settings = {"profile_mapping": {"mappingId": "m", "mappingVersion": 0}, "mandatory_fields": ["email"]}
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
    assert "What flow 'files' requires is not known before its source connection exists" in task_log.text
