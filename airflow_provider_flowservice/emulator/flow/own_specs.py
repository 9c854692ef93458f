"""Adds the specs of a user's own destination or source to those that the emulator knows."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.specs import (
    SPEC_VERSION,
    AuthSpec,
    Catalogue,
    ConnectionSpec,
    FlowSpec,
    Role,
)

_Name = Annotated[str, Meta(min_length=1)]
_Schema = dict[str, Any]
_ROLES = {
    (True, False): Role.SOURCE,
    (False, True): Role.DESTINATION,
    (True, True): Role.BOTH,
    (False, False): Role.PLATFORM,
}


# What is read of AEP's own forms; everything else is shown as it is.


class _Auth(Struct):
    name: _Name
    spec: _Schema = field(default_factory=dict)


class _Target(Struct):
    spec: _Schema = field(default_factory=dict)


class _ConnectionAttributes(Struct):
    category: str = ""
    isSource: bool = False  # noqa: N815 (as AEP has it)
    isDestination: bool = False  # noqa: N815
    isDraftModeSupported: bool = True  # noqa: N815


class _Connection(Struct):
    id: uuid.UUID
    name: _Name
    attributes: _ConnectionAttributes
    providerId: str = ""  # noqa: N815
    authSpec: list[_Auth] = field(default_factory=list)  # noqa: N815
    targetSpec: _Target = field(default_factory=_Target)  # noqa: N815


class _Transformation(Struct):
    name: _Name
    spec: _Schema = field(default_factory=dict)


class _Features(Struct):
    flowRunsSupported: bool = True  # noqa: N815
    updateSupported: bool = True  # noqa: N815


class _UiAttributes(Struct):
    apiFeatures: _Features = field(default_factory=_Features)  # noqa: N815


class _FlowAttributes(Struct):
    isDestinationFlow: bool = False  # noqa: N815
    isDraftModeSupported: bool = True  # noqa: N815
    uiAttributes: _UiAttributes = field(default_factory=_UiAttributes)  # noqa: N815


class _Flow(Struct):
    id: uuid.UUID
    name: _Name
    sourceConnectionSpecIds: Annotated[list[str], Meta(min_length=1)]  # noqa: N815
    targetConnectionSpecIds: Annotated[list[str], Meta(min_length=1)]  # noqa: N815
    providerId: str = ""  # noqa: N815
    transformationSpecs: list[_Transformation] = field(default_factory=list)  # noqa: N815
    attributes: _FlowAttributes = field(default_factory=_FlowAttributes)


class _File(Struct, forbid_unknown_fields=True):
    connectionSpecs: list[dict[str, Any]] = field(default_factory=list)  # noqa: N815
    flowSpecs: list[dict[str, Any]] = field(default_factory=list)  # noqa: N815


def add_specs(path: Path) -> None:
    """Add the specs in a file, for every emulator of this process.

    A connection spec that no flow spec of the file names can be connected by every flow spec, as a partner's can.

    :param path: ``{"connectionSpecs": [...], "flowSpecs": [...]}``: items of AEP's lists, or the parts of them that
        matter: ``id``, ``name``, ``attributes``, ``authSpec``, ``targetSpec``; ``sourceConnectionSpecIds``,
        ``targetConnectionSpecIds``, ``transformationSpecs``.
    :raises OSError: if it cannot be read.
    :raises ValueError: if something in it is missing, has the wrong type or is known already. Then nothing is added.
    """
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_File)
        connections = [_connection(item, i) for i, item in enumerate(content.connectionSpecs)]
        flows = [_flow(item, i) for i, item in enumerate(content.flowSpecs)]
        _check_new(CONNECTION_SPECS, [each.id for each in connections], "connectionSpecs")
        _check_new(FLOW_SPECS, [each.id for each in flows], "flowSpecs")
        _check_ends(flows, {*CONNECTION_SPECS, *(each.id for each in connections)})
    except (ValueError, msgspec.MsgspecError) as error:
        raise ValueError(
            f"specs {path}: {error}; see GET /connectionSpecs and GET /flowSpecs for what specs look like"
        ) from error
    named = {end for each in flows for end in (*each.sources, *each.targets)}
    CONNECTION_SPECS.update(
        (each.id, replace(each, is_partners=each.id not in named)) for each in connections
    )
    FLOW_SPECS.update((each.id, each) for each in flows)


def _convert(item: dict[str, Any], kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(item, kind)
    except msgspec.ValidationError as error:
        message, _, inside = str(error).partition(" - at `$")
        raise ValueError(f"{where}{inside.rstrip('`')}: {message}") from error


def _connection(item: dict[str, Any], number: int) -> ConnectionSpec:
    where = f"connectionSpecs[{number}]"
    read: _Connection = _convert(item, _Connection, where)
    target = read.targetSpec.spec
    properties = _properties(target, f"{where}.targetSpec.spec")
    texts = (name for name, each in properties.items() if each.get("type", "string") == "string")
    return ConnectionSpec(
        str(read.id),
        read.name,
        read.attributes.category,
        _ROLES[read.attributes.isSource, read.attributes.isDestination],
        read.providerId,
        tuple(_auth(each, f"{where}.authSpec[{i}].spec") for i, each in enumerate(read.authSpec)),
        tuple(name for name in texts if name in target.get("required", [])),
        read.attributes.isDraftModeSupported,
        described={"version": SPEC_VERSION, **item},
    )


def _auth(read: _Auth, where: str) -> AuthSpec:
    properties = _properties(read.spec, where)
    secrets = frozenset(name for name, each in properties.items() if each.get("format") == "password")
    return AuthSpec(read.name, secrets=secrets, described=read.spec)


def _properties(schema: _Schema, where: str) -> dict[str, _Schema]:
    """Return the schemas of the properties, of which ``true`` is one too.

    :raises ValueError: if it is not a JSON schema.
    """
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]
    from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]

    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"{where}: it is not a JSON schema: {error.message}") from error
    return {
        name: each if isinstance(each, dict) else {} for name, each in schema.get("properties", {}).items()
    }


def _flow(item: dict[str, Any], number: int) -> FlowSpec:
    read: _Flow = _convert(item, _Flow, f"flowSpecs[{number}]")
    features = read.attributes.uiAttributes.apiFeatures
    return FlowSpec(
        str(read.id),
        read.name,
        read.providerId,
        tuple(read.sourceConnectionSpecIds),
        tuple(read.targetConnectionSpecIds),
        tuple(each.name for each in read.transformationSpecs),
        read.attributes.isDestinationFlow,
        read.attributes.isDraftModeSupported,
        features.flowRunsSupported,
        features.updateSupported,
        params=tuple(
            name
            for i, each in enumerate(read.transformationSpecs)
            for name in _properties(each.spec, f"flowSpecs[{number}].transformationSpecs[{i}].spec")
        ),
        described={"version": SPEC_VERSION, **item},
    )


def _check_new(catalogue: Catalogue[Any], ids: list[str], where: str) -> None:
    for number, spec_id in enumerate(ids):
        if spec_id in catalogue or spec_id in ids[:number]:
            raise ValueError(f"{where}[{number}].id: {spec_id} is known already; leave it out")


def _check_ends(flows: list[FlowSpec], known: set[str]) -> None:
    for number, flow in enumerate(flows):
        for end in (*flow.sources, *flow.targets):
            if end not in known:
                raise ValueError(
                    f"flowSpecs[{number}]: it connects {end}, which is not a connection spec; add it"
                )
