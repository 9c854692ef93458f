from __future__ import annotations

from typing import Any

import pytest
from requests import Response

from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_IDS
from tests.emulator.conftest import SEGMENT_PATH, Api, add_audience, add_segment

FUTURE = 4_102_444_800


def values(api: Api, flow_id: str) -> list[dict[str, Any]]:
    params = api.item(f"/flows/{flow_id}")["transformations"][0]["params"]
    return [selector["value"] for selector in params["segmentSelectors"]["selectors"]]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": {"triggerType": "AFTER_SEGMENT_EVAL", "startTime": None}},
        {"schedule": {"frequency": "ONCE"}},
        {"schedule": {"endDate": "2100-02-01"}},
        {"exportMode": "FIRST_FULL_THEN_INCREMENTAL", "schedule": {"frequency": "EVERY_6_HOURS"}},
        {"filenameTemplate": "%DESTINATION%_%SEGMENT_ID%"},
    ],
)
def test_an_audience_with_a_good_schedule_is_added(api: Api, changes: dict[str, Any]) -> None:
    flow = api.file_flow()
    response = api.patch(f"/flows/{flow['id']}", flow["etag"], add_audience("a", **changes))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"exportMode": None}, "exportMode"),
        ({"exportMode": "SOMETIMES"}, "exportMode"),
        ({"schedule": {"frequency": "EVERY_3_HOURS"}}, "schedule.frequency"),
        (
            {"exportMode": "FIRST_FULL_THEN_INCREMENTAL", "schedule": {"frequency": "ONCE"}},
            "schedule.frequency",
        ),
        ({"schedule": {"triggerType": None}}, "schedule.triggerType"),
        ({"schedule": {"startTime": None}}, "schedule.startTime"),
        ({"schedule": {"startTime": "25:00"}}, "schedule.startTime"),
        ({"schedule": {"triggerType": "AFTER_SEGMENT_EVAL"}}, "schedule.startTime"),
        ({"schedule": {"startDate": "1.1.2100"}}, "schedule.startDate"),
        ({"schedule": {"endDate": "2099-01-01"}}, "schedule.endDate"),
        ({"schedule": {"frequency": "ONCE", "endDate": "2100-02-01"}}, "schedule.endDate"),
        ({"filenameTemplate": "%SEGMENT_ID%"}, "filenameTemplate"),
        ({"filenameTemplate": "%DESTINATION_NAME%"}, "filenameTemplate"),
    ],
)
def test_a_bad_schedule_of_an_audience_is_named(api: Api, changes: dict[str, Any], named: str) -> None:
    flow = api.file_flow()
    refused = api.patch(f"/flows/{flow['id']}", flow["etag"], add_audience("a", **changes))
    assert refused.status_code == 400
    assert named in refused.json()["errorMessage"]
    assert values(api, flow["id"]) == []


@pytest.mark.parametrize(
    ("switch", "accepted", "changes"),
    [
        ("chained_frequency", "accept", {"schedule": {"frequency": "CHAINED"}}),
        ("file_name_macros", "optional", {"filenameTemplate": "%SEGMENT_NAME%"}),
    ],
)
def test_where_adobes_pages_disagree_about_an_audience_a_switch_decides(
    api: Api, switch: str, accepted: str, changes: dict[str, Any]
) -> None:
    flow = api.file_flow()
    assert api.patch(f"/flows/{flow['id']}", flow["etag"], add_audience("a", **changes)).status_code == 400
    api.control.set_switches(**{switch: accepted})
    assert api.patch(f"/flows/{flow['id']}", flow["etag"], add_audience("a", **changes)).status_code == 200


def test_a_file_destination_wants_a_schedule_and_a_stream_does_not(api: Api) -> None:
    files, stream = api.file_flow(), api.flow()
    assert api.patch(f"/flows/{files['id']}", files["etag"], add_segment("a")).status_code == 400
    assert api.patch(f"/flows/{stream['id']}", stream["etag"], add_segment("a")).status_code == 200


def test_the_server_stamps_audiences(api: Api) -> None:
    flow = api.file_flow()
    path = f"/flows/{flow['id']}"
    etag = api.patch(path, flow["etag"], add_audience("a"), add_audience("b")).json()["etag"]
    first = values(api, flow["id"])
    now = api.control.now()
    for value in first:
        assert value["createTime"] == value["updateTime"]
        assert int(value["createTime"]) == pytest.approx(now, abs=5)
    api.control.advance(100)
    changed = add_audience("a", schedule={"startTime": "11:00"})["value"]
    api.patch(path, etag, {"op": "replace", "path": f"{SEGMENT_PATH}/0", "value": changed})
    second = values(api, flow["id"])
    assert second[0]["createTime"] == first[0]["createTime"]
    assert int(second[0]["updateTime"]) - int(first[0]["updateTime"]) >= 100
    assert second[1] == first[1]


@pytest.mark.parametrize(
    ("schedule", "status"),
    [
        ({"startTime": FUTURE, "frequency": "once"}, 201),
        ({"startTime": FUTURE, "frequency": "minute", "interval": 15, "backfill": True}, 201),
        ({"startTime": str(FUTURE), "frequency": "day", "interval": "1"}, 201),
        ({"startTime": FUTURE, "frequency": "minute", "interval": 14}, 400),
        ({"startTime": FUTURE, "frequency": "hour"}, 400),
        ({"startTime": FUTURE, "frequency": "once", "interval": 1}, 400),
        ({"startTime": FUTURE, "frequency": "once", "backfill": False}, 400),
        ({"startTime": FUTURE, "frequency": "yearly", "interval": 1}, 400),
        ({"frequency": "once"}, 400),
    ],
)
def test_schedules_of_source_flows(api: Api, schedule: dict[str, Any], status: int) -> None:
    response = api.batch_flow(**schedule)
    assert response.status_code == status, response.text


def test_a_start_cannot_be_changed_once_it_is_past(api: Api) -> None:
    start = int(api.control.now()) + 100
    made = api.batch_flow(startTime=start, frequency="day", interval=1).json()
    path = f"/flows/{made['id']}"
    later = {"op": "replace", "path": "/scheduleParams/startTime", "value": start + 50}
    etag = api.patch(path, made["etag"], later).json()["etag"]
    api.control.advance(200)
    refused = api.patch(path, etag, {**later, "value": start + 500})
    assert refused.status_code == 400
    weekly = {"op": "replace", "path": "/scheduleParams/frequency", "value": "week"}
    assert api.patch(path, etag, weekly).status_code == 200


@pytest.mark.parametrize(
    ("schedule", "status"),
    [
        ({"startTime": FUTURE, "interval": 3, "timeUnit": "hour"}, 201),
        ({"startTime": FUTURE, "endTime": FUTURE + 9, "interval": 1, "timeUnit": "day"}, 201),
        ({"startTime": FUTURE, "endTime": FUTURE - 9, "interval": 1, "timeUnit": "day"}, 400),
        ({"startTime": FUTURE, "interval": 24, "timeUnit": "hour"}, 201),
        ({"startTime": FUTURE, "interval": 0, "timeUnit": "day", "exportMode": "DAILY_FULL_EXPORT"}, 201),
        ({"startTime": FUTURE, "interval": 1, "timeUnit": "day", "exportMode": "DAILY_FULL_EXPORT"}, 400),
        ({"startTime": FUTURE, "interval": 0, "timeUnit": "day"}, 400),
        ({"startTime": FUTURE, "interval": 3, "timeUnit": "hour", "exportMode": "SOMETIMES"}, 400),
        ({"startTime": FUTURE, "interval": 1, "timeUnit": "hour"}, 400),
        ({"startTime": FUTURE, "interval": 4, "timeUnit": "hour"}, 400),
        ({"startTime": FUTURE, "interval": 3, "timeUnit": "minute"}, 400),
        (None, 400),
    ],
)
def test_schedules_of_dataset_exports(api: Api, schedule: dict[str, Any] | None, status: int) -> None:
    response = dataset_flow(api, schedule)
    assert response.status_code == status, response.text


def dataset_flow(
    api: Api, schedule: Any, flow_spec: str = "269ba276-16fc-47db-92b0-c1049a3c131f"
) -> Response:
    files = api.item(f"/flows/{api.file_flow()['id']}")
    datasets = {"id": "23598e46-f560-407b-88d5-ea6207e49db0", "version": "1.0"}
    params = {"datasets": [{"dataSetId": "1", "name": "one"}]}
    source = api.create("/sourceConnections", {"name": "d", "connectionSpec": datasets, "params": params})
    body = {
        "name": "datasets",
        "flowSpec": {"id": flow_spec, "version": "1.0"},
        "sourceConnectionIds": [source["id"]],
        "targetConnectionIds": files["targetConnectionIds"],
        "scheduleParams": schedule,
    }
    return api.call("POST", "/flows", json=body)


def test_whether_datasets_go_out_every_24_hours_is_a_switch(api: Api) -> None:
    schedule = {"startTime": FUTURE, "interval": 24, "timeUnit": "hour"}
    api.control.set_switches(dataset_24_hours="refuse")
    refused = dataset_flow(api, schedule)
    assert (refused.status_code, "3, 6, 9, 12 when" in refused.json()["errorMessage"]) == (400, True)


def test_datasets_that_go_out_once_have_one_run(api: Api) -> None:
    start = int(api.control.now()) + 100
    schedule = {"startTime": start, "interval": 0, "timeUnit": "day", "exportMode": "DAILY_FULL_EXPORT"}
    flow = dataset_flow(api, schedule).json()["id"]
    api.control.advance(5 * 24 * 3600)
    assert [run["flowId"] for run in api.control.state()["runs"]] == [flow]


def test_a_flow_spec_that_does_not_fit_is_refused_with_the_one_that_does(api: Api) -> None:
    audiences = "1a0514a6-33d4-4c7f-aff8-594799c47549"
    refused = dataset_flow(api, {"startTime": FUTURE, "interval": 3, "timeUnit": "hour"}, audiences)
    assert refused.json()["type"].endswith("FLOW-1452-400")
    assert "activation-datalake (23598e46-" in refused.json()["errorMessage"]
    assert (
        "Use the flow spec 269ba276-16fc-47db-92b0-c1049a3c131f (datasetToS3)."
        in refused.json()["errorMessage"]
    )
    profiles = api.flow_body()
    profiles["sourceConnectionIds"] = [api.source(api.profile_base()["id"])["id"]]
    profiles["targetConnectionIds"] = [api.item(f"/flows/{api.file_flow()['id']}")["targetConnectionIds"][0]]
    refused = api.call("POST", "/flows", json=profiles)
    assert f"Use the flow spec {audiences} (upsToS3)." in refused.json()["errorMessage"]


def test_files_export_the_same_profiles(api: Api) -> None:
    flow = api.file_flow()
    api.patch(f"/flows/{flow['id']}", flow["etag"], add_audience(SEEDED_SEGMENT_IDS[0]))
    assert api.control.exports(flow["id"])
