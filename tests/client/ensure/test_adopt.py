"""Adopting objects by their ids: what AEP's user interface makes, and how AEP spells ids."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.datasets import schemas
from airflow_provider_flowservice.client.datasets.identities import PrimaryIdentity
from airflow_provider_flowservice.client.ensure import plan_create
from airflow_provider_flowservice.client.ensure.create import IfExists, ensure
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, NotFoundError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.resources import DesiredFlow
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.model import Operation
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.aep import (
    FLOW_SERVICE,
    kinesis,
    make,
    make_ends,
    profile_flow,
    profile_store,
    profiles,
    selected,
    stream,
    writes,
)
from tests.support.batch import make_batch_flow
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.streaming import customers, mapping_set

COPY: dict[str, Any] = {"name": "Copy", "params": {}}


def held(control: EmulatorControl, kind: str, object_id: str) -> dict[str, Any]:
    (found,) = [each for each in control.state()[kind] if each["id"] == object_id]
    return dict(found)


def showing(control: EmulatorControl, kind: str, object_id: str, **changes: Any) -> None:
    """Let reads of an object show it with changes, as if it had been made so."""
    found = {**held(control, kind, object_id), **changes}
    control.clear_faults()
    # A read that the client does not understand is sent again.
    control.inject(fault("status", "GET", f"{kind}/*", times=100, status=200, body={"items": [found]}))


def adopt(sender: Sender, desired: Any, adopt_id: str, if_exists: IfExists = IfExists.REUSE) -> Any:
    return ensure(sender, desired, if_exists, adopt_id=adopt_id)


def mapped(sender: Sender, position: int) -> tuple[DesiredFlow, str]:
    """A flow of files with ``Copy`` and a mapping at a position, as desired, and its id."""
    flow_id = make_batch_flow(sender)
    flow = sender.send(request.get(request.FLOWS, flow_id))
    made = sender.send(mapping_set(next(iter(schemas.iterate(sender))).id).create())
    transformations: list[dict[str, Any]] = [COPY]
    transformations.insert(
        position, {"name": "Mapping", "params": {"mappingId": made.id, "mappingVersion": 0}}
    )
    operation = Operation(op="add", path="/transformations", value=transformations)
    sender.send(request.patch(request.FLOWS, flow_id, flow.etag or "", [operation]))
    desired = DesiredFlow(
        name=flow.name,
        spec_id=flow.flow_spec.id,
        source_connection_ids=flow.source_connection_ids,
        target_connection_ids=flow.target_connection_ids,
        transformations=transformations,
        schedule_params=flow.schedule_params,
    )
    return desired, flow_id


@pytest.mark.parametrize("position", [0, 1])
def test_a_mapping_is_compared_and_changed_wherever_it_is(
    plain_client: Client, control: EmulatorControl, position: int
) -> None:
    desired, flow_id = mapped(plain_client, position)
    control.clear_requests()
    assert adopt(plain_client, desired, flow_id).id == flow_id
    assert writes(control) == []
    schema_id = next(iter(schemas.iterate(plain_client))).id
    other = plain_client.send(mapping_set(schema_id, name="other").create())
    changed: Any = copy.deepcopy(desired.transformations)
    changed[position]["params"]["mappingId"] = other.id
    wanted = msgspec.structs.replace(desired, transformations=changed)
    with pytest.raises(DriftError, match=r"mapping\.mappingId is .*, expected"):
        adopt(plain_client, wanted, flow_id)
    control.clear_requests()
    adopt(plain_client, wanted, flow_id, IfExists.UPDATE)
    (entry,) = control.requests("PATCH")
    assert entry["body"] == [
        {"op": "replace", "path": f"/transformations/{position}", "value": changed[position]}
    ]
    assert held(control, "flows", flow_id)["transformations"] == changed


def test_a_mapping_that_a_flow_has_no_place_for_is_an_error_that_says_what_to_do(
    plain_client: Client, control: EmulatorControl
) -> None:
    desired, flow_id = mapped(plain_client, 0)
    showing(control, "flows", flow_id, transformations=[COPY])
    with pytest.raises(DriftError, match=r"cannot change .* For a new one, remove adopt_id\.$"):
        adopt(plain_client, desired, flow_id, IfExists.UPDATE)


@pytest.mark.parametrize(
    "by_hand",
    [
        {"transformations": None, "scheduleParams": None},
        {"transformations": [{"name": "GeneralTransform", "params": None}]},
        {"transformations": [{"name": "Mapping", "params": None}, None]},
        {"scheduleParams": {}, "description": None},
    ],
)
def test_a_flow_with_nulls_is_adopted(
    plain_client: Client, control: EmulatorControl, by_hand: dict[str, Any]
) -> None:
    ends = make_ends(plain_client)
    flow = make(plain_client, profile_flow(*ends))
    for if_exists in (IfExists.REUSE, IfExists.UPDATE):
        control.clear_requests()
        showing(control, "flows", flow, **by_hand)
        assert adopt(plain_client, profile_flow(*ends), flow, if_exists).id == flow
        assert writes(control) == []


def test_connections_with_nulls_are_adopted(plain_client: Client, control: EmulatorControl) -> None:
    base = make(plain_client, profile_store())
    source = make(plain_client, profiles(base))
    control.clear_requests()
    showing(control, "connections", base, auth=None, description=None)
    assert adopt(plain_client, profile_store(), base).id == base
    showing(control, "connections", base, auth={"specName": "x", "params": None})
    assert adopt(plain_client, profile_store(), base).id == base
    showing(control, "sourceConnections", source, params=None)
    assert adopt(plain_client, profiles(base), source).id == source
    showing(control, "sourceConnections", source, data=None)
    with pytest.raises(DriftError, match=r"data\.format is None, expected 'json'"):
        adopt(plain_client, profiles(base), source)
    assert writes(control) == []


def test_the_order_of_two_targets_does_not_matter(plain_client: Client, control: EmulatorControl) -> None:
    source, first = make_ends(plain_client)
    second = make(plain_client, stream(make(plain_client, kinesis("second")), "second"))
    flow = make(plain_client, profile_flow(source, first))
    showing(control, "flows", flow, targetConnectionIds=[first, second])
    both = msgspec.structs.replace(profile_flow(source, first), target_connection_ids=[second, first])
    assert adopt(plain_client, both, flow).id == flow
    control.clear_faults()
    with pytest.raises(DriftError, match="targetConnectionIds is "):
        adopt(plain_client, both, flow)


def test_numbers_in_a_schedule_may_be_strings(plain_client: Client, control: EmulatorControl) -> None:
    ends = make_ends(plain_client)
    flow = make(plain_client, profile_flow(*ends))
    showing(
        control, "flows", flow, scheduleParams={"startTime": "4000000000", "interval": 1, "backfill": "true"}
    )
    schedule = {"startTime": 4_000_000_000, "interval": "1", "backfill": True}
    assert adopt(plain_client, profile_flow(*ends, schedule_params=schedule), flow).id == flow


def test_selectors_are_neither_compared_nor_changed(plain_client: Client, control: EmulatorControl) -> None:
    ends = make_ends(plain_client)
    flow = make(plain_client, profile_flow(*ends))
    control.inject(fault("conflict", "GET", f"flows/{flow}", segment_id="theirs"))
    plain_client.send(request.get(request.FLOWS, flow))
    adopt(plain_client, profile_flow(*ends), flow)
    adopt(plain_client, profile_flow(*ends, "new name", description="new"), flow, IfExists.UPDATE)
    found = held(control, "flows", flow)
    assert (found["name"], found["description"]) == ("new name", "new")
    assert selected(found) == (["theirs"], [])


def test_a_new_name_that_aep_confirms_and_does_not_show_is_an_error(
    plain_client: Client, control: EmulatorControl
) -> None:
    ends = make_ends(plain_client)
    flow = make(plain_client, profile_flow(*ends))
    control.set_switches(silent_patch=True)
    with pytest.raises(DriftError, match=r"confirmed .*name is 'flow', expected 'new name'"):
        adopt(plain_client, profile_flow(*ends, "new name"), flow, IfExists.UPDATE)


def test_a_draft_is_adopted_and_stays_one(plain_client: Client, control: EmulatorControl) -> None:
    base = make(plain_client, profile_store())
    draft = plain_client.send(profiles(base, draft=True).create()).id
    control.clear_requests()
    for desired in (profiles(base), profiles(base, draft=True)):
        assert adopt(plain_client, desired, draft).id == draft
    assert writes(control) == []
    assert held(control, "sourceConnections", draft)["state"] == "draft"


def test_ids_are_the_same_in_upper_and_lower_case(plain_client: Client, control: EmulatorControl) -> None:
    source, target = make_ends(plain_client)
    flow = make(plain_client, profile_flow(source, target))
    desired = profile_flow(source.upper(), target)
    for shown in ({}, {"id": flow.upper(), "targetConnectionIds": [target.upper()]}):
        showing(control, "flows", flow, **shown)
        adopted = adopt(plain_client, desired, flow.upper())
        # The id is as AEP spells it, whatever was asked for.
        assert adopted.id == shown.get("id", flow)
    base = held(control, "targetConnections", target)["baseConnectionId"]
    showing(control, "targetConnections", target, baseConnectionId=base.upper())
    assert adopt(plain_client, stream(base), target).id == target


def test_what_is_not_an_id_is_compared_as_it_is(plain_client: Client, control: EmulatorControl) -> None:
    base = make(plain_client, kinesis())
    target = make(plain_client, stream(base, stream="EVENTS"))
    with pytest.raises(DriftError, match=r"params\.stream is 'EVENTS', expected 'events'"):
        adopt(plain_client, stream(base), target)


def test_parts_are_completed_by_an_update_only(plain_client: Client, control: EmulatorControl) -> None:
    schema = plain_client.send(customers().create()).id
    identity = PrimaryIdentity("/workEmail/address", "Email")
    desired = customers(primary_identity=identity)
    with pytest.raises(
        DriftError, match="if_exists='update' to change it, or change the arguments"
    ) as caught:
        adopt(plain_client, desired, schema)
    assert schema in caught.value.message
    with pytest.raises(DriftError, match="or change the arguments"):
        plan_create(plain_client, desired, IfExists.REUSE, schema)
    control.clear_requests()
    adopt(plain_client, desired, schema, IfExists.UPDATE)
    assert [entry["path"].rpartition("/")[2] for entry in control.requests("POST")] == ["descriptors"]
    control.clear_requests()
    assert adopt(plain_client, desired, schema).id == schema
    assert [entry for entry in control.requests() if entry["method"] != "GET"] == []


@pytest.mark.parametrize("if_exists", [IfExists.FAIL, IfExists.CREATE])
def test_what_contradicts_an_id_is_refused_before_anything_is_sent(
    plain_client: Client, control: EmulatorControl, if_exists: IfExists
) -> None:
    with pytest.raises(InvalidInputError, match=f"^adopt_id: .*if_exists='{if_exists.value}'"):
        adopt(plain_client, kinesis(), specs.AMAZON_KINESIS, if_exists)
    with pytest.raises(InvalidInputError, match=f"^adopt_id: .*if_exists='{if_exists.value}'"):
        plan_create(plain_client, kinesis(), if_exists, specs.AMAZON_KINESIS)
    assert control.requests() == []


def test_an_empty_id_does_not_read_the_list(plain_client: Client, control: EmulatorControl) -> None:
    with pytest.raises(InvalidInputError, match="is not an id"):
        adopt(plain_client, kinesis(), "")
    assert control.requests(path=FLOW_SERVICE) == []


def test_what_does_not_exist_keeps_the_request_id(plain_client: Client, control: EmulatorControl) -> None:
    with pytest.raises(NotFoundError, match=r"^adopt_id: AEP has no flow ") as caught:
        adopt(plain_client, profile_flow("s", "t"), specs.AMAZON_KINESIS)
    assert caught.value.request_id
    assert caught.value.path == f"{FLOW_SERVICE}/flows/{specs.AMAZON_KINESIS}"
