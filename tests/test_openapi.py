"""What the provider sends and the emulator answers, held against Adobe's OpenAPI descriptions.

The descriptions are no part of this repository: ``AEP_CONTRACT_DIR`` names a folder that has them in
``openapi/``. Where Adobe's own documents disagree, the place stands in ``openapi_deviations.yaml``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import airflow as support
from tests.support.openapi import Description, Deviation, Exchange, Recorder
from tests.support.openapi_deeds import DEEDS, Stage

CONTRACT = os.environ.get("AEP_CONTRACT_DIR")
needs_descriptions = pytest.mark.skipif(
    CONTRACT is None, reason="AEP_CONTRACT_DIR names no folder with Adobe's OpenAPI files (openapi/*.yaml)"
)

FOUNDATION = "/data/foundation"
FLOW_SERVICE = f"{FOUNDATION}/flowservice"
#: Path below which an API is described, by the name of its file.
BASES = {
    "flow-service": FLOW_SERVICE,
    "destinations": FLOW_SERVICE,
    "schema-registry": f"{FOUNDATION}/schemaregistry",
    "catalog": f"{FOUNDATION}/catalog",
    "data-prep": f"{FOUNDATION}/conversion",
    "segmentation": "/data/core/ups",
    "ad-hoc-activation": "/data/core/activation/disflowprovider",
    "streaming-ingestion": "",
}
#: Where it is not the same: what an API's paths begin with.
PREFIXES = {"streaming-ingestion": "/collection/"}
LISTED = Path(__file__).with_name("openapi_deviations.yaml")


@pytest.fixture(scope="module")
def recorded() -> Iterator[list[tuple[str, Exchange]]]:
    """Every exchange, with the file that describes connections and flows on its side."""
    with pytest.MonkeyPatch.context() as patch:
        recorders: list[Recorder] = []

        def recording(build: Callable[..., Any]) -> Callable[..., Any]:
            def built(*arguments: Any) -> Recorder:
                recorders.append(Recorder(build(*arguments)))
                return recorders[-1]

            return built

        from airflow_provider_flowservice.emulator import server

        patch.setattr(server, "build_app", recording(server.build_app))
        with EmulatorServer() as emulator, clock.installed(VirtualClock()):
            auth.forget_all()
            control = emulator.control
            for name, value in support.connections(emulator.url, control.credential).items():
                patch.setenv(name, value)
            found: list[tuple[str, Exchange]] = []
            for deed, side in DEEDS:
                control.reset()
                auth.forget_all()
                (recorder,) = recorders
                recorder.exchanges.clear()
                hook = FlowServiceHook()
                deed(Stage(control, hook))
                hook.close()
                found += [(side, exchange) for exchange in recorder.exchanges]
            yield found
            auth.forget_all()


@pytest.fixture(scope="module")
def found(recorded: list[tuple[str, Exchange]]) -> set[Deviation]:
    folder = Path(CONTRACT or "").resolve() / "openapi"
    described = {api: Description(folder / f"{api}.yaml", base) for api, base in BASES.items()}
    found: set[Deviation] = set()
    for side, exchange in recorded:
        if api := described_in(exchange, side, described):
            found |= set(described[api].deviations(exchange))
    return found


def described_in(exchange: Exchange, side: str, described: dict[str, Description]) -> str | None:
    """The file that governs an exchange; None for what no file is about."""
    if exchange.path.startswith(FLOW_SERVICE):
        # What the file of the destinations leaves out is the same for both sides.
        return side if described[side].describes(exchange) else "flow-service"
    for api, base in BASES.items():
        if exchange.path.startswith(PREFIXES.get(api, base)):
            return api
    return None


def listed() -> set[Deviation]:
    return {
        Deviation(entry["api"], operation, str(entry["part"]), pointer, entry["problem"])
        for entry in yaml.safe_load(LISTED.read_text("utf-8"))
        for operation in entry["operations"]
        for pointer in entry["pointers"]
    }


@needs_descriptions
def test_every_exchange_is_as_described_or_listed(found: set[Deviation]) -> None:
    assert not (new := sorted(found - listed())), "\n".join(map(str, new))


@needs_descriptions
def test_every_listed_deviation_still_occurs(found: set[Deviation]) -> None:
    assert not (gone := sorted(listed() - found)), "\n".join(map(str, gone))


def test_every_listed_deviation_has_a_reason_and_a_source_and_is_listed_once() -> None:
    entries = yaml.safe_load(LISTED.read_text("utf-8"))
    assert all(entry["reason"].strip() and entry["source"].strip() for entry in entries)
    assert len(listed()) == sum(len(entry["operations"]) * len(entry["pointers"]) for entry in entries)
