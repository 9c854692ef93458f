"""What the site says about retries and settings, held against the code that decides, and what its examples do."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client import Window, errors
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.retry import (
    MAX_DELAY,
    TRANSIENT_STATUSES,
    Decision,
    GiveUp,
    Policy,
    RefreshToken,
    Retry,
    decide,
)
from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.connection_fields import EXTRAS, field_name
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.database import register
from tests.docs.pages import README, SITE, blocks, section, table
from tests.support import dags
from tests.support.aep import selected
from tests.support.batch import make_batch_flow
from tests.support.files import exported, make_file_flow

RELIABILITY, CONNECT, CONCEPTS = (SITE / f"{name}.md" for name in ("reliability", "connect", "concepts"))
COLUMNS = {"reads, deletes": True, "creates, patches, actions": False}
#: Statuses that a row without a list of its own stands for.
OTHER_4XX = (400, 403, 404, 405, 409, 413, 415, 422)
#: What a cell says, and what the transport does then; who looks or computes again gets the error.
WORDS: dict[str, type[Decision]] = {
    "sent again": Retry,
    "sent again after `Retry-After`": Retry,
    "looked at first": GiveUp,
    "raised": GiveUp,
    "read again, computed again": GiveUp,
    "token renewed, sent again once": RefreshToken,
}


def api_error(status: int, retry_after: float | None = None) -> errors.ApiError:
    kind = errors.api_error_class(status, None)
    return kind("failed", status=status, retry_after=retry_after)


def failures(row: str) -> list[errors.FlowServiceError]:
    """The errors that a row's first cell stands for."""
    named: dict[str, list[errors.FlowServiceError]] = {
        "no connection": [errors.NotSentError("refused")],
        "certificate does not verify": [errors.UntrustedServerError("https://h", "self-signed")],
        "response lost, or invalid": [errors.ResponseLostError("x"), errors.InvalidResponseError("x")],
        "response larger than 64 MB": [errors.ResponseTooLargeError("x")],
        "any other `4xx`": [api_error(status) for status in OTHER_4XX],
    }
    return named.get(row) or [api_error(int(status)) for status in re.findall(r"\b\d{3}\b", row)]


RETRIES = section(RELIABILITY, "What is retried")
HEAD, *ROWS = table(RETRIES)
CELLS = [
    pytest.param(row[0], column, said, id=f"{row[0]}, {column}")
    for row in ROWS
    for column, said in zip(HEAD[1:], row[1:], strict=True)
]


def decided(error: errors.FlowServiceError, idempotent: bool, *, refreshed: bool = False) -> Decision:
    return decide(
        error, idempotent=idempotent, attempt=1, elapsed=0.0, refreshed=refreshed, policy=Policy(), jitter=0.5
    )


@pytest.mark.parametrize(("row", "column", "said"), CELLS)
def test_each_cell_of_the_table_is_what_is_decided(row: str, column: str, said: str) -> None:
    found = failures(row)
    assert found
    for error in found:
        assert type(decided(error, COLUMNS[column])) is WORDS[said], error


def test_the_table_has_every_failure_that_is_not_raised() -> None:
    statuses = {int(status) for row in ROWS for status in re.findall(r"\b\d{3}\b", row[0])}
    assert statuses >= TRANSIENT_STATUSES
    others = [status for status in range(400, 600) if status not in statuses]
    for idempotent in (True, False):
        assert {type(decided(api_error(status), idempotent)) for status in others} == {GiveUp}


def test_once_means_once_and_retry_after_is_obeyed_up_to_a_minute() -> None:
    assert decided(api_error(401), True, refreshed=True) == GiveUp()
    assert decided(api_error(429, retry_after=7), False) == Retry(7.5)
    assert "up to a minute" in RETRIES
    assert MAX_DELAY == 60


def test_requests_stand_in_the_column_that_the_table_puts_them() -> None:
    safe = [request.get(request.FLOWS, "x"), request.page(request.FLOWS), request.delete(request.FLOWS, "x")]
    assert {asked.idempotent for asked in safe} == {True}
    writing = [
        request.create(request.FLOWS, {}),
        request.patch(request.FLOWS, "x", "etag", ()),
        request.action(request.FLOWS, "x", "enable"),
    ]
    assert {asked.idempotent for asked in writing} == {False}


def test_the_defaults_of_the_connection_are_the_ones_in_force() -> None:
    ((retries, budget),) = re.findall(
        r"\| `retries`, `retry_budget` \|.*\| (\d+), (\d+) \|", section(CONNECT, "Extras")
    )
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    assert (int(retries), float(budget)) == (defaults["retries"], defaults["retry_budget"])
    assert Policy() == Policy(defaults["retries"], defaults["retry_budget"])


def test_the_table_of_extras_has_each_field_of_the_form() -> None:
    _, *rows = table(section(CONNECT, "Extras"))
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row[0])) == sorted(EXTRAS)
    assert f"`{field_name('org_id')}`" in section(CONNECT, "Test the connection")


def imported(page: Path, word: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The code of a page that has a word, as a module."""
    (block,) = [each for each in blocks(page) if each.language == "python" and word in each.code]
    name = f"{page.stem.lower()}_of_docs"
    (folder / f"{name}.py").write_text(block.code, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module(name)


@pytest.mark.usefixtures("airflow_database", "virtual_clock")
def test_the_example_of_the_readme_activates_a_segment(
    emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = imported(README, "streaming_destination", tmp_path, monkeypatch).dag
    register(dag)
    assert dag.test().state == "success"
    (flow,) = emulator.control.state()["flows"]
    assert selected(flow) == ([emulator.control.segments_by_name["Loyal customers"]], [])


@pytest.mark.usefixtures("airflow_database", "virtual_clock")
def test_the_taskflow_example_tells_of_each_run_that_lost_something(
    emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = imported(CONCEPTS, "losses_of_the_night", tmp_path, monkeypatch).losses_of_the_night
    control, hook = emulator.control, FlowServiceHook()
    name, segment = next(iter(control.segments_by_name.items()))
    flows = [make_file_flow(hook, each) for each in ("refused", "damaged", "fine")]
    for flow in flows:
        hook.activate_segments(flow, [exported(segment)])
    control.advance(3600)
    control.set_switches(scheduled_runs=False, run_seconds=0)
    for flow, outcome in zip(flows, ("failed", "success-with-errors", "success"), strict=True):
        control.set_switches(run_outcome=outcome)
        hook.export_segments(flow, [segment])
    control.set_switches(run_outcome="failed")
    hook.run_flow(make_batch_flow(hook), Window(1_700_000_000, 1_700_086_400))
    hook.close()
    ran = dags.run("taskflow_of_docs", losses)
    assert ran.succeeded
    aborted = "ACTIVATION_BATCH-0000-FAILED: Job aborted."
    unmapped = "MAPPER-3700-400: A record could not be mapped to the target schema."
    assert sorted(ran.results["losses_of_the_night"]) == [
        f"damaged ({name}): success, 1 of 1000 records failed. {aborted}; {unmapped}",
        f"refused ({name}): failed, 1000 of 1000 records failed. {aborted}",
    ]
