from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import schemas
from airflow_provider_flowservice.client.datasets.identities import identities_of
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from tests.support.faults import fault
from tests.support.streaming import PERSON, SCHEMA_REGISTRY, WORK
from tests.support.tasks import rendered, run

IDENTITY = {"property": "/workEmail/address", "namespace": "Email"}


def create(name: str = "customers", **changes: Any) -> FlowServiceCreateSchemaOperator:
    arguments = {"task_id": "schema", "field_groups": [PERSON, WORK], **changes}
    return FlowServiceCreateSchemaOperator(name=name, **arguments)


def writes(control: EmulatorControl) -> list[dict[str, Any]]:
    return [each for each in control.requests(path=SCHEMA_REGISTRY) if each["method"] != "GET"]


def test_a_schema_is_created_and_its_id_returned(control: EmulatorControl, hook: FlowServiceHook) -> None:
    made, pushed = run(create(description="people"))
    (found,) = schemas.iterate(hook)
    assert made == found.id
    assert made.startswith("https://ns.adobe.com/")
    assert pushed == {"created": True}
    (entry,) = writes(control)
    assert entry["body"] == {
        "type": "object",
        "title": "customers",
        "description": "people",
        "allOf": [{"$ref": part} for part in ("https://ns.adobe.com/xdm/context/profile", PERSON, WORK)],
    }


def test_created_twice_there_is_one(control: EmulatorControl, hook: FlowServiceHook) -> None:
    first, _ = run(create())
    second, pushed = run(create())
    assert second == first
    assert pushed == {"created": False}
    assert len(writes(control)) == 1


def test_a_lost_answer_makes_one(control: EmulatorControl, hook: FlowServiceHook) -> None:
    control.inject(fault("reset_after", "POST", f"{SCHEMA_REGISTRY}/tenant/schemas"))
    made, pushed = run(create())
    assert [schema.id for schema in schemas.iterate(hook)] == [made]
    assert pushed == {"created": True}


def test_several_equal_ones_give_the_oldest(control: EmulatorControl) -> None:
    oldest, _ = run(create())
    control.advance(1)
    run(create(if_exists="create"))
    assert run(create())[0] == oldest


def test_a_missing_field_group_is_refused_and_added_by_an_update(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    made, _ = run(create(field_groups=[PERSON]))
    with pytest.raises(FlowServicePermanentException, match=r"allOf.*if_exists='update'"):
        run(create())
    assert run(create(if_exists="update")) == (made, {"created": False})
    assert run(create(field_groups=[PERSON])) == (made, {"created": False})
    assert [each["method"] for each in writes(control)] == ["POST", "PATCH"]


def test_a_schema_is_enabled_for_profile_with_its_identity(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    arguments = {"primary_identity": IDENTITY, "enable_for_profile": True}
    planned, _ = run(create(**arguments, plan_only=True))
    assert writes(control) == []
    made, pushed = run(create(**arguments))
    assert (planned, pushed) == ("plan:schema:customers", {"created": True})
    (found,) = schemas.iterate(hook)
    assert found.profile_enabled
    (identity,) = hook.send(identities_of(made)).items
    assert (identity.property, identity.namespace, identity.is_primary) == (*IDENTITY.values(), True)
    control.clear_requests()
    assert run(create(**arguments)) == (made, {"created": False})
    assert writes(control) == []


def test_an_update_enables_a_schema_for_profile_once(control: EmulatorControl) -> None:
    made, _ = run(create())
    for _ in range(2):
        assert run(create(enable_for_profile=True, if_exists="update"))[0] == made
    assert [each["method"] for each in writes(control)] == ["POST", "PATCH"]


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ("/workEmail/address", "primary_identity: must be a mapping, not str"),
        ({"property": "workEmail.address", "namespace": "Email"}, "'workEmail.address' is not a path"),
    ],
)
def test_a_primary_identity_is_checked_when_the_dag_is_parsed(identity: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        create(primary_identity=identity)


def test_one_field_group_may_be_given_as_a_text(control: EmulatorControl, hook: FlowServiceHook) -> None:
    made, _ = run(create(field_groups=PERSON))
    (found,) = schemas.iterate(hook)
    assert [part.ref for part in found.references][1:] == [PERSON]
    assert run(create(field_groups=[PERSON]))[0] == made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "name: is ' ', although it was given"),
        ({"schema_class": None}, "schema_class: is None, although it was given"),
        ({"field_groups": [PERSON, ""]}, r"field_groups\[1\]: is '', although it was given"),
    ],
)
def test_arguments_that_are_empty_are_named(
    control: EmulatorControl, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FlowServicePermanentException, match=message):
        run(rendered(create, **changes))
    assert writes(control) == []


def test_an_unknown_if_exists_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(InvalidInputError, match="if_exists: 'replace' is not supported"):
        create(if_exists="replace")


def test_a_registry_that_is_down_is_worth_a_retry(control: EmulatorControl) -> None:
    control.inject(fault("status", "GET", f"{SCHEMA_REGISTRY}/*", times=20, status=503))
    with pytest.raises(FlowServiceTransientException):
        run(create())
