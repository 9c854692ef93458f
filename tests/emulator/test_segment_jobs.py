from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.emulator.conftest import Api

JOBS = "/data/core/ups/segment/jobs"


def start(api: Api, *segments: str) -> dict[str, Any]:
    made = api.call("POST", JOBS, json=[{"segmentId": each} for each in segments])
    assert made.status_code == 200, made.text
    job: dict[str, Any] = made.json()
    return job


def test_a_job_evaluates_its_segments_for_the_time_of_a_run(api: Api) -> None:
    api.control.set_switches(run_seconds=100)
    first, second = api.control.segments[:2]
    job = start(api, first, second)
    assert (job["status"], [each["segmentId"] for each in job["segments"]]) == ("NEW", [first, second])
    assert job["sandbox"]["type"] == "development"
    path = f"{JOBS}/{job['id']}"
    for seconds, status in ((1, "PROCESSING"), (98, "PROCESSING"), (1, "SUCCEEDED"), (50, "SUCCEEDED")):
        api.control.advance(seconds)
        assert api.get(path).json()["status"] == status
    assert api.get(path).json()["metrics"]["totalTime"]["totalTimeInMs"] == 100_000


def test_a_job_that_runs_can_be_cancelled(api: Api) -> None:
    job = f"{JOBS}/{start(api, api.control.segments[0])['id']}"
    assert (api.call("DELETE", job).status_code, api.get(job).json()["status"]) == (204, "CANCELLED")
    ended = f"{JOBS}/{start(api, api.control.segments[0])['id']}"
    api.control.advance(60)
    assert (api.call("DELETE", ended).status_code, api.get(ended).json()["status"]) == (204, "SUCCEEDED")


def test_jobs_are_listed_in_pages_by_state_and_by_segment(api: Api) -> None:
    first, second = api.control.segments[:2]
    made = []
    for segment in (first, second, first):
        made.append(start(api, segment)["id"])
        api.control.advance(40)
    listed = api.get(JOBS).json()
    assert [each["id"] for each in listed["children"]] == made[::-1]
    assert listed["_page"] == {"totalCount": 3, "pageSize": 3}
    page = api.get(JOBS, limit=2, sort="creationTime:asc").json()
    assert [each["id"] for each in page["children"]] == made[:2]
    assert page["_page"]["next"] == 1
    link = page["_links"]["next"]["href"].removeprefix("@/segment/jobs")
    last = api.get(f"{JOBS}{link}").json()
    assert [each["id"] for each in last["children"]] == made[:1]
    assert last["_links"] == {}
    of_first = api.get(JOBS, property=f"segments~segmentId=={first}").json()["children"]
    assert [each["id"] for each in of_first] == [made[2], made[0]]
    assert [each["id"] for each in api.get(JOBS, status="PROCESSING").json()["children"]] == [made[2]]


def test_jobs_are_read_in_bulk(api: Api) -> None:
    jobs = [start(api, api.control.segments[0])["id"] for _ in range(2)]
    wanted = [{"id": each} for each in (*jobs, "none")]
    found = api.call("POST", f"{JOBS}/bulk-get", json={"ids": wanted})
    assert (found.status_code, list(found.json()["results"])) == (207, jobs)
    assert api.call("POST", f"{JOBS}/bulk-get", json={}).status_code == 400


@pytest.mark.parametrize("body", [{}, [], ["x"], [{}], [{"segmentId": "none"}], [{"segmentId": {}}]])
def test_a_job_needs_segments(api: Api, body: Any) -> None:
    refused = api.call("POST", JOBS, json=body)
    assert (refused.status_code, refused.json()["status"]) == (400, 400)
    assert api.get(JOBS).json()["children"] == []


@pytest.mark.parametrize("params", [{"property": "x==1"}, {"sort": "x:asc"}, {"limit": "0"}, {"start": "x"}])
def test_a_wrong_parameter_is_refused(api: Api, params: dict[str, str]) -> None:
    start(api, api.control.segments[0])
    assert api.get(JOBS, **params).status_code == 400


def test_a_missing_job_is_not_found(api: Api) -> None:
    assert api.get(f"{JOBS}/{uuid.uuid4()}").status_code == 404
