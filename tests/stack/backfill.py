"""A backfill of 30 days of activations, on a whole Airflow."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash.stack import Stack
from tests.support.activity import Activity
from tests.support.aep import selected

DAG_ID = "backfill_segment_activations"
FIRST, DAYS = date(2026, 1, 1), 30
AT_A_TIME = 8
_SECONDS = 1200


@dataclass
class Backfill(Activity):
    """What a backfill left.

    :param selectors: the segments that are active on the flow.
    :param etag: of the flow.
    """

    selectors: list[str]
    etag: str


def due_segments() -> dict[date, list[str]]:
    """What becomes due on each day; some segments on several days."""
    segments = [str(uuid.UUID(int=0xA0000 + number)) for number in range(80)]
    chosen = random.Random(30)
    return {FIRST + timedelta(days=day): chosen.sample(segments, 6) for day in range(DAYS)}


def write_due_segments(due: dict[date, list[str]], table: Path) -> None:
    """Write the file that the DAG reads."""
    lines = [f"{day},{segment}" for day, segments in due.items() for segment in segments]
    table.write_text("\n".join(["due,segment_id", *lines, ""]))


def run_backfill(
    airflow: Stack, control: EmulatorControl, flow_id: str, table: Path, reprocess: str = "none"
) -> Backfill:
    """Run a backfill to its end.

    :param flow_id: the one flow that there is.
    :param reprocess: which of the runs that there are run again.
    """
    control.clear_requests()
    days = ("--from-date", f"{FIRST}", "--to-date", f"{FIRST + timedelta(days=DAYS)}")
    how = ("--max-active-runs", str(AT_A_TIME), "--reprocess-behavior", reprocess)
    conf = json.dumps({"flow_id": flow_id, "segments_due": table.as_uri()})
    airflow.command("backfill", "create", "--dag-id", DAG_ID, *days, *how, "--dag-run-conf", conf)
    airflow.wait_for_backfills(DAG_ID, _SECONDS)
    journal = control.requests()
    (flow,) = control.state()["flows"]
    return Backfill(airflow.runs(DAG_ID), journal, selected(flow)[0], flow["etag"])
