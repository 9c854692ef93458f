"""Runs a scenario: all senders in turn, round after round, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.inlet.measure import BenchmarkError, Run, measured
from tests.benchmarks.inlet.records import LINE_BYTES, write_lines
from tests.benchmarks.inlet.remote import Server
from tests.benchmarks.inlet.scenarios import Scenario
from tests.benchmarks.inlet.senders import Job, Sender


def compare(
    scenario: Scenario, at: Server, folder: Path, say: Callable[[str], None]
) -> tuple[dict[str, list[Run]], dict[str, BenchmarkError]]:
    """Measure a scenario.

    :param folder: for the files, which are deleted afterwards.
    :param say: gets a line for each run.
    :returns: the runs, and what went wrong, by the name of the sender. One that fails is not run again.
    """
    senders = [sender for sender in scenario.senders if not sender.missing]
    files = {count: folder / f"{count}.jsonl" for count in {_records(scenario, each) for each in senders}}
    runs: dict[str, list[Run]] = {sender.name: [] for sender in senders}
    failures: dict[str, BenchmarkError] = {}
    try:
        for count, path in files.items():
            write_lines(path, count)
        for sender in senders * scenario.rounds:
            if sender.name in failures:
                continue
            count = _records(scenario, sender)
            try:
                run = measured(sender, _job(scenario, at, files[count]), at, scenario.latency, count)
            except BenchmarkError as error:
                failures[sender.name] = error
                say(f"{scenario.name}: {error}")
            else:
                runs[sender.name].append(run)
                say(
                    f"{scenario.name}: {sender.name}: {run.rate:,.0f} messages/s in {run.usage.seconds:.1f} s"
                )
    finally:
        for path in files.values():
            path.unlink(missing_ok=True)
    return runs, failures


def _records(scenario: Scenario, sender: Sender) -> int:
    if scenario.file_bytes:
        return scenario.file_bytes // LINE_BYTES
    return scenario.records if sender.is_parallel else scenario.one_by_one


def _job(scenario: Scenario, at: Server, path: Path) -> Job:
    return Job(
        at.url,
        path,
        scenario.batch,
        scenario.connections,
        options=scenario.operator_arguments,
        store_seconds=scenario.store_seconds,
    )
