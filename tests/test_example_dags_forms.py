"""The trigger forms of the example DAGs, and what scheduled runs say if nobody has filled them in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import ParamValidationError

from tests.support import airflow as support
from tests.support.dags import errors_of_tasks
from tests.support.scheduling import run_scheduled

if TYPE_CHECKING:
    from airflow.sdk import Param

    from airflow_provider_flowservice.emulator.server import EmulatorServer

EXAMPLES = sorted(file.stem for file in support.EXAMPLE_DAGS.glob("*.py"))
#: Those that need a value which nobody but their user knows.
ASKING = {"stream_partitioned_records": {"connection_id", "flow_id"}}
#: A day for each run: those of a date exist once in the session's Airflow.
DAYS = (datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in count())
CONNECTION = "AIRFLOW_CONN_FLOWSERVICE_DEFAULT"


def params_of(dag_id: str) -> dict[str, Param]:
    params = support.load_dag(dag_id).params
    return {name: params.get_param(name) for name in params}


def type_of(param: Param) -> str:
    """The type of a param, apart from null."""
    said = param.schema["type"]
    (kind,) = {said} if isinstance(said, str) else set(said) - {"null"}
    return str(kind)


@pytest.mark.parametrize("dag_id", EXAMPLES)
def test_each_param_says_what_it_is_and_how_the_form_edits_it(dag_id: str) -> None:
    for name, param in params_of(dag_id).items():
        assert param.schema["title"] == name.replace("_", " ").capitalize()
        assert len(param.description or "") > 10, name
        assert type_of(param) in ("string", "boolean", "integer", "array", "object")
        assert (name == "date") == (param.schema.get("format") == "date")
        if type_of(param) == "array":
            # In a list of anything else, the form shows an object as [object Object], and sends that.
            kind = {"object": dict, "string": str}[param.schema["items"]["type"]]
            assert {type(each) for each in param.value} == {kind}, name
        if param.has_value:
            assert param.resolve() == param.value


@pytest.mark.parametrize("dag_id", EXAMPLES)
def test_a_run_without_a_form_has_all_values_or_asks_for_those_it_needs(dag_id: str) -> None:
    params = params_of(dag_id)
    missing = {
        name for name, param in params.items() if not param.has_value and "null" not in param.schema["type"]
    }
    assert missing == ASKING.get(dag_id, set())
    for name in missing:
        with pytest.raises(ParamValidationError):
            params[name].resolve("")


@pytest.mark.parametrize(
    ("dag_id", "name"),
    [
        ("onboard_http_api_source", "records"),
        ("onboard_http_api_source", "mappings"),
        ("onboard_s3_destination", "mappings"),
        ("onboard_s3_destination", "segments"),
    ],
)
def test_what_a_form_makes_of_a_list_of_objects_by_mistake_does_not_start_a_run(
    dag_id: str, name: str
) -> None:
    with pytest.raises(ParamValidationError, match="is not of type 'object'"):
        params_of(dag_id)[name].resolve(["[object Object]"])


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize(
    ("dag_id", "conf", "said"),
    [
        ("stream_daily_records", {}, "Params connection_id, flow_id: not set. Set their defaults in"),
        ("stream_daily_records", {"connection_id": "c"}, "Params flow_id: not set. Set their defaults in"),
        ("backfill_segment_activations", {}, "Param flow_id: not set. Set it in"),
        (
            "backfill_segment_activations",
            {"flow_id": "f", "segments_due": "file:///nowhere/due.csv"},
            "Param segments_due: there is no file file:///nowhere/due.csv. Set it in",
        ),
    ],
)
def test_a_scheduled_run_says_what_is_not_set_before_anything_is_sent(
    emulator: EmulatorServer, dag_id: str, conf: dict[str, Any], said: str
) -> None:
    assert failed_in_first_task(dag_id, conf) == (
        f"{said} {dag_id}.py or, for a manual run, in the trigger form."
    )
    assert emulator.control.requests() == []


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize(
    "dag_id", ["stream_daily_records", "backfill_segment_activations", "report_flow_runs"]
)
def test_a_scheduled_run_says_what_its_connection_lacks_before_anything_is_sent(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dag_id: str
) -> None:
    made = support.flowservice_connection(emulator.url, emulator.control.credential, sandbox=None)
    monkeypatch.setenv(CONNECTION, made)
    error = failed_in_first_task(dag_id, filled_in(dag_id, tmp_path))
    assert "Sandbox (extra sandbox) of connection 'flowservice_default': is empty." in error
    assert emulator.control.requests() == []


# Not of stream_daily_records, whose first task is tried again after minutes: the connection may have been there.
@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize("dag_id", ["backfill_segment_activations", "report_flow_runs"])
def test_a_scheduled_run_says_that_its_connection_is_missing_before_anything_is_sent(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dag_id: str
) -> None:
    monkeypatch.delenv(CONNECTION)
    error = failed_in_first_task(dag_id, filled_in(dag_id, tmp_path))
    assert "flowservice_conn_id: Airflow has found no connection 'flowservice_default'" in error
    assert emulator.control.requests() == []


def filled_in(dag_id: str, folder: Path) -> dict[str, Any]:
    """Values for the params that an example needs, on a day on which nothing is due."""
    due = folder / "due.csv"
    due.write_text("due,segment_id\n")
    return {
        "stream_daily_records": {"connection_id": "c", "flow_id": "f"},
        "backfill_segment_activations": {"flow_id": "f", "segments_due": due.as_uri()},
        "report_flow_runs": {"folder": folder.as_uri()},
    }[dag_id]


def failed_in_first_task(dag_id: str, conf: dict[str, Any]) -> str:
    """Make a scheduled run that fails in its first task; the error."""
    with errors_of_tasks() as errors:
        dag_run = run_scheduled(dag_id, next(DAYS), conf)
    states = support.task_states(dag_run)
    assert set(states.values()) <= {"failed", "up_for_retry", "upstream_failed", "None"}, states
    (failed,) = [task for task, state in states.items() if state in ("failed", "up_for_retry")]
    assert support.load_dag(dag_id).get_task(failed).upstream_task_ids == set()
    (error,) = errors
    return str(error)
