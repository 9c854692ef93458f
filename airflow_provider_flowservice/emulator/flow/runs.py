"""Runs of flows: started by request or by schedule; their states follow the emulator's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_flowservice.emulator.flow.catalogue import FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError
from airflow_provider_flowservice.emulator.flow.schedules import Agenda
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.settings import stable_uuid
from airflow_provider_flowservice.emulator.world import Sandbox

_WAITING_SHARE = 0.1
_RECORDS = 1000
_SHOWN_ERRORS = 5
_BYTES_PER_RECORD = 512
# What a run of a source flow and an export of audiences say when they, or parts of them, fail.
_SOURCE_FAILURE = {"code": "CONNECTOR-2001-500", "message": "The run could not process all of its data."}
_EXPORT_FAILURE = {"code": "ACTIVATION_BATCH-0000-FAILED", "message": "Job aborted."}
# What the activity that rejected a record says about it.
_REJECTION = {"code": "MAPPER-3700-400", "message": "A record could not be mapped to the target schema."}
_DIAGNOSTICS = "https://platform.adobe.io/data/foundation/export/batches/{batch}/meta?path={path}"


class RunState(StrEnum):
    """State of a run, as AEP's payloads name it."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "inProgress"
    SUCCESS = "success"
    PARTIAL_SUCCESS = "partialSuccess"
    FAILED = "failed"


@dataclass(frozen=True)
class Sent:
    """What a run really moves: what an output was sent, or an inlet took in. ``sent`` in its body has it as JSON.

    :param read: number of records.
    :param files: number of files written.
    :param errors: why something was not written.
    :param pending: whether it is still being sent; until then the run does not end.
    """

    read: int = 0
    written: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    files: int = 0
    errors: Sequence[str] = ()
    pending: bool = False

    @classmethod
    def by(cls, run: Resource) -> Sent | None:
        """Return what a run sends, or None if there is no output for it."""
        return cls(**run.body["sent"]) if "sent" in run.body else None

    def __add__(self, other: Sent) -> Sent:
        """Return both together; of the errors, the first different ones."""
        return Sent(
            self.read + other.read,
            self.written + other.written,
            self.read_bytes + other.read_bytes,
            self.written_bytes + other.written_bytes,
            self.files + other.files,
            list(dict.fromkeys((*self.errors, *other.errors)))[:_SHOWN_ERRORS],
            self.pending or other.pending,
        )

    @property
    def outcome(self) -> RunState:
        """How a run ends that moved this."""
        if self.written == self.read:
            return RunState.SUCCESS
        return RunState.PARTIAL_SUCCESS if self.written else RunState.FAILED

    def in_body(self, run: Resource) -> dict[str, Any]:
        """Return the body of a run that sends this."""
        return {**run.body, "sent": asdict(self)}


# The document about destinations has only four names.
_OPENAPI_NAMES = {
    RunState.SCHEDULED: "Waiting",
    RunState.IN_PROGRESS: "Processing",
    RunState.SUCCESS: "Success",
    RunState.PARTIAL_SUCCESS: "Success",
    RunState.FAILED: "Failed",
}


def start_run(sandbox: Sandbox, flow: Resource, started_at: float | None = None, **details: Any) -> Resource:
    """Start a run of a flow. The current switches determine how and when it ends.

    :param started_at: seconds since the epoch; now by default.
    :param details: further fields of the run.
    """
    switches = sandbox.world.switches
    body = {
        "flowId": flow.id,
        "flowSpec": flow.body["flowSpec"],
        "providerRefId": "",
        "sides": [flow.body.get("sourceConnectionIds", []), flow.body.get("targetConnectionIds", [])],
        "outcome": switches.run_outcome,
        "seconds": switches.run_seconds,
        **details,
    }
    created_at = None if started_at is None else int(started_at * 1000)
    return FlowStore.of(sandbox).create(Kind.RUNS, body, created_at=created_at)


def count_in_run(sandbox: Sandbox, flow: Resource, moved: Sent) -> None:
    """Count what a streaming source flow took in to its current run; the first of it starts one.

    AEP counts for an hour at a time. That a run lasts as long here as any other is the emulator's own.
    """
    store = FlowStore.of(sandbox)
    run = next(iter(store.runs_by_age(flow).newest(0, 1)), None)
    if run is None or has_ended(run, sandbox.world.clock.now()):
        run = start_run(sandbox, flow)
    total = (Sent.by(run) or Sent()) + moved
    store.rewrite(run, total.in_body(run) | {"outcome": total.outcome})


def start_by_request(sandbox: Sandbox, body: dict[str, Any] | None) -> Resource:
    """Start the run that ``POST /runs`` asks for, of a source flow that is scheduled once.

    :raises FlowError: if the flow is of another kind, or is not enabled.
    """
    if not body:
        raise FlowError(FlowCode.EMPTY_BODY, "The request body is empty.")
    flow = FlowStore.of(sandbox).find(Kind.FLOWS, body.get("flowId"))
    if flow is None:
        raise FlowError(FlowCode.RUN_FLOW_NOT_FOUND, f"The flow {body.get('flowId')} is not found.")
    schedule = flow.body.get("scheduleParams")
    if not schedule or schedule.get("frequency") != "once":
        raise FlowError(
            FlowCode.RUN_NOT_PERMITTED, "Only a source flow that is scheduled once can be run on demand."
        )
    if flow.state is not State.ENABLED:
        raise FlowError(FlowCode.FLOW_STATE_UNEXPECTED, f"The flow {flow.id} is {flow.state.value}.")
    return start_run(sandbox, flow, params=body.get("params", {}))


def retrigger(sandbox: Sandbox, run: Resource) -> Resource:
    """Start a failed run again.

    :raises FlowError: if it has not failed.
    """
    if run_state(run, sandbox.world.clock.now()) is not RunState.FAILED:
        raise FlowError(FlowCode.ACTION_NOT_APPLICABLE, f"The run {run.id} has not failed.")
    flow = FlowStore.of(sandbox).get(Kind.FLOWS, run.body["flowId"])
    return start_run(sandbox, flow, params=run.body.get("params", {}))


def start_scheduled_runs(sandbox: Sandbox, until: float | None = None) -> None:
    """Start the runs that schedules have asked for since the last call.

    :param until: seconds since the epoch; now by default.
    """
    if not sandbox.world.switches.scheduled_runs:
        return
    for flow, times in Agenda.of(sandbox).due(FlowStore.of(sandbox), until):
        for time in times:
            start_run(sandbox, flow, started_at=time)


def run_state(run: Resource, now: float) -> RunState:
    """Return the state of a run.

    :param now: seconds since the epoch.
    """
    age, length = now - run.created_at / 1000, run.body["seconds"]
    if age >= length:
        if (sent := Sent.by(run)) and sent.pending:
            return RunState.IN_PROGRESS
        outcome = str(run.body["outcome"])
        return RunState.SUCCESS if outcome == "success-with-errors" else RunState(outcome)
    return RunState.SCHEDULED if age < length * _WAITING_SHARE else RunState.IN_PROGRESS


def has_ended(run: Resource, now: float) -> bool:
    """Return whether a run has ended, so that time changes nothing more of it.

    :param now: seconds since the epoch.
    """
    return now - run.created_at / 1000 >= float(run.body["seconds"])


def run_fields(run: Resource, now: float, names: str, *, only: str | None = None) -> dict[str, Any]:
    """Return the fields that only a run has.

    :param now: seconds since the epoch.
    :param names: ``payload`` or ``openapi``: which names the states have.
    :param only: a field that is needed; the others may be left out.
    """
    state = run_state(run, now)
    status = _OPENAPI_NAMES[state] if names == "openapi" else state.value
    if only == "state":
        return {"state": status}
    metrics = _metrics(run, state, status)
    if only == "metrics":
        return {"metrics": metrics}
    hidden = ("outcome", "seconds", "sides", "sent")
    return {
        **{name: value for name, value in run.body.items() if name not in hidden},
        "state": status,
        "metrics": metrics,
        "activities": [_activity(run, state, metrics)] if _has_ended(state) else [],
    }


def _has_ended(state: RunState) -> bool:
    return state not in (RunState.SCHEDULED, RunState.IN_PROGRESS)


def _is_export(run: Resource) -> bool:
    return FLOW_SPECS[run.body["flowSpec"]["id"]].is_destination


def _metrics(run: Resource, state: RunState, status: str) -> dict[str, Any]:
    started = run.created_at + int(run.body["seconds"] * _WAITING_SHARE * 1000)
    ended = run.created_at + int(run.body["seconds"] * 1000)
    done = _has_ended(state)
    duration = {} if state is RunState.SCHEDULED else {"startedAtUTC": started}
    if done:
        duration["completedAtUTC"] = ended
    sent = Sent.by(run) or _made_up(run, state)
    read, failed = (sent.read, sent.read - sent.written) if done else (0, 0)
    errors = _errors(run, sent) if failed else []
    return {
        "durationSummary": duration,
        "sizeSummary": {
            "inputBytes": sent.read_bytes if done else 0,
            "outputBytes": sent.written_bytes if done else 0,
        },
        "recordSummary": {
            "inputRecordCount": read,
            "outputRecordCount": read - failed,
            "createdRecordCount": read - failed,
            "updatedRecordCount": 0,
            "skippedRecordCount": 0,
            "failedRecordCount": failed,
            **_sides(run, read, read - failed),
            **({"failedInfo": [dict(each) for each in errors]} if errors else {}),
        },
        "fileSummary": {"inputFileCount": int(done), "outputFileCount": sent.files if done else 0},
        "statusSummary": {
            "status": status,
            "errors": errors,
            "activityRefs": [stable_uuid(f"activity of run {run.id}")] if done else [],
        },
    }


def _made_up(run: Resource, state: RunState) -> Sent:
    """Return the counts of a run that really moves nothing."""
    failed = failing_records(run, _RECORDS) if _has_ended(state) else 0
    written = _RECORDS - failed
    sizes = (_RECORDS * _BYTES_PER_RECORD, written * _BYTES_PER_RECORD)
    return Sent(_RECORDS, written, *sizes, files=int(written > 0))


def failing_records(run: Resource, read: int) -> int:
    """Return how many records fail in a run with its outcome.

    :param read: how many there are.
    """
    if run.body["outcome"] == RunState.FAILED:
        return read
    return 0 if run.body["outcome"] == RunState.SUCCESS else min(read, 1)


def _errors(run: Resource, sent: Sent) -> list[dict[str, str]]:
    failure = _EXPORT_FAILURE if _is_export(run) else _SOURCE_FAILURE
    return [{**failure, "message": each} for each in sent.errors] or [dict(failure)]


def _sides(run: Resource, read: int, written: int) -> dict[str, list[dict[str, Any]]]:
    """Return what a run has read from each source connection and written to each target connection."""
    sources, targets = run.body["sides"]
    return {
        "sourceSummaries": [_side(run, each, {"inputRecordCount": read}) for each in sources],
        "targetSummaries": [
            _side(run, each, {"createdRecordCount": written, "outputRecordCount": written})
            for each in targets
        ],
    }


def _side(run: Resource, connection_id: str, counts: dict[str, int]) -> dict[str, Any]:
    entities = [{"id": f"segment:{segment}", **counts} for segment in run.body.get("segments", [])]
    return {"id": connection_id, **counts, "entitySummaries": entities}


def _activity(run: Resource, state: RunState, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the one step of a run that has ended, which tells in more detail what failed."""
    summary = metrics["statusSummary"]
    records, extensions = dict(metrics["recordSummary"]), dict[str, Any]()
    for side in ("sourceSummaries", "targetSummaries"):
        del records[side]
    if records["failedRecordCount"] and state is not RunState.FAILED:
        paths = {"failedRecords": "row_errors", "sampleErrors": "row_error_samples.json"}
        urls = {name: _DIAGNOSTICS.format(batch=run.id, path=path) for name, path in paths.items()}
        extensions = {"manifest": urls, "errors": [dict(_REJECTION)]}
    return {
        "id": summary["activityRefs"][0],
        "name": "Activation Batch Publisher Activity" if _is_export(run) else "Promotion Activity",
        "updatedAtUTC": 0,
        "durationSummary": metrics["durationSummary"],
        "latencySummary": {},
        "sizeSummary": metrics["sizeSummary"],
        "recordSummary": records,
        "fileSummary": metrics["fileSummary"],
        "statusSummary": {"status": summary["status"], "errors": summary["errors"], "extensions": extensions},
    }
