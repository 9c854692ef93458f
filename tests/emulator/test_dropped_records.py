"""What an inlet accepts and AEP then drops: the reason shows with the message and in the metrics of a run."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.conftest import CATALOG, REGISTRY, Api, Streaming

PERSON = {"person": {"name": {"firstName": "Ada"}}}
MISFIT = {"person": {"name": {"firstName": 7}}}


@pytest.fixture
def streaming(api: Api) -> Streaming:
    streaming = Streaming(api)
    streaming.settle()
    return streaming


def runs(streaming: Streaming) -> list[dict[str, Any]]:
    """The runs of the flow, most recent first."""
    return list(streaming.api.get("/runs", property=f"flowId=={streaming.flow_id}").json()["items"])


def counts(run: dict[str, Any]) -> tuple[int, int, int]:
    records = run["metrics"]["recordSummary"]
    return tuple(records[f"{name}RecordCount"] for name in ("input", "output", "failed"))  # type: ignore[return-value]


def to_flow(streaming: Streaming) -> dict[str, str]:
    return {"x-adobe-flow-id": streaming.flow_id}


def test_a_record_of_a_wrong_type_is_dropped(streaming: Streaming) -> None:
    assert streaming.send(streaming.envelope(**MISFIT)).status_code == 200
    assert streaming.send(streaming.envelope(**PERSON)).status_code == 200
    first, second = streaming.messages()
    assert first["reason"] == (
        "the record does not fit its schema at #/person/name/firstName: 7 is not of type 'string'"
    )
    assert second["reason"] is None


def test_an_empty_string_below_the_least_length_is_dropped(api: Api) -> None:
    streaming = Streaming(api)
    group = {
        "type": "object",
        "title": "Codes",
        "meta:intendedToExtend": ["https://ns.adobe.com/xdm/context/profile"],
        "properties": {
            "_emulator": {"type": "object", "properties": {"code": {"type": "string", "minLength": 1}}}
        },
    }
    group_id = api.create(f"{REGISTRY}/tenant/fieldgroups", group)["$id"]
    added = {"op": "add", "path": "/allOf/-", "value": {"$ref": group_id}}
    changed = api.call(
        "PATCH", f"{REGISTRY}/tenant/schemas/{quote(streaming.schema_id, safe='')}", json=[added]
    )
    assert changed.status_code == 200, changed.text
    streaming.settle()
    streaming.send(streaming.envelope(_emulator={"code": ""}))
    streaming.send(streaming.envelope(_emulator={"code": "a"}))
    first, second = streaming.messages()
    assert "#/_emulator/code" in first["reason"]
    assert second["reason"] is None


def test_a_mapped_record_is_held_against_the_schema_of_its_target(api: Api) -> None:
    streaming = Streaming(api, "raw", mapped=True)
    streaming.settle()
    streaming.send({"first": 7, "mail": "ada@example.com"}, **to_flow(streaming))
    streaming.send({"first": "Ada", "mail": 7, "other": 7}, **to_flow(streaming))
    streaming.send({"first": "Ada"}, **to_flow(streaming))
    assert [(each["reason"] or "").partition(":")[0] for each in streaming.messages()] == [
        "the record does not fit its schema at #/person/name/firstName",
        "the record does not fit its schema at #/workEmail/address",
        "",
    ]


def test_what_goes_to_a_profile_without_a_union_is_dropped(api: Api, streaming: Streaming) -> None:
    api.control.set_switches(profile_without_union="accept")
    tags = [{"op": "add", "path": "/tags/unifiedProfile", "value": ["enabled:true"]}]
    assert api.call("PATCH", f"{CATALOG}/dataSets/{streaming.dataset_id}", json=tags).status_code == 200
    streaming.send(streaming.envelope(**PERSON))
    assert api.enable(streaming.schema_id).status_code == 200
    streaming.send(streaming.envelope(**PERSON))
    first, second = streaming.messages()
    assert first["reason"] == (
        f"the dataset {streaming.dataset_id} is enabled for Profile, but its schema {streaming.schema_id} is not"
    )
    assert second["reason"] is None


def test_a_changed_schema_decides_at_once(api: Api, streaming: Streaming) -> None:
    streaming.send(streaming.envelope(homePhone={"number": 7}))
    path = f"{REGISTRY}/tenant/schemas/{quote(streaming.schema_id, safe='')}"
    group = {"$ref": "https://ns.adobe.com/xdm/context/profile-personal-details"}
    assert (
        api.call("PATCH", path, json=[{"op": "add", "path": "/allOf/-", "value": group}]).status_code == 200
    )
    streaming.send(streaming.envelope(homePhone={"number": 7}))
    assert [each["dropped"] for each in streaming.messages()] == [False, True]


def test_a_run_counts_what_arrived_and_what_was_dropped(streaming: Streaming) -> None:
    bodies = [PERSON, MISFIT, PERSON]
    sent = streaming.send({"messages": [streaming.envelope(**each) for each in bodies]}, batch=True)
    assert sent.status_code == 207
    streaming.send(streaming.envelope(**PERSON))
    (running,) = runs(streaming)
    assert running["state"] != "partialSuccess"
    streaming.api.control.advance(60)
    (run,) = runs(streaming)
    assert (run["state"], counts(run)) == ("partialSuccess", (4, 3, 1))
    assert [each["message"] for each in run["metrics"]["statusSummary"]["errors"]] == [
        streaming.messages()[1]["reason"]
    ]


def test_the_next_record_after_its_end_starts_another_run(streaming: Streaming) -> None:
    streaming.send(streaming.envelope(**PERSON))
    streaming.api.control.advance(60)
    streaming.send(streaming.envelope(**MISFIT))
    streaming.api.control.advance(60)
    assert [(each["state"], counts(each)) for each in runs(streaming)] == [
        ("failed", (1, 0, 1)),
        ("success", (1, 1, 0)),
    ]


def test_a_batch_that_is_refused_starts_no_run(streaming: Streaming) -> None:
    assert streaming.send({"messages": [{"n": 1}]}, batch=True).status_code == 207
    assert runs(streaming) == []
