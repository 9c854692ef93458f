"""Reads the file of a scenario. Needs PyYAML, which Airflow brings."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import yaml  # type: ignore[import-untyped]

from airflow_provider_flowservice.emulator.faults.queue import Rule
from airflow_provider_flowservice.emulator.scenarios.building import build
from airflow_provider_flowservice.emulator.scenarios.model import Scenario
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.emulator.world import World

_FOLDER = Path(__file__).parent
#: Names of the scenarios that come with the emulator.
SHIPPED = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def read_scenario(source: str | PathLike[str]) -> Callable[[World], None]:
    """Read a scenario.

    :param source: path of a YAML file, or one of :data:`SHIPPED`.
    :return: fills a world: the argument ``prepare`` of an emulator. It raises ValueError if a resource is one that
        AEP would refuse.
    :raises OSError: if there is no such file.
    :raises ValueError: if something in it is unknown or has the wrong type; it names file, key and remedy.
    """
    path = _FOLDER / f"{source}.yaml" if source in SHIPPED else Path(source)
    if not path.exists():
        raise FileNotFoundError(
            f"there is no scenario {str(source)!r}; give the path of a YAML file, or one of {', '.join(SHIPPED)}"
        )
    try:
        scenario = _parse(_load(path))
    except ValueError as error:
        raise ValueError(f"scenario {source}: {error}") from error

    def prepare(world: World) -> None:
        try:
            build(scenario, world)
        except ValueError as error:
            raise ValueError(f"scenario {source}: {error}") from error

    return prepare


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"it must be a mapping with keys among {_keys(Scenario)}")
    # YAML has dates and times, which AEP's bodies have as strings.
    plain: dict[str, Any] = msgspec.to_builtins(content, str_keys=True)
    return plain


def _parse(content: dict[str, Any]) -> Scenario:
    """Convert one section after the other, and one entry after the other, so that an error tells which one it is."""
    hints = get_type_hints(Scenario, include_extras=True)
    sections: dict[str, Any] = {}
    for key, value in content.items():
        if key not in hints:
            raise ValueError(f"unknown key {key!r}; use one of {_keys(Scenario)}")
        if isinstance(value, list) and get_origin(hints[key]) is list:
            (kind,) = get_args(hints[key])
            sections[key] = [_convert(each, kind, f"{key}[{i}]") for i, each in enumerate(value)]
        else:
            sections[key] = _convert(value, hints[key], key)
    scenario = Scenario(**sections)
    _check(scenario)
    return scenario


def _convert(value: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, inside = str(error).partition(" - at `$")
        place = where + inside.rstrip("`")
        struct = next((each for each in (kind, *get_args(kind)) if hasattr(each, "__struct_fields__")), None)
        remedy = f"; its keys are {_keys(struct)}" if struct else ""
        raise ValueError(f"{place}: {message}{remedy}") from error


def _keys(struct: Any) -> str:
    return ", ".join(struct.__struct_fields__)


def _check(scenario: Scenario) -> None:
    """Check what the types do not say.

    :raises ValueError: if a switch or a fault is not one, or runs cannot be distributed.
    """
    try:
        Switches().changed(scenario.switches)
    except ValueError as error:
        raise ValueError(f"switches: {error}") from error
    for number, fault in enumerate(scenario.faults):
        try:
            Rule.parse(fault.rule)
        except ValueError as error:
            raise ValueError(f"faults[{number}]: {error}") from error
    flows = scenario.streaming_flows
    if flows and flows.runs % flows.count:
        raise ValueError(
            f"streaming_flows.runs: {flows.runs} runs cannot be distributed evenly over {flows.count} flows;"
            f" use a multiple of {flows.count}"
        )
