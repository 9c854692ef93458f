"""Schemas of the Schema Registry (``/data/foundation/schemaregistry``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure.desired import Desired, Difference
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.pages import CouldBe, could_be, could_be_none, pages
from airflow_provider_flowservice.client.http.request import Request, Sender, path_segment
from airflow_provider_flowservice.client.model import JsonObject, Page

SCHEMA_REGISTRY = "/data/foundation/schemaregistry"
PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
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
    :param parts: references to its class and field groups.
    """

    id: model.Id = msgspec.field(name="$id")
    title: str = ""
    schema_class: str | None = msgspec.field(name="meta:class", default=None)
    parts: tuple[Reference, ...] = msgspec.field(name="allOf", default=())
    registry: _Registry = msgspec.field(name="meta:registryMetadata", default=_Registry())

    @property
    def created_at(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self.registry.created

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


class DesiredSchema(Desired[Schema], frozen=True, kw_only=True):
    """A schema that must exist exactly once.

    :param name: its title.
    :param schema_class: ``$id`` of its class.
    :param field_groups: ``$id`` of each of its field groups.
    """

    schema_class: str = PROFILE_CLASS
    field_groups: Sequence[str] = ()

    label: ClassVar = "schema"

    def candidates(self, sender: Sender) -> Iterator[Schema]:
        """Return all schemas of the tenant (``GET /tenant/schemas``)."""
        # Titles are not unique and a page starts after a title, so only a complete list contains all candidates.
        return iterate(sender, needed=could_be(self.name))

    def matches(self, found: Schema) -> bool:
        """Whether the title is the same."""
        return found.title == self.name

    def differences(self, found: Schema) -> tuple[Difference, ...]:
        """Return class and field groups if they differ."""
        desired, existing = set(self._parts), {part.ref for part in found.parts}
        if desired == existing:
            return ()
        return (Difference("allOf", sorted(existing), sorted(desired)),)

    def create(self) -> Request[model.Created]:
        """Return the request ``POST /tenant/schemas``."""
        body: JsonObject = {
            "type": "object",
            "title": self.name,
            # According to AEP's API reference, the description is required.
            "description": self.description or "",
            "allOf": [{"$ref": part} for part in self._parts],
        }
        return Request("POST", f"{SCHEMA_REGISTRY}/tenant/schemas", _created, json=body, idempotent=False)

    def read(self, found_id: str) -> Request[Schema]:
        """Return the request ``GET /tenant/schemas/{id}``."""
        return Request("GET", _path(found_id), _schema, headers=_ACCEPT_ONE)

    def update(self, found: Schema) -> Request[Any] | None:
        """Return None; a schema that differs cannot be changed and raises :class:`DriftError`."""
        if differing := self.differences(found):
            raise self.cannot_change(
                found, differing, "Change it in AEP's user interface, or choose another title."
            )
        return None

    def delete(self, found_id: str) -> Request[None]:
        """Return the request ``DELETE /tenant/schemas/{id}``."""
        return Request("DELETE", _path(found_id), response.nothing)

    @property
    def _parts(self) -> tuple[str, ...]:
        return self.schema_class, *self.field_groups


def _path(schema_id: str) -> str:
    return f"{SCHEMA_REGISTRY}/tenant/schemas/{path_segment(schema_id)}"


def _page(received: response.Response) -> Page[Schema]:
    found = response.decode(received, _Schemas)
    return response.page_of(
        received, Schema, found.results, next_cursor=found.page.next, id_at=("$id",), name_at=("title",)
    )


def _schema(received: response.Response) -> Schema:
    return response.decode(received, Schema)


def _created(received: response.Response) -> model.Created:
    return model.Created(id=_schema(received).id)
