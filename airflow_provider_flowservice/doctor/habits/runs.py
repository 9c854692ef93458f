"""Habits of flow runs."""

from __future__ import annotations

import re

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.model import member
from airflow_provider_flowservice.doctor.aep import MISSING_ID, Aep, Answer
from airflow_provider_flowservice.doctor.habits.model import Habit, Seen
from airflow_provider_flowservice.doctor.habits.objects import is_usable, lacking, seen_of_comma

_RUN_A_FLOW = "No flow has run: run the doctor again after the first run."
#: As in Adobe's samples of responses, and as in the API reference.
_NAMES = {"payload": re.compile(r"[a-z]+([A-Z][a-z]+)*"), "openapi": re.compile(r"([A-Z][a-z]+)+")}


def _runs_comma(aep: Aep) -> Seen:
    flow_ids = [each["flowId"] for each in aep.recent(http.RUNS) if is_usable(each.get("flowId"))]
    if not flow_ids:
        return lacking(aep, _RUN_A_FLOW, (http.RUNS,))
    # If AEP ignored the filter, the newest run would be found, which is one of another flow if possible.
    wanted = next((each for each in flow_ids if each != flow_ids[0]), flow_ids[0])
    seen = seen_of_comma(_of_flows(aep, f"{wanted},{MISSING_ID}"), "flowId", wanted)
    if seen and seen.value == "or" and wanted == flow_ids[0] and _of_flows(aep, MISSING_ID).items:
        seen = None
    if seen and seen.value in ("refuse", "literal"):
        alone = _of_flows(aep, wanted).items
        if not alone or any(each.get("flowId") != wanted for each in alone):
            seen = None
    return seen or Seen(
        None, "A filter for a flow does not find its runs alone; report this to the provider's project."
    )


def _of_flows(aep: Aep, flow_ids: str) -> Answer:
    return aep.get_flow_service("/runs", ("property", f"flowId=={flow_ids}"), ("limit", "1"))


def _run_status_names(aep: Aep) -> Seen:
    statuses = [member(each, "metrics", "statusSummary", "status") for each in aep.recent(http.RUNS)]
    names = {each for each in statuses if isinstance(each, str) and each}
    if not names:
        return lacking(aep, _RUN_A_FLOW, (http.RUNS,))
    for value, pattern in _NAMES.items():
        if all(map(pattern.fullmatch, names)):
            example = "success" if value == "payload" else "Success"
            return Seen(value, f"States of runs are written like {example}.")
    return Seen(
        None,
        "States of runs are written in several ways, or another one; report this to the provider's project.",
    )


HABITS: tuple[Habit[Aep], ...] = (
    Habit(
        switch="runs_comma",
        documented="Values that are separated by commas mean OR in lists; nothing is said of runs.",
        look=_runs_comma,
    ),
    Habit(
        switch="run_status_names",
        documented="Both: success and failed in samples of responses, Success and Processing in the API reference.",
        look=_run_status_names,
    ),
)
