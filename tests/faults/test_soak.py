"""Random faults over whole runs. A seed that fails is in the test's id; FAULT_SEED=<seed> runs it alone."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.exceptions import FlowServiceException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.faults.outcomes import Outcomes
from tests.support import operators
from tests.support.operation import ATTRIBUTES, SEGMENTS, Sandbox
from tests.support.streaming import open_source, people
from tests.support.tasks import RecordingTaskInstance, TaskStateStore

pytestmark = pytest.mark.faults

SEEDS = [int(os.environ["FAULT_SEED"])] if "FAULT_SEED" in os.environ else list(range(100))
RECORDS = 40
#: How often a task is tried, as Airflow's retries do.
ATTEMPTS = 12
#: What can meet any request, by how often.
KINDS: dict[str, dict[str, Any]] = {
    "status": {"status": 503},
    "html": {},
    "reset": {},
    "reset_after": {},
    "truncate": {},
    "expire_token": {},
    "rate_limit": {"retry_after": 3},
    "conflict": {},
    "stale_etag": {},
    "page_shift": {},
    "eventual": {"seconds": 5},
}
#: Faults that make sense for a method alone.
ONLY = {"conflict": "PATCH", "stale_etag": "PATCH", "eventual": "POST", "page_shift": "GET"}


def random_faults(chance: random.Random, number: int) -> list[dict[str, Any]]:
    """Rules that meet requests here and there along a run."""
    rules = []
    for _ in range(number):
        kind = chance.choice(list(KINDS))
        method = ONLY.get(kind) or chance.choice(["GET", "POST", "PATCH"])
        # A list that others change gets a copy of the latest object, which may be ours; no twin is made of flows.
        path = "*/connectionSpecs" if kind == "page_shift" else "/data/*" if kind == "eventual" else "*"
        rules.append(
            {
                "match": {"method": method, "path": path},
                "after": chance.randrange(12),
                "times": chance.choice([1, 1, 1, 2, 3]),
                "fault": {"kind": kind, **KINDS[kind]},
            }
        )
    return rules


def persistently(build: Callable[[], Any], remembers: bool) -> Any:
    """Try a task until it succeeds, as Airflow does; other errors than the provider's own end the test.

    :param remembers: whether Airflow has a store for what a task remembers from one attempt to the next.
    """
    context: dict[str, Any] = {"ti": RecordingTaskInstance()}
    if remembers:
        context["task_state_store"] = TaskStateStore()
    failures: list[FlowServiceException] = []
    while len(failures) < ATTEMPTS:
        try:
            return build().execute(context)
        except FlowServiceException as error:
            failures.append(error)
    raise failures[-1]


def onboard(remembers: bool) -> str:
    """All of a destination; the id of its flow."""
    store = persistently(operators.create_profile_store, remembers)
    source = persistently(lambda: operators.create_source(store), remembers)
    kinesis = persistently(operators.create_kinesis, remembers)
    target = persistently(lambda: operators.create_target(kinesis), remembers)
    flow = persistently(lambda: operators.create_flow(source, target), remembers)
    persistently(lambda: operators.activate(flow, SEGMENTS, profile_attributes=ATTRIBUTES), remembers)
    return str(flow)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_nothing_is_made_twice_and_nothing_is_lost(
    sandbox: Sandbox, time: VirtualClock, outcomes: Outcomes, tmp_path: Path, seed: int
) -> None:
    control, chance = sandbox.control, random.Random(seed)
    random.seed(seed)  # the client's own jitter
    control.inject(*random_faults(chance, 12))
    flow = onboard(remembers=bool(seed % 2))
    control.clear_faults()
    state = control.state()
    names = Counter((kind, item["name"]) for kind in ("connections", "flows") for item in state[kind])
    assert set(names.values()) == {1}
    assert [len(state[kind]) for kind in ("sourceConnections", "targetConnections", "flows")] == [1, 1, 1]
    segments, attributes = sandbox.selected(flow)
    assert [segment for segment in segments if segment in SEGMENTS] == SEGMENTS
    assert attributes == ATTRIBUTES

    assert_posted(sandbox, chance, tmp_path)
    assert time.monotonic() <= 3600
    outcomes.seeds += 1


def assert_posted(sandbox: Sandbox, chance: random.Random, folder: Path) -> None:
    """Post records through faults: each is accepted, a dead letter, or of unknown fate."""
    control = sandbox.control
    source = open_source(FlowServiceHook())
    control.advance(301)
    _, batch = source.paths
    answers = [{"status": 400, "message": "bad"}, {"statusCode": 503}, {"xactionId": "x"}, {}]
    rules = []
    for _ in range(3):
        kind = chance.choice(["status", "reset", "reset_after", "truncate", "rate_limit", "html"])
        rules.append(_rule(kind, batch, chance.randrange(6), **KINDS[kind]))
    for _ in range(2):
        mixed = [chance.choice(answers) for _ in range(chance.randrange(3, 6))]
        rules.append(_rule("status", batch, chance.randrange(6), status=207, body={"responses": mixed}))
    control.inject(*rules)
    file = folder / "dead.jsonl"
    concurrency = chance.choice([1, 8])

    def post() -> FlowServicePostToInletOperator:
        return FlowServicePostToInletOperator(
            task_id="post",
            connection_id=source.connection_id,
            flow_id=source.flow_id,
            messages=people(RECORDS),
            batch_size=5,
            concurrency=concurrency,
            settle_seconds=0,
            max_failures=RECORDS,
            dead_letter_path=f"file://{file}",
        )

    result = persistently(post, remembers=True)
    letters = len(file.read_text().splitlines())
    assert result["rejected"] + result["unknown"] == letters
    assert result["accepted"] + letters == RECORDS
    arrived = Counter(entry["message"]["n"] for entry in control.messages(source.inlet.id))
    # The made-up answers refuse records that an earlier, lost answer had taken.
    duplicated = [number for number, copies in arrived.items() if copies > 1]
    assert len(duplicated) <= result["maybe_duplicated"] + letters


def _rule(kind: str, path: str, after: int, **parameters: Any) -> dict[str, Any]:
    return {
        "match": {"method": "POST", "path": path},
        "after": after,
        "times": 1,
        "fault": {"kind": kind, **parameters},
    }
