"""Names and templates of everything that a DAG author calls."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.triggers.base import BaseTrigger

from airflow_provider_flowservice import operators, sensors, triggers
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.sensors.base import FlowServiceSensor

_SELF_AND_REST = {"self", "args", "kwargs"}
#: What Airflow wants of every trigger, sensor or operator that can wait; the same name for the same thing.
_SHARED_WITH_AIRFLOW = {"deferrable"}
#: Airflow gives triggers a few attributes of its own; these must not be an argument of ours.
_RESERVED_FOR_TRIGGERS = {"task_id", "trigger_id", "template_fields", "task_instance"}
_PARAMETER = re.compile(r":param (\w+):(.*?)(?=:param |:returns:|:raises|\Z)", re.DOTALL)


def classes(package: Any, base: type) -> list[type]:
    """Every class of a package that derives from a base class and is defined there."""
    found: set[type] = set()
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        found |= {
            member
            for _, member in inspect.getmembers(loaded, inspect.isclass)
            if issubclass(member, base) and member.__module__ == loaded.__name__
        }
    return sorted(found, key=lambda each: each.__name__)


OPERATORS = classes(operators, FlowServiceOperator)
SENSORS = classes(sensors, FlowServiceSensor)
TRIGGERS = classes(triggers, BaseTrigger)


def own_classes(kind: type, base: type) -> Iterator[type]:
    """A class and its ancestors as far as they are ours."""
    for each in kind.__mro__:
        if each.__module__.startswith("airflow_provider_flowservice"):
            yield each


def own_arguments(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments that our classes add, over all levels."""
    found: dict[str, inspect.Parameter] = {}
    for each in own_classes(kind, kind):
        if "__init__" in vars(each):
            signature = inspect.signature(inspect.unwrap(vars(each)["__init__"]))
            found |= {
                name: parameter
                for name, parameter in signature.parameters.items()
                if name not in _SELF_AND_REST
            }
    return found


def documented(kind: type) -> dict[str, str]:
    """Documentation by parameter, over all levels."""
    return {
        name: text
        for each in own_classes(kind, kind)
        for name, text in _PARAMETER.findall(inspect.getdoc(each) or "")
    }


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
    assert set(documented(kind)) == set(arguments)
    assert {parameter.kind for parameter in arguments.values()} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("kind", [each for each in TRIGGERS if not inspect.isabstract(each)], ids=by_name)
def test_a_trigger_keeps_each_argument_under_its_name(kind: type) -> None:
    values = {name: f"value of {name}" for name in own_arguments(kind)}
    _, arguments = kind(**values).serialize()
    assert arguments == values
