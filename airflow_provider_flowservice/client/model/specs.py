"""Connection specs and flow specs: the types of systems and dataflows that AEP has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_flowservice.client.model.documents import JsonObject, is_number, items, member
from airflow_provider_flowservice.client.model.records import Id, Record
from airflow_provider_flowservice.client.model.secrets import looks_secret


class SpecRef(Record, frozen=True, kw_only=True):
    """A reference to the connection spec or flow spec of a resource.

    :param id: UUID of the spec.
    :param version: version of the spec: ``"1.0"``, or the number 1 in old resources.
    """

    id: Id
    version: str | float = "1.0"


class ParameterSpec(Record, frozen=True, kw_only=True):
    """A JSON schema of parameters.

    :param spec: the schema.
    """

    spec: JsonObject = msgspec.field(default_factory=dict)

    @property
    def properties(self) -> dict[str, JsonObject]:
        """The JSON schema of each parameter, by name; empty for a schema that is not an object."""
        properties = self.spec.get("properties")
        given = properties.items() if isinstance(properties, dict) else ()
        return {name: schema if isinstance(schema, dict) else {} for name, schema in given}

    @property
    def required(self) -> frozenset[str]:
        """Names of the required parameters."""
        required = self.spec.get("required")
        return frozenset(name for name in items(required) if isinstance(name, str))

    def with_strings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters in which a number is a string if the schema requires one.

        Airflow's native rendering turns a string such as ``"20260101"`` into a number.
        """
        return {
            name: str(value) if is_number(value) and self._is_string(name) else value
            for name, value in params.items()
        }

    def _is_string(self, name: str) -> bool:
        schema = self.properties.get(name)
        return isinstance(schema, dict) and schema.get("type") == "string"


class AuthSpec(ParameterSpec, frozen=True, kw_only=True):
    """An authentication method of a connection spec.

    :param name: value of ``auth.specName`` that selects the method.
    :param spec: JSON schema of ``auth.params``.
    """

    name: str

    def is_secret(self, parameter: str) -> bool:
        """Whether a parameter is a credential, according to the spec or to its name."""
        schema = self.properties.get(parameter)
        return (schema or {}).get("format") == "password" or looks_secret(parameter)


class ConnectionSpec(Record, frozen=True, kw_only=True):
    """A type of system that AEP can connect to (``/connectionSpecs``)."""

    id: Id
    name: str = ""
    version: str | float = "1.0"
    auth_spec: tuple[AuthSpec, ...] = ()
    source_spec: ParameterSpec | None = None
    target_spec: ParameterSpec | None = None
    attributes: JsonObject = msgspec.field(default_factory=dict)


class FlowSpec(Record, frozen=True, kw_only=True):
    """A type of dataflow (``/flowSpecs``).

    :param transformation_specs: the transformations that its flows can have, each with a name and a JSON schema;
        malformed parts are ignored.
    """

    id: Id
    name: str = ""
    version: str | float = "1.0"
    attributes: JsonObject = msgspec.field(default_factory=dict)
    transformation_specs: Any = None

    @property
    def has_runs(self) -> bool:
        """Whether flows with this spec have runs, as far as AEP says."""
        supported = member(self.attributes, "uiAttributes", "apiFeatures", "flowRunsSupported")
        return supported is not False

    def transformation_params(self, name: str) -> frozenset[str]:
        """Return the names of a transformation's parameters; empty if the flow spec does not describe them."""
        named = (each for each in items(self.transformation_specs) if member(each, "name") == name)
        properties = member(next(named, None), "spec", "properties")
        return frozenset(properties) if isinstance(properties, dict) else frozenset()
