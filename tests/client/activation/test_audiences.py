from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.activation import audiences
from airflow_provider_flowservice.client.activation.audiences import ActiveSegment
from airflow_provider_flowservice.client.errors import InvalidResponseError
from airflow_provider_flowservice.client.model import Flow, SpecRef
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.clients import Client
from tests.support.faults import fault

PROFILE_SERVICE = "/data/core/ups"
SEGMENTS, AUDIENCES = f"{PROFILE_SERVICE}/segment/definitions", f"{PROFILE_SERVICE}/audiences"


@pytest.mark.parametrize("limit", [1, 4, 7, 14, 100])
def test_every_segment_is_read_once(
    client: Client, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(audiences, "PAGE_LIMIT", limit)
    found = [segment.id for segment in audiences.iterate_segments(client)]
    assert sorted(found) == sorted(control.segments)
    assert len(control.requests("GET", SEGMENTS)) == -(-len(control.segments) // limit)


@pytest.mark.parametrize("limit", [1, 4, 7, 14, 100])
def test_every_audience_is_read_once(
    client: Client, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(audiences, "PAGE_LIMIT", limit)
    found = list(audiences.iterate_audiences(client))
    assert sorted(audience.id for audience in found) == sorted(control.segments)
    assert {(audience.type, audience.namespace) for audience in found} == {
        ("SegmentDefinition", "AEPSegments")
    }
    assert len(control.requests("GET", AUDIENCES)) == -(-len(control.segments) // limit)


def test_audiences_are_found_by_a_part_of_their_name(plain_client: Client, control: EmulatorControl) -> None:
    found = [audience.name for audience in audiences.iterate_audiences(plain_client, name="customers")]
    assert sorted(found) == ["Lapsed customers", "Loyal customers"]
    (entry,) = control.requests("GET", AUDIENCES)
    assert entry["query"]["name"] == "customers"


def test_a_segment_has_its_name_and_description(plain_client: Client) -> None:
    (found,) = [s for s in audiences.iterate_segments(plain_client) if s.name == "Loyal customers"]
    assert found.description == "Seeded: Loyal customers"


def test_an_audience_from_elsewhere_has_an_id_of_its_own(
    plain_client: Client, control: EmulatorControl
) -> None:
    external = {
        "id": "uuid",
        "audienceId": "crm-17",
        "name": "From the CRM",
        "type": "ExternalSegment",
        "namespace": "CustomerAudienceUpload",
        "lifecycleState": "published",
        "somethingNew": {},
    }
    body = {"children": [external], "_page": {"totalCount": 1, "pageSize": 1}, "_links": {}}
    control.inject(fault("status", "GET", AUDIENCES, status=200, body=body))
    (found,) = audiences.iterate_audiences(plain_client)
    assert (found.id, found.audience_id, found.type) == ("uuid", "crm-17", "ExternalSegment")
    assert (found.namespace, found.lifecycle_state) == ("CustomerAudienceUpload", "published")


@pytest.mark.parametrize(
    "pages",
    [
        [{"children": [{"id": "a"}], "_page": {"next": "1"}}, {"children": [{"id": "b"}], "_page": {}}],
        [{"children": [{"id": "a"}], "_page": {"next": 1}}, {"children": [{"id": "b"}], "_page": {}}],
    ],
)
def test_pages_of_audiences_are_followed_to_their_end(
    plain_client: Client, control: EmulatorControl, pages: list[dict[str, Any]]
) -> None:
    control.inject(*(fault("status", "GET", AUDIENCES, status=200, body=page) for page in pages))
    assert [audience.id for audience in audiences.iterate_audiences(plain_client)] == ["a", "b"]
    assert [entry["query"]["start"] for entry in control.requests("GET", AUDIENCES)] == ["0", "1"]
    assert control.faults_left() == []


def test_a_page_of_audiences_that_leads_back_to_itself_is_an_error(
    plain_client: Client, control: EmulatorControl
) -> None:
    pages = [
        {"children": [{"id": "a"}], "_page": {"next": "1"}},
        {"children": [{"id": "a"}, {"id": "b"}], "_page": {"next": "1"}},
    ]
    control.inject(*(fault("status", "GET", AUDIENCES, status=200, body=page) for page in pages))
    with pytest.raises(InvalidResponseError, match="list of audiences refers to the same page twice"):
        list(audiences.iterate_audiences(plain_client))
    assert [entry["query"]["start"] for entry in control.requests("GET", AUDIENCES)] == ["0", "1"]
    assert control.faults_left() == []


def test_a_segment_that_moves_between_pages_is_given_once(
    plain_client: Client, control: EmulatorControl
) -> None:
    pages = [
        {"segments": [{"id": "a"}, {"id": "b"}], "page": {"totalPages": 2}, "link": {}},
        {"segments": [{"id": "b"}, {"id": "c"}], "page": {"totalPages": 2}, "link": {}},
    ]
    control.inject(*(fault("status", "GET", SEGMENTS, status=200, body=page) for page in pages))
    assert [segment.id for segment in audiences.iterate_segments(plain_client)] == ["a", "b", "c"]


@pytest.mark.parametrize("body", [{"segments": []}, {"segments": [], "page": {"totalPages": 0}}])
def test_an_empty_list_has_no_segments(
    plain_client: Client, control: EmulatorControl, body: dict[str, Any]
) -> None:
    control.inject(fault("status", "GET", SEGMENTS, status=200, body=body))
    assert list(audiences.iterate_segments(plain_client)) == []


# --- the segments of a flow, with their names ------------------------------------------------------------------


def flow_with(*values: dict[str, Any]) -> Flow:
    """A flow on which segments are active, in two transformations."""
    half = len(values) // 2
    parts = [[{"value": value} for value in part] for part in (values[:half], values[half:])]
    transformations = tuple({"params": {"segmentSelectors": {"selectors": part}}} for part in parts)
    return Flow(id="f", flow_spec=SpecRef(id="s"), transformations=transformations)


def test_names_in_the_flow_need_no_request(plain_client: Client, control: EmulatorControl) -> None:
    external = {"id": "crm-17", "systemSegmentId": "U-1", "namespace": "x", "name": "From the CRM"}
    flow = flow_with({"id": "b", "name": "B"}, external, {"id": "a", "name": "A"}, {"id": "B", "name": "B"})
    assert audiences.active_segments(plain_client, flow) == (
        ActiveSegment("B", "B", "B"),
        ActiveSegment("crm-17", "U-1", "From the CRM"),
        ActiveSegment("a", "a", "A"),
    )
    assert audiences.active_segments(plain_client, flow_with()) == ()
    assert control.requests() == []


@pytest.mark.parametrize("name", [None, "", 5])
def test_other_names_are_looked_up_together_until_all_are_found(
    plain_client: Client, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch, name: Any
) -> None:
    monkeypatch.setattr(audiences, "PAGE_LIMIT", 4)
    listed = [audience.id for audience in audiences.iterate_audiences(plain_client)]
    names = {segment: name for name, segment in control.segments_by_name.items()}
    control.clear_requests()
    flow = flow_with(
        {"id": listed[5].upper(), "name": name}, {"id": "in the flow", "name": "N"}, {"id": listed[0]}
    )
    assert audiences.active_segments(plain_client, flow) == (
        ActiveSegment(listed[5].upper(), listed[5].upper(), names[listed[5]]),
        ActiveSegment("in the flow", "in the flow", "N"),
        ActiveSegment(listed[0], listed[0], names[listed[0]]),
    )
    assert len(control.requests("GET", AUDIENCES)) == 2


def test_an_external_audience_is_known_by_aeps_id(plain_client: Client, control: EmulatorControl) -> None:
    body = {
        "children": [
            {"id": "crm-17", "name": "wrong"},
            {"id": "u-1", "audienceId": "crm-17", "name": "right"},
        ],
        "_page": {},
    }
    control.inject(fault("status", "GET", AUDIENCES, status=200, body=body))
    (found,) = audiences.active_segments(plain_client, flow_with({"id": "crm-17", "systemSegmentId": "U-1"}))
    assert found == ActiveSegment("crm-17", "U-1", "right")


def test_a_segment_that_aep_does_not_list_has_no_name(plain_client: Client, control: EmulatorControl) -> None:
    flow = flow_with({"id": control.segments[0]}, {"id": "gone"})
    assert [segment.name is None for segment in audiences.active_segments(plain_client, flow)] == [
        False,
        True,
    ]
