"""Unusual flows, built through the emulator's API, taken over: the printed DAG changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.datasets import FieldMapping, get_mapping_set
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import FLOWS, SOURCE_CONNECTIONS, TARGET_CONNECTIONS, Request
from airflow_provider_flowservice.client.model import Operation
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.print_dag.printed import Printed
from tests.support.aep import (
    KINESIS_SECRET,
    kinesis,
    make,
    make_ends,
    make_flow,
    profile_flow,
    profile_store,
    profiles,
    stream,
)
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.support.files import S3, exported, make_columns, make_file_ends, make_file_flow
from tests.support.streaming import mapping_set, open_source

KINESIS = {"id": specs.AMAZON_KINESIS, "version": "1.0"}
PROFILES = {"id": specs.UNIFIED_PROFILE_SERVICE, "version": "1.0"}
WEIRD = 'It\'s "{{ ds }}" {% raw %} {# no #} \\ \u2013 \u00fc \u540d\u524d \U0001f600\r\nsecond line\n'
SECRET = "s3cr3t-of-a-target"
Builder = Callable[[FlowServiceHook, EmulatorControl], str]


def with_two_targets(hook: FlowServiceHook, control: EmulatorControl) -> str:
    source, target = make_ends(hook)
    other = make(hook, stream(make(hook, kinesis("another")), "another", "others"))
    return make(
        hook, msgspec.structs.replace(profile_flow(source, target), target_connection_ids=[target, other])
    )


def with_two_targets_of_one_account(hook: FlowServiceHook, control: EmulatorControl) -> str:
    source = make(hook, profiles(make(hook, profile_store())))
    account = make(hook, kinesis())
    targets = [make(hook, stream(account, "same name", name)) for name in ("one", "two")]
    return make(
        hook, msgspec.structs.replace(profile_flow(source, targets[0]), target_connection_ids=targets)
    )


def with_null_params(hook: FlowServiceHook, control: EmulatorControl) -> str:
    base = make(hook, profile_store())
    body = {
        "name": "profiles",
        "connectionSpec": PROFILES,
        "baseConnectionId": base,
        "params": None,
        "data": None,
    }
    source = hook.create(SOURCE_CONNECTIONS, body).id
    _, target = make_ends(hook)
    return make(hook, profile_flow(source, target))


def with_weird_names(hook: FlowServiceHook, control: EmulatorControl) -> str:
    source = make(hook, profiles(make(hook, profile_store(WEIRD)), WEIRD, description=WEIRD))
    target = make(hook, stream(make(hook, kinesis(WEIRD)), WEIRD, WEIRD))
    return make(hook, profile_flow(source, target, WEIRD, description=WEIRD))


def with_long_params(hook: FlowServiceHook, control: EmulatorControl) -> str:
    source = make(hook, profiles(make(hook, profile_store())))
    body = {
        "name": "stream",
        "connectionSpec": KINESIS,
        "baseConnectionId": make(hook, kinesis()),
        "params": {
            "stream": "word " * 200,
            "region": "x" * 500,
            "nested": {"list": [WEIRD, {"deep": [1, 2.5, None, True, "a" * 130]}], "empty": {}},
        },
    }
    return make(hook, profile_flow(source, hook.create(TARGET_CONNECTIONS, body).id))


def without_a_name(hook: FlowServiceHook, control: EmulatorControl) -> str:
    source, target = make_ends(hook)
    flow_id = make(hook, profile_flow(source, target, " "))
    hook.activate_segments(flow_id, control.segments[:1])
    return flow_id


def that_is_disabled(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_flow(hook)
    hook.activate_segments(flow_id, control.segments[:3], ["person.name.firstName"])
    hook.set_flow_state(flow_id, "disabled")
    return flow_id


def that_is_a_draft(hook: FlowServiceHook, control: EmulatorControl) -> str:
    base = hook.send(kinesis(draft=True).create()).id
    target = hook.send(stream(base, draft=True).create()).id
    source, _ = make_ends(hook)
    return hook.send(profile_flow(source, target, draft=True).completed(hook).create()).id


def with_nothing_active(hook: FlowServiceHook, control: EmulatorControl) -> str:
    return make_flow(hook)


def to_files(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_file_flow(hook)
    first, second = control.segments[:2]
    hook.activate_segments(
        flow_id, [exported(first, endDate="2100-02-01"), exported(second, startTime="11:30")]
    )
    return flow_id


def to_files_with_a_mapping_set(hook: FlowServiceHook, control: EmulatorControl) -> str:
    source, target = make_file_ends(hook)
    settings = {"profileMapping": make_columns(hook), "mandatoryFields": ["email"]}
    flow = msgspec.structs.replace(profile_flow(source, target), spec_id=S3.flow_spec_id, settings=settings)
    return make(hook, flow)


def with_an_external_audience(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_flow(hook)
    audience = {"id": "Loyal {{ ds }}", "systemSegmentId": control.segments[0], "namespace": "AO"}
    hook.activate_segments(flow_id, [audience, control.segments[1]])
    return flow_id


def from_files(hook: FlowServiceHook, control: EmulatorControl) -> str:
    return make_batch_flow(hook, "hour", interval=3)


def from_http(hook: FlowServiceHook, control: EmulatorControl) -> str:
    return open_source(hook, "raw", authenticated=True).flow_id


def _from_files_with(hook: FlowServiceHook, *names: str) -> str:
    """A flow from files with these transformations."""
    flow = hook.get(FLOWS, make_batch_flow(hook))
    schema_id = str(hook.get(TARGET_CONNECTIONS, flow.target_connection_ids[0]).data["schema"]["id"])  # type: ignore[index]
    mapping = {"mappingId": hook.send(mapping_set(schema_id).create()).id, "mappingVersion": 0}
    params = {"Copy": {"mode": "all {{ ds }}"}, "Mapping": mapping}
    held = [{"name": name, "params": params[name]} for name in names]
    hook.patch(FLOWS, flow.id, flow.etag or "", [Operation(op="add", path="/transformations", value=held)])
    return flow.id


def with_the_mapping_first(hook: FlowServiceHook, control: EmulatorControl) -> str:
    return _from_files_with(hook, "Mapping", "Copy")


def with_the_mapping_last(hook: FlowServiceHook, control: EmulatorControl) -> str:
    return _from_files_with(hook, "Copy", "Mapping")


def with_an_older_version_of_its_mapping_set(hook: FlowServiceHook, control: EmulatorControl) -> str:
    source = open_source(hook, "raw")
    made = hook.get(FLOWS, source.flow_id).transformations[0]["params"]["mappingId"]
    other = mapping_set(source.schema_id, FieldMapping("first", "person.name.firstName"))
    hook.ensure(other, "update", adopt_id=made)
    return source.flow_id


def _show(control: EmulatorControl, kind: str, object_id: str, **changes: Any) -> None:
    """Let reads of an object show it with changes, as if AEP had it so."""
    (held,) = (each for each in control.state()[kind] if each["id"] == object_id)
    body = {"items": [{**held, **changes}]}
    for each in (object_id, object_id.upper()):
        control.inject(fault("status", "GET", f"{kind}/{each}", times=1000, status=200, body=body))


def with_upper_case_ids(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_flow(hook)
    hook.activate_segments(flow_id, control.segments[:2])
    state = control.state()
    for kind in ("connections", "sourceConnections", "targetConnections", "flows"):
        for held in state[kind]:
            capitals: dict[str, Any] = {"id": held["id"].upper()}
            for name in ("connectionSpec", "flowSpec"):
                capitals |= {name: {**held[name], "id": held[name]["id"].upper()}} if name in held else {}
            for name in ("sourceConnectionIds", "targetConnectionIds"):
                capitals |= {name: [each.upper() for each in held[name]]} if name in held else {}
            if "baseConnectionId" in held:
                capitals["baseConnectionId"] = held["baseConnectionId"].upper()
            if kind == "flows":
                text = json.dumps(held["transformations"])
                for segment in control.segments[:2]:
                    text = text.replace(segment, segment.upper())
                capitals["transformations"] = json.loads(text)
            _show(control, kind, held["id"], **capitals)
    return flow_id.upper()


def without_transformations(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_flow(hook)
    _show(control, "flows", flow_id, transformations=None)
    return flow_id


def with_a_base_connection_that_is_gone(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_flow(hook)
    (target,) = control.state()["targetConnections"]
    control.inject(
        fault("status", "GET", f"connections/{target['baseConnectionId']}", times=1000, status=404, body={})
    )
    return flow_id


def with_what_looks_like_a_credential(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_flow(hook)
    (target,) = control.state()["targetConnections"]
    params = {
        **target["params"],
        "apiToken": SECRET,
        "link": f"https://host/?sig={SECRET}",
        "mask": "********",
    }
    _show(control, "targetConnections", target["id"], params=params)
    return flow_id


def with_a_mapping_set_that_has_more(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = open_source(hook, "raw").flow_id
    path = get_mapping_set(hook.get(FLOWS, flow_id).transformations[0]["params"]["mappingId"]).path
    held = hook.send(Request("GET", path, lambda received: json.loads(received.body)))
    held["mappings"][0]["identity"] = True
    control.inject(
        fault("status", "GET", path, times=1000, status=200, body={**held, "inputSchema": {"id": "x"}})
    )
    return flow_id


def from_http_as_xdm(hook: FlowServiceHook, control: EmulatorControl) -> str:
    return open_source(hook, "xdm").flow_id


#: What the emulator only shows so, for the one flow that it has.
SHOWN: list[Builder] = [
    with_upper_case_ids,
    without_transformations,
    with_a_base_connection_that_is_gone,
    with_what_looks_like_a_credential,
    with_a_mapping_set_that_has_more,
]
MADE: list[Builder] = [
    with_two_targets,
    with_two_targets_of_one_account,
    with_null_params,
    with_weird_names,
    with_long_params,
    without_a_name,
    that_is_disabled,
    that_is_a_draft,
    with_nothing_active,
    with_an_external_audience,
    to_files,
    to_files_with_a_mapping_set,
    from_files,
    from_http,
    from_http_as_xdm,
    with_the_mapping_first,
    with_the_mapping_last,
    with_an_older_version_of_its_mapping_set,
]


@pytest.mark.parametrize("build", MADE + SHOWN, ids=lambda build: build.__name__)
def test_a_run_of_what_was_printed_sends_no_write(
    printed: Printed, control: EmulatorControl, hook: FlowServiceHook, build: Builder
) -> None:
    flow_id = build(hook, control)
    state = control.state()
    control.clear_requests()
    printed.print(flow_id)
    assert {each["method"] for each in control.requests()} == {"GET"}
    text = printed.path(flow_id).read_text()
    assert not [secret for secret in (KINESIS_SECRET, SECRET, "***") if secret in text]
    ran = printed.run_flow(flow_id)
    assert ran.succeeded, ran.errors
    assert ran.sent == []
    assert control.state() == state


def test_how_to_publish_a_draft_is_said(
    printed: Printed, control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow_id = that_is_a_draft(hook, control)
    printed.print(flow_id)
    assert "add FlowServicePublishFlowOperator" in printed.path(flow_id).read_text().replace("\n    # ", " ")


def test_what_an_update_would_drop_is_not_taken_over(
    printed: Printed, control: EmulatorControl, hook: FlowServiceHook, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id = with_a_mapping_set_that_has_more(hook, control)
    printed.print(flow_id)
    assert "its inputSchema, mappings.identity, and would drop it" in capsys.readouterr().err
    assert "FlowServiceCreateMappingSetOperator" not in printed.path(flow_id).read_text()
