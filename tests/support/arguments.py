"""Every operator and sensor with every argument, as the classes declare them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

from airflow_provider_flowservice import operators, sensors
from airflow_provider_flowservice.operators.arguments import Argument
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowRunSensor,
    FlowServiceFlowValidationSensor,
)

#: What an argument that must be given may be.
_VALUES: dict[str, Any] = {
    "connection_id": "c",
    "connection_spec": "Amazon Kinesis",
    "dataset_id": "d",
    "flow_id": "f",
    "flow_spec": "f",
    "keep": ["k"],
    "kind": "base",
    "mappings": [],
    "messages": [],
    "name": "n",
    "name_prefix": "prefix",
    "schema_id": "s",
    "segments": ["8256cfb4-17e6-432c-a469-6aedafb16cd5"],
    "since": 1_700_000_000,
    "source_connection_ids": ["s"],
    "started_after": 1_700_000_000,
    "state": "enabled",
    "target_connection_ids": ["t"],
    "target_params": {},
    "window_end": 1_700_086_400,
    "window_start": 1_700_000_000,
}
#: Arguments that may be omitted, but not together with those that exclude them.
_ONE_OF = {
    FlowServicePostToInletOperator: {"connection_id": "inlet_url", "messages": "path"},
    FlowServiceCreateMappingSetOperator: {"schema_id": "columns"},
    FlowServiceFlowValidationSensor: {"segments": "absent"},
    FlowServiceFlowRunSensor: {"started_after": "run_id"},
}
#: Arguments that are only given together.
_TOGETHER = {FlowServicePostToInletOperator: {"schema_id", "dataset_id"}}


def task_types() -> list[type[FlowServiceOperator]]:
    """All operators and sensors, by name."""
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found = {each for each in _below(FlowServiceOperator) if not inspect.isabstract(each)}
    return sorted(found, key=lambda each: each.__name__)


def with_argument(task_type: type[FlowServiceOperator], name: str, value: Any, **more: Any) -> Any:
    """A task that has this argument, and no others than it must have."""
    one_of: dict[str, str] = _ONE_OF.get(task_type, {})
    needed = _needed(task_type) | {one for one, other in one_of.items() if other != name}
    together: set[str] = _TOGETHER.get(task_type, set())
    needed |= together if name in together else set()
    return task_type(**{"task_id": "x", **{each: _VALUES[each] for each in needed}, name: value, **more})


def kind_of(argument: Argument[Any]) -> str:
    """The name of an argument's kind, such as ``flag`` or ``whole_number``."""
    return str(getattr(argument.kind, "__qualname__", "")).partition(".")[0]


def _below(parent: type[FlowServiceOperator]) -> Iterator[type[FlowServiceOperator]]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)


def _needed(task_type: type[FlowServiceOperator]) -> set[str]:
    """The arguments without a default, in its constructor and those of its bases."""
    defaults: dict[str, Any] = {}
    for each in task_type.__mro__:
        if issubclass(each, FlowServiceOperator) and "__init__" in vars(each):
            for name, parameter in inspect.signature(vars(each)["__init__"]).parameters.items():
                defaults.setdefault(name, parameter.default)
    return {name for name in task_type.arguments if defaults[name] is inspect.Parameter.empty}
