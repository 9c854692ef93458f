from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError, RunFailedError
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.support.letters import InStore, Local
from tests.support.tasks import RecordingTaskInstance, refused, rendered, run

WINDOW = Window(1_700_000_000, 1_700_086_400)
FAILED = "CONNECTOR-2001-500: The run could not process all of its data."


@pytest.fixture
def control(control: EmulatorControl) -> EmulatorControl:
    control.set_switches(scheduled_runs=False, run_seconds=0)
    return control


@pytest.fixture
def flows(control: EmulatorControl, hook: FlowServiceHook) -> dict[str, str]:
    """A flow for each way in which a run can end, with one such run."""
    made = {}
    for outcome in ("success", "failed", "partialSuccess", "success-with-errors"):
        control.set_switches(run_outcome=outcome)
        made[outcome] = make_batch_flow(hook)
        hook.update_flow(made[outcome], name=f"ends as {outcome}")
        hook.send(create_run(made[outcome], WINDOW))
        control.advance(1)
    control.clear_requests()
    return made


def report(control: EmulatorControl, **changes: Any) -> FlowServiceFlowRunReportOperator:
    window = {"since": control.now() - 3600, "until": control.now()}
    return FlowServiceFlowRunReportOperator(**{"task_id": "x", **window, **changes})


def run_failing(
    operator: FlowServiceFlowRunReportOperator,
) -> tuple[FlowServicePermanentException, dict[str, Any]]:
    """Run a task that fails for good; its error and its XComs."""
    ti = RecordingTaskInstance()
    with pytest.raises(FlowServicePermanentException) as caught:
        operator.execute({"ti": ti})  # type: ignore[typeddict-item]
    return caught.value, ti.pushed


def test_the_report_is_logged_returned_and_ready_for_a_notifier(
    control: EmulatorControl, flows: dict[str, str], task_log: pytest.LogCaptureFixture
) -> None:
    result, pushed = run(report(control, fail_on="never"))
    assert result["states"] == {"running": 0, "success": 2, "partialSuccess": 1, "failed": 1}
    assert (result["runs"], result["bad"]) == (4, 3)
    counts = [result[f"records_{name}"] for name in ("read", "written", "failed")]
    assert counts == [4000, 2998, 1002]
    assert [each["flow_id"] for each in result["bad_runs"]] == [
        flows["failed"],
        flows["success-with-errors"],
        flows["partialSuccess"],
    ]
    assert result["bad_runs"][0]["errors"] == [
        dict(zip(("code", "message"), FAILED.split(": "), strict=True))
    ]
    assert json.loads(json.dumps(result)) == result
    assert set(pushed) == {"table"}
    assert pushed["table"] in task_log.text
    title, header, *rows = pushed["table"].splitlines()
    assert "1 failed, 1 partialSuccess, 2 success; records: 4000 read, 2998 written, 1002 failed" in title
    assert header.split() == [
        "state",
        "created",
        "(UTC)",
        "read",
        "written",
        "failed",
        "flow",
        "run",
        "error",
    ]
    assert [row.split("  ")[0] for row in rows] == ["failed", "success", "partialSuccess", "success"]
    assert rows[0].endswith(FAILED)
    assert "ends as failed" in rows[0]


@pytest.mark.parametrize(
    ("fail_on", "names"),
    [
        ({}, ["failed"]),
        ({"fail_on": "failed"}, ["failed"]),
        ({"fail_on": "partial"}, ["success-with-errors", "partialSuccess", "failed"]),
    ],
    ids=str,
)
def test_a_bad_run_fails_the_task_for_good_after_everything_was_written(
    control: EmulatorControl, flows: dict[str, str], tmp_path: Path, fail_on: dict[str, str], names: list[str]
) -> None:
    path = tmp_path / "reports" / "today.jsonl"
    error, pushed = run_failing(report(control, path=f"file://{path}", **fail_on))
    assert isinstance(error.error, RunFailedError)
    message = str(error)
    assert message.startswith(f"{len(names)} of the 4 flow runs created from 20")
    for outcome, flow in flows.items():
        assert (f"'ends as {outcome}' ({flow}): " in message) is (outcome in names)
    assert FAILED in message.replace("; ", ". ")
    assert "set fail_on='never'" in message
    assert set(pushed) == {"table", "return_value"}
    assert pushed["return_value"]["bad"] == 3
    assert len(path.read_text().splitlines()) == 4


def test_runs_that_are_good_or_not_looked_at_fail_nothing(
    control: EmulatorControl, flows: dict[str, str]
) -> None:
    for given in ({"flows": [flows["success"]]}, {"flows": flows["success"], "fail_on": "partial"}):
        assert run(report(control, **given))[0]["runs"] == 1
    assert run(report(control, flows=[flows["partialSuccess"]]))[0]["bad"] == 1
    assert run(report(control, since=control.now(), until=control.now() + 1))[0]["runs"] == 0


def test_a_run_that_goes_on_is_reported_and_not_bad(control: EmulatorControl, hook: FlowServiceHook) -> None:
    control.set_switches(run_seconds=1000)
    hook.send(create_run(make_batch_flow(hook), WINDOW))
    result, _ = run(report(control, until=control.now() + 1, fail_on="partial"))
    assert (result["states"]["running"], result["bad"]) == (1, 0)


def test_the_file_has_every_run_and_replaces_the_one_before(
    control: EmulatorControl, flows: dict[str, str], place: Local | InStore
) -> None:
    for _ in range(2):
        run(report(control, fail_on="never", path=place.url("report.jsonl")))
        lines = [json.loads(line) for line in place.read("report.jsonl").splitlines()]
        assert [line["flow_id"] for line in lines] == list(flows.values())[::-1]
    assert place.names() == ["report.jsonl"]
    created = {each["id"]: each["createdAt"] for each in control.state()["runs"]}
    (line,) = [line for line in lines if line["state"] == "failed"]
    assert set(line) == {
        *("flow_id", "flow_name", "run_id", "state", "created_at", "is_bad", "page"),
        *("records_read", "records_written", "records_failed", "errors", "omitted_errors"),
    }
    assert line["flow_name"] == "ends as failed"
    assert line["created_at"].endswith("Z")
    assert line["run_id"] in created


def test_only_its_owner_may_read_the_file(
    control: EmulatorControl, flows: dict[str, str], tmp_path: Path
) -> None:
    run(report(control, fail_on="never", path=str(tmp_path / "report.jsonl")))
    assert (tmp_path / "report.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_report_that_breaks_off_leaves_the_file_before(
    control: EmulatorControl, flows: dict[str, str], place: Local | InStore
) -> None:
    place.write("report.jsonl", b"yesterday\n")
    control.inject(fault("status", "GET", "flows", times=20, status=503))
    with pytest.raises(FlowServiceTransientException):
        run(report(control, path=place.url("report.jsonl")))
    assert place.read("report.jsonl") == b"yesterday\n"
    assert place.names() == ["report.jsonl"]


def test_a_folder_is_no_file(control: EmulatorControl, flows: dict[str, str], tmp_path: Path) -> None:
    message = refused(report(control, path=str(tmp_path)))
    assert message == f"path: {str(tmp_path)!r} is not a regular file. Give the path of a file."
    assert control.requests() == []


def test_aeps_text_is_on_one_line_bounded_and_without_the_secrets_of_urls(
    control: EmulatorControl, tmp_path: Path
) -> None:
    long = "\x1b[31m" + "x\n" * 500
    errors = [
        {"code": f"C{number}", "message": f"https://u:pw@h/p?sig=topsecret {long}"} for number in range(50)
    ]
    runs = [
        {
            "id": f"r{number}",
            "flowId": f"f{number}",
            "createdAt": int((control.now() - 60) * 1000),
            "metrics": {"statusSummary": {"status": "failed", "errors": errors}},
        }
        for number in range(100)
    ]
    control.inject(fault("status", "GET", "runs", status=200, body={"items": runs}))
    path = tmp_path / "report.jsonl"
    error, pushed = run_failing(report(control, path=str(path)))
    assert isinstance(error.error, RunFailedError)
    texts = {
        "error": str(error),
        "file": path.read_text(),
        **{key: str(value) for key, value in pushed.items()},
    }
    for where, text in texts.items():
        assert "topsecret" not in text, where
        assert "u:pw" not in text, where
        assert "\x1b" not in text, where
    sizes = {where: len(text) for where, text in texts.items()}
    assert sizes["error"] < 6_000
    assert sizes["table"] < 15_000
    assert sizes["return_value"] < 130_000
    assert max(map(len, path.read_text().splitlines())) < 3_000


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"since": 20260101}, "since: 20260101 is not between 2001-09-09 and 2286"),
        ({"until": "soon"}, "until: 'soon' is not a time"),
        ({"flows": []}, "flows: is empty"),
        (
            {"fail_on": "success"},
            "fail_on: 'success' is not supported. Choose one of: failed, partial, never.",
        ),
    ],
)
def test_what_makes_no_sense_is_rejected_before_anything_is_sent(
    control: EmulatorControl, arguments: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        report(control, **arguments)
    assert str(caught.value).startswith(problem)
    values = {"since": control.now() - 60, **arguments}
    message = refused(
        rendered(lambda **given: FlowServiceFlowRunReportOperator(task_id="x", **given), **values)
    )
    assert message.startswith(problem)
    assert control.requests() == []


def test_a_window_that_ends_before_it_begins_is_rejected_before_anything_is_sent(
    control: EmulatorControl,
) -> None:
    message = refused(report(control, since="2026-01-02T00:00:00Z", until="2026-01-01T00:00:00Z"))
    assert message == (
        "until: 2026-01-01T00:00:00+00:00 is not after since, which is 2026-01-02T00:00:00+00:00. Give a time after"
        " since; without until, it is now."
    )
    assert control.requests() == []
