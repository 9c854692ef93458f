"""What has been measured, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.inlet.measure import BenchmarkError
from tests.benchmarks.inlet.scenarios import Bound, Runs, Scenario, median
from tests.benchmarks.inlet.senders import LOOP, Sender

_HEAD = (
    "| sender | messages/s | of the aiohttp loop | µs of CPU a message | peak MB over idle | server busy |\n"
    "|---|--:|--:|--:|--:|--:|"
)


@dataclass(frozen=True)
class Result:
    """What became of a scenario.

    :param failures: what went wrong, by the name of the sender.
    """

    scenario: Scenario
    runs: Runs
    failures: Mapping[str, BenchmarkError]

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong and no bound is missed. What cannot be measured here is not missed."""
        values = [(bound, bound.measure(self.runs)) for bound in self.scenario.bounds]
        return not self.failures and all(value is None or bound.is_kept(value) for bound, value in values)


def tables(results: Sequence[Result]) -> Iterator[str]:
    """The lines of all tables."""
    for result in results:
        rounds = result.scenario.rounds
        how_often = f"medians of {rounds} interleaved runs" if rounds > 1 else "one run"
        yield f"### {result.scenario.name} ({how_often})\n\n{_HEAD}"
        for sender in result.scenario.senders:
            yield _row(sender, result)
        yield ""
    yield "### Bounds\n\n| scenario | measured | limit | value | |\n|---|---|--:|--:|---|"
    for result in results:
        for bound in result.scenario.bounds:
            sign = "≥" if bound.at_least else "≤"
            judged = _judged(bound, bound.measure(result.runs))
            yield f"| {result.scenario.name} | {bound.text} | {sign} {bound.limit:g} | {judged} |"


def _judged(bound: Bound, value: float | None) -> str:
    if value is None:
        return " | not measured"
    return f"{value:.3g} | {'kept' if bound.is_kept(value) else '**missed**'}"


def _row(sender: Sender, result: Result) -> str:
    runs = result.runs
    if sender.missing:
        return f"| {sender.name} | left out: {sender.missing} | | | | |"
    if not runs[sender.name]:
        return f"| {sender.name} | **failed** | | | | |"
    rate, loop = (median(runs, lambda run: run.rate, which) or 0 for which in (sender, LOOP))
    share = f"{rate / loop:.3f}" if loop else ""
    # wrk is a process of its own, whose memory is not that of the worker.
    peak = f"{median(runs, lambda run: run.peak, sender):.0f}" if sender.has_end else ""
    cpu = median(runs, lambda run: run.cpu_per_message, sender)
    busy = median(runs, lambda run: run.report.cpu_seconds / run.usage.seconds, sender)
    return f"| {sender.name} | {rate:,.0f} | {share} | {cpu:.2f} | {peak} | {busy:.0%} |"
