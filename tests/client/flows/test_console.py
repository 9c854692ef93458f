"""The pages of objects, in AEP and in an emulator."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.ensure import planned_id
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.console import Console, Shown
from airflow_provider_flowservice.client.model import Flow, FlowRun, Page
from airflow_provider_flowservice.client.model.specs import SpecRef
from tests.support.aep import aep_settings

AEP = "https://experience.adobe.com/#/sname:dev/platform"
SOURCE, DESTINATIONS = f"{AEP}/source/dataflows/f", f"{AEP}/destination/browse"
EXPORT = {"recordSummary": {"sourceSummaries": [{"entitySummaries": [{"id": "segment:s"}]}]}}


def flow_from(*connection_specs: str) -> Flow:
    sources = [{"id": "s", "connectionSpec": {"id": each}} for each in connection_specs]
    return Flow(id="f", flow_spec=SpecRef(id="any"), inherited_attributes={"sourceConnections": sources})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, SOURCE),
        (Flow(id="f", flow_spec=SpecRef(id="any"), inherited_attributes=None), SOURCE),
        (flow_from(), SOURCE),
        (flow_from(specs.HTTP_API), SOURCE),
        (flow_from(specs.UNIFIED_PROFILE_SERVICE), DESTINATIONS),
        (flow_from(specs.DATA_LAKE_EXPORT), DESTINATIONS),
        (Page(items=(flow_from(specs.UNIFIED_PROFILE_SERVICE),)), DESTINATIONS),
        (FlowRun(id="r", flow_id="f"), SOURCE),
        (FlowRun(id="r", flow_id="f", metrics=EXPORT), DESTINATIONS),
    ],
)
def test_the_page_of_a_flow_depends_on_where_it_reads(answer: Any, expected: str) -> None:
    console = Console(aep_settings())
    console.learn(answer)
    assert console.flow_page("f") == console.run_page("f", "r") == expected
    assert console.flow_page("another") == f"{AEP}/source/dataflows/another"
    assert console.flow_page("f", is_destination=True) == DESTINATIONS


@pytest.mark.parametrize("gateway", ["http://127.0.0.1:8765", "http://localhost:1", "https://[::1]:8765"])
def test_behind_a_gateway_on_this_machine_is_an_emulator(gateway: str) -> None:
    console = Console(msgspec.structs.replace(aep_settings("a b"), gateway=gateway))
    assert console.flow_page("f", is_destination=True) == f"{gateway}/#/flows/f"
    assert console.run_page("f", "r") == f"{gateway}/#/runs/r"
    schema = console.page(Shown.SCHEMA, "https://ns.adobe.com/acme/schemas/1?2")
    assert schema == f"{gateway}/#/schemas/https%3A%2F%2Fns.adobe.com%2Facme%2Fschemas%2F1%3F2"
    assert console.page(Shown.RUN) == f"{gateway}/#/runs?sandbox=a%20b"


@pytest.mark.parametrize("kind", Shown)
def test_aep_shows_what_has_no_documented_page_somewhere(kind: Shown) -> None:
    page = {Shown.SCHEMA: "schema", Shown.DATASET: "dataset/browse"}.get(kind, "home")
    assert Console(aep_settings("d/v")).page(kind, "x") == f"{AEP.replace('dev', 'd%2Fv')}/{page}"


@pytest.mark.parametrize("gateway", ["http://127.0.0.1:8765", "https://platform.adobe.io"])
def test_what_is_only_planned_has_no_page(gateway: str) -> None:
    console, planned = (
        Console(msgspec.structs.replace(aep_settings(), gateway=gateway)),
        planned_id("flow", "x"),
    )
    assert console.flow_page(planned) == console.run_page("f", planned) == ""
    assert {console.page(kind, planned) for kind in Shown} == {""}
