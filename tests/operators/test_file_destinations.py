from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import FlowServiceCreateConnectionOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow, writes
from tests.support.exports import connect, onboard, params, selected_segments
from tests.support.files import (
    DATA_LANDING_ZONE,
    EXPORT,
    FILE_DESTINATIONS,
    S3,
    SCHEDULE,
    FileDestination,
    exported,
    make_columns,
    make_file_flow,
)
from tests.support.operators import activate
from tests.support.tasks import run

DESTINATIONS = pytest.mark.parametrize(
    "destination", FILE_DESTINATIONS, ids=lambda each: each.auth_spec or each.name
)
START = 4_000_000_000


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
    control: EmulatorControl,
    hook: FlowServiceHook,
    profiles: str,
    destination: FileDestination,
    monkeypatch: pytest.MonkeyPatch,
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
        "profile_mapping": make_columns(hook),
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
    hint = f"If the flow exports files, give {control.segments[0]} an exportMode and a schedule."
    assert str(caught.value).endswith(hint)
    assert (caught.value.status, caught.value.code) == (400, "FLOW-1452-400")
    assert "FLOW-1452-400: " in str(caught.value)
    assert "exportMode must be one of" in str(caught.value)
    assert "If the flow exports files, give" in str(caught.value)
    assert selected_segments(control) == []


def test_attributes_of_a_file_destination_come_from_a_mapping_set(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow = make_file_flow(hook)
    with pytest.raises(FlowServicePermanentException) as caught:
        run(activate(flow, [], profile_attributes=["person.name"]))
    assert str(caught.value).startswith(
        "a file destination takes its attributes from a mapping set: make one with"
        " FlowServiceCreateMappingSetOperator(columns=...), and pass its id and version as profile_mapping"
    )


def test_attributes_that_a_flow_with_a_mapping_set_ignores_come_from_it_too(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    flow = make_flow(hook)
    control.set_switches(silent_patch=True)
    with pytest.raises(FlowServicePermanentException) as caught:
        run(activate(flow, [], profile_attributes=["person.name"]))
    shown = str(caught.value).partition("does not show it after 15.5 s: ")[2]
    assert shown.startswith("a destination with a mapping set takes its attributes from profile_mapping")
    assert "not applied: add attributes person.name" in shown


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("Amazon S3", {"login": None}, "does not contain s3AccessKey, which Amazon S3 needs. Set the login"),
        ("Amazon S3", {"extra": {"role_arn": "arn"}}, "AEP needs long-lived keys"),
        ("Azure Blob Storage", {"extra": {}, "password": None}, "does not contain connectionString"),
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
