"""What the provider sends and the emulator answers, held against Adobe's OpenAPI descriptions.

The descriptions are no part of this repository; see ``support/conformance.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from airflow_provider_flowservice.emulator import unserved
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.emulator.conftest import Api
from tests.support.conformance import (
    LISTED,
    conformance,
    descriptions,
    deviations,
    listed,
    needs_descriptions,
    recorded,
)
from tests.support.openapi import Deviation


@pytest.fixture(scope="module")
def found() -> Iterator[set[Deviation]]:
    with recorded() as exchanges:
        yield deviations(exchanges)


@pytest.fixture
def api() -> Iterator[Api]:
    with EmulatorServer() as emulator:
        api = Api(emulator.url, emulator.control)
        api.log_in()
        yield api
        api.session.close()


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


@needs_descriptions
def test_every_described_operation_is_served_or_named(api: Api) -> None:
    wrong = [each for row in conformance(listed(), api.call) for each in row.wrong]
    assert not wrong, "\n".join(wrong)


@needs_descriptions
def test_what_is_named_is_described_and_is_not_served(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    described = {name for each in descriptions().values() for _, _, name in each.operations}
    assert {name for _, _, name in unserved.OPERATIONS} <= described
    monkeypatch.setattr(unserved, "unserved_operation", lambda *_: None)
    for method, path, name in unserved.OPERATIONS:
        assert api.call(method, path.replace("*", "none"), json={}).status_code in (404, 405), name
