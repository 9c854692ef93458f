"""Schemas of the Schema Registry (``/data/foundation/schemaregistry``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure.desired import Desired, Difference
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.pages import pages
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.model import JsonObject, Page

SCHEMA_REGISTRY = "/data/foundation/schemaregistry"
PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
PAGE_LIMIT = 300

#: Lists give whole schemas with their references; a look-up needs a version in the media type.
_ACCEPT_LIST = (("Accept", "application/vnd.adobe.xed+json"),)
_ACCEPT_ONE = (("Accept", "application/vnd.adobe.xed+json; version=1"),)


class Reference(model.Record, frozen=True, kw_only=True):
    """A class or field group that a schema is composed of."""

    ref: str = msgspec.field(name="$ref", default="")


class _Registry(model.Record, frozen=True, kw_only=True):
    created: int = msgspec.field(name="repo:createdDate", default=0)


class Schema(model.Record, frozen=True, kw_only=True):
    """An XDM schema of the tenant.

    :param id: its ``$id``, a URI.
    :param parts: the class and field groups that it is composed of.
    """

    id: str = msgspec.field(name="$id")
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
        """Schemas have no version that the provider uses."""
        return


class _Paging(model.Record, frozen=True, kw_only=True):
    next: str | None = None


class _Schemas(model.Record, frozen=True, kw_only=True):
    results: tuple[Schema, ...] = ()
    page: _Paging = msgspec.field(name="_page", default=_Paging())


def page(start: str | None = None) -> Request[Page[Schema]]:
    """A page of the tenant's schemas ordered by title: ``GET /tenant/schemas``.

    :param start: the title after which the page begins: if several schemas have the title that a page ends with, the
        next page has none of them. The registry has no other cursor.
    """
    params = [("orderby", "title"), ("limit", str(PAGE_LIMIT))]
    if start is not None:
        params.append(("start", start))
    return Request(
        "GET", f"{SCHEMA_REGISTRY}/tenant/schemas", _page, params=tuple(params), headers=_ACCEPT_LIST
    )


def iterate(sender: Sender) -> Iterator[Schema]:
    """Every schema of the tenant, each once."""
    return pages(sender, "schemas", page)


class DesiredSchema(Desired[Schema], frozen=True, kw_only=True):
    """A schema that must exist once.

    :param name: its title.
    :param schema_class: ``$id`` of its class.
    :param field_groups: ``$id`` of the field groups that it is composed of beside the class.
    """

    schema_class: str = PROFILE_CLASS
    field_groups: Sequence[str] = ()

    label: ClassVar = "schema"

    def candidates(self, sender: Sender) -> Iterator[Schema]:
        """All schemas of the tenant (``GET /tenant/schemas``)."""
        # Titles may repeat, and a page starts strictly after a title, so a list is read to its end.
        return iterate(sender)

    def is_ours(self, found: Schema) -> bool:
        """The title agrees."""
        return found.title == self.name

    def differences(self, found: Schema) -> tuple[Difference, ...]:
        """The class and field groups."""
        wanted, held = set(self._parts), {part.ref for part in found.parts}
        if wanted == held:
            return ()
        return (Difference("allOf", sorted(held), sorted(wanted)),)

    def create(self) -> Request[model.Created]:
        """``POST /tenant/schemas``."""
        body: JsonObject = {
            "type": "object",
            "title": self.name,
            # AEP's reference says that it must be there.
            "description": self.description or "",
            "allOf": [{"$ref": part} for part in self._parts],
        }
        return Request("POST", f"{SCHEMA_REGISTRY}/tenant/schemas", _created, json=body, idempotent=False)

    def read(self, found_id: str) -> Request[Schema]:
        """``GET /tenant/schemas/{id}``."""
        return Request("GET", _path(found_id), _schema, headers=_ACCEPT_ONE)

    def update(self, found: Schema) -> Request[Any] | None:
        """Nothing: a schema that differs is an error."""
        if differing := self.differences(found):
            raise self.cannot_change(
                found, differing, "Change it in AEP's user interface, or choose another title."
            )
        return None

    def delete(self, found_id: str) -> Request[None]:
        """``DELETE /tenant/schemas/{id}``."""
        return Request("DELETE", _path(found_id), response.nothing)

    @property
    def _parts(self) -> tuple[str, ...]:
        return self.schema_class, *self.field_groups


def _path(schema_id: str) -> str:
    return f"{SCHEMA_REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}"


def _page(received: response.Response) -> Page[Schema]:
    found = response.decode(received, _Schemas)
    return Page(items=found.results, next_cursor=found.page.next)


def _schema(received: response.Response) -> Schema:
    return response.decode(received, Schema)


def _created(received: response.Response) -> model.Created:
    return model.Created(id=_schema(received).id)
