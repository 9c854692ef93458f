"""Wherever an attempt to post is killed: what arrives, what arrives twice, and what becomes a dead letter."""

from __future__ import annotations

import itertools
import json
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
#: Records that AEP rejects, and those that are not sent.
REJECTED, UNREADABLE = {n for n in range(COUNT) if n % 6 == 1}, {n for n in range(COUNT) if n % 8 == 5}
ACCEPTED = set(range(COUNT)) - REJECTED - UNREADABLE


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
    """

    def __init__(
        self, control: EmulatorControl, source: Source, folder: Path, name: str, **arguments: Any
    ) -> None:
        self._control = control
        self._source = source
        self._name = name
        self._letters = folder / f"{name}.dead.jsonl"
        self._store = TaskStateStore()
        self._tries = 0
        envelope = source.envelope(control.credential.org_id)
        path = folder / f"{name}.jsonl"
        with path.open("wb") as file:
            for n in range(COUNT):
                plain = json.dumps({"_id": f"{name} {n}"}).encode()
                record = b"oops" if n in UNREADABLE else plain if n in REJECTED else envelope.wrap(plain)
                file.write(record + b"\n")
        self._arguments = {
            "path": str(path),
            "dead_letter_path": str(self._letters),
            "max_failures": COUNT,
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
        assert {n for n, times in arrived.items() if times} == ACCEPTED
        twice = sum(times > 1 for times in arrived.values())
        assert twice <= min(most_twice, result["maybe_duplicated"])
        assert [each["position"] for each in letters(self._letters)] == sorted(REJECTED | UNREADABLE)
        counts = [result[name] for name in ("accepted", "rejected", "unknown")]
        assert counts == [len(ACCEPTED), len(REJECTED | UNREADABLE), 0]


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(("batch_size", "resend_window"), [(1, 7), (2, 2), (4, 5), (4, 100), (100, None)])
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
    batch_size: int,
    resend_window: int | None,
    concurrency: int,
) -> None:
    options = {"batch_size": batch_size, "resend_window": resend_window, "concurrency": concurrency}
    window = max(resend_window or COUNT, batch_size)
    for nth in itertools.count(1):
        posting = Posting(control, source, tmp_path, f"run{nth}", **options)
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
