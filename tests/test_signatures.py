"""Names and templates of everything that a DAG author calls."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import Any

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.triggers.base import BaseTrigger

from airflow_provider_flowservice import operators, sensors, triggers
from airflow_provider_flowservice.links import FlowServiceLink
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.sensors.base import FlowServiceSensor

_REST = {"args", "kwargs"}
#: What Airflow wants of every trigger, sensor or operator that can wait; the same name for the same thing.
_SHARED_WITH_AIRFLOW = {"deferrable"}
#: Airflow gives triggers a few attributes of its own; these must not be an argument of ours.
_RESERVED_FOR_TRIGGERS = {"task_id", "trigger_id", "template_fields", "task_instance"}
#: Arguments that mean the same wherever they occur.
_SAME_EVERYWHERE = ("flowservice_conn_id", "sandbox", "description", "if_exists", "adopt_id", "draft")
#: Arguments of triggers that are checked when the trigger is created.
_VALID = {
    "flow_id": "8256cfb4-17e6-432c-a469-6aedafb16cd5",
    "poll_interval": 30.0,
    "states": ["failed", "success"],
}
_PARAMETER = re.compile(r":param (\w+):(.*?)(?=:param |:returns:|:raises|\Z)", re.DOTALL)


def classes(package: Any, base: type) -> list[type]:
    """Every class of a package that derives from a base class and is defined there."""
    found: set[type] = set()
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        found |= {
            member
            for _, member in inspect.getmembers(loaded, inspect.isclass)
            if issubclass(member, base) and f"{member.__module__}.".startswith(f"{loaded.__name__}.")
        }
    return sorted(filter(is_for_users, found), key=lambda each: each.__name__)


def is_for_users(kind: type) -> bool:
    """Whether DAG authors use the class itself, rather than as a base class."""
    return not inspect.isabstract(kind)


OPERATORS = classes(operators, FlowServiceOperator)
SENSORS = classes(sensors, FlowServiceSensor)
TRIGGERS = classes(triggers, BaseTrigger)


def own_arguments(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments that a class itself lists, besides those of Airflow."""
    parameters = inspect.signature(kind).parameters
    return {name: each for name, each in parameters.items() if name not in _REST}


def documented(kind: type) -> dict[str, str]:
    """Documentation by argument, in the docstring of the class itself."""
    found = _PARAMETER.findall(inspect.cleandoc(kind.__doc__ or ""))
    return {name: " ".join(text.split()) for name, text in found}


def arguments_of(kind: type) -> set[str]:
    return {
        name
        for each in kind.__mro__
        if "__init__" in vars(each)
        for name in inspect.signature(inspect.unwrap(vars(each)["__init__"])).parameters
    }


def by_name(kind: type) -> str:
    return kind.__name__


def test_there_is_something_to_check() -> None:
    names = {each.__name__ for each in (*OPERATORS, *SENSORS, *TRIGGERS)}
    assert names >= {
        "FlowServiceCreateConnectionOperator",
        "FlowServiceCreateSourceConnectionOperator",
        "FlowServiceCreateTargetConnectionOperator",
        "FlowServiceCreateFlowOperator",
        "FlowServiceActivateSegmentsOperator",
        "FlowServiceFlowValidationSensor",
        "FlowRunCompletedTrigger",
        "FlowServiceTrigger",
    }


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        *((each, BaseOperator) for each in OPERATORS),
        *((each, BaseSensorOperator) for each in SENSORS),
        *((each, BaseTrigger) for each in TRIGGERS),
    ],
    ids=lambda value: value.__name__,
)
def test_no_argument_bears_a_name_that_airflow_uses(kind: type, base: type) -> None:
    taken = {name for name in dir(base) if not name.startswith("_")} | arguments_of(base)
    if base is BaseTrigger:
        taken |= _RESERVED_FOR_TRIGGERS
    assert set(own_arguments(kind)) & taken <= _SHARED_WITH_AIRFLOW


@pytest.mark.parametrize("kind", [*OPERATORS, *SENSORS], ids=by_name)
def test_connection_and_sandbox_are_arguments_and_templated(kind: Any) -> None:
    arguments = own_arguments(kind)
    assert arguments["flowservice_conn_id"].default == "flowservice_default"
    assert arguments["sandbox"].default is None
    assert {"flowservice_conn_id", "sandbox"} <= set(kind.template_fields)


@pytest.mark.parametrize("kind", [*OPERATORS, *SENSORS], ids=by_name)
def test_every_argument_is_templated(kind: Any) -> None:
    assert sorted(kind.template_fields) == sorted(own_arguments(kind))


@pytest.mark.parametrize("kind", [*OPERATORS, *SENSORS, *TRIGGERS], ids=by_name)
def test_every_argument_is_documented_and_given_by_name(kind: type) -> None:
    arguments = own_arguments(kind)
    assert list(documented(kind)) == list(arguments)
    assert {parameter.kind for parameter in arguments.values()} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("kind", [*OPERATORS, *SENSORS], ids=by_name)
def test_every_task_has_a_short_name_for_the_graph_and_a_link(kind: Any) -> None:
    name = vars(kind)["custom_operator_name"]
    assert re.fullmatch(r"[A-Z][a-z]+( [a-z]+)+", name)
    assert len(name) <= 25
    assert [type(link) for link in kind.operator_extra_links] == [FlowServiceLink]


def test_no_two_kinds_of_tasks_have_the_same_name() -> None:
    names = [each.custom_operator_name for each in (*OPERATORS, *SENSORS)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", _SAME_EVERYWHERE)
def test_an_argument_that_many_have_is_the_same_in_each(name: str) -> None:
    having = [each for each in (*OPERATORS, *SENSORS) if name in own_arguments(each)]
    assert len(having) > 1
    assert len({documented(each)[name] for each in having}) == 1
    assert len({str(own_arguments(each)[name]) for each in having}) == 1


@pytest.mark.parametrize("kind", TRIGGERS, ids=by_name)
def test_a_trigger_keeps_each_argument_under_its_name(kind: type) -> None:
    values = {name: _VALID.get(name, f"value of {name}") for name in own_arguments(kind)}
    _, arguments = kind(**values).serialize()
    assert arguments == values
