"""Which runs of a flow have ended since somebody looked last."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from airflow_provider_flowservice.client.model import FlowRun, Frozen

log = logging.getLogger(__name__)

#: How much later than newer runs a run may appear in AEP's list, in milliseconds.
LATE = 3_600_000
#: Maximum number of runs that are remembered one by one; their ids and times take up less than 64 kB.
MAX_KNOWN = 500


class EndedRuns(Frozen, frozen=True):
    """A position in the history of a flow's runs, which do not end in the order in which they are created.

    :param settled: runs that were created before are of no interest any more; milliseconds since 1970-01-01 UTC.
    :param known: other runs that have been seen after their end: when each was created, by id.
    :param still_open: other runs that have only been seen before their end, likewise.
    """

    settled: int = 0
    known: dict[str, int] = msgspec.field(default_factory=dict)
    still_open: dict[str, int] = msgspec.field(default_factory=dict)

    @classmethod
    def at(cls, moment: int, runs: Iterable[FlowRun], settled: int) -> Self:
        """Return the position at a moment. A run that AEP does not show the end of counts as ended before.

        :param moment: milliseconds since 1970-01-01 UTC.
        :param runs: the runs that were created at or after ``settled``.
        """
        ended = (run for run in runs if run.state.is_terminal and (run.ended_at or 0) < moment)
        return cls(settled, {run.id: _created(run) for run in ended})

    def new_in(self, runs: Iterable[FlowRun]) -> list[FlowRun]:
        """Return the runs that have ended since, in the order of their ends.

        A run of which AEP shows neither the creation nor the end is left out.
        """
        new = (
            run
            for run in runs
            if run.state.is_terminal and run.id not in self.known and _created(run) >= self.settled
        )
        return sorted(new, key=lambda run: (run.ended_at or _created(run), run.id))

    def after(self, runs: Sequence[FlowRun]) -> Self:
        """Return the position after runs have been looked at.

        :param runs: the runs that were created at or after ``settled``.
        """
        known, still_open = dict(self.known), dict(self.still_open)
        for run in runs:
            if run.state.is_terminal:
                known[run.id] = _created(run)
                still_open.pop(run.id, None)
            elif run.id not in known and run.created_at >= self.settled:
                still_open[run.id] = run.created_at
        newest = max(map(_created, runs), default=0)
        settled = max(self.settled, min((newest - LATE, *still_open.values())))
        together = sorted((*known.values(), *still_open.values()), reverse=True)
        if len(together) > MAX_KNOWN:
            settled = max(settled, together[MAX_KNOWN] + 1)
        for run_id, created in still_open.items():
            if created < settled:
                log.warning("Run %s has not ended, but many newer ones have; its end is not awaited", run_id)
        return type(self)(settled, _since(settled, known), _since(settled, still_open))


def _created(run: FlowRun) -> int:
    """Return when a run was created, or a later time if AEP does not show that."""
    return run.created_at or run.ended_at or 0


def _since(moment: int, runs: dict[str, int]) -> dict[str, int]:
    return {run_id: created for run_id, created in runs.items() if created >= moment}
