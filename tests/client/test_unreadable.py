"""Objects in a list that have another shape than documented: they hide no other object, and no create overlooks one."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.activation import audiences, resolve
from airflow_provider_flowservice.client.activation.segments import read_segments
from airflow_provider_flowservice.client.datasets import datasets, mapping_sets, schemas
from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.ensure.create import ensure
from airflow_provider_flowservice.client.errors import InvalidInputError, InvalidResponseError
from airflow_provider_flowservice.client.flows import delete_unshared, find_spec
from airflow_provider_flowservice.client.flows.runs import NewestRuns, Window, start_run
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.fuzz import kinds
from tests.support.aep import FLOW_SERVICE, kinesis, make, profile_store, writes
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.streaming import CATALOG, DATA_PREP, SCHEMA_REGISTRY, customers, mapping_set

UPS = "/data/core/ups"
CONNECTION = {**kinds.CONNECTION, "connectionSpec": {"id": kinesis().spec_id}}
AUDIENCE = {"id": kinds.SEGMENT, "name": "n"}
#: Path, a response with an object that can be read and one of the given name that cannot, and how to read the list.
LISTS: dict[str, Any] = {
    "connections": (
        f"{FLOW_SERVICE}/connections",
        lambda name: {"items": [CONNECTION, {**CONNECTION, "id": "broken", "name": name, "description": 5}]},
        lambda sender: iterate(sender, request.CONNECTIONS),
    ),
    "schemas": (
        f"{SCHEMA_REGISTRY}/tenant/schemas",
        lambda name: {
            "results": [kinds.SCHEMA, {**kinds.SCHEMA, "$id": "broken", "title": name, "allOf": 5}]
        },
        schemas.iterate,
    ),
    "datasets": (
        f"{CATALOG}/dataSets",
        lambda name: {"i": kinds.DATASET, "broken": {**kinds.DATASET, "name": name, "created": "x"}},
        datasets.iterate,
    ),
    "mapping sets": (
        f"{DATA_PREP}/mappingSets",
        lambda name: {
            "data": [kinds.MAPPING_SET, {**kinds.MAPPING_SET, "id": "broken", "name": name, "version": "x"}]
        },
        mapping_sets.iterate,
    ),
    "audiences": (
        f"{UPS}/audiences",
        lambda name: {"children": [AUDIENCE, {"id": "broken", "name": name, "type": 5}]},
        audiences.iterate_audiences,
    ),
    "segments": (
        f"{UPS}/segment/definitions",
        lambda name: {"segments": [AUDIENCE, {"id": "broken", "name": name, "description": 5}]},
        audiences.iterate_segments,
    ),
}
#: What shall exist under the name "mine", by the list in which a create looks for it.
WANTED: dict[str, Any] = {
    "connections": kinesis("mine"),
    "schemas": customers("mine"),
    "datasets": DesiredDataset(name="mine", schema_id="s"),
    "mapping sets": mapping_set("s", name="mine"),
}


def answering(control: EmulatorControl, path: str, body: Any, times: int = 99) -> None:
    control.inject(fault("status", "GET", path, times=times, status=200, body=body))


@pytest.mark.parametrize("name", sorted(LISTS))
def test_what_cannot_be_read_is_skipped_with_a_warning(
    client: Client, control: EmulatorControl, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path, page, read = LISTS[name]
    answering(control, path, page("n"))
    assert len(list(read(client))) == 1
    (warning,) = caplog.records
    assert "broken ('n')" in warning.message
    assert path in warning.message


@pytest.mark.parametrize("name", sorted(LISTS))
@pytest.mark.parametrize("body", [{}, {"message": "no list"}, "null", [], 5], ids=str)
def test_a_response_without_a_list_is_no_empty_list(
    plain_client: Client, control: EmulatorControl, name: str, body: Any
) -> None:
    path, _, read = LISTS[name]
    answering(control, path, body)
    if name == "datasets" and body == {}:
        assert list(read(plain_client)) == []
    elif name == "datasets" and isinstance(body, dict):
        # An object without datasets looks like one whose datasets cannot be read: no create overlooks them.
        with pytest.raises(InvalidResponseError):
            ensure(plain_client, WANTED[name])
    else:
        with pytest.raises(InvalidResponseError):
            list(read(plain_client))


@pytest.mark.parametrize("name", sorted(WANTED))
@pytest.mark.parametrize("called", ["mine", 5, ["mine"]], ids=str)
def test_a_create_makes_nothing_beside_what_could_be_the_same(
    plain_client: Client, control: EmulatorControl, name: str, called: Any
) -> None:
    path, page, _ = LISTS[name]
    answering(control, path, page(called))
    with pytest.raises(InvalidResponseError, match=r"^broken .* could be what is looked for"):
        ensure(plain_client, WANTED[name])
    assert control.requests("POST", path) == []


@pytest.mark.parametrize("called", ["other", None, ""])
def test_a_create_is_not_held_up_by_what_has_another_name_or_none(
    plain_client: Client, control: EmulatorControl, called: Any
) -> None:
    path, page, _ = LISTS["connections"]
    answering(control, path, page(called), times=1)
    assert ensure(plain_client, WANTED["connections"]).created


def test_a_mapping_set_without_a_name_could_be_any(plain_client: Client, control: EmulatorControl) -> None:
    path, page, _ = LISTS["mapping sets"]
    answering(control, path, page("other"))
    with pytest.raises(InvalidResponseError, match=r"^broken"):
        ensure(plain_client, mapping_set("s", name=""))


def test_a_segment_is_not_found_beside_what_could_be_the_same(
    plain_client: Client, control: EmulatorControl
) -> None:
    path, page, _ = LISTS["audiences"]
    answering(control, path, page("n"))
    with pytest.raises(InvalidResponseError, match=r"^broken"):
        resolve(plain_client, read_segments([{"name": "n"}]))


def test_a_spec_is_not_found_beside_what_could_be_the_same(
    plain_client: Client, control: EmulatorControl
) -> None:
    answering(control, f"{FLOW_SERVICE}/flowSpecs", {"items": [{"id": "s", "name": "n"}, {"id": 5}]})
    # A spec without a name has another one.
    assert find_spec(plain_client, request.FLOW_SPECS, "n").id == "s"
    control.clear_faults()
    answering(control, f"{FLOW_SERVICE}/flowSpecs", {"items": [{"id": "s", "name": "n"}, 5]})
    with pytest.raises(InvalidResponseError, match=r"^an object without an id"):
        find_spec(plain_client, request.FLOW_SPECS, "n")


def test_a_connection_is_not_deleted_if_what_uses_it_cannot_be_read(
    plain_client: Client, control: EmulatorControl, caplog: pytest.LogCaptureFixture
) -> None:
    made = make(plain_client, profile_store())
    answering(control, f"{FLOW_SERVICE}/sourceConnections", {"items": [{"id": "user"}]}, times=1)
    assert not delete_unshared(plain_client, request.CONNECTIONS, made)
    assert "is used by user" in caplog.text
    assert ("DELETE", f"connections/{made}") not in writes(control)
    assert [each["id"] for each in control.state()["connections"]] == [made]


def test_no_second_run_is_started_beside_what_could_be_the_first(
    plain_client: Client, control: EmulatorControl
) -> None:
    control.inject(fault("status", "POST", "runs", times=99, status=503))
    answering(control, f"{FLOW_SERVICE}/runs", {"items": [{"id": "r", "createdAt": "x"}]})
    with pytest.raises(InvalidResponseError, match=r"^r "):
        start_run(plain_client, "f", Window(1, 2), NewestRuns())
    assert len(control.requests("POST", "/runs")) == 1
    with pytest.raises(InvalidResponseError, match=r"^r "):
        NewestRuns.read(plain_client, "f")


def test_full_pages_that_cannot_be_read_do_not_end_a_list(
    plain_client: Client, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "PAGE_LIMIT", 2)
    path = f"{CATALOG}/dataSets"
    answering(control, path, {"a": 5, "b": 5}, times=1)
    answering(control, path, {"c": kinds.DATASET}, times=1)
    assert [each.id for each in datasets.iterate(plain_client)] == ["c"]


def test_pages_that_cannot_be_read_and_repeat_are_an_error(
    plain_client: Client, control: EmulatorControl
) -> None:
    following = {"next": {"href": "/x?continuationToken=c"}}
    answering(control, f"{FLOW_SERVICE}/flows", {"items": [5], "_links": following})
    with pytest.raises(InvalidResponseError, match="repeats a page"):
        list(iterate(plain_client, request.FLOWS))
    assert len(control.requests("GET", "/flows")) == 2


@pytest.mark.parametrize("resource_id", ["", ".", ".."])
def test_no_id_leads_to_another_resource(resource_id: str) -> None:
    for build in (
        lambda: request.delete(request.FLOWS, resource_id),
        lambda: WANTED["datasets"].delete(resource_id),
        lambda: WANTED["schemas"].delete(resource_id),
        lambda: WANTED["mapping sets"].delete(resource_id),
    ):
        with pytest.raises(InvalidInputError, match="is not an id"):
            build()


@pytest.mark.parametrize("odd", ["\x1b[31mX\nERROR forged", "\u202eevil", "", "x" * 1001], ids=ascii)
def test_an_id_that_could_forge_a_log_is_none(
    plain_client: Client, control: EmulatorControl, caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    path, page, read = LISTS["connections"]
    document = page("n" * 2000)
    document["items"][1] = {"id": odd, "name": f"n{odd}"}
    answering(control, path, document, times=1)
    assert len(list(read(plain_client))) == 1
    (warning,) = caplog.records
    assert warning.message.isprintable()
    assert len(warning.message) < 3000
    control.inject(fault("status", "POST", "connections", status=201, body={"id": odd}))
    with pytest.raises(InvalidResponseError) as caught:
        plain_client.send(kinesis("mine").create())
    assert caught.value.message.isprintable()
