"""Holds the provider and the emulator against Adobe's OpenAPI descriptions, and counts.

The descriptions are no part of this repository: ``AEP_CONTRACT_DIR`` names a folder that has them in ``openapi/``.
Where Adobe's own documents disagree, the place stands in ``openapi_deviations.yaml``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator import server
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
LISTED = Path(__file__).parents[1] / "openapi_deviations.yaml"
#: What the emulator says of a path or a method that it does not know, whatever it stands for in AEP.
_UNKNOWN = ('{"message":"Not Found"}', '{"message":"Method Not Allowed"}', "There is no collection")

#: Sends a request with all headers that AEP requires.
Caller = Callable[..., requests.Response]


@dataclass(frozen=True)
class Conformance:
    """How far the emulator serves what one file describes.

    :param served: number of operations.
    :param named: number of operations that are answered with 501 and their name.
    :param deviations: number of places that are listed.
    :param wrong: what is neither.
    """

    api: str
    served: int
    named: int
    deviations: int
    wrong: tuple[str, ...]


def descriptions() -> dict[str, Description]:
    """The files, by name."""
    folder = Path(CONTRACT or "").resolve() / "openapi"
    return {api: Description(folder / f"{api}.yaml", base) for api, base in BASES.items()}


@contextmanager
def recorded() -> Iterator[list[tuple[str, Exchange]]]:
    """Every exchange, with the file that describes connections and flows on its side."""
    with pytest.MonkeyPatch.context() as patch:
        recorders: list[Recorder] = []

        def recording(build: Callable[..., Any]) -> Callable[..., Any]:
            def built(*arguments: Any) -> Recorder:
                recorders.append(Recorder(build(*arguments)))
                return recorders[-1]

            return built

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


def deviations(exchanges: list[tuple[str, Exchange]]) -> set[Deviation]:
    """What of the exchanges is not as described."""
    described = descriptions()
    found: set[Deviation] = set()
    for side, exchange in exchanges:
        if api := _described_in(exchange, side, described):
            found |= set(described[api].deviations(exchange))
    return found


def _described_in(exchange: Exchange, side: str, described: Mapping[str, Description]) -> str | None:
    """The file that governs an exchange; None for what no file is about."""
    if exchange.path.startswith(FLOW_SERVICE):
        # What the file of the destinations leaves out is the same for both sides.
        return side if described[side].describes(exchange) else "flow-service"
    for api, base in BASES.items():
        if exchange.path.startswith(PREFIXES.get(api, base)):
            return api
    return None


def listed() -> set[Deviation]:
    """The deviations that have a reason."""
    return {
        Deviation(entry["api"], operation, str(entry["part"]), pointer, entry["problem"])
        for entry in yaml.safe_load(LISTED.read_text("utf-8"))
        for operation in entry["operations"]
        for pointer in entry["pointers"]
    }


def conformance(found: set[Deviation], call: Caller) -> list[Conformance]:
    """Send a request for each described operation, and count what is made of it.

    :param found: the deviations of recorded exchanges.
    """
    rows = []
    for api, description in descriptions().items():
        named, unknown = 0, []
        known = [each for each in listed() if each.api == api]
        operations = list(description.operations)
        for method, template, name in operations:
            answer = call(method, _path(description.base, template), json={})
            is_named = answer.status_code == 501 and f"does not serve {name} (" in answer.text
            named += is_named
            if not is_named and (answer.status_code >= 500 or any(each in answer.text for each in _UNKNOWN)):
                unknown.append(f"{method} {template} ({name}): {answer.status_code} {answer.text[:200]}")
        unlike = [str(each) for each in sorted(found ^ listed()) if each.api == api]
        served = len(operations) - named - len(unknown)
        rows.append(Conformance(api, served, named, len(known), (*unknown, *unlike)))
    return rows


def _path(base: str, template: str) -> str:
    return base + re.sub(r"\{[^}]*\}", "none", template)


def table(rows: list[Conformance]) -> list[str]:
    """The counts as lines of text."""
    columns = ("served", "named 501", "listed deviations", "wrong")
    lines = [f"{'OpenAPI file':22}{''.join(f'{name:>20}' for name in columns)}"]
    counts = [(row.api, row.served, row.named, row.deviations, len(row.wrong)) for row in rows]
    counts.append(("all", *(sum(each[column] for each in counts) for column in range(1, 5))))
    return lines + [f"{name:22}{''.join(f'{count:>20,}' for count in rest)}" for name, *rest in counts]
