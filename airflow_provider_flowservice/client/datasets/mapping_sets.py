"""Mapping sets of Data Prep (``/data/foundation/conversion``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure.desired import Desired, Difference, compare
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.pages import (
    CouldBe,
    could_be,
    could_be_any,
    could_be_none,
    next_offset,
    pages,
)
from airflow_provider_flowservice.client.http.request import Request, Sender, path_segment
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.model import Frozen, JsonObject, Page
from airflow_provider_flowservice.client.text import plain_text

DATA_PREP = "/data/foundation/conversion"
#: Mapping sets per page. A large page saves requests, since a mapping set without a name is found by reading them all.
PAGE_LIMIT = 100
SCHEMA_CONTENT_TYPE = "application/vnd.adobe.xed-full+json;version=1"
_JSON_TYPES = ("string", "integer", "number", "boolean", "array", "object")


class BodyForm(StrEnum):
    """The two formats of the request body that Data Prep accepts."""

    #: ``outputSchema`` with ``source`` and ``destination``, as in the API reference.
    NEW = "new"
    #: ``xdmSchema`` with ``sourceAttribute`` and ``destinationXdmPath``, as in the tutorials.
    OLD = "old"


class FieldMapping(Frozen, frozen=True):
    """A field in a mapping set.

    :param source: name of the source field, or an expression.
    :param destination: path in the schema, for example ``person.name.firstName``, or name of a column.
    :param source_type: ``ATTRIBUTE``, ``EXPRESSION`` or ``STATIC``.
    """

    source: str
    destination: str
    source_type: str = "ATTRIBUTE"


class _SchemaRef(model.Record, frozen=True, kw_only=True):
    id: str = ""


class _OutputSchema(model.Record, frozen=True, kw_only=True):
    schema_ref: _SchemaRef | None = None
    json_schema: Any = None


class _Mapping(model.Record, frozen=True, kw_only=True):
    source: str | None = None
    destination: str | None = None
    source_attribute: str | None = None
    destination_xdm_path: str | None = None


class MappingSet(model.Record, frozen=True, kw_only=True):
    """A mapping set in either of the two formats."""

    id: model.Id
    version: int = 0
    name: str | None = None
    created_date: int | str = 0
    output_schema: _OutputSchema | None = None
    xdm_schema: str | None = None
    mappings: tuple[_Mapping, ...] = ()

    @property
    def created_at(self) -> int:
        """Milliseconds since 1970-01-01 UTC; 0 if AEP returns a date string."""
        return self.created_date if isinstance(self.created_date, int) else 0

    @property
    def etag(self) -> str:
        """The version, which the ``Mapping`` transformation of a flow refers to."""
        return str(self.version)

    @property
    def schema_id(self) -> str | None:
        """``$id`` of the target schema."""
        reference = self.output_schema.schema_ref if self.output_schema else None
        return reference.id if reference else self.xdm_schema

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """The columns of a destination, each with its JSON Schema; None if AEP does not show them."""
        schema = self.output_schema.json_schema if self.output_schema else None
        properties = model.member(schema, "properties")
        return properties if isinstance(properties, Mapping) else None

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The source and destination of each field."""
        return frozenset(
            (m.source or m.source_attribute or "", m.destination or m.destination_xdm_path or "")
            for m in self.mappings
        )


class _MappingSets(model.Record, frozen=True, kw_only=True):
    data: tuple[msgspec.Raw, ...]


class _Problem(model.Record, frozen=True, kw_only=True):
    source: str | None = None
    destination: str | None = None
    exception: str | None = None


class _FieldValidation(model.Record, frozen=True, kw_only=True):
    status: str
    errors: tuple[_Problem, ...] | None = None


class _ValidationResponse(model.Record, frozen=True, kw_only=True):
    validation_response: tuple[_FieldValidation, ...] = ()


def read_mappings(mappings: Sequence[Mapping[str, Any]]) -> tuple[FieldMapping, ...]:
    """Validate the mappings that a user specifies, with the field names of either format.

    :raises InvalidInputError: if a source or destination is missing, or a destination occurs twice.
    """
    if isinstance(mappings, (str, Mapping)) or not isinstance(mappings, Sequence):
        problem = f"must be a list, not {type(mappings).__name__}"
        raise InvalidInputError("mappings", problem, "Give a list of dicts.")
    found: dict[str, FieldMapping] = {}
    for position, entry in enumerate(mappings):
        where = f"mappings[{position}]"
        if not isinstance(entry, Mapping):
            raise InvalidInputError(where, f"{entry!r} is not a mapping", "Give source and destination.")
        source = entry.get("source") or entry.get("sourceAttribute")
        destination = entry.get("destination") or entry.get("destinationXdmPath")
        if not (source and isinstance(source, str) and destination and isinstance(destination, str)):
            problem = f"{dict(entry)!r} lacks source or destination, or one is not a string"
            raise InvalidInputError(where, problem, "Give both, as strings.")
        if destination in found:
            raise InvalidInputError(where, f"{destination!r} is mapped twice", "Remove one of the mappings.")
        found[destination] = FieldMapping(source, destination, entry.get("sourceType", "ATTRIBUTE"))
    if not found:
        raise InvalidInputError("mappings", "is empty", "Give at least one field.")
    return tuple(found.values())


def read_columns(columns: Sequence[str] | Mapping[str, str | Mapping[str, Any]]) -> dict[str, JsonObject]:
    """Validate the columns of a destination that a user specifies, and return the JSON Schema of each.

    :param columns: their names; or, if not all are strings, the JSON type or the JSON Schema of each, by name.
    :raises InvalidInputError: if a name is empty, occurs twice or has a dot, or a type is unknown.
    """
    if isinstance(columns, str) or not isinstance(columns, (Sequence, Mapping)):
        problem = f"must be a list, not {type(columns).__name__}"
        raise InvalidInputError("columns", problem, "Give a list of names.")
    if not columns:
        raise InvalidInputError("columns", "is empty", "Give at least one name.")
    if isinstance(columns, Mapping):
        return {_column(name, "columns"): _column_schema(name, kind) for name, kind in columns.items()}
    found: dict[str, JsonObject] = {}
    for position, name in enumerate(columns):
        where = f"columns[{position}]"
        if _column(name, where) in found:
            raise InvalidInputError(where, f"{name!r} occurs twice", "Remove one of them.")
        found[name] = {"type": "string"}
    return found


def _column(name: Any, where: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InvalidInputError(
            where, f"{name!r} is not a name", "Give a name such as personalEmail_address."
        )
    if "." in name:
        problem = f"{name!r} has a dot, which AEP does not accept in the name of a column"
        raise InvalidInputError(where, problem, f"Call it {name.replace('.', '_')}.")
    return name


def _column_schema(name: str, kind: Any) -> JsonObject:
    if isinstance(kind, Mapping):
        return dict(kind)
    if kind not in _JSON_TYPES:
        remedy = f"Give a JSON type ({', '.join(_JSON_TYPES)}) or a JSON Schema."
        raise InvalidInputError("columns", f"{kind!r} is not a type for {name!r}", remedy)
    return {"type": kind}


def check_destinations(mappings: Sequence[FieldMapping], columns: Mapping[str, Any]) -> None:
    """Check that each mapping leads to a column, and that each column is mapped.

    :raises InvalidInputError: if one does not, or is not. A column that nothing is mapped to would stay empty.
    """
    for position, mapping in enumerate(mappings):
        if mapping.destination not in columns:
            problem = f"the destination {mapping.destination!r} is not one of the columns"
            remedy = f"Choose one of {', '.join(columns)}, or add it to columns."
            raise InvalidInputError(f"mappings[{position}]", problem, remedy)
    mapped = {mapping.destination for mapping in mappings}
    if unmapped := [name for name in columns if name not in mapped]:
        problem = f"nothing is mapped to {', '.join(unmapped)}"
        raise InvalidInputError("columns", problem, "Add a mapping, or remove the column.")


def page(start: str | None = None, *, name: str | None = None) -> Request[Page[MappingSet]]:
    """Return the request for a page of mapping sets: ``GET /mappingSets``.

    :param start: number of mapping sets to skip, as a string.
    :param name: return only mapping sets with this name.
    """

    def parse(received: Response) -> Page[MappingSet]:
        found = response.decode(received, _MappingSets).data
        following = next_offset(start, len(found), PAGE_LIMIT)
        return response.page_of(received, MappingSet, found, next_cursor=following)

    params = [("limit", str(PAGE_LIMIT)), ("start", start or "0")]
    if name is not None:
        params.append(("name", name))
    return Request("GET", f"{DATA_PREP}/mappingSets", parse, params=tuple(params))


def iterate(
    sender: Sender, *, name: str | None = None, needed: CouldBe = could_be_none
) -> Iterator[MappingSet]:
    """Yield all mapping sets, each of them once.

    :param needed: which of the objects that cannot be read are an error; the others are skipped.
    """
    return pages(sender, "mapping sets", lambda start: page(start, name=name), needed)


class DesiredMappingSet(Desired[MappingSet], frozen=True, kw_only=True):
    """A mapping set that must exist exactly once.

    A mapping set with a name is found by target and name, and its fields are compared. A mapping set without a name is
    found by target and fields; the old format does not support names.

    :param name: its name; empty for none.
    :param schema_id: ``$id`` of the target schema; None if ``columns`` is the target.
    :param columns: the columns of a destination, each with its JSON Schema. They are compared if AEP shows them.
    :param mappings: the fields.
    :param form: format of the request body.
    """

    schema_id: str | None = None
    columns: Mapping[str, JsonObject] | None = None
    mappings: tuple[FieldMapping, ...]
    form: BodyForm = BodyForm.NEW

    label: ClassVar = "mapping set"

    @property
    def parents(self) -> tuple[str, ...]:
        """Id of the schema, if there is one."""
        return (self.schema_id,) if self.schema_id else ()

    def candidates(self, sender: Sender) -> Iterator[MappingSet]:
        """Return the mapping sets with this name or, without a name, all of them (``GET /mappingSets``)."""
        return iterate(
            sender, name=self.name or None, needed=could_be(self.name) if self.name else could_be_any
        )

    def matches(self, found: MappingSet) -> bool:
        """Whether target and name or, without a name, target and fields are the same."""
        if self.name:
            return super().matches(found)
        return not self.fixed_differences(found) and not self.differences(found)

    def name_differences(self, found: MappingSet) -> tuple[Difference, ...]:
        """Return the name if it differs; without a name, any is as desired."""
        return super().name_differences(found) if self.name else ()

    def fixed_differences(self, found: MappingSet) -> tuple[Difference, ...]:
        """Return the target schema if it differs."""
        return compare("outputSchema.schemaRef.id", self.schema_id, found.schema_id or None)

    def differences(self, found: MappingSet) -> tuple[Difference, ...]:
        """Return the fields and columns that differ."""
        pairs = Difference("mappings", sorted(found.pairs), sorted(self._pairs))
        shown = found.columns if self.columns is not None else None
        return (
            *((pairs,) if found.pairs != self._pairs else ()),
            *(compare("columns", self.columns, shown) if shown is not None else ()),
        )

    def create(self) -> Request[model.Created]:
        """Return the request ``POST /mappingSets``."""
        return Request("POST", f"{DATA_PREP}/mappingSets", _created, json=self.body, idempotent=False)

    def validate(self) -> Request[None]:
        """Return the request that validates the mappings: ``POST /mappingSets/validate``.

        Sending it raises :class:`InvalidInputError` if AEP rejects a field.
        """
        return Request("POST", f"{DATA_PREP}/mappingSets/validate", self._read_validation, json=self.body)

    def read(self, found_id: str) -> Request[MappingSet]:
        """Return the request ``GET /mappingSets/{id}``."""
        return Request("GET", _path(found_id), lambda received: response.decode(received, MappingSet))

    def update(self, found: MappingSet) -> Request[Any] | None:
        """Return the request ``PUT /mappingSets/{id}``; None if there is nothing to change."""
        if not self.not_applied(found):
            return None
        body = {**self.body, "id": found.id, "version": found.version}
        return Request("PUT", _path(found.id), response.nothing, json=body, idempotent=False)

    def delete(self, found_id: str) -> Request[None]:
        """Return the request ``DELETE /mappingSets/{id}``."""
        return Request("DELETE", _path(found_id), response.nothing)

    @property
    def body(self) -> JsonObject:
        """The body of ``POST``, in the selected format."""
        if self.form is BodyForm.OLD:
            return {
                "version": 0,
                "xdmSchema": self.schema_id,
                "xdmVersion": "1.0",
                "mappings": [
                    {
                        "destinationXdmPath": m.destination,
                        "sourceAttribute": m.source,
                        "identity": False,
                        "version": 0,
                    }
                    for m in self.mappings
                ],
            }
        named = {"name": self.name} if self.name else {}
        return {
            **named,
            "outputSchema": self._output_schema,
            "mappings": [
                {"sourceType": m.source_type, "source": m.source, "destination": m.destination}
                for m in self.mappings
            ],
        }

    @property
    def _output_schema(self) -> JsonObject:
        if self.columns is None:
            return {"schemaRef": {"id": self.schema_id, "contentType": SCHEMA_CONTENT_TYPE}}
        return {"jsonSchema": {"type": "object", "properties": dict(self.columns)}}

    @property
    def _pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset((m.source, m.destination) for m in self.mappings)

    def _read_validation(self, received: Response) -> None:
        results = response.decode(received, _ValidationResponse).validation_response
        problems = []
        for index, result in enumerate(results):
            if result.status != "SUCCESS":
                mapping = self.mappings[index] if index < len(self.mappings) else None
                field = mapping.destination if mapping else f"#{index}"
                reasons = "; ".join(p.exception or "rejected" for p in result.errors or ()) or "rejected"
                problems.append(f"{field}: {plain_text(reasons)}")
        if problems:
            problem = f"AEP rejects {len(problems)} of {len(self.mappings)}: {' | '.join(problems)}"
            remedy = f"Check them against the {'schema' if self.columns is None else 'columns'}."
            raise InvalidInputError("mappings", problem, remedy)


def _path(mapping_set_id: str) -> str:
    return f"{DATA_PREP}/mappingSets/{path_segment(mapping_set_id)}"


def _created(received: Response) -> model.Created:
    created = response.decode(received, MappingSet)
    return model.Created(id=created.id, etag=created.etag)
