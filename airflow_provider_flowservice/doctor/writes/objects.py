"""The kinds of object that the doctor makes, and how AEP shows, lists and deletes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.datasets import CATALOG
from airflow_provider_flowservice.client.http import FLOW_SERVICE, PAGE_LIMIT, Kind
from airflow_provider_flowservice.client.model import Frozen, JsonObject, is_number, member, objects
from airflow_provider_flowservice.doctor.aep import NEWEST, Aep, Answer, raw_request

#: Datasets per page: the maximum that Catalog accepts.
_CATALOG_LIMIT = 100


class ListRefusedError(Exception):
    """AEP does not list the objects of a kind."""


class Shown(Frozen, frozen=True):
    """An object as AEP shows it.

    :param created_at: milliseconds since 1970-01-01 UTC; None if AEP does not show it.
    :param created_client: client id of the credential that made it; None if AEP does not show it.
    """

    id: str
    name: object
    created_at: float | None
    created_client: object
    document: JsonObject

    def refers_to(self, object_id: str) -> bool:
        """Whether the id of another object occurs anywhere in it."""
        return self.id != object_id and object_id.encode() in msgspec.json.encode(self.document)


class Shelf(Frozen, frozen=True):
    """All objects of a kind.

    :param base_path: of the service.
    :param kind: collection in the service, and name of one object in a sentence.
    """

    base_path: str
    kind: Kind[Any]

    @property
    def path(self) -> str:
        """Path of the list."""
        return f"{self.base_path}/{self.kind.path}"

    @property
    def label(self) -> str:
        """Name of one object in a sentence."""
        return self.kind.label

    def read(self, aep: Aep, object_id: str) -> Answer:
        """Read an object; never from a cache."""
        return aep.send(raw_request("GET", self._path(object_id)))

    def delete(self, aep: Aep, object_id: str) -> Answer:
        """Delete an object."""
        return aep.send(raw_request("DELETE", self._path(object_id)))

    def item(self, answer: Answer) -> Shown | None:
        """Return the object that was read; None if the response does not contain one."""
        return next(self._shown(answer.document), None) if answer.is_success else None

    def created_id(self, answer: Answer) -> str | None:
        """Return the id of the object that a request has made."""
        found = member(answer.document, "id")
        return found if isinstance(found, str) and found else None

    def everything(self, aep: Aep) -> list[Shown]:
        """List all objects, each once.

        :raises ListRefusedError: if AEP refuses.
        """
        found: dict[str, Shown] = {}
        tokens: set[str | None] = set()
        token: str | None = None
        while token not in tokens:
            tokens.add(token)
            params = (("limit", str(PAGE_LIMIT)), *((("continuationToken", token),) if token else ()))
            answer = self._page(aep, params)
            found.update((each.id, each) for each in self._shown(answer.document))
            token = http.next_token(member(answer.document, "_links"))
            if token is None:
                break
        return list(found.values())

    def newest(self, aep: Aep) -> list[Shown]:
        """List up to 100 objects, the newest first.

        :raises ListRefusedError: if AEP refuses.
        """
        return list(self._shown(self._page(aep, NEWEST).document))

    def _page(self, aep: Aep, params: tuple[tuple[str, str], ...]) -> Answer:
        answer = aep.send(raw_request("GET", self.path, params=params))
        if not answer.is_success:
            raise ListRefusedError(f"AEP does not list each {self.label} ({answer.label})")
        return answer

    def _path(self, object_id: str) -> str:
        return f"{self.path}/{quote(object_id, safe='')}"

    def _shown(self, document: Any) -> Iterator[Shown]:
        for each in objects(document, "items"):
            if isinstance(each.get("id"), str):
                yield _shown_as(each["id"], each, "createdAt")


class DatasetShelf(Shelf, frozen=True):
    """All datasets. Catalog shows them by their ids, and has no link to the next page."""

    def created_id(self, answer: Answer) -> str | None:
        """Return the id of the dataset that a request has made, from ``["@/dataSets/<id>"]``."""
        document = answer.document
        reference = document[0] if isinstance(document, list) and document else None
        return reference.rpartition("/")[2] or None if isinstance(reference, str) else None

    def everything(self, aep: Aep) -> list[Shown]:
        """List all datasets, each once, oldest first.

        :raises ListRefusedError: if AEP refuses.
        """
        found: dict[str, Shown] = {}
        start = 0
        while True:
            params = (("limit", str(_CATALOG_LIMIT)), ("start", str(start)), ("orderBy", "asc:created"))
            page = list(self._shown(self._page(aep, params).document))
            known = len(found)
            found.update((each.id, each) for each in page)
            start += len(page)
            if len(page) < _CATALOG_LIMIT or len(found) == known:
                return list(found.values())

    def _shown(self, document: Any) -> Iterator[Shown]:
        for object_id, each in document.items() if isinstance(document, dict) else ():
            if isinstance(each, dict):
                yield _shown_as(object_id, each, "created")


CONNECTIONS = Shelf(FLOW_SERVICE, http.CONNECTIONS)
SOURCE_CONNECTIONS = Shelf(FLOW_SERVICE, http.SOURCE_CONNECTIONS)
TARGET_CONNECTIONS = Shelf(FLOW_SERVICE, http.TARGET_CONNECTIONS)
FLOWS = Shelf(FLOW_SERVICE, http.FLOWS)
DATASETS = DatasetShelf(CATALOG, Kind("dataSets", "dataset", dict))
#: Everything that the doctor makes, in the order in which it can be deleted.
SHELVES = (FLOWS, TARGET_CONNECTIONS, SOURCE_CONNECTIONS, CONNECTIONS, DATASETS)


def _shown_as(object_id: str, document: JsonObject, created: str) -> Shown:
    created_at = document.get(created)
    return Shown(
        object_id,
        document.get("name"),
        created_at if is_number(created_at) else None,
        document.get("createdClient"),
        document,
    )
