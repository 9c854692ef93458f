"""What a connection spec and a flow spec are, and how AEP shows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

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
    """

    name: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    secrets: frozenset[str] = frozenset()
    any_of: tuple[str, ...] = ()
    others: tuple[tuple[str, dict[str, Any]], ...] = ()

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of ``auth.params``."""
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
    """

    id: str
    name: str
    category: str
    role: Role
    provider_id: str
    auth: tuple[AuthSpec, ...] = ()
    target_params: tuple[str, ...] = ()
    drafts: bool = True

    @property
    def is_destination(self) -> bool:
        """Whether data can be sent there."""
        return self.role in (Role.DESTINATION, Role.BOTH)

    def auth_spec(self, name: object) -> AuthSpec | None:
        """Return the authentication of that name, or None."""
        return next((spec for spec in self.auth if spec.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Return the item in ``GET /connectionSpecs``."""
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

    def as_json(self) -> dict[str, Any]:
        """Return the item in ``GET /flowSpecs``."""
        side = "isDestinationFlow" if self.is_destination else "isSourceFlow"
        features = {"flowRunsSupported": self.runs, "updateSupported": self.updates}
        return {
            "id": self.id,
            "name": self.name,
            "providerId": self.provider_id,
            "version": SPEC_VERSION,
            "sourceConnectionSpecIds": list(self.sources),
            "targetConnectionSpecIds": list(self.targets),
            "transformationSpecs": [{"name": name} for name in self.transformations],
            "attributes": {
                side: True,
                "isDraftModeSupported": self.drafts,
                "uiAttributes": {"apiFeatures": features},
            },
        }
