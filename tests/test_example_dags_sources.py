"""The example DAGs of HTTP API sources, run by a real Airflow against the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import airflow as support
from tests.support.clients import emulator_settings, open_client
from tests.support.scheduling import run_scheduled
from tests.support.streaming import Source, open_source

pytestmark = pytest.mark.usefixtures("airflow_database")

ONBOARD, DAILY = "onboard_http_api_source", "stream_daily_records"
SETTLED = 300
RAW = [
    {"id": "1", "firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"},
    {"id": "2", "firstName": "Zoë", "lastName": "D'Arc", "email": "zoe@example.com", "extra": [1.5, None]},
]
MAPPED = [
    {
        "_id": record["id"],
        "person": {"name": {"firstName": record["firstName"], "lastName": record["lastName"]}},
        "workEmail": {"address": record["email"]},
    }
    for record in RAW
]
#: The same people as XDM.
RECORDS = {"raw": RAW, "xdm": MAPPED}


@pytest.fixture
def in_step(control: EmulatorControl) -> Iterator[VirtualClock]:
    """A clock that jumps together with the emulator's."""
    with clock.installed(VirtualClock.in_step_with(control)) as virtual:
        assert isinstance(virtual, VirtualClock)
        yield virtual


# Onboarding


def onboard(control: EmulatorControl, data_type: str, authenticated: bool) -> list[dict[str, Any]]:
    """Run the DAG and return what it sent."""
    control.clear_requests()
    conf = {"data_type": data_type, "authenticated": authenticated, "records": RECORDS[data_type]}
    dag_run = support.run_dag(ONBOARD, conf)
    assert dag_run.state == "success", support.task_states(dag_run)
    return control.requests()


def without_messages(control: EmulatorControl) -> dict[str, Any]:
    return {kind: items for kind, items in control.state().items() if kind != "messages"}


def changes(journal: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Requests that made or changed something; to validate mappings and to ask for a token change nothing."""
    return [
        (entry["method"], entry["path"])
        for entry in journal
        if entry["method"] != "GET"
        and not entry["path"].startswith(("/ims/", "/collection/"))
        and not entry["path"].endswith("/validate")
    ]


@pytest.mark.parametrize("authenticated", [True, False])
@pytest.mark.parametrize("data_type", ["xdm", "raw"])
def test_each_record_arrives_exactly_as_sent_and_a_second_run_creates_nothing(
    control: EmulatorControl, in_step: VirtualClock, data_type: str, authenticated: bool
) -> None:
    first = onboard(control, data_type, authenticated)
    (inlet_id,) = control.state()["messages"]
    kept = control.messages(inlet_id)
    sent = [each["message"] for each in kept]
    if data_type == "xdm":
        assert {each["header"]["imsOrgId"] for each in sent} == {control.credential.org_id}
        sent = [each["body"]["xdmEntity"] for each in sent]
    assert sent == RECORDS[data_type]
    assert [each["mapped"] for each in kept] == (MAPPED if data_type == "raw" else [None, None])
    assert [each["dropped"] for each in kept] == [False, False]
    assert sum(in_step.sleeps) >= SETTLED

    state = without_messages(control)
    (base,), (flow,) = state["connections"], state["flows"]
    assert base["auth"]["params"]["dataType"] == data_type
    assert base["auth"]["params"]["authenticationRequired"] is authenticated
    assert {each["flowId"] for each in kept} == {flow["id"]}
    names = [transformation["name"] for transformation in flow["transformations"]]
    assert names == (["Mapping"] if data_type == "raw" else [])
    (target,) = state["targetConnections"]
    assert "baseConnectionId" not in target
    assert len(changes(first)) == (7 if data_type == "raw" else 6)
    (posted,) = [entry for entry in first if entry["path"].startswith("/collection/")]
    assert ("authorization" in posted["headers"]) is authenticated

    second = onboard(control, data_type, authenticated)
    assert changes(second) == []
    assert without_messages(control) == state
    assert len(control.messages(inlet_id)) == 4
    assert [entry for entry in second if entry["path"] == "/ims/token/v3"] == []


def test_a_source_can_be_opened_beside_another(control: EmulatorControl, in_step: VirtualClock) -> None:
    onboard(control, "raw", True)
    onboard(control, "xdm", True)
    assert [len(messages) for messages in control.state()["messages"].values()] == [2, 2]
    assert len(control.state()["flows"]) == 2


def test_a_mapping_to_a_path_that_the_schema_lacks_stops_before_a_flow_is_made(
    control: EmulatorControl, in_step: VirtualClock
) -> None:
    mappings = [{"source": "id", "destination": "_id"}, {"source": "x", "destination": "person.shoeSize"}]
    dag_run = support.run_dag(ONBOARD, {"mappings": mappings})
    states = support.task_states(dag_run)
    assert dag_run.state == "failed"
    assert states["raw_source.create_mapping"] == "failed"
    assert states["raw_source.create_flow"] == states["post_raw_records"] == "upstream_failed"
    assert control.state()["flows"] == []
    assert control.requests("POST", "/mappingSets", 200)[-1]["path"].endswith("/validate")


# Every day


@pytest.fixture
def source(emulator: EmulatorServer, in_step: VirtualClock) -> Source:
    """A source that has been open for long enough."""
    with open_client("requests", emulator_settings(emulator.url, emulator.control.credential)) as client:
        opened = open_source(client)
    in_step.advance(SETTLED)
    in_step.advance(60)
    return opened


@pytest.fixture
def conf(source: Source, tmp_path: Path) -> dict[str, Any]:
    """The DAG's params, with a file for each day from the 1st to the 12th of March that names the day."""
    for number in range(1, 13):
        day = f"2026-03-{number:02}"
        lines = [json.dumps({"day": day, "n": n}) + "\n" for n in range(2)]
        (tmp_path / f"{day}.jsonl").write_text("".join(lines))
    return {"connection_id": source.connection_id, "flow_id": source.flow_id, "folder": f"file://{tmp_path}"}


def march(day: int, hour: int = 3) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def days(control: EmulatorControl, source: Source) -> list[str]:
    """The day of each posted file, in the order of arrival."""
    kept = control.messages(source.inlet.id)
    assert [each["message"]["n"] for each in kept] == [0, 1] * (len(kept) // 2)
    assert not any(each["dropped"] for each in kept)
    return [each["message"]["day"] for each in kept][::2]


def succeeded(dag_run: Any) -> None:
    assert dag_run.state == "success", support.task_states(dag_run)


def test_a_scheduled_run_posts_the_day_that_its_interval_begins_with(
    control: EmulatorControl, source: Source, conf: dict[str, Any]
) -> None:
    dag_run = run_scheduled(DAILY, march(5), conf)
    succeeded(dag_run)
    assert dag_run.run_type == "scheduled"
    assert dag_run.data_interval_end - dag_run.data_interval_start == timedelta(days=1)
    assert days(control, source) == ["2026-03-05"]


def test_backfilled_runs_post_each_their_day_in_whatever_order(
    control: EmulatorControl, source: Source, conf: dict[str, Any]
) -> None:
    for day in (9, 7, 8):
        dag_run = run_scheduled(DAILY, march(day), conf, backfill=True)
        succeeded(dag_run)
        assert dag_run.run_type == "backfill"
    assert days(control, source) == ["2026-03-09", "2026-03-07", "2026-03-08"]


@pytest.mark.parametrize(
    ("logical_date", "posted"), [(march(10, 12), "2026-03-09"), (march(10, 3), "2026-03-09")]
)
def test_a_manual_run_with_a_logical_date_posts_the_last_whole_interval_before_it(
    control: EmulatorControl, source: Source, conf: dict[str, Any], logical_date: datetime, posted: str
) -> None:
    succeeded(support.run_dag(DAILY, conf, logical_date=logical_date))
    assert days(control, source) == [posted]


def test_a_manual_run_without_a_logical_date_posts_the_day_before_it(
    control: EmulatorControl, source: Source, conf: dict[str, Any]
) -> None:
    dag_run = support.run_dag(DAILY, conf, logical_date=None, run_after=march(11, 15))
    succeeded(dag_run)
    assert dag_run.logical_date is None
    assert dag_run.data_interval_start is None
    assert days(control, source) == ["2026-03-10"]


def test_the_param_says_the_day_whatever_the_run(
    control: EmulatorControl, source: Source, conf: dict[str, Any]
) -> None:
    conf["date"] = "2026-03-02"
    succeeded(support.run_dag(DAILY, conf, logical_date=None, run_after=march(11)))
    succeeded(support.run_dag(DAILY, conf, logical_date=march(8)))
    succeeded(run_scheduled(DAILY, march(6), conf))
    assert days(control, source) == ["2026-03-02"] * 3


def test_a_day_with_bad_records_fails_and_keeps_them(
    control: EmulatorControl, source: Source, conf: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "2026-03-05.jsonl").write_text('{"day": "2026-03-05", "n": 0}\noops\n')
    dag_run = run_scheduled(DAILY, march(5), conf)
    states = support.task_states(dag_run)
    assert states == {"check_settings": "success", "post_records_of_the_day": "failed"}
    assert [each["message"]["n"] for each in control.messages(source.inlet.id)] == [0]
    (letter,) = map(json.loads, (tmp_path / "refused" / "2026-03-05.jsonl").read_text().splitlines())
    assert (letter["line"], letter["record"]) == (2, "oops")


def test_a_day_without_a_file_fails_at_once(
    control: EmulatorControl, source: Source, conf: dict[str, Any]
) -> None:
    dag_run = run_scheduled(DAILY, march(20), conf)
    states = support.task_states(dag_run)
    assert states == {"check_settings": "success", "post_records_of_the_day": "failed"}
    assert control.messages(source.inlet.id) == []


# In parts


def test_a_folder_without_files_fails_instead_of_posting_nothing(tmp_path: Path) -> None:
    conf = {"connection_id": "c", "flow_id": "f", "folder": f"file://{tmp_path}"}
    dag_run = support.run_dag("stream_partitioned_records", conf)
    assert dag_run.state == "failed"


def test_the_parts_of_files_are_posted_by_tasks_of_their_own(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    for name, first, count in (("a.jsonl", 0, 30), ("b.jsonl", 30, 1), ("c.csv", 100, 5)):
        rows = [json.dumps({"n": n}) + "\n" for n in range(first, first + count)]
        (tmp_path / name).write_text("".join(rows))
    (tmp_path / "b.jsonl").write_text('{"n": 30}\noops\n')
    conf = {
        "connection_id": source.connection_id,
        "flow_id": source.flow_id,
        "folder": f"file://{tmp_path}",
        "part_bytes": 100,
    }
    dag_run = support.run_dag("stream_partitioned_records", conf)
    # Parts of a.jsonl, and b.jsonl, which has a line that is no record.
    mapped = [ti.state for ti in dag_run.get_task_instances() if ti.task_id == "post_records"]
    assert mapped == ["success"] * 3 + ["failed"]
    posted = [each["message"]["n"] for each in control.messages(source.inlet.id)]
    assert sorted(posted) == list(range(31))
    (letters,) = (file for file in (tmp_path / "refused").iterdir() if file.stat().st_size)
    assert [json.loads(line)["record"] for line in letters.read_text().splitlines()] == ["oops"]


def test_a_record_may_be_longer_than_a_part(control: EmulatorControl, source: Source, tmp_path: Path) -> None:
    rows = [json.dumps({"n": 0, "text": "x" * 250}), json.dumps({"n": 1})]
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n")
    conf = {
        "connection_id": source.connection_id,
        "flow_id": source.flow_id,
        "folder": f"file://{tmp_path}",
        "part_bytes": 100,
    }
    assert support.run_dag("stream_partitioned_records", conf).state == "success"
    posted = [each["message"]["n"] for each in control.messages(source.inlet.id)]
    assert sorted(posted) == [0, 1]
