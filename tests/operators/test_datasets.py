from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import datasets
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from tests.support.faults import fault
from tests.support.streaming import CATALOG, customers
from tests.support.tasks import rendered, run


@pytest.fixture
def schema_id(hook: FlowServiceHook) -> str:
    return hook.send(customers(enable_for_profile=True).create()).id


def create(schema_id: str, **changes: Any) -> FlowServiceCreateDatasetOperator:
    arguments: dict[str, Any] = {"task_id": "dataset", "name": "customers", "schema_id": schema_id}
    return FlowServiceCreateDatasetOperator(**{**arguments, **changes})


def writes(control: EmulatorControl) -> list[dict[str, Any]]:
    return [each for each in control.requests(path=CATALOG) if each["method"] != "GET"]


def test_a_dataset_is_created_and_its_id_returned(
    control: EmulatorControl, hook: FlowServiceHook, schema_id: str
) -> None:
    made, pushed = run(create(schema_id, description="people"))
    (found,) = datasets.iterate(hook)
    assert (made, found.schema_id, found.profile_enabled) == (found.id, schema_id, False)
    assert pushed == {"created": True}
    (entry,) = writes(control)
    assert entry["body"] == {
        "name": "customers",
        "description": "people",
        "schemaRef": {"id": schema_id, "contentType": "application/vnd.adobe.xed+json;version=1"},
    }


def test_created_twice_there_is_one(control: EmulatorControl, schema_id: str) -> None:
    first, _ = run(create(schema_id))
    second, pushed = run(create(schema_id))
    assert second == first
    assert pushed == {"created": False}
    assert len(writes(control)) == 1


def test_a_lost_answer_makes_one(control: EmulatorControl, hook: FlowServiceHook, schema_id: str) -> None:
    control.inject(fault("reset_after", "POST", f"{CATALOG}/dataSets"))
    made, _ = run(create(schema_id))
    assert [dataset.id for dataset in datasets.iterate(hook)] == [made]


def test_several_give_the_oldest(control: EmulatorControl, schema_id: str) -> None:
    oldest, _ = run(create(schema_id))
    control.advance(1)
    run(create(schema_id, if_exists="create"))
    assert run(create(schema_id))[0] == oldest


def test_a_dataset_is_enabled_for_profile_from_the_start(hook: FlowServiceHook, schema_id: str) -> None:
    run(create(schema_id, enable_for_profile=True))
    (found,) = datasets.iterate(hook)
    assert found.profile_enabled


def test_a_dataset_is_enabled_for_profile_later(
    control: EmulatorControl, hook: FlowServiceHook, schema_id: str
) -> None:
    made, _ = run(create(schema_id))
    with pytest.raises(FlowServicePermanentException, match="if_exists='update'"):
        run(create(schema_id, enable_for_profile=True))
    updated, pushed = run(create(schema_id, enable_for_profile=True, if_exists="update"))
    assert (updated, pushed) == (made, {"created": False})
    (found,) = datasets.iterate(hook)
    assert found.profile_enabled
    assert [each["method"] for each in writes(control)] == ["POST", "PATCH"]


def test_it_is_not_enabled_for_profile_if_its_schema_is_not(
    control: EmulatorControl, hook: FlowServiceHook, caplog: pytest.LogCaptureFixture
) -> None:
    plain = hook.send(customers("plain").create()).id
    with pytest.raises(FlowServicePermanentException, match="Set enable_for_profile=True for the schema too"):
        run(create(plain, enable_for_profile=True))
    assert writes(control) == []
    planned, _ = run(create(plain, enable_for_profile=True, plan_only=True))
    assert planned == "plan:dataset:customers"
    assert "is not enabled for Profile" in caplog.text


def test_a_schema_that_does_not_exist_is_refused(control: EmulatorControl) -> None:
    with pytest.raises(FlowServicePermanentException, match=r"schemaRef\.id .*none is not found"):
        run(create("https://ns.adobe.com/emulator/schemas/none"))


@pytest.mark.parametrize("schema_id", [None, "", "None"])
def test_an_upstream_task_that_returned_nothing_is_named(control: EmulatorControl, schema_id: Any) -> None:
    with pytest.raises(FlowServicePermanentException, match=r"schema_id: is .*, although it was given"):
        run(rendered(create, schema_id=schema_id))
    assert writes(control) == []
