"""The fault matrix, its rows 11 and 24, each as a DAG: lists that change between their pages, or do not end."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServiceTransientException
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import operators
from tests.support.aep import FLOW_SERVICE, ids, make, make_flow, profile_store, statuses, writes
from tests.support.dags import run
from tests.support.faults import fault
from tests.support.operation import NAME, Sandbox

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]


def next_page(token: str) -> dict[str, Any]:
    link = f"{FLOW_SERVICE}/connections?continuationToken={token}"
    return {"items": [], "_links": {"next": {"href": link}}}


#: A name that the filter cannot hold, so that the whole list is read.
ODD = "mine, all mine"


@pytest.fixture
def long_list(sandbox: Sandbox) -> str:
    """More profile stores than a page has, ours among the first and the last that a list can give."""
    ours = make(sandbox.hook, profile_store(ODD))
    for number in range(request.PAGE_LIMIT + 5):
        make(sandbox.hook, profile_store(f"other {number}"))
    sandbox.control.clear_requests()
    return ours


def test_row_11_a_list_that_changes_between_its_pages_is_read_to_its_end(
    sandbox: Sandbox, time: VirtualClock, long_list: str
) -> None:
    control = sandbox.control
    control.inject(fault("page_shift", "GET", "connections"))
    ran = run("row_11_shift", lambda: operators.create_profile_store(ODD))
    assert ran.succeeded
    assert ran.results["profile_store"] == long_list
    assert len(statuses(control, "GET", "/connections")) >= 2
    assert writes(control) == []
    assert ids(sandbox.named(f"{FLOW_SERVICE}/connections", ODD)) == [long_list]
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def test_row_11_an_empty_page_is_not_the_end(sandbox: Sandbox, time: VirtualClock, long_list: str) -> None:
    control = sandbox.control
    first = request.page(
        request.CONNECTIONS, limit=request.PAGE_LIMIT, filters=[_spec_filter()], order_by="-createdAt"
    )
    token = sandbox.hook.send(first).next_cursor
    assert token
    control.inject(fault("status", "GET", "connections", status=200, body=next_page(token)))
    ran = run("row_11_empty", lambda: operators.create_profile_store(ODD))
    assert ran.succeeded
    assert ran.results["profile_store"] == long_list
    assert writes(control) == []
    assert len(sandbox.named(f"{FLOW_SERVICE}/connections", ODD)) == 1
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def _spec_filter() -> str:
    return request.equals("connectionSpec.id", specs.UNIFIED_PROFILE_SERVICE)


def test_row_11_a_page_that_names_itself_is_an_error_and_no_loop(
    control: EmulatorControl, time: VirtualClock
) -> None:
    control.inject(fault("status", "GET", "connections", times=2, status=200, body=next_page("same")))
    ran = run("row_11_cycle", lambda: operators.create_profile_store(ODD))
    assert isinstance(ran.error, FlowServiceTransientException)
    assert "refers to the same page twice" in str(ran.error)
    assert writes(control) == []
    assert control.state()["connections"] == []
    assert control.faults_left() == []
    assert time.monotonic() <= 1


SCHEMAS = "/data/foundation/schemaregistry/tenant/schemas"
DATASETS = "/data/foundation/catalog/dataSets"
MAPPING_SETS = "/data/foundation/conversion/mappingSets"
FULL = [f"other-{number}" for number in range(100)]


@pytest.mark.parametrize(
    ("path", "page", "create"),
    [
        pytest.param(
            SCHEMAS,
            {"results": [{"$id": "other", "title": "other"}], "_page": {"next": "other"}},
            lambda: FlowServiceCreateSchemaOperator(task_id="x", name=NAME),
            id="schemas, the cursor comes back",
        ),
        pytest.param(
            DATASETS,
            {each: {"name": NAME} for each in FULL},
            lambda: FlowServiceCreateDatasetOperator(task_id="x", name=NAME, schema_id="s"),
            id="datasets, start is ignored",
        ),
        pytest.param(
            MAPPING_SETS,
            {"data": [{"id": each, "name": NAME} for each in FULL]},
            lambda: FlowServiceCreateMappingSetOperator(
                task_id="x", name=NAME, schema_id="s", mappings=[{"source": "a", "destination": "b"}]
            ),
            id="mapping sets, start is ignored",
        ),
    ],
)
def test_row_24_a_list_without_an_end_is_an_error_and_makes_no_duplicate(
    control: EmulatorControl, time: VirtualClock, path: str, page: Any, create: Any
) -> None:
    control.inject(fault("status", "GET", path, times=2, status=200, body=page))
    control.inject(fault("status", "POST", f"{path}/validate", status=200, body={"validationResponse": []}))
    ran = run("row_24", create)
    assert isinstance(ran.error, FlowServiceTransientException)
    assert "so its end was not reached" in str(ran.error)
    assert [entry["path"] for entry in control.requests("POST") if entry["path"] == path] == []
    assert statuses(control, "GET", path) == [200, 200]
    assert time.monotonic() <= 1


def test_row_24_a_segment_whose_name_is_not_found_because_of_a_circle_is_no_missing_segment(
    sandbox: Sandbox, time: VirtualClock
) -> None:
    control, flow = sandbox.control, make_flow(sandbox.hook)
    control.clear_requests()
    page = {"children": [{"id": "a", "name": "another"}], "_page": {"next": "1"}}
    control.inject(fault("status", "GET", "/data/core/ups/audiences", times=2, status=200, body=page))
    ran = run("row_24_name", lambda: operators.activate(flow, [{"name": "Loyal customers"}]))
    assert isinstance(ran.error, FlowServiceTransientException)
    assert "the list of audiences repeats a page" in str(ran.error)
    assert writes(control) == []
    assert control.faults_left() == []
    assert time.monotonic() <= 1
