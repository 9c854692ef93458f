"""Primary identities of schemas: identity descriptors of the Schema Registry (``/tenant/descriptors``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure.desired import Difference, Part
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, InvalidResponseError
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.pages import could_be
from airflow_provider_flowservice.client.http.request import Request, path_segment
from airflow_provider_flowservice.client.model import Frozen, JsonObject

DESCRIPTORS = "/data/foundation/schemaregistry/tenant/descriptors"
_IDENTITY = "xdm:descriptorIdentity"
#: Descriptors have media types of their own. This one returns all of them, grouped by type.
_ACCEPT = (("Accept", "application/vnd.adobe.xdm+json"),)


class PrimaryIdentity(Frozen, frozen=True):
    """The field of a schema that identifies a person.

    :param property: path of the field, for example ``/workEmail/address``.
    :param namespace: code or id of its identity namespace, for example ``Email``.
    """

    property: str
    namespace: str


class Identity(model.Record, frozen=True, kw_only=True):
    """An identity descriptor.

    :param schema_id: ``$id`` of its schema.
    """

    id: str = msgspec.field(name="@id")
    schema_id: str = msgspec.field(name="xdm:sourceSchema")
    property: str = msgspec.field(name="xdm:sourceProperty")
    namespace: str | int = msgspec.field(name="xdm:namespace", default="")
    is_primary: bool = msgspec.field(name="xdm:isPrimary", default=False)

    def __str__(self) -> str:
        return f"{self.property} ({self.namespace})"


class Identities(Frozen, frozen=True):
    """The identity descriptors of one schema."""

    items: tuple[Identity, ...] = ()
    etag: None = None

    def primary(self) -> Identity | None:
        """Return the primary identity; a schema has at most one."""
        return next((each for each in self.items if each.is_primary), None)


class _Descriptors(model.Record, frozen=True, kw_only=True):
    identities: tuple[msgspec.Raw, ...] = msgspec.field(name=_IDENTITY, default=())


def read_primary_identity(identity: Mapping[str, Any]) -> PrimaryIdentity:
    """Validate the primary identity that a user specifies.

    :raises InvalidInputError: if a key is missing or unknown, or the path is not one.
    """
    remedy = 'Give both as strings, for example {"property": "/workEmail/address", "namespace": "Email"}.'
    if set(identity) != {"property", "namespace"}:
        problem = f"has the keys {sorted(map(str, identity))}, not namespace and property"
        raise InvalidInputError("primary_identity", problem, remedy)
    path, namespace = identity["property"], identity["namespace"]
    if not isinstance(path, str) or not path.strip("/") or not path.startswith("/") or path.endswith("/"):
        problem = f"{path!r} is not a path that begins with / and does not end with it"
        raise InvalidInputError("primary_identity['property']", problem, remedy)
    # Native rendering turns the id of a namespace into a number.
    if not isinstance(namespace, (str, int)) or isinstance(namespace, bool) or not str(namespace).strip():
        problem = f"{namespace!r} is not the code or id of a namespace"
        raise InvalidInputError("primary_identity['namespace']", problem, remedy)
    return PrimaryIdentity(path, str(namespace))


def identities_of(schema_id: str) -> Request[Identities]:
    """Return the request for the identities of a schema: ``GET /tenant/descriptors``."""

    def parse(received: response.Response) -> Identities:
        listed = response.decode(received, _Descriptors).identities
        found = response.page_of(received, Identity, listed, id_at=("@id",), name_at=("xdm:sourceSchema",))
        for unreadable in filter(could_be(schema_id), found.unreadable):
            problem = f"descriptor {unreadable}. It could be an identity of the schema, so nothing is done"
            raise received.error(InvalidResponseError, problem)
        return Identities(tuple(each for each in found.items if each.schema_id == schema_id))

    return Request("GET", DESCRIPTORS, parse, headers=_ACCEPT)


def primary_identity_of(schema_id: str, desired: PrimaryIdentity) -> Part[Identities]:
    """Return the primary identity as a part of its schema.

    A descriptor of the same field that is not primary, or has another namespace, is changed (``PUT``).
    """

    def differences(found: Identities) -> tuple[Difference, ...]:
        primary = found.primary()
        if primary and primary.property == desired.property and _is_same_namespace(primary, desired):
            return ()
        wanted = f"{desired.property} ({desired.namespace})"
        return (Difference("primary identity", str(primary) if primary else None, wanted),)

    def update(found: Identities) -> Request[Any] | None:
        if not differences(found):
            return None
        primary = found.primary()
        if primary and primary.property != desired.property:
            raise DriftError(
                f"schema {schema_id} has the primary identity {primary}, and can have only one; expected"
                f" {desired.property} ({desired.namespace}). Give the one that it has, choose another title, or delete"
                f" the descriptor {primary.id} in AEP."
            )
        body = _body(schema_id, desired)
        own = next((each for each in found.items if each.property == desired.property), None)
        if own is None:
            return Request("POST", DESCRIPTORS, response.nothing, json=body, idempotent=False)
        return Request("PUT", f"{DESCRIPTORS}/{path_segment(own.id)}", response.nothing, json=body)

    return Part(read=identities_of(schema_id), absent=Identities(), differences=differences, update=update)


def _is_same_namespace(found: Identity, desired: PrimaryIdentity) -> bool:
    """Compare namespaces. Their codes are compared without case, because Adobe's pages write them in several ways."""
    return str(found.namespace).lower() == desired.namespace.lower()


def _body(schema_id: str, desired: PrimaryIdentity) -> JsonObject:
    return {
        "@type": _IDENTITY,
        "xdm:sourceSchema": schema_id,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": desired.property,
        "xdm:namespace": desired.namespace,
        "xdm:property": "xdm:id" if desired.namespace.isdecimal() else "xdm:code",
        "xdm:isPrimary": True,
    }
