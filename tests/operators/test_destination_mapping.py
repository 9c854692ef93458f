"""The attributes of a file destination: its mapping set, and the flow that refers to it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client import FLOWS
from airflow_provider_flowservice.client.datasets import mapping_sets
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make, make_ends, profile_flow, writes
from tests.support.exports import create_flow, params
from tests.support.faults import fault
from tests.support.files import S3, exported, make_columns, make_file_ends
from tests.support.operators import activate
from tests.support.streaming import DATA_PREP, open_source
from tests.support.tasks import Attempts, rendered, run

COLLECTION = f"{DATA_PREP}/mappingSets"
FIELDS: dict[str, Any] = {
    "mandatory_fields": ["email", "GAID"],
    "primary_fields": [{"fieldType": "ATTRIBUTE", "attributePath": "email"}],
}


def create_mapping(**changes: Any) -> FlowServiceCreateMappingSetOperator:
    arguments: dict[str, Any] = {
        "task_id": "mapping",
        "name": "columns",
        "columns": ["email", "first_name"],
        "mappings": [
            {"source": "personalEmail.address", "destination": "email"},
            {"source": "person.name.firstName", "destination": "first_name"},
        ],
    }
    return FlowServiceCreateMappingSetOperator(**{**arguments, **changes})


@pytest.fixture
def ends(hook: FlowServiceHook) -> tuple[str, str]:
    return make_file_ends(hook)


@pytest.fixture
def mapped(hook: FlowServiceHook) -> dict[str, Any]:
    """What a flow refers to a mapping set with."""
    return make_columns(hook)


def to_s3(ends: tuple[str, str], **changes: Any) -> FlowServiceCreateFlowOperator:
    return create_flow(S3.flow_spec_id, *ends, **changes)


def requests(control: EmulatorControl) -> list[tuple[str, str]]:
    """Method and last name in the path of each request to Flow Service."""
    return [
        (entry["method"], entry["path"].split("/")[4])
        for entry in control.requests(path="/data/foundation/flowservice")
    ]


# Mapping sets with columns


@pytest.mark.parametrize("name", ["columns", ""])
def test_a_mapping_set_with_columns_is_made_once(
    control: EmulatorControl, hook: FlowServiceHook, name: str
) -> None:
    first, pushed = run(create_mapping(name=name))
    assert pushed == {"etag": "0", "created": True, "mapping_version": 0}
    second, pushed = run(create_mapping(name=name))
    assert (second, pushed["created"]) == (first, False)
    (found,) = mapping_sets.iterate(hook)
    assert found.columns == {"email": {"type": "string"}, "first_name": {"type": "string"}}
    posts = [each["path"] for each in control.requests("POST", COLLECTION)]
    assert posts == [f"{COLLECTION}/validate", COLLECTION, f"{COLLECTION}/validate"]


def test_a_plan_sends_nothing_and_finds_what_there_is(control: EmulatorControl) -> None:
    assert run(create_mapping(plan_only=True)) == ("plan:mapping_set:columns", {"mapping_version": 0})
    made, _ = run(create_mapping())
    control.clear_requests()
    assert run(create_mapping(plan_only=True))[0] == made
    assert control.requests("POST", COLLECTION) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_id": "schema"}, "schema_id or columns: are both given"),
        ({"columns": None}, "schema_id or columns: is missing"),
        ({"body_form": "old", "name": ""}, "columns: are not supported by body_form 'old'"),
        ({"columns": ["personalEmail.address"]}, "has a dot.* Call it personalEmail_address"),
        ({"columns": "email"}, "columns: must be a list, not str"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused_when_the_dag_is_parsed(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        create_mapping(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": ["email", "first.name"]}, r"columns\[1\]: 'first\.name' has a dot"),
        ({"columns": None}, "columns: is None, although it was given"),
        ({"columns": ["email"]}, r"mappings\[1\]: the destination 'first_name' is not one of the columns"),
        (
            {"columns": {"email": "string", "first_name": "string", "age": "integer"}},
            "nothing is mapped to age",
        ),
    ],
)
def test_columns_from_a_template_are_checked_before_anything_is_sent(
    control: EmulatorControl, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FlowServicePermanentException, match=message):
        run(rendered(create_mapping, **changes))
    assert control.requests(path=COLLECTION) == []


# Flows that refer to them


def test_a_flow_is_made_with_its_fields_and_found_again(
    control: EmulatorControl, ends: tuple[str, str], mapped: dict[str, Any]
) -> None:
    control.clear_requests()
    flow, pushed = run(to_s3(ends, profile_mapping=mapped, **FIELDS))
    assert pushed["created"] is True
    assert params(control) == {
        "mandatoryFields": FIELDS["mandatory_fields"],
        "primaryFields": FIELDS["primary_fields"],
        "profileMapping": mapped,
        "segmentSelectors": {"selectors": []},
    }
    sent = ["flows", "sourceConnections", "flowSpecs", "flows", "flows"]
    assert requests(control) == list(zip(["GET", "GET", "GET", "POST", "GET"], sent, strict=True))
    control.clear_requests()
    assert run(to_s3(ends, profile_mapping=mapped, **FIELDS))[0] == flow
    assert requests(control) == [("GET", "flows")]
    # What is not given is not compared.
    assert run(to_s3(ends))[0] == flow
    assert run(to_s3(ends, if_exists="update"))[0] == flow
    assert writes(control) == []


def test_a_version_from_a_template_is_a_number(
    control: EmulatorControl, ends: tuple[str, str], mapped: dict[str, Any]
) -> None:
    run(to_s3(ends, profile_mapping={**mapped, "mappingVersion": "0"}))
    assert params(control)["profileMapping"] == mapped


CHANGES: list[tuple[str, Any, str]] = [
    ("profile_mapping", {}, "profileMapping"),
    ("profile_mapping", "NEXT VERSION", "profileMapping.mappingVersion is 0, expected 1"),
    ("mandatory_fields", ["email"], "mandatoryFields"),
    ("mandatory_fields", [], "mandatoryFields"),
    (
        "primary_fields",
        [{"fieldType": "IDENTITY", "identityNamespace": "ECID"}],
        r"primaryFields\[0\]\.identityNamespace",
    ),
]


@pytest.mark.parametrize(("argument", "value", "difference"), CHANGES)
def test_other_fields_are_drift_or_one_patch_that_leaves_the_segments(
    control: EmulatorControl,
    hook: FlowServiceHook,
    ends: tuple[str, str],
    mapped: dict[str, Any],
    argument: str,
    value: Any,
    difference: str,
) -> None:
    flow, _ = run(to_s3(ends, profile_mapping=mapped, **FIELDS))
    run(activate(flow, [exported(control.segments[0])]))
    if value == "NEXT VERSION":
        typed = {"email": "string", "first_name": {"type": "string", "title": "First"}}
        _, pushed = run(create_mapping(columns=typed, if_exists="update"))
        value = {**mapped, "mappingVersion": pushed["mapping_version"]}
    if argument == "profile_mapping" and not value:
        changed = {"profile_mapping": {}, "mandatory_fields": [], "primary_fields": []}
    else:
        changed = {"profile_mapping": mapped, **FIELDS, argument: value}
    before = params(control)
    with pytest.raises(FlowServicePermanentException, match=difference) as caught:
        run(to_s3(ends, **changed))
    assert "Set if_exists='update' to change it" in str(caught.value)
    control.clear_requests()
    updated, pushed = run(to_s3(ends, **changed, if_exists="update"))
    assert (updated, pushed["created"]) == (flow, False)
    assert writes(control) == [("PATCH", "flows")]
    after = params(control)
    assert after["segmentSelectors"] == before["segmentSelectors"]
    assert after["segmentSelectors"]["selectors"]
    assert [after[each] for each in ("profileMapping", "mandatoryFields", "primaryFields")] == [
        changed[each] for each in ("profile_mapping", "mandatory_fields", "primary_fields")
    ]
    control.clear_requests()
    run(to_s3(ends, **changed, if_exists="update"))
    assert writes(control) == []


def test_a_plan_of_an_update_shows_the_patch(
    control: EmulatorControl,
    ends: tuple[str, str],
    mapped: dict[str, Any],
    task_log: pytest.LogCaptureFixture,
) -> None:
    flow, _ = run(to_s3(ends))
    control.clear_requests()
    assert run(to_s3(ends, profile_mapping=mapped, if_exists="update", plan_only=True))[0] == flow
    assert '"path": "/transformations/0/params/profileMapping"' in task_log.text
    assert writes(control) == []


def test_an_older_flow_has_its_fields_beside_the_attributes(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    control.set_switches(unknown_specs="accept")
    older = msgspec.structs.replace(
        profile_flow(*make_ends(hook), name="files"),
        spec_id="b0ab1a5e-0000-4000-8000-000000000002",
        transformations=[specs.empty_transformation()],
    )
    make(hook, older)
    ends = older.source_connection_ids, older.target_connection_ids
    run(create_flow(older.spec_id, *ends, mandatory_fields=["person.gender"], if_exists="update"))
    assert params(control)["profileSelectors"] == {"selectors": [], "mandatoryFields": ["person.gender"]}
    assert "mandatoryFields" not in params(control)


def test_what_aep_leaves_out_of_a_create_is_added(
    control: EmulatorControl, ends: tuple[str, str], mapped: dict[str, Any], in_step: VirtualClock
) -> None:
    control.set_switches(fields_in_create="ignored")
    flow, pushed = run(to_s3(ends, profile_mapping=mapped, **FIELDS))
    assert (pushed["created"], params(control)["profileMapping"]) == (True, mapped)
    assert [each for each in writes(control) if each[1] == "flows"] == [("POST", "flows"), ("PATCH", "flows")]
    assert [each["etag"] for each in control.state()["flows"]] == [pushed["etag"]]
    assert run(to_s3(ends, profile_mapping=mapped, **FIELDS))[0] == flow


@pytest.mark.parametrize("if_exists", ["reuse", "create", "fail"])
def test_what_aep_leaves_out_of_a_create_whose_answer_is_lost_is_added(
    control: EmulatorControl, ends: tuple[str, str], mapped: dict[str, Any], if_exists: str
) -> None:
    control.set_switches(fields_in_create="ignored")
    control.inject(fault("reset_after", "POST", "flows"))
    flow, pushed = run(to_s3(ends, profile_mapping=mapped, **FIELDS, if_exists=if_exists))
    assert (pushed["created"], params(control)["profileMapping"]) == (True, mapped)
    assert [each["id"] for each in control.state()["flows"]] == [flow]


@pytest.mark.parametrize("if_exists", ["reuse", "create", "fail"])
@pytest.mark.parametrize(
    "faults",
    [
        [
            fault("reset_after", "POST", "flows"),
            fault("status", "GET", "flows", after=1, times=99, status=503),
        ],
        [fault("status", "PATCH", "flows/*", times=99, status=503)],
    ],
)
def test_what_aep_leaves_out_of_a_create_is_added_by_the_next_attempt(
    control: EmulatorControl,
    ends: tuple[str, str],
    mapped: dict[str, Any],
    faults: list[dict[str, Any]],
    if_exists: str,
) -> None:
    control.set_switches(fields_in_create="ignored")
    attempts = Attempts(has_store=True)
    control.inject(*faults)
    operator = partial(to_s3, ends, profile_mapping=mapped, **FIELDS, if_exists=if_exists)
    with pytest.raises(FlowServiceTransientException):
        run(operator(), **attempts.another())
    control.clear_faults()
    flow, _ = run(operator(), **attempts.another())
    assert (attempts.pushed["created"], params(control)["profileMapping"]) == (True, mapped)
    assert [each["id"] for each in control.state()["flows"]] == [flow]


def test_a_flow_with_other_fields_is_not_taken_for_a_create_whose_answer_was_lost(
    control: EmulatorControl, hook: FlowServiceHook, ends: tuple[str, str], mapped: dict[str, Any]
) -> None:
    made, _ = run(to_s3(ends, mandatory_fields=["GAID"]))
    desired = to_s3(ends, profile_mapping=mapped, **FIELDS).desired()
    assert not desired.is_as_created(hook.get(FLOWS, made))
    assert desired.is_as_created(hook.get(FLOWS, run(to_s3(ends, if_exists="create"))[0]))


def test_what_aep_leaves_out_of_everything_is_an_error(
    control: EmulatorControl, ends: tuple[str, str], mapped: dict[str, Any], in_step: VirtualClock
) -> None:
    control.set_switches(fields_in_create="ignored", silent_patch=True)
    with pytest.raises(
        FlowServicePermanentException, match=r"does not show it after 15\.5 s: profileMapping"
    ):
        run(to_s3(ends, profile_mapping=mapped))


@pytest.mark.parametrize("plan_only", [True, False])
@pytest.mark.parametrize("argument", ["profile_mapping", "mandatory_fields", "primary_fields"])
def test_a_destination_that_takes_selectors_is_named_before_anything_is_sent(
    control: EmulatorControl, hook: FlowServiceHook, mapped: dict[str, Any], argument: str, plan_only: bool
) -> None:
    ends = make_ends(hook)
    control.clear_requests()
    fields = {"profile_mapping": mapped, **FIELDS}
    flow = create_flow(
        specs.PROFILE_DESTINATION_FLOW, *ends, **{argument: fields[argument]}, plan_only=plan_only
    )
    with pytest.raises(FlowServicePermanentException) as caught:
        run(flow)
    assert str(caught.value) == (
        f"{argument}: flow spec {specs.PROFILE_DESTINATION_FLOW} takes profile attributes as selectors, not from a"
        " mapping set. Remove it, and give profile_attributes to FlowServiceActivateSegmentsOperator."
    )
    assert requests(control) == []


def test_a_flow_from_a_source_takes_no_fields(
    control: EmulatorControl, hook: FlowServiceHook, mapped: dict[str, Any]
) -> None:
    open_source(hook)
    (flow,) = control.state()["flows"]
    ends = flow["sourceConnectionIds"], flow["targetConnectionIds"]
    with pytest.raises(FlowServicePermanentException, match="reads from: external system"):
        run(create_flow(specs.HTTP_API_FLOW, *ends, profile_mapping=mapped))
    assert len(control.state()["flows"]) == 1


@pytest.mark.parametrize("argument", ["profile_mapping", "mandatory_fields", "primary_fields"])
def test_fields_besides_transformations_are_refused_when_the_dag_is_parsed(argument: str) -> None:
    given = {"profile_mapping": {"mappingId": "m", "mappingVersion": 0}, **FIELDS}[argument]
    with pytest.raises(InvalidInputError, match=f"transformations: is given besides {argument}"):
        create_flow(S3.flow_spec_id, "s", "t", **{argument: given}, transformations=[])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mappingId": "m"}, "profile_mapping: has the keys mappingId. Give mappingId and mappingVersion"),
        ({"id": "m", "version": 0}, "profile_mapping: has the keys id, version"),
        ({"mappingId": None, "mappingVersion": 0}, r"\['mappingId'\]: None is not an id. Give the id that"),
        ({"mappingId": " ", "mappingVersion": 0}, r"\['mappingId'\]: ' ' is not an id"),
        ({"mappingId": 5, "mappingVersion": 0}, r"\['mappingId'\]: 5 is not an id"),
        ({"mappingId": "m", "mappingVersion": "latest"}, r"\['mappingVersion'\]: 'latest' is not a version"),
        ({"mappingId": "m", "mappingVersion": True}, r"\['mappingVersion'\]: True is not a version"),
    ],
)
def test_a_reference_that_is_none_is_refused(
    control: EmulatorControl, hook: FlowServiceHook, ends: tuple[str, str], given: Any, message: str
) -> None:
    control.clear_requests()
    with pytest.raises(FlowServicePermanentException, match=message):
        run(to_s3(ends, profile_mapping=given))
    with pytest.raises(FlowServicePermanentException, match=message):
        run(activate("flow", [], profile_mapping=given))
    assert requests(control) == []


def test_a_mapping_set_that_is_not_there_is_aeps_error(
    control: EmulatorControl, ends: tuple[str, str]
) -> None:
    with pytest.raises(FlowServicePermanentException) as caught:
        run(to_s3(ends, profile_mapping={"mappingId": "no-such-mapping-set", "mappingVersion": 0}))
    assert caught.value.code == "FLOW-1419-400"
    assert control.state()["flows"] == []


def test_an_activation_tells_which_fields_it_has_changed(
    control: EmulatorControl,
    ends: tuple[str, str],
    mapped: dict[str, Any],
    task_log: pytest.LogCaptureFixture,
) -> None:
    flow, _ = run(to_s3(ends))
    given = partial(activate, flow, [], profile_mapping=mapped, mandatory_fields=["email"])
    changed = ["profileMapping", "mandatoryFields"]
    assert run(given(plan_only=True))[0]["settings_changed"] == changed
    assert run(given())[0]["settings_changed"] == changed
    assert f"Flow 'files' ({flow}):\n  profileMapping: set\n  mandatoryFields: set" in task_log.text
    assert run(given())[0]["settings_changed"] == []
    assert f"Flow 'files' ({flow}): nothing to change" in task_log.text


# In a plan


def test_a_planned_mapping_set_is_a_parent(
    control: EmulatorControl, ends: tuple[str, str], task_log: pytest.LogCaptureFixture
) -> None:
    planned, pushed = run(create_mapping(plan_only=True))
    reference = {"mappingId": planned, "mappingVersion": pushed["mapping_version"]}
    made = run(to_s3(ends, profile_mapping=reference, plan_only=True))[0]
    assert made == "plan:flow:files"
    assert json.dumps(planned) in task_log.text
    with pytest.raises(FlowServicePermanentException, match="is a placeholder from a plan_only task"):
        run(to_s3(ends, profile_mapping=reference))
    assert control.state()["flows"] == []
