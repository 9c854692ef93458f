from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidResponseError, ServerError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.aep import make, profile_store
from tests.support.clients import Client
from tests.support.faults import fault

SPEC = {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}


def connection(number: int) -> dict[str, Any]:
    return {"id": f"c-{number}", "name": str(number), "connectionSpec": SPEC}


def page_of(*numbers: int, token: str | None = None) -> dict[str, Any]:
    links = {"next": {"href": f"/connections?continuationToken={token}"}} if token else {}
    return {"items": [connection(number) for number in numbers], "_links": links}


def serve(emulator: EmulatorServer, *pages: dict[str, Any]) -> None:
    """Let the emulator answer the next lists with these pages."""
    emulator.control.inject(*(fault("status", "GET", "connections", status=200, body=page) for page in pages))


def listed(client: Client, **arguments: Any) -> list[str]:
    return [found.id for found in iterate(client, request.CONNECTIONS, **arguments)]


def tokens(emulator: EmulatorServer) -> list[str | None]:
    return [entry["query"].get("continuationToken") for entry in emulator.control.requests("GET")]


@pytest.mark.parametrize("form", ["plain", "padded"])
@pytest.mark.parametrize("last_page_links", ["empty", "absent"])
def test_a_list_is_read_to_its_end(
    client: Client, emulator: EmulatorServer, last_page_links: str, form: str
) -> None:
    emulator.control.set_switches(last_page_links=last_page_links, continuation_token=form)
    made = {make(client, profile_store(f"c {number}")) for number in range(request.PAGE_LIMIT + 1)}
    found = listed(client)
    assert len(found) == len(made)
    assert set(found) == made
    first, second = tokens(emulator)
    assert first is None
    assert second
    assert second.endswith("=") is (form == "padded")


def test_an_empty_list_is_one_call(client: Client, emulator: EmulatorServer) -> None:
    assert listed(client) == []
    assert tokens(emulator) == [None]


def test_a_page_is_read_only_when_it_is_needed(plain_client: Client, emulator: EmulatorServer) -> None:
    serve(emulator, page_of(1, token="next"))
    found = iterate(plain_client, request.CONNECTIONS)
    assert next(found).id == "c-1"
    assert tokens(emulator) == [None]


def test_filters_and_order_go_with_every_page(plain_client: Client, emulator: EmulatorServer) -> None:
    serve(emulator, page_of(1, token="a%3D%3D"), page_of(2))
    filters = (expression for expression in ("name==x", "createdAt>5"))
    assert listed(plain_client, filters=filters, order_by="-createdAt") == ["c-1", "c-2"]
    queries = [entry["query"] for entry in emulator.control.requests("GET")]
    common = {"property": ["name==x", "createdAt>5"], "orderby": "-createdAt", "limit": "100"}
    assert queries == [common, {**common, "continuationToken": "a=="}]


def test_each_is_given_once_although_the_list_grows_meanwhile(
    plain_client: Client, emulator: EmulatorServer
) -> None:
    serve(emulator, page_of(1, 2, token="a"), page_of(2, 3, token="b"), page_of(3, 4))
    assert listed(plain_client) == ["c-1", "c-2", "c-3", "c-4"]


def test_an_empty_page_in_the_middle_is_no_end(plain_client: Client, emulator: EmulatorServer) -> None:
    serve(emulator, page_of(1, token="a"), page_of(token="b"), page_of(2))
    assert listed(plain_client) == ["c-1", "c-2"]


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b", "a"]])
def test_pages_that_go_round_in_a_circle_end(
    plain_client: Client, emulator: EmulatorServer, names: list[str]
) -> None:
    serve(emulator, *(page_of(number, token=name) for number, name in enumerate(names)))
    with pytest.raises(InvalidResponseError, match="refers to the same page twice"):
        listed(plain_client)
    assert emulator.control.faults_left() == []


def test_a_page_that_is_lost_is_asked_for_again(client: Client, emulator: EmulatorServer) -> None:
    serve(emulator, page_of(1, token="a"))
    emulator.control.inject(
        fault("reset", "GET", "connections"), fault("status", "GET", "connections", status=503)
    )
    serve(emulator, page_of(2))
    assert listed(client) == ["c-1", "c-2"]
    assert tokens(emulator) == [None, "a", "a", "a"]


def test_a_list_that_cannot_be_read_to_its_end_is_no_list(
    plain_client: Client, emulator: EmulatorServer
) -> None:
    serve(emulator, page_of(1, token="a"))
    emulator.control.inject(fault("status", "GET", "connections", times=5, status=500))
    with pytest.raises(ServerError):
        listed(plain_client)
