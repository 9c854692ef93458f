"""How a posting goes on: in the log of the task, and in Airflow's metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.streaming import PostSummary, Waiting

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.streaming import Poster
    from airflow_provider_flowservice.operators.input_files import InputFiles, InputMessages

log = logging.getLogger(__name__)

#: Seconds between two lines in the log.
REPORT_SECONDS = 10.0
_METRICS = "flowservice.inlet"
_WAITING = {
    Waiting.LIMIT: "; waiting for its turn, as requests_per_second, messages_per_second or sync_validation demand",
    Waiting.THROTTLED: "; waiting, because AEP asks to slow down",
}


class PostProgress:
    """Reports on a posting from time to time, and when it has ended.

    The counts in Airflow's metrics are ``flowservice.inlet.requests``, ``.throttled`` (responses 429 and 503),
    ``.accepted``, ``.rejected`` and ``.unknown``.

    :param context: the task's context; the metrics are tagged with its DAG and task.
    :param begin: results of an earlier attempt, which has counted them.
    :param source: the input.
    """

    def __init__(self, context: Context, begin: PostSummary, source: InputFiles | InputMessages) -> None:
        ti = context.get("ti")
        self._tags = {name: str(getattr(ti, name, "")) for name in ("dag_id", "task_id")}
        self._source = source
        self._counted = _counts(begin) | {"requests": 0, "throttled": 0}
        self._records = begin.accepted + begin.failures
        self._at = clock.current().monotonic()

    def report_if_due(self, poster: Poster) -> None:
        """Report, unless that was done a short time ago."""
        now = clock.current().monotonic()
        if now - self._at < REPORT_SECONDS:
            return
        summary = poster.summary
        records = summary.accepted + summary.failures
        log.info(
            "Posted %d records%s, %.0f a second; %d not accepted, %d possibly sent twice%s",
            records,
            f" ({self._source.read_bytes / size:.0%} of the input read)"
            if (size := self._source.size)
            else "",
            (records - self._records) / (now - self._at),
            summary.failures,
            summary.maybe_duplicated,
            _WAITING[waiting] if (waiting := poster.pace.waiting_for) else "",
        )
        self._records, self._at = records, now
        self._count(poster)

    def end(self, poster: Poster) -> None:
        """Report at the end, however it has ended."""
        summary = poster.summary
        log.info(
            "Records: %d accepted, %d rejected, %d unknown, %d possibly sent twice; processed up to record %d",
            summary.accepted,
            summary.rejected,
            summary.unknown,
            summary.maybe_duplicated,
            summary.settled,
        )
        self._count(poster)

    def _count(self, poster: Poster) -> None:
        """Add what is new to Airflow's metrics."""
        pace = poster.pace
        counts = _counts(poster.summary) | {"requests": pace.requests, "throttled": pace.throttled}
        for name, count in counts.items():
            if count > self._counted[name]:
                Stats.incr(f"{_METRICS}.{name}", count - self._counted[name], tags=self._tags)
        self._counted = counts


def _counts(summary: PostSummary) -> dict[str, int]:
    return {"accepted": summary.accepted, "rejected": summary.rejected, "unknown": summary.unknown}
