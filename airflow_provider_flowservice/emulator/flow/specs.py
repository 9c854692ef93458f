"""What a connection spec and a flow spec are, and how AEP shows them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from airflow_provider_flowservice.emulator.settings import Switches

SPEC_VERSION = "1.0"
_JSON_SCHEMA = "http://json-schema.org/draft-07/schema#"


class Role(Enum):
    """Which end of a flow a connection spec can be."""

    SOURCE = ("isSource",)
    DESTINATION = ("isDestination",)
    BOTH = ("isSource", "isDestination")
    PLATFORM = ()


@dataclass(frozen=True)
class AuthSpec:
    """One way to authenticate a base connection.

    :param name: value of ``auth.specName``.
    :param required: names of required string parameters.
    :param optional: names of optional string parameters.
    :param secrets: which of both are credentials: shown with ``format: password``, masked on GET.
    :param any_of: at least one of these is required.
    :param others: schemas of parameters that are not plain strings.
    :param described: the whole schema, if a user of the emulator has described it.
    """

    name: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()
    any_of: tuple[str, ...] = ()
    others: tuple[tuple[str, dict[str, Any]], ...] = ()
    described: dict[str, Any] | None = None

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of ``auth.params``."""
        if self.described is not None:
            return self.described
        properties: dict[str, Any] = {name: self._string(name) for name in (*self.required, *self.optional)}
        schema = {"$schema": _JSON_SCHEMA, "type": "object", "properties": properties | dict(self.others)}
        if self.required:
            schema["required"] = list(self.required)
        if self.any_of:
            schema["anyOf"] = [{"required": [name]} for name in self.any_of]
        return schema

    def _string(self, name: str) -> dict[str, Any]:
        return {"type": "string", "format": "password"} if name in self.secrets else {"type": "string"}

    def as_json(self) -> dict[str, Any]:
        """Return the entry in ``authSpec``."""
        return {"name": self.name, "type": "KeyBased", "spec": self.schema()}


@dataclass(frozen=True)
class ConnectionSpec:
    """A product that AEP can connect to.

    :param role: whether it is a source, a destination, both, or a part of the platform.
    :param target_params: names of required ``params`` of a target connection.
    :param drafts: whether a connection can be created as a draft.
    :param is_partners: whether a partner of Adobe's made it, so that nothing more is known of it.
    :param described: how it is shown, if a user of the emulator has described it.
    """

    id: str
    name: str
    category: str
    role: Role
    provider_id: str
    auth: tuple[AuthSpec, ...] = ()
    target_params: tuple[str, ...] = ()
    drafts: bool = True
    is_partners: bool = False
    described: dict[str, Any] | None = None

    @property
    def is_destination(self) -> bool:
        """Whether data can be sent there."""
        return self.role in (Role.DESTINATION, Role.BOTH)

    @property
    def streams(self) -> bool:
        """Whether it is a destination that takes messages."""
        return self.role is Role.BOTH

    @property
    def takes_files(self) -> bool:
        """Whether it is a destination that is known to take files. Of a user's own, the parameter ``fileType`` tells.

        That is a guess: file destinations in Adobe's samples have it.
        """
        if self.described is not None:
            properties = self.described.get("targetSpec", {}).get("spec", {}).get("properties", {})
            return self.is_destination and "fileType" in properties
        return self.role is Role.DESTINATION and not self.is_partners

    def auth_spec(self, name: object) -> AuthSpec | None:
        """Return the authentication of that name, or None."""
        return next((spec for spec in self.auth if spec.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Return the item in ``GET /connectionSpecs``."""
        if self.described is not None:
            return self.described
        item: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "providerId": self.provider_id,
            "version": SPEC_VERSION,
            "authSpec": [spec.as_json() for spec in self.auth],
            "attributes": {
                "category": self.category,
                "isDraftModeSupported": self.drafts,
                "uiAttributes": {"category": self.category, "label": self.name},
                **dict.fromkeys(self.role.value, True),
            },
        }
        if self.target_params:
            spec = {
                "$schema": _JSON_SCHEMA,
                "type": "object",
                "properties": {name: {"type": "string"} for name in self.target_params},
                "required": list(self.target_params),
            }
            item["targetSpec"] = {"name": self.name, "type": "object", "spec": spec}
        return item


@dataclass(frozen=True)
class FlowSpec:
    """A kind of flow: what it may connect, and how it transforms.

    :param sources: connection specs that its source connections may have.
    :param targets: connection specs that its target connections may have.
    :param transformations: names that its transformations may have.
    :param runs: whether it has runs that can be listed.
    :param params: parameters of its transformations, as far as they are described.
    :param described: how it is shown, if a user of the emulator has described it.
    """

    id: str
    name: str
    provider_id: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    transformations: tuple[str, ...]
    is_destination: bool
    drafts: bool = True
    runs: bool = True
    updates: bool = True
    scheduled: bool = False
    params: tuple[str, ...] = ()
    described: dict[str, Any] | None = None

    def connects(self, sources: Iterable[ConnectionSpec], targets: Iterable[ConnectionSpec]) -> bool:
        """Return whether a flow may connect these. What is a partner's may be connected by every flow spec."""
        ends = ((sources, self.sources), (targets, self.targets))
        return all(spec.is_partners or spec.id in allowed for specs, allowed in ends for spec in specs)

    def as_json(self) -> dict[str, Any]:
        """Return the item in ``GET /flowSpecs``."""
        if self.described is not None:
            return self.described
        side = "isDestinationFlow" if self.is_destination else "isSourceFlow"
        features = {"flowRunsSupported": self.runs, "updateSupported": self.updates}
        return {
            "id": self.id,
            "name": self.name,
            "providerId": self.provider_id,
            "version": SPEC_VERSION,
            "sourceConnectionSpecIds": list(self.sources),
            "targetConnectionSpecIds": list(self.targets),
            "transformationSpecs": [self._transformation(name) for name in self.transformations],
            "attributes": {
                side: True,
                "isDraftModeSupported": self.drafts,
                "uiAttributes": {"apiFeatures": features},
            },
        }

    def _transformation(self, name: str) -> dict[str, Any]:
        if not self.params:
            return {"name": name}
        properties: dict[str, Any] = {param: {} for param in self.params}
        return {"name": name, "spec": {"$schema": _JSON_SCHEMA, "type": "object", "properties": properties}}


class _Spec(Protocol):
    @property
    def id(self) -> str: ...


S = TypeVar("S", bound=_Spec)


class Catalogue(dict[str, S]):
    """The specs that the emulator knows, by id.

    ``get`` finds only these. Indexing with another id gives a partner's spec of that id.
    """

    def __init__(self, specs: Iterable[S], partners: Callable[[str], S]) -> None:
        super().__init__((spec.id, spec) for spec in specs)
        self._partners = partners

    def __missing__(self, spec_id: str) -> S:
        return self._partners(spec_id)

    def find(self, spec_id: object, switches: Switches) -> S | None:
        """Return a spec; None if it is unknown and the switch does not take it for a partner's."""
        if not isinstance(spec_id, str) or spec_id in self:
            return self.get(str(spec_id))
        return self[spec_id] if switches.unknown_specs == "accept" and _is_uuid(spec_id) else None


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
