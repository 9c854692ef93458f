"""A cluster as people run it: Celery's workers, Redis and PostgreSQL. Other tests have one machine and one process."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_flowservice.client.flows.lifecycle import set_state
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from tests.cluster.cluster import (
    ONBOARD,
    ONBOARD_SHARING,
    POST,
    RUN_SECONDS,
    SLOTS,
    WAIT,
    WORKERS,
    Cluster,
    Task,
)
from tests.cluster.home.dags.post_files import BATCH
from tests.stack import backfill
from tests.support.activity import Activity
from tests.support.aep import FLOW_SERVICE, make_flow
from tests.support.batch import make_batch_flow
from tests.support.clients import client_of
from tests.support.streaming import SETTLED, open_source, people

pytestmark = pytest.mark.cluster

#: What one destination consists of.
ONE_OF_EACH = {"connections": 2, "sourceConnections": 1, "targetConnections": 1, "flows": 1}
AT_ONCE = 6
#: The emulator keeps 100,000 records of an inlet: also if all that a killed worker has posted came twice, none is lost.
FILES, RECORDS_PER_FILE = 16, 5000
#: Number of tasks that wait for each of two things; together more than the workers could run.
WAITS = 5
WAIT_SECONDS = 50_000
#: Longest time until a worker is killed.
POST_SECONDS = 240


def _made(cluster: Cluster) -> dict[str, int]:
    state = cluster.control.state()
    return {kind: len(state[kind]) for kind in ONE_OF_EACH}


def _tasks(cluster: Cluster, activity: Activity) -> list[Task]:
    return [task for run in activity.runs for task in cluster.tasks(run["dag_id"], run["dag_run_id"])]


def _succeeded(activity: Activity, number: int) -> bool:
    return activity.states == {("manual", "success"): number}


def test_onboarding_makes_one_of_each_and_finds_it_again(cluster: Cluster, report: list[str]) -> None:
    conf = {"destination": "Alone", "segments": cluster.control.segments[:3]}
    first, again = cluster.run(ONBOARD, conf), cluster.run(ONBOARD, conf)
    tasks = _tasks(cluster, first)
    report += [f"onboarding: {first}; {len(tasks)} tasks", f"onboarding again: {again}"]
    assert _succeeded(first, 1)
    assert _succeeded(again, 1)
    assert _made(cluster) == ONE_OF_EACH
    assert {call["method"] for call in again.calls} == {"GET"}
    assert first.tokens >= len(tasks)


def test_the_workers_of_a_machine_can_share_a_token(cluster: Cluster, report: list[str]) -> None:
    conf = {"destination": "Sharing", "segments": cluster.control.segments[:3]}
    activity = cluster.run(ONBOARD_SHARING, conf)
    tasks = _tasks(cluster, activity)
    report.append(f"onboarding with token_cache=file: {activity}; {len(tasks)} tasks")
    assert _succeeded(activity, 1)
    assert activity.tokens == 1
    assert set(cluster.shares(tasks)) == set(WORKERS)


def test_six_runs_at_once_make_one_destination(cluster: Cluster, report: list[str]) -> None:
    conf = {"destination": "Together", "segments": cluster.control.segments[:3]}
    # While a connection is being created, the other runs do not find it.
    slow = {"kind": "delay", "seconds": 5}
    match = {"method": "POST", "path": f"{FLOW_SERVICE}/connections"}
    cluster.control.inject({"match": match, "times": AT_ONCE, "fault": slow})
    activity = cluster.run(ONBOARD, *[conf] * AT_ONCE)
    tasks = _tasks(cluster, activity)
    made = ", ".join(f"{kind} {number}" for kind, number in _made(cluster).items())
    report.append(f"the same destination, {AT_ONCE} at once: {activity}; {len(tasks)} tasks; made: {made}")
    assert _succeeded(activity, AT_ONCE)
    assert _made(cluster) == ONE_OF_EACH
    assert set(cluster.shares(tasks)) == set(WORKERS)
    assert _most_at_once(activity) == AT_ONCE
    # Otherwise no run has met another.
    assert "DELETE" in {call["method"] for call in activity.calls}


def _most_at_once(activity: Activity) -> int:
    times = sorted(
        [(run["start_date"], 1) for run in activity.runs] + [(run["end_date"], -1) for run in activity.runs]
    )
    return max(sum(change for _, change in times[: end + 1]) for end in range(len(times)))


def test_what_a_killed_worker_was_posting_arrives_through_the_other(
    cluster: Cluster, report: list[str], tmp_path: Path
) -> None:
    control, airflow, run_id = cluster.control, cluster.airflow, "killed"
    files = _write_files(tmp_path)
    with client_of(control) as client:
        source = open_source(client, authenticated=True)
    control.advance(SETTLED)
    control.clear_requests()
    airflow.trigger(POST, run_id, {"flow_id": source.flow_id, "files": [str(file) for file in files]})

    def posts() -> list[Task]:
        return [task for task in cluster.tasks(POST, run_id) if task.task_id == "post"]

    def posting(worker: str) -> set[int]:
        given, under_way = cluster.received(worker), cluster.under_way(POST, run_id)
        running = {
            task.map_index
            for task in posts()
            if task.state == "running" and task.external_executor_id in given
        }
        return running & under_way

    victims: list[str] = []

    def in_the_middle() -> bool:
        if sum(task.state == "success" for task in posts()) >= FILES // 4:
            victims.extend(worker for worker in WORKERS if len(posting(worker)) >= SLOTS - 1)
        return bool(victims)

    airflow.until(in_the_middle, POST_SECONDS)
    victim = victims[0]
    with cluster.killed(victim) as processes:
        died = posting(victim)
        state = airflow.wait_for_run(POST, run_id, RUN_SECONDS)
        journal = control.requests()
    activity = Activity(airflow.runs(POST), journal)
    summed = airflow.returned(POST, run_id, "sum_up")
    arrived = Counter(entry["message"]["n"] for entry in control.messages(source.inlet.id))
    twice = arrived.total() - len(arrived)
    ended, killed = posts(), cluster.earlier_tries(POST, run_id)
    shares = cluster.shares([*ended, *killed])
    total = FILES * RECORDS_PER_FILE
    report.append(
        f"posting, a worker killed: {len(arrived):,} of {total:,} records arrived, {twice:,} of them twice"
        f" ({summed['maybe_duplicated']:,} were reported as maybe duplicated); {processes} processes were killed,"
        f" {len(killed)} of {len(ended)} tasks tried again; tries by worker: {dict(sorted(shares.items()))};"
        f" {activity}"
    )
    assert state == "success"
    assert set(arrived) == set(range(total))
    assert (summed["accepted"], summed["rejected"], summed["unknown"]) == (total, 0, 0)
    # A batch whose response the worker did not live to note is sent again: AEP's inlets have no idempotency key.
    assert twice <= summed["maybe_duplicated"] <= BATCH * len(killed)
    assert died
    assert died <= {task.map_index for task in killed}
    assert set(cluster.shares(killed)) == {victim}
    assert set(shares) == set(WORKERS)
    posted = {
        (call["caller"]["dag"], call["caller"]["task"]) for call in activity.calls if call["method"] == "POST"
    }
    assert posted == {(POST, f"post[{number}]") for number in range(FILES)}


def _write_files(folder: Path) -> list[Path]:
    lines = [json.dumps(record) for record in people(FILES * RECORDS_PER_FILE)]
    files = []
    for number in range(FILES):
        files.append(folder / f"{number:02}.jsonl")
        some = lines[number * RECORDS_PER_FILE : (number + 1) * RECORDS_PER_FILE]
        files[-1].write_text("\n".join([*some, ""]))
    return files


def test_tasks_that_wait_take_no_slot_of_a_worker(cluster: Cluster, report: list[str]) -> None:
    control, airflow, run_id = cluster.control, cluster.airflow, "waits"
    control.set_switches(scheduled_runs=False, run_seconds=WAIT_SECONDS)
    with client_of(control) as client:
        flows = [make_flow(client, name=f"flow {number}") for number in range(WAITS)]
        ran = make_batch_flow(client)
        runs = [client.send(create_run(ran, Window(number, number + 1))).id for number in range(WAITS)]
        control.clear_requests()
        conf = {
            "flows": [{"flow_id": each} for each in flows],
            "runs": [{"flow_id": ran, "run_id": each} for each in runs],
        }
        airflow.trigger(WAIT, run_id, conf)

        def waits() -> list[Task]:
            return [task for task in cluster.tasks(WAIT, run_id) if task.task_id.startswith("wait_for_")]

        airflow.until(lambda: Counter(task.state for task in waits()) == {"deferred": 2 * WAITS}, RUN_SECONDS)
        journal = control.requests()
        for flow_id in flows:
            set_state(client, flow_id, "disabled")
    # What the test itself has sent is not counted.
    control.clear_requests()
    control.advance(WAIT_SECONDS)
    state = airflow.wait_for_run(WAIT, run_id, RUN_SECONDS)
    journal += control.requests()
    activity = Activity(airflow.runs(WAIT), journal)
    ended = waits()
    report.append(f"waits: {len(ended)} tasks deferred at once, {SLOTS * len(WORKERS)} slots; {activity}")
    assert state == "success"
    assert Counter((task.state, task.try_number) for task in ended) == {("success", 1): 2 * WAITS}
    assert set(cluster.shares(ended)) == set(WORKERS)


def test_a_backfill_ends_with_the_union(cluster: Cluster, report: list[str], tmp_path: Path) -> None:
    due = backfill.due_segments()
    table = tmp_path / "segments_due.csv"
    backfill.write_due_segments(due, table)
    with client_of(cluster.control) as client:
        flow_id = make_flow(client)
    done = backfill.run_backfill(cluster.airflow, cluster.control, flow_id, table)
    report.append(
        f"backfill, {backfill.AT_A_TIME} at a time: {done}; {len(done.selectors)} segments are active"
    )
    assert done.states == {("backfill", "success"): backfill.DAYS}
    assert sorted(done.selectors) == sorted({segment for segments in due.values() for segment in segments})
