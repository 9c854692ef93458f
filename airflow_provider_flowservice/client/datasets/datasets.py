"""Datasets of the Catalog Service (``/data/foundation/catalog``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.datasets import schemas
from airflow_provider_flowservice.client.ensure.desired import Desired, Difference, compare
from airflow_provider_flowservice.client.errors import DriftError, InvalidResponseError, NotFoundError
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.pages import (
    CouldBe,
    could_be,
    could_be_none,
    next_offset,
    pages,
)
from airflow_provider_flowservice.client.http.request import Request, Sender, is_plain, path_segment
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.model import Frozen, JsonObject, Page

CATALOG = "/data/foundation/catalog"
#: Datasets per page: the maximum that the Catalog Service accepts.
PAGE_LIMIT = 100
SCHEMA_CONTENT_TYPE = "application/vnd.adobe.xed+json;version=1"
#: The tags that enable a dataset for Real-Time Customer Profile and for the identity graph.
PROFILE_TAGS: JsonObject = {"unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"]}

#: The Catalog Service also accepts an object to merge; the media type selects JSON Patch.
_JSON_PATCH = (("Content-Type", "application/json-patch+json"),)


class _SchemaRef(model.Record, frozen=True, kw_only=True):
    id: str = ""


class _Body(model.Record, frozen=True, kw_only=True):
    name: str = ""
    created: model.Milliseconds = 0
    schema_ref: _SchemaRef | None = None
    tags: JsonObject = msgspec.field(default_factory=dict)


class _Entry(model.Record, frozen=True, kw_only=True):
    """A member of a list of datasets, which is an object."""

    id: model.Id
    body: _Body


class Dataset(Frozen, frozen=True):
    """A dataset.

    :param created_at: milliseconds since 1970-01-01 UTC.
    :param schema_id: ``$id`` of its schema.
    :param profile_enabled: whether its records are added to profiles.
    """

    id: str
    name: str
    created_at: int
    schema_id: str | None
    profile_enabled: bool
    etag: None = None


def page(start: str | None = None, *, name: str | None = None) -> Request[Page[Dataset]]:
    """Return the request for a page of datasets, oldest first: ``GET /dataSets``.

    :param start: number of datasets to skip, as a string.
    :param name: return only datasets with this name.
    """

    def parse(received: Response) -> Page[Dataset]:
        bodies = response.decode(received, dict[str, msgspec.Raw])
        found = response.page_of(
            received,
            _Entry,
            (msgspec.json.encode({"id": each, "body": body}) for each, body in bodies.items()),
            name_at=("body", "name"),
        )
        return Page(
            items=tuple(_dataset(entry.id, entry.body) for entry in found.items),
            unreadable=found.unreadable,
            next_cursor=next_offset(start, len(bodies), PAGE_LIMIT),
        )

    params = [("limit", str(PAGE_LIMIT)), ("start", start or "0"), ("orderBy", "asc:created")]
    if name is not None:
        params.append(("property", f"name=={name}"))
    return Request("GET", f"{CATALOG}/dataSets", parse, params=tuple(params))


def iterate(sender: Sender, *, name: str | None = None, needed: CouldBe = could_be_none) -> Iterator[Dataset]:
    """Yield all datasets, each of them once.

    :param needed: which of the objects that cannot be read are an error; the others are skipped.
    """
    return pages(sender, "datasets", lambda start: page(start, name=name), needed)


class DesiredDataset(Desired[Dataset], frozen=True, kw_only=True):
    """A dataset that must exist exactly once.

    :param schema_id: ``$id`` of its schema.
    :param enable_for_profile: whether its records are added to profiles and to the identity graph. The schema must be
        enabled for Profile too; otherwise AEP only stores the records.
    """

    schema_id: str
    enable_for_profile: bool = False

    label: ClassVar = "dataset"
    is_renamed: ClassVar = False

    @property
    def parents(self) -> tuple[str, ...]:
        """Id of the schema."""
        return (self.schema_id,)

    def check(self, sender: Sender) -> None:
        """Check whether the schema is enabled for Profile if the dataset is to be (``GET /tenant/schemas/{id}``)."""
        if not self.enable_for_profile:
            return
        try:
            schema = sender.send(schemas.read(self.schema_id))
        except NotFoundError:
            return  # The Catalog Service decides about a schema that the tenant does not own.
        if not schema.profile_enabled:
            raise DriftError(
                f"schema {schema.id} ({schema.title!r}) is not enabled for Profile, so the records of dataset"
                f" {self.name!r} would never reach a profile, although it has enable_for_profile=True. Set"
                " enable_for_profile=True for the schema too (with if_exists='update' for an existing one), or remove"
                " it here."
            )

    def candidates(self, sender: Sender) -> Iterator[Dataset]:
        """Return the datasets with this name (``GET /dataSets``)."""
        name = self.name if is_plain(self.name) else None
        return iterate(sender, name=name, needed=could_be(self.name))

    def fixed_differences(self, found: Dataset) -> tuple[Difference, ...]:
        """Return the schema if it differs."""
        return compare("schemaRef.id", self.schema_id, found.schema_id)

    def differences(self, found: Dataset) -> tuple[Difference, ...]:
        """Return the profile tag if it should be set and is not."""
        if self.enable_for_profile and not found.profile_enabled:
            return (Difference("tags.unifiedProfile", "not enabled", "enabled:true"),)
        return ()

    def create(self) -> Request[model.Created]:
        """Return the request ``POST /dataSets``."""
        body: JsonObject = {
            "name": self.name,
            "schemaRef": {"id": self.schema_id, "contentType": SCHEMA_CONTENT_TYPE},
        }
        if self.description is not None:
            body["description"] = self.description
        if self.enable_for_profile:
            body["tags"] = PROFILE_TAGS
        return Request("POST", f"{CATALOG}/dataSets", _created, json=body, idempotent=False)

    def read(self, found_id: str) -> Request[Dataset]:
        """Return the request ``GET /dataSets/{id}``."""
        return Request("GET", _path(found_id), _one)

    def update(self, found: Dataset) -> Request[Any] | None:
        """Return the request ``PATCH /dataSets/{id}``, which enables a dataset for profiles."""
        if not self.differences(found):
            return None
        operations = [
            {"op": "add", "path": f"/tags/{tag}", "value": value} for tag, value in PROFILE_TAGS.items()
        ]
        return Request(
            "PATCH", _path(found.id), response.nothing, json=operations, headers=_JSON_PATCH, idempotent=False
        )

    def delete(self, found_id: str) -> Request[None]:
        """Return the request ``DELETE /dataSets/{id}``."""
        return Request("DELETE", _path(found_id), response.nothing)


def _path(dataset_id: str) -> str:
    return f"{CATALOG}/dataSets/{path_segment(dataset_id)}"


def _dataset(dataset_id: str, body: _Body) -> Dataset:
    profile = body.tags.get("unifiedProfile")
    return Dataset(
        id=dataset_id,
        name=body.name,
        created_at=body.created,
        schema_id=body.schema_ref.id if body.schema_ref else None,
        profile_enabled=isinstance(profile, list) and "enabled:true" in profile,
    )


def _one(received: Response) -> Dataset:
    for dataset_id, body in response.decode(received, dict[str, _Body]).items():
        return _dataset(dataset_id, body)
    raise received.error(NotFoundError, "the response contains no dataset", status=404)


def _created(received: Response) -> model.Created:
    """Parse ``["@/dataSets/5c8c..."]``; Adobe's documentation also shows ``@/datasets/``."""
    references = response.decode(received, tuple[str, ...])
    if not references or not references[0].lower().startswith("@/datasets/"):
        raise received.error(InvalidResponseError, "the response contains no dataset id")
    return model.Created(id=references[0].rpartition("/")[2])
