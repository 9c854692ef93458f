"""Schemas of the Schema Registry (``/data/foundation/schemaregistry``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.datasets.identities import PrimaryIdentity, primary_identity_of
from airflow_provider_flowservice.client.ensure.desired import Desired, Difference, Part
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.pages import CouldBe, could_be, could_be_none, pages
from airflow_provider_flowservice.client.http.request import Request, Sender, path_segment
from airflow_provider_flowservice.client.model import JsonObject, Page

SCHEMA_REGISTRY = "/data/foundation/schemaregistry"
PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
#: The tag that enables a schema for Real-Time Customer Profile.
UNION = "union"
#: Schemas per page: the maximum of the Schema Registry. A schema is found by reading them all, so large pages pay off.
PAGE_LIMIT = 300

#: These media types return complete schemas with unresolved references. A lookup by id requires a version.
_ACCEPT_LIST = (("Accept", "application/vnd.adobe.xed+json"),)
_ACCEPT_ONE = (("Accept", "application/vnd.adobe.xed+json; version=1"),)


class Reference(model.Record, frozen=True, kw_only=True):
    """A reference to a class or field group of a schema."""

    ref: str = msgspec.field(name="$ref", default="")


class _Registry(model.Record, frozen=True, kw_only=True):
    created: model.Milliseconds = msgspec.field(name="repo:createdDate", default=0)


class Schema(model.Record, frozen=True, kw_only=True):
    """An XDM schema of the tenant.

    :param id: ``$id`` of the schema, a URI.
    :param references: references to its class and field groups.
    :param tags: tags that cannot be removed; ``union`` enables it for Real-Time Customer Profile.
    """

    id: model.Id = msgspec.field(name="$id")
    title: str = ""
    schema_class: str | None = msgspec.field(name="meta:class", default=None)
    references: tuple[Reference, ...] = msgspec.field(name="allOf", default=())
    tags: tuple[str, ...] = msgspec.field(name="meta:immutableTags", default=())
    registry: _Registry = msgspec.field(name="meta:registryMetadata", default=_Registry())

    @property
    def name(self) -> str:
        """Its title."""
        return self.title

    @property
    def created_at(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self.registry.created

    @property
    def profile_enabled(self) -> bool:
        """Whether its records can be added to profiles."""
        return UNION in self.tags

    @property
    def etag(self) -> None:
        """None: the provider does not use versions of schemas."""
        return


class _Paging(model.Record, frozen=True, kw_only=True):
    next: str | None = None


class _Schemas(model.Record, frozen=True, kw_only=True):
    results: tuple[msgspec.Raw, ...]
    page: _Paging = msgspec.field(name="_page", default=_Paging())


def page(start: str | None = None) -> Request[Page[Schema]]:
    """Return the request for a page of the tenant's schemas, ordered by title: ``GET /tenant/schemas``.

    :param start: the title after which the page begins. If several schemas have this title, the page contains none of
        them; the Schema Registry has no other cursor.
    """
    params = [("orderby", "title"), ("limit", str(PAGE_LIMIT))]
    if start is not None:
        params.append(("start", start))
    return Request(
        "GET", f"{SCHEMA_REGISTRY}/tenant/schemas", _page, params=tuple(params), headers=_ACCEPT_LIST
    )


def iterate(sender: Sender, *, needed: CouldBe = could_be_none) -> Iterator[Schema]:
    """Yield all schemas of the tenant, each of them once.

    :param needed: which of the objects that cannot be read are an error; the others are skipped.
    """
    return pages(sender, "schemas", page, needed)


def read(schema_id: str) -> Request[Schema]:
    """Return the request ``GET /tenant/schemas/{id}``."""
    return Request("GET", _path(schema_id), _schema, headers=_ACCEPT_ONE)


class DesiredSchema(Desired[Schema], frozen=True, kw_only=True):
    """A schema that must exist exactly once.

    :param name: its title.
    :param schema_class: ``$id`` of its class.
    :param field_groups: ``$id`` of each field group that it must have; further ones do not matter.
    :param primary_identity: the field that identifies a person.
    :param enable_for_profile: whether its records can be added to profiles. AEP cannot undo this.
    """

    schema_class: str = PROFILE_CLASS
    field_groups: Sequence[str] = ()
    primary_identity: PrimaryIdentity | None = None
    enable_for_profile: bool = False

    label: ClassVar = "schema"
    is_renamed: ClassVar = False

    def candidates(self, sender: Sender) -> Iterator[Schema]:
        """Return all schemas of the tenant (``GET /tenant/schemas``)."""
        # Titles are not unique and a page starts after a title, so only a complete list contains all candidates.
        return iterate(sender, needed=could_be(self.name))

    def matches(self, found: Schema) -> bool:
        """Whether the title is the same; a schema with another class is rejected."""
        return found.title == self.name

    def fixed_differences(self, found: Schema) -> tuple[Difference, ...]:
        """Return the class if it differs."""
        if any(reference.ref == self.schema_class for reference in found.references):
            return ()
        return (Difference("class", found.schema_class, self.schema_class),)

    def differences(self, found: Schema) -> tuple[Difference, ...]:
        """Return another class, missing field groups, and the tag if it should be set and is not."""
        existing = {reference.ref for reference in found.references}
        missing = () if existing.issuperset(self._references) else self._references
        return (
            *((Difference("allOf", sorted(existing), sorted(missing)),) if missing else ()),
            *(self._tag_missing(found) if self._is_enabled_with_the_rest else ()),
        )

    def create(self) -> Request[model.Created]:
        """Return the request ``POST /tenant/schemas``."""
        body: JsonObject = {
            "type": "object",
            "title": self.name,
            # According to AEP's API reference, the description is required.
            "description": self.description or "",
            "allOf": [{"$ref": reference} for reference in self._references],
        }
        if self._is_enabled_with_the_rest:
            body["meta:immutableTags"] = [UNION]
        return Request("POST", f"{SCHEMA_REGISTRY}/tenant/schemas", _created, json=body, idempotent=False)

    def read(self, found_id: str) -> Request[Schema]:
        """Return the request ``GET /tenant/schemas/{id}``."""
        return read(found_id)

    def update(self, found: Schema) -> Request[Any] | None:
        """Return the request ``PATCH /tenant/schemas/{id}``, which adds field groups and enables it for profiles.

        :raises DriftError: if the class differs.
        """
        if fixed := self.fixed_differences(found):
            raise self.cannot_change(found, fixed, "Choose another title.")
        existing = {reference.ref for reference in found.references}
        groups = [group for group in dict.fromkeys(self.field_groups) if group not in existing]
        operations = [model.Operation(op="add", path="/allOf/-", value={"$ref": group}) for group in groups]
        if self._is_enabled_with_the_rest and self._tag_missing(found):
            operations.append(_add_tag(found))
        return _patch(found, operations)

    def parts(self, found_id: str) -> tuple[Part[Any], ...]:
        """Return the primary identity and, after it, the tag: AEP may require an identity before the tag."""
        if self.primary_identity is None:
            return ()
        identity = primary_identity_of(found_id, self.primary_identity)
        if not self.enable_for_profile:
            return (identity,)
        tag = Part(
            read=read(found_id),
            absent=Schema(id=found_id),
            differences=self._tag_missing,
            update=lambda found: _patch(found, [_add_tag(found)] if self._tag_missing(found) else []),
        )
        return identity, tag

    def delete(self, found_id: str) -> Request[None]:
        """Return the request ``DELETE /tenant/schemas/{id}``."""
        return Request("DELETE", _path(found_id), response.nothing)

    @property
    def _references(self) -> tuple[str, ...]:
        return self.schema_class, *self.field_groups

    @property
    def _is_enabled_with_the_rest(self) -> bool:
        """Whether the tag is sent with class and field groups: no identity has to precede it."""
        return self.enable_for_profile and self.primary_identity is None

    def _tag_missing(self, found: Schema) -> tuple[Difference, ...]:
        if found.profile_enabled:
            return ()
        return (Difference("meta:immutableTags", list(found.tags), [UNION]),)


def _path(schema_id: str) -> str:
    return f"{SCHEMA_REGISTRY}/tenant/schemas/{path_segment(schema_id)}"


def _add_tag(found: Schema) -> model.Operation:
    """Return the operation that adds the tag. A schema without tags does not have the list either."""
    if found.tags:
        return model.Operation(op="add", path="/meta:immutableTags/-", value=UNION)
    return model.Operation(op="add", path="/meta:immutableTags", value=[UNION])


def _patch(found: Schema, operations: Sequence[model.Operation]) -> Request[Any] | None:
    """Return the request that changes a schema; None if there is nothing to change."""
    if not operations:
        return None
    body = [operation.to_json() for operation in operations]
    return Request("PATCH", _path(found.id), response.nothing, json=body, idempotent=False)


def _page(received: response.Response) -> Page[Schema]:
    found = response.decode(received, _Schemas)
    return response.page_of(
        received, Schema, found.results, next_cursor=found.page.next, id_at=("$id",), name_at=("title",)
    )


def _schema(received: response.Response) -> Schema:
    return response.decode(received, Schema)


def _created(received: response.Response) -> model.Created:
    return model.Created(id=_schema(received).id)
