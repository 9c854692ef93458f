from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import Api, add_audience, add_segment, code_of

ADHOC = "/data/core/activation/disflowprovider/adhocrun"
VERSION_2 = {"Accept": "application/vnd.adobe.adhoc.activation+json; version=2"}


def once(api: Api) -> str:
    """A source flow scheduled once, in a future that the tests do not reach."""
    made = api.batch_flow(startTime=int(api.control.now()) + 10**8, frequency="once")
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def run(api: Api, flow_id: str) -> str:
    response = api.call(
        "POST", "/runs", json={"flowId": flow_id, "params": {"windowStartTime": 1, "windowEndTime": 2}}
    )
    assert response.status_code == 201, response.text
    assert set(response.json()) == {"id", "etag"}
    return str(response.json()["id"])


def status(api: Api, run_id: str) -> str:
    return str(api.item(f"/runs/{run_id}")["metrics"]["statusSummary"]["status"])


def test_a_run_goes_through_its_states(api: Api) -> None:
    flow_id = once(api)
    run_id = run(api, flow_id)
    item = api.item(f"/runs/{run_id}")
    assert item["flowId"] == flow_id
    assert item["params"] == {"windowStartTime": 1, "windowEndTime": 2}
    assert item["metrics"]["statusSummary"]["status"] == "scheduled"
    assert item["metrics"]["durationSummary"] == {}
    api.control.advance(30)
    running = api.item(f"/runs/{run_id}")["metrics"]
    assert running["statusSummary"]["status"] == "inProgress"
    assert set(running["durationSummary"]) == {"startedAtUTC"}
    api.control.advance(31)
    done = api.item(f"/runs/{run_id}")["metrics"]
    ended = api.item(f"/runs/{run_id}")
    (activity,) = ended["activities"]
    assert done["statusSummary"] == {"status": "success", "errors": [], "activityRefs": [activity["id"]]}
    assert activity["statusSummary"] == {"status": "success", "errors": [], "extensions": {}}
    assert item["activities"] == []
    assert done["durationSummary"]["completedAtUTC"] - item["createdAt"] == 60_000
    assert done["recordSummary"]["inputRecordCount"] == done["recordSummary"]["outputRecordCount"] > 0


@pytest.mark.parametrize(
    ("outcome", "expected", "failed", "errors"),
    [
        ("failed", "failed", 1000, 1),
        ("partialSuccess", "partialSuccess", 1, 1),
        ("success-with-errors", "success", 1, 1),
    ],
)
def test_a_run_may_end_in_another_way(
    api: Api, outcome: str, expected: str, failed: int, errors: int
) -> None:
    api.control.set_switches(run_outcome=outcome, run_seconds=0)
    item = api.item(f"/runs/{run(api, once(api))}")
    metrics, (activity,) = item["metrics"], item["activities"]
    assert metrics["statusSummary"]["status"] == expected
    assert metrics["recordSummary"]["failedRecordCount"] == failed
    assert len(metrics["statusSummary"]["errors"]) == errors
    assert metrics["recordSummary"]["failedInfo"] == metrics["statusSummary"]["errors"]
    assert metrics["statusSummary"]["activityRefs"] == [activity["id"]]
    summary = activity["statusSummary"]
    assert (summary["status"], summary["errors"]) == (expected, metrics["statusSummary"]["errors"])
    manifest = {"failedRecords", "sampleErrors"} if outcome != "failed" else set()
    assert set(summary["extensions"].get("manifest", ())) == manifest
    assert [each["code"] for each in summary["extensions"].get("errors", ())] == ["MAPPER-3700-400"] * bool(
        manifest
    )


def test_states_have_other_names_in_the_openapi_file(api: Api) -> None:
    api.control.set_switches(run_status_names="openapi")
    run_id = run(api, once(api))
    names = [status(api, run_id)]
    for _ in range(2):
        api.control.advance(31)
        names.append(status(api, run_id))
    assert names == ["Waiting", "Processing", "Success"]


def test_runs_can_be_filtered(api: Api) -> None:
    flow_id = once(api)
    run_id = run(api, flow_id)
    api.control.advance(100)
    other = run(api, flow_id)
    done = api.get("/runs", property=[f"flowId=={flow_id}", "metrics.statusSummary.status==success"])
    assert [item["id"] for item in done.json()["items"]] == [run_id]
    assert api.get("/runs", property="flowId==none").json()["items"] == []
    started = api.item(f"/runs/{run_id}")["metrics"]["durationSummary"]["startedAtUTC"]
    api.control.advance(30)
    later = api.get("/runs", property=f"metrics.durationSummary.startedAtUTC>{started}")
    assert [item["id"] for item in later.json()["items"]] == [other]


def test_only_a_source_flow_scheduled_once_can_be_run(api: Api) -> None:
    stream = api.flow()["id"]
    daily = api.batch_flow(startTime=int(api.control.now()) + 10**8, frequency="day", interval=1).json()["id"]
    disabled = once(api)
    api.call("POST", f"/flows/{disabled}/action?op=disable")
    expected = {
        stream: "FLOW-1427-400",
        daily: "FLOW-1427-400",
        disabled: "FLOW-1444-400",
        "none": "FLOW-1430-400",
    }
    for flow_id, code in expected.items():
        assert code_of(api.call("POST", "/runs", json={"flowId": flow_id})) == code
    assert api.get("/runs").json()["items"] == []


def test_a_failed_run_can_be_triggered_again(api: Api) -> None:
    flow_id = once(api)
    good = run(api, flow_id)
    api.control.advance(100)
    assert code_of(api.call("POST", f"/runs/{good}/action?op=re_trigger")) == "FLOW-1422-400"
    api.control.set_switches(run_outcome="failed", run_seconds=0)
    bad = run(api, flow_id)
    api.control.set_switches(run_outcome="success")
    again = api.call("POST", f"/runs/{bad}/action?op=RE_TRIGGER")
    assert again.status_code == 200
    assert again.json()["flowId"] == flow_id
    assert status(api, again.json()["id"]) == "success"
    assert status(api, bad) == "failed"


def test_runs_are_not_the_callers_to_write(api: Api) -> None:
    run_id = run(api, once(api))
    for method in ("PUT", "PATCH", "DELETE"):
        headers = {"If-Match": '"x"'}
        refused = api.call(
            method, f"/runs/{run_id}", json=[{"op": "remove", "path": "/flowId"}], headers=headers
        )
        assert code_of(refused) == "FLOW-1427-400"


def test_flows_run_by_themselves(api: Api) -> None:
    start = int(api.control.now()) + 3600
    hourly = api.batch_flow(startTime=start, frequency="hour", interval=2).json()["id"]
    stream = api.flow()
    api.patch(f"/flows/{stream['id']}", stream["etag"], add_segment("a"))

    def count(flow_id: str) -> int:
        return int(api.get("/runs", property=f"flowId=={flow_id}", count="true").json()["count"])

    assert (count(hourly), count(stream["id"])) == (0, 0)
    api.control.advance(3700)
    assert (count(hourly), count(stream["id"])) == (1, 1)
    api.control.advance(4 * 3600)
    assert (count(hourly), count(stream["id"])) == (3, 5)
    assert (count(hourly), count(stream["id"])) == (3, 5)
    api.call("POST", f"/flows/{hourly}/action?op=disable")
    api.control.set_switches(scheduled_runs=False)
    api.control.advance(10 * 3600)
    assert (count(hourly), count(stream["id"])) == (3, 5)
    assert len(api.control.state()["runs"]) == 8


def test_an_audience_runs_at_its_times(api: Api) -> None:
    flow = api.file_flow()
    schedule = {"startDate": "2000-01-01", "frequency": "EVERY_6_HOURS"}
    audience = add_audience("a", exportMode="FIRST_FULL_THEN_INCREMENTAL", schedule=schedule)
    api.patch(f"/flows/{flow['id']}", flow["etag"], audience)
    api.control.advance(86_000)
    runs = api.get("/runs", property=f"flowId=={flow['id']}", orderby="createdAt").json()["items"]
    moments = [item["createdAt"] for item in runs]
    assert len(moments) in (3, 4)
    # The schedule starts at ten, and so comes back at four, ten, sixteen and twenty-two.
    assert {moment // 1000 % (6 * 3600) for moment in moments} == {4 * 3600}


class AdHoc:
    def __init__(self, api: Api, segments: int = 2) -> None:
        self.api = api
        made = api.file_flow()
        self.flow_id = made["id"]
        self.segments = [f"seg-{number}" for number in range(segments)]
        response = api.patch(f"/flows/{self.flow_id}", made["etag"], *map(add_audience, self.segments))
        assert response.status_code == 200, response.text

    def start(self, *segments: str, headers: dict[str, str] = VERSION_2, **more: Any) -> Any:
        body = {"activationInfo": {self.flow_id: list(segments)}, **more}
        return self.api.call("POST", ADHOC, json=body, headers=headers)


def test_adhoc_runs_can_be_followed(api: Api) -> None:
    adhoc = AdHoc(api)
    response = adhoc.start(*adhoc.segments)
    assert response.status_code == 200, response.text
    order = response.json()["order"]
    assert [entry["segment"] for entry in order] == adhoc.segments
    for entry in order:
        assert entry["order"] == adhoc.flow_id
        assert entry["statusURL"].startswith(f"{api.url}/data/foundation/flowservice/runs/")
        run_id = entry["statusURL"].rpartition("/")[2]
        records = api.item(f"/runs/{run_id}")["metrics"]["recordSummary"]
        flow = api.item(f"/flows/{adhoc.flow_id}")
        for side in ("source", "target"):
            (summary,) = records[f"{side}Summaries"]
            assert [summary["id"]] == flow[f"{side}ConnectionIds"]
            assert summary["entitySummaries"][0]["id"] == f"segment:{entry['segment']}"


def test_a_busy_audience_names_its_run(api: Api) -> None:
    adhoc = AdHoc(api)
    first = adhoc.start("seg-0").json()["order"][0]["statusURL"].rpartition("/")[2]
    refused = adhoc.start("seg-1", "seg-0")
    message = f"Run already going on for audience seg-0 for order {adhoc.flow_id} with run id {first}"
    assert (refused.status_code, refused.json()) == (400, {"message": message})
    assert len(api.control.state()["runs"]) == 1
    api.control.advance(100)
    assert adhoc.start("seg-0").status_code == 200


def test_an_adhoc_call_has_its_limits(api: Api) -> None:
    adhoc = AdHoc(api, segments=81)
    assert adhoc.start(*adhoc.segments).status_code == 400
    assert adhoc.start(*adhoc.segments[:80]).status_code == 200
    foreign = adhoc.start("other")
    assert foreign.json() == {
        "message": "Segments other are not part of this dataflow or out of schedule range!"
    }
    assert foreign.status_code == 400
    assert adhoc.start().status_code == 400
    assert (
        api.call("POST", ADHOC, json={"activationInfo": {"none": ["a"]}}, headers=VERSION_2).status_code
        == 404
    )
    assert api.call("POST", ADHOC, json={}, headers=VERSION_2).status_code == 400
    stream = api.flow()["id"]
    assert (
        api.call("POST", ADHOC, json={"activationInfo": {stream: ["a"]}}, headers=VERSION_2).status_code
        == 400
    )


def test_version_1_wants_the_ids_of_exports(api: Api) -> None:
    adhoc = AdHoc(api)
    assert adhoc.start("seg-0", headers={}).status_code == 400
    (job,) = api.get("/data/core/ups/export/jobs").json()["records"]
    assert job["schema"]["name"] == "_xdm.context.profile"
    assert adhoc.start("seg-0", headers={}, exportIds=[job["id"]]).status_code == 200
