from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import mapping_sets
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from tests.support.faults import fault
from tests.support.streaming import DATA_PREP, customers, open_source
from tests.support.tasks import rendered, run

COLLECTION = f"{DATA_PREP}/mappingSets"
FIRST = {"source": "first", "destination": "person.name.firstName"}
MAIL = {"sourceAttribute": "mail", "destinationXdmPath": "workEmail.address"}
LAST = {"source": "last", "destination": "person.name.lastName"}


@pytest.fixture
def schema_id(hook: FlowServiceHook) -> str:
    return hook.send(customers().create()).id


def create(schema_id: str, **changes: Any) -> FlowServiceCreateMappingSetOperator:
    arguments: dict[str, Any] = {"schema_id": schema_id, "mappings": [FIRST, MAIL]}
    return FlowServiceCreateMappingSetOperator(**{"task_id": "mapping", **arguments, **changes})


def writes(control: EmulatorControl) -> list[tuple[str, str]]:
    return [
        (each["method"], each["path"].removeprefix(DATA_PREP).partition("/m")[2].partition("/")[2])
        for each in control.requests(path=COLLECTION)
        if each["method"] != "GET"
    ]


@pytest.mark.parametrize(
    "changes", [{"name": "names"}, {}, {"body_form": "old"}], ids=["named", "unnamed", "old body"]
)
def test_created_twice_there_is_one(
    control: EmulatorControl, hook: FlowServiceHook, schema_id: str, changes: dict[str, Any]
) -> None:
    first, pushed = run(create(schema_id, **changes))
    assert pushed == {"etag": "0", "created": True, "mapping_version": 0}
    second, pushed = run(create(schema_id, **changes))
    assert second == first
    assert pushed == {"etag": "0", "created": False, "mapping_version": 0}
    (found,) = mapping_sets.iterate(hook)
    assert found.id == first
    assert found.pairs == {("first", "person.name.firstName"), ("mail", "workEmail.address")}
    assert writes(control) == [("POST", "validate"), ("POST", ""), ("POST", "validate")]


def test_the_two_forms_of_the_body_find_each_others_work(control: EmulatorControl, schema_id: str) -> None:
    made, _ = run(create(schema_id, body_form="old"))
    assert run(create(schema_id))[0] == made


@pytest.mark.parametrize("body_form", ["new", "old"])
def test_a_path_that_the_schema_lacks_is_refused_and_nothing_is_made(
    control: EmulatorControl, hook: FlowServiceHook, schema_id: str, body_form: str
) -> None:
    lacking = {"source": "nick", "destination": "person.nickname"}
    with pytest.raises(FlowServicePermanentException) as caught:
        run(create(schema_id, mappings=[FIRST, lacking, MAIL], body_form=body_form))
    message = str(caught.value)
    assert "AEP rejects 1 of 3: person.nickname: " in message
    assert "firstName" not in message
    assert list(mapping_sets.iterate(hook)) == []
    assert writes(control) == [("POST", "validate")]


def test_other_fields_under_a_name_are_drift_and_an_update_makes_a_version(
    control: EmulatorControl, schema_id: str
) -> None:
    made, _ = run(create(schema_id, name="names"))
    with pytest.raises(FlowServicePermanentException, match=r"person\.name\.lastName"):
        run(create(schema_id, name="names", mappings=[LAST]))
    updated, pushed = run(create(schema_id, name="names", mappings=[LAST], if_exists="update"))
    assert updated == made
    assert pushed == {"etag": "1", "created": False, "mapping_version": 1}


def test_a_flow_follows_to_the_new_version(control: EmulatorControl, hook: FlowServiceHook) -> None:
    source = open_source(hook)
    (flow,) = control.state()["flows"]
    mapping_id, pushed = run(create(source.schema_id, name="names", mappings=[LAST], if_exists="update"))
    version = pushed["mapping_version"]
    updated, _ = run(
        FlowServiceCreateFlowOperator(
            task_id="flow",
            name=flow["name"],
            flow_spec=specs.HTTP_API_FLOW_WITH_MAPPING,
            source_connection_ids=flow["sourceConnectionIds"],
            target_connection_ids=flow["targetConnectionIds"],
            transformations=[
                {"name": "Mapping", "params": {"mappingId": mapping_id, "mappingVersion": version}}
            ],
            if_exists="update",
        )
    )
    (flow,) = control.state()["flows"]
    assert updated == flow["id"]
    assert flow["transformations"][0]["params"] == {"mappingId": mapping_id, "mappingVersion": 1}


def test_several_equal_ones_give_the_oldest(control: EmulatorControl, schema_id: str) -> None:
    oldest, _ = run(create(schema_id))
    control.advance(1)
    run(create(schema_id, if_exists="create"))
    assert run(create(schema_id))[0] == oldest


def test_a_lost_answer_makes_one(control: EmulatorControl, hook: FlowServiceHook, schema_id: str) -> None:
    control.inject(fault("reset_after", "POST", COLLECTION))
    made, _ = run(create(schema_id, name="names"))
    assert [found.id for found in mapping_sets.iterate(hook)] == [made]


def test_a_validation_whose_answer_is_lost_is_asked_again(
    control: EmulatorControl, hook: FlowServiceHook, schema_id: str
) -> None:
    control.inject(fault("reset_after", "POST", f"{COLLECTION}/validate"))
    run(create(schema_id))
    assert len(list(mapping_sets.iterate(hook))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mappings": []}, "mappings: is empty"),
        ({"mappings": None}, "mappings: is None, although it was given"),
        ({"mappings": "[{'source': 'a'}]"}, "mappings: must be a list, not str"),
        ({"mappings": [FIRST, FIRST]}, r"mappings\[1\]: 'person.name.firstName' is mapped twice"),
        ({"schema_id": None}, "schema_id: is None, although it was given"),
    ],
)
def test_arguments_that_make_no_sense_are_named(
    control: EmulatorControl, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FlowServicePermanentException, match=message):
        run(rendered(create, **{"schema_id": "schema", **changes}))
    assert control.requests(path=COLLECTION) == []


def test_arguments_that_exclude_each_other_are_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(InvalidInputError, match="body_form: 'older' is not supported"):
        create("schema", body_form="older")
    with pytest.raises(InvalidInputError, match="name: 'names' is not supported by body_form 'old'"):
        create("schema", body_form="old", name="names")
