"""A posting of many records that is killed at random moments: all arrive, and few arrive twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.inlet.records import write_lines
from tests.benchmarks.inlet.remote import Server, server
from tests.support.airflow import environment
from tests.support.processes import running

pytestmark = pytest.mark.crash

RECORDS, KILLS = 300_000, 10
#: The default: after a kill, at most so many records are sent again.
RESEND_WINDOW = 10_000
#: Three times what AEP allows: the whole file takes ten seconds.
OPTIONS = {"messages_per_second": 30_000, "requests_per_second": None}
#: Seconds after which an attempt is killed. Ten of them leave something to do for the last one.
LIVES = (0.05, 0.9)


@dataclass(frozen=True)
class Posting:
    """A file, and what attempts to post it need.

    :param arguments: of an attempt.
    """

    at: Server
    arguments: list[str]
    environment: dict[str, str]

    def attempt(self, seconds: float | None = None) -> dict[str, Any] | None:
        """Post; what the task returns, or None if it is killed after some seconds."""
        command = [sys.executable, "-m", "tests.crash.posting", *self.arguments]
        with running(command, stdout=subprocess.PIPE, env=self.environment) as process:
            assert process.stdout
            assert process.stdout.readline() == "begin\n"
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return None
            *_, last = process.stdout.read().splitlines()
            result: dict[str, Any] = json.loads(last)
            return result

    def twice(self) -> int:
        """How many messages have arrived again so far."""
        report = self.at.report()
        return report.messages - report.distinct


@pytest.mark.parametrize("has_store", [True, False], ids=["with a store", "with a file of dead letters"])
def test_after_ten_kills_all_records_have_arrived_and_few_twice(has_store: bool, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    path, letters = tmp_path / "records.jsonl", tmp_path / "dead.jsonl"
    write_lines(path, RECORDS)
    options = OPTIONS | ({} if has_store else {"dead_letter_path": str(letters)})
    store = [str(tmp_path / "state.json")] if has_store else []
    with server() as at:
        at.begin(latency=0)
        arguments = [at.url, str(path), json.dumps(options), *store]
        posting = Posting(at, arguments, {**os.environ, **environment(tmp_path)})
        again = []
        for _ in range(KILLS):
            before = posting.twice()
            assert posting.attempt(chance.uniform(*LIVES)) is None, f"seed {seed}: it ended too early"
            again.append(posting.twice() - before)
        before = posting.twice()
        result = posting.attempt()
        again.append(posting.twice() - before)
        report = at.report()
    print(f"seed {seed}: sent again after each kill: {again[1:]}, of {RECORDS} records")  # noqa: T201
    assert report.distinct == RECORDS
    assert max(again) <= RESEND_WINDOW
    assert again[0] == 0
    assert sum(again) > 0, "no kill came while something was on its way"
    assert result
    assert result["accepted"] == RECORDS
    assert result["maybe_duplicated"] >= sum(again)
