"""What is measured, and the bounds that must be kept."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.inlet.measure import Run
from tests.benchmarks.inlet.senders import AEPP, LOOP, OPERATOR, PER_RECORD, REQUESTS, SOCKETS, WRK, Sender

Runs = Mapping[str, list[Run]]
#: Nothing holds the operator back: not AEP's guidance, and not how often it notes what is settled.
UNLIMITED: Mapping[str, Any] = {
    "requests_per_second": None,
    "messages_per_second": None,
    "resend_window": 1_000_000,
}
MESSAGES_PER_SECOND = 10_000
#: The rate is looked at in periods of so many seconds.
PERIOD = 10
MB = 2**20


@dataclass(frozen=True)
class Bound:
    """A bound of a scenario.

    :param text: what is measured.
    :param measure: measures it; None if it could not be measured here.
    :param limit: the least value, or the greatest.
    """

    text: str
    measure: Callable[[Runs], float | None]
    limit: float
    at_least: bool = True

    def is_kept(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Scenario:
    """One comparison.

    :param latency: of the server, in seconds.
    :param batch: records per request.
    :param connections: of the senders that use several, and the operator's ``concurrency``.
    :param records: how many are posted, by senders with several requests in flight.
    :param one_by_one: the same for the others.
    :param file_bytes: if given, records are written until the file has this size, instead.
    :param options: further arguments of the operator.
    :param store_seconds: how long Airflow's task state store takes for each call.
    """

    name: str
    latency: float
    batch: int
    connections: int
    senders: tuple[Sender, ...]
    bounds: tuple[Bound, ...] = ()
    records: int = 0
    one_by_one: int = 0
    file_bytes: int = 0
    rounds: int = 3
    options: Mapping[str, Any] = field(default_factory=lambda: UNLIMITED)
    store_seconds: float = 0.01

    @property
    def operator_arguments(self) -> dict[str, Any]:
        """What the operator gets beside the file."""
        return {"batch_size": self.batch, "concurrency": self.connections, **self.options}


def share_of(other: Sender, least: float) -> Bound:
    """The operator's messages per second, relative to those of another sender, are at least this."""

    def share(runs: Runs) -> float | None:
        return _median_of_pairs(runs, other, lambda ours, its: ours.rate / its.rate)

    return Bound(f"messages per second, relative to {other.name}", share, least)


def more_cpu_than(other: Sender, most: float) -> Bound:
    """The operator uses at most so many microseconds of processor time per message more than another sender."""

    def more(runs: Runs) -> float | None:
        return _median_of_pairs(runs, other, lambda ours, its: ours.cpu_per_message - its.cpu_per_message)

    return Bound(f"µs of CPU per message more than {other.name}", more, most, at_least=False)


def peak_memory(most: float) -> Bound:
    """The operator takes at most so many MB more than an idle worker."""
    return Bound(
        "peak memory above an idle worker, MB", lambda runs: median(runs, peak), most, at_least=False
    )


def off_rate(rate: float, most: float) -> Bound:
    """In each period of some seconds, the operator's messages per second differ at most by this share from a rate."""

    def off(runs: Runs) -> float | None:
        return median(runs, lambda run: _worst_period(run, rate))

    return Bound(f"deviation from {rate:,} messages per second in any {PERIOD} s", off, most, at_least=False)


def core_share(most: float) -> Bound:
    """The operator uses at most this share of a core."""

    def share(runs: Runs) -> float | None:
        return median(runs, lambda run: run.usage.cpu_seconds / run.usage.seconds)

    return Bound("share of a core", share, most, at_least=False)


def peak(run: Run) -> float:
    """Peak memory of a run in MB."""
    return run.peak


def median(runs: Runs, value: Callable[[Run], float], sender: Sender = OPERATOR) -> float | None:
    """The median over the runs of a sender, or None if there are none."""
    return statistics.median(map(value, runs[sender.name])) if runs.get(sender.name) else None


def _median_of_pairs(runs: Runs, other: Sender, compare: Callable[[Run, Run], float]) -> float | None:
    """The median over the rounds: runs of one round have followed each other."""
    pairs = list(zip(runs.get(OPERATOR.name, []), runs.get(other.name, []), strict=False))
    return statistics.median(compare(ours, its) for ours, its in pairs) if pairs else None


def _worst_period(run: Run, rate: float) -> float:
    return max(abs(each / rate - 1) for _, each in run.rates(PERIOD))


def all_scenarios(*, quick: bool) -> list[Scenario]:
    """All comparisons.

    :param quick: leave out those that take a minute or more, and post less in the others.
    """
    size, rounds = (0.2, 1) if quick else (1.0, 3)
    compared = [
        Scenario(
            "50 ms, single messages, 50 connections",
            latency=0.05,
            batch=1,
            connections=50,
            records=int(20_000 * size),
            one_by_one=int(80 * size),
            rounds=rounds,
            senders=(OPERATOR, LOOP, REQUESTS, PER_RECORD, WRK),
            bounds=(share_of(LOOP, 0.95), share_of(WRK, 0.85)),
        ),
        Scenario(
            "50 ms, batches of 100, 50 connections",
            latency=0.05,
            batch=100,
            connections=50,
            records=int(1_200_000 * size),
            one_by_one=int(8_000 * size),
            rounds=rounds,
            senders=(OPERATOR, LOOP, REQUESTS, AEPP, WRK),
            bounds=(share_of(LOOP, 0.95), share_of(WRK, 0.85), share_of(AEPP, 45)),
        ),
        Scenario(
            "no latency, single messages, 50 connections",
            latency=0,
            batch=1,
            connections=50,
            records=int(50_000 * size),
            one_by_one=int(1_000 * size),
            rounds=rounds,
            senders=(OPERATOR, LOOP, REQUESTS, PER_RECORD, WRK, SOCKETS),
            bounds=(share_of(LOOP, 0.8),),
        ),
        Scenario(
            "no latency, batches of 1,000, 8 connections",
            latency=0,
            batch=1_000,
            connections=8,
            records=int(1_000_000 * size),
            one_by_one=int(300_000 * size),
            rounds=rounds,
            senders=(OPERATOR, LOOP, REQUESTS, AEPP, WRK, SOCKETS),
            bounds=(share_of(LOOP, 0.5), more_cpu_than(LOOP, 2.0)),
        ),
        _file("a file of 20 MB", 20 * MB, rounds),
    ]
    return compared if quick else [*compared, _file("a file of 2 GB", 2_048 * MB, 1), _limited()]


def _file(name: str, size: int, rounds: int) -> Scenario:
    return Scenario(
        name,
        latency=0,
        batch=500,
        connections=8,
        file_bytes=size,
        rounds=rounds,
        senders=(OPERATOR,),
        bounds=(peak_memory(64),),
    )


def _limited() -> Scenario:
    records = MESSAGES_PER_SECOND * 61  # A second more, so that the last period is a whole one.
    return Scenario(
        f"limited to {MESSAGES_PER_SECOND:,} messages a second, for a minute",
        latency=0.05,
        batch=500,
        connections=8,
        records=records,
        one_by_one=records,
        rounds=1,
        senders=(OPERATOR,),
        options={"messages_per_second": MESSAGES_PER_SECOND},
        bounds=(off_rate(MESSAGES_PER_SECOND, 0.02), core_share(0.15)),
    )
