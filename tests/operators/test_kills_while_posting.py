"""Postings that are killed or disturbed: what arrives, what arrives twice, and what becomes a dead letter."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.http import AiohttpTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.letter_files import LetterFile
from airflow_provider_flowservice.operators.task_state import TaskState
from tests.support.faults import fault
from tests.support.inlets import letters, post
from tests.support.kills import Killed, die_at
from tests.support.streaming import SETTLED, Source, open_source
from tests.support.tasks import TaskInstance, TaskStateStore

COUNT = 23


def is_rejected(n: int) -> bool:
    """Whether AEP rejects a record."""
    return n % 6 == 1


def is_unreadable(n: int) -> bool:
    """Whether a record is not sent."""
    return n % 8 == 5


@pytest.fixture
def source(control: EmulatorControl, hook: FlowServiceHook) -> Source:
    """A source for XDM messages, whose inlet rejects each other record."""
    control.set_switches(plain_xdm="refuse")
    opened = open_source(hook, "xdm")
    control.advance(SETTLED)
    return opened


class Posting:
    """A task that posts a file, and the store of state that its attempts share.

    :param name: marks its records, of which those of a killed attempt may arrive late.
    :param count: number of records.
    :param has_store: whether Airflow keeps a state between attempts. If not, a file beside the dead letters does.
    """

    def __init__(
        self,
        control: EmulatorControl,
        source: Source,
        folder: Path,
        name: str,
        count: int = COUNT,
        has_store: bool = True,
        **arguments: Any,
    ) -> None:
        self._control = control
        self._source = source
        self._name = name
        self._failing = [n for n in range(count) if is_rejected(n) or is_unreadable(n)]
        self._wanted = set(range(count)) - set(self._failing)
        self._letters = folder / f"{name}.dead.jsonl"
        self._store = TaskStateStore() if has_store else None
        self._tries = 0
        envelope = source.envelope(control.credential.org_id)
        path = folder / f"{name}.jsonl"
        with path.open("wb") as file:
            for n in range(count):
                plain = json.dumps({"_id": f"{name} {n}"}).encode()
                record = b"oops" if is_unreadable(n) else plain if is_rejected(n) else envelope.wrap(plain)
                file.write(record + b"\n")
        self._arguments = {
            "path": str(path),
            "dead_letter_path": str(self._letters),
            "max_failures": count,
            **arguments,
        }

    def attempt(self) -> Any:
        self._tries += 1
        ti = TaskInstance(max_tries=99)
        ti.try_number = self._tries  # type: ignore[attr-defined]
        return post(self._source, **self._arguments).execute({"ti": ti, "task_state_store": self._store})

    def check(self, result: dict[str, Any], most_twice: int) -> None:
        """Every record has arrived or is a dead letter, and what has arrived twice is counted."""
        arrived: Counter[int] = Counter()
        for entry in self._control.messages(self._source.inlet.id):
            run, _, n = entry["message"]["body"]["xdmEntity"]["_id"].rpartition(" ")
            arrived[int(n)] += run == self._name
        assert {n for n, times in arrived.items() if times} == self._wanted
        twice = sum(times > 1 for times in arrived.values())
        assert twice <= min(most_twice, result["maybe_duplicated"])
        assert [each["position"] for each in letters(self._letters)] == self._failing
        counts = [result[name] for name in ("accepted", "rejected", "unknown")]
        assert counts == [len(self._wanted), len(self._failing), 0]


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(
    ("batch_size", "resend_window", "has_store"),
    [(1, 7, True), (4, 5, True), (4, 5, False), (4, 100, True), (100, None, True)],
)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name"), [(AiohttpTransport, "_attempt"), (TaskState, "save"), (LetterFile, "write")]
)
def test_after_a_kill_nothing_is_lost_and_little_is_sent_twice(
    control: EmulatorControl,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    when: str,
    has_store: bool,
    batch_size: int,
    resend_window: int | None,
    concurrency: int,
) -> None:
    options = {"batch_size": batch_size, "resend_window": resend_window, "concurrency": concurrency}
    window = max(resend_window or COUNT, batch_size)
    for nth in itertools.count(1):
        posting = Posting(control, source, tmp_path, f"run{nth}", has_store=has_store, **options)
        with monkeypatch.context() as patched:
            die_at(patched, owner, name, when, nth)
            try:
                posting.attempt()
            except Killed:
                pass
            else:
                break
        posting.check(posting.attempt(), window)
    assert nth > 1


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(("batch_size", "resend_window"), [(1, 7), (2, 9), (4, 100)])
def test_after_several_kills_of_a_posting_that_is_disturbed_too(
    control: EmulatorControl,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    resend_window: int,
    concurrency: int,
) -> None:
    options = {"batch_size": batch_size, "resend_window": resend_window, "concurrency": concurrency}
    for nth in range(1, 9):
        posting = Posting(control, source, tmp_path, f"run{nth}", **options)
        for when, owner, name in (
            ("after", AiohttpTransport, "_attempt"),
            ("after", TaskState, "save"),
            ("before", AiohttpTransport, "_attempt"),
        ):
            control.inject(
                fault("status", "POST", "/collection/*", after=nth % 3, status=503),
                fault("reset_after", "POST", "/collection/*", after=nth % 4),
            )
            with monkeypatch.context() as patched, suppress(Killed):
                die_at(patched, owner, name, when, nth)
                posting.attempt()
            control.clear_faults()
        posting.check(posting.attempt(), COUNT)


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch_size", [1, 7])
def test_through_lost_and_refused_requests_everything_arrives_and_what_arrives_twice_is_counted(
    control: EmulatorControl, source: Source, tmp_path: Path, seed: int, batch_size: int, concurrency: int
) -> None:
    chance, count = random.Random(seed), 100 * batch_size
    for kind, parameters, times in (
        ("rate_limit", {"retry_after": chance.choice([None, 2])}, 2),
        ("status", {"status": 503}, 2),
        ("reset", {}, 1),
        ("reset_after", {}, 1),
        ("truncate", {}, 1),
    ):
        for after in chance.sample(range(100), times):
            control.inject(fault(kind, "POST", "/collection/*", after=after, **parameters))
    posting = Posting(control, source, tmp_path, "run", count, batch_size=batch_size, concurrency=concurrency)
    result = posting.attempt()
    posting.check(result, count)
    faults = [each["fault"] for each in control.requests("POST", "/collection/") if each["fault"]]
    lost = [kind for kind in faults if kind != "rate_limit"]
    assert len(faults) > len(lost) > 2
    assert result["maybe_duplicated"] <= batch_size * len(lost)
