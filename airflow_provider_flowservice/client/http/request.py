"""Requests, and pure functions that create them.

A :class:`Request` contains the function that parses its response, so that sending it returns a typed value with either
transport.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.model import Frozen

T = TypeVar("T")

FLOW_SERVICE = "/data/foundation/flowservice"
#: Resources per page: the maximum that Flow Service accepts.
PAGE_LIMIT = 100


class Host(StrEnum):
    """The servers that requests are sent to. Only the first two receive a token."""

    GATEWAY = "gateway"
    COLLECTION = "collection"
    IMS = "ims"


class Member(Frozen, frozen=True):
    """What a request asks for, as a part of a list: many such requests can be answered from one list.

    :param kind: the kind of resource in the list.
    :param field: ``id`` if one resource is asked for, or ``flowId`` for the runs of a flow, the newest first.
    :param value: its value.
    :param since: runs that were created before need not be returned; milliseconds since 1970-01-01 UTC.
    """

    kind: Kind[Any]
    field: str
    value: str
    since: int = 0


class Request(Frozen, Generic[T], frozen=True):
    """One HTTP request, without credentials.

    :param method: HTTP method.
    :param path: absolute path, percent-encoded.
    :param parse: parses a successful response.
    :param params: query parameters in order; names may be repeated.
    :param json: body to send as JSON; never shown, because it may contain credentials.
    :param form: body to send form-encoded; never shown.
    :param content: body to send unchanged, already encoded as JSON.
    :param authorized: whether to send a token.
    :param headers: headers in addition to those that every request to the host has.
    :param host: the server to send it to.
    :param idempotent: whether it can be sent again without a further effect; otherwise the caller must check first.
    :param secrets: values in the body that must not appear in an error message.
    :param member: what it asks for as a part of a list, if it can be read from one.
    """

    hidden: ClassVar = frozenset({"parse", "json", "form", "content", "secrets"})

    method: str
    path: str
    parse: Callable[[Response], T]
    params: tuple[tuple[str, str], ...] = ()
    json: Any = None
    form: tuple[tuple[str, str], ...] | None = None
    content: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    host: Host = Host.GATEWAY
    idempotent: bool = True
    authorized: bool = True
    secrets: tuple[str, ...] = ()
    member: Member | None = None

    @property
    def query(self) -> str:
        """The query string. Spaces are encoded as ``%20``, because ``+`` has a meaning in ``orderby``."""
        return urlencode(self.params, quote_via=quote) if self.params else ""


class Sender(Protocol):
    """An object that sends requests, with retries, and returns their parsed responses."""

    def send(self, request: Request[T]) -> T:
        """Send ``request``."""
        ...


class Kind(Frozen, Generic[T], frozen=True):
    """A type of Flow Service resource.

    :param path: name of its collection, for example ``flows``.
    :param label: name of the type in messages, in the singular.
    :param type: class of the records.
    :param takes_limit: whether Adobe describes the parameter ``limit`` of its list. AEP rejects unknown parameters.
    """

    path: str
    label: str
    type: type[T]
    takes_limit: bool = True


CONNECTION_SPECS = Kind("connectionSpecs", "connection spec", model.ConnectionSpec, takes_limit=False)
FLOW_SPECS = Kind("flowSpecs", "flow spec", model.FlowSpec, takes_limit=False)
CONNECTIONS = Kind("connections", "base connection", model.BaseConnection)
SOURCE_CONNECTIONS = Kind("sourceConnections", "source connection", model.SourceConnection)
TARGET_CONNECTIONS = Kind("targetConnections", "target connection", model.TargetConnection)
FLOWS = Kind("flows", "flow", model.Flow)
RUNS = Kind("runs", "flow run", model.FlowRun)


def get(kind: Kind[T], resource_id: str) -> Request[T]:
    """Return the request for a resource: ``GET /{kind}/{id}``."""
    return Request(
        "GET",
        _path(kind, resource_id),
        lambda received: response.first_item(received, kind.type),
        member=Member(kind, "id", resource_id),
    )


def page(
    kind: Kind[T],
    *,
    filters: Iterable[str] = (),
    order_by: str | None = None,
    limit: int = PAGE_LIMIT,
    continuation_token: str | None = None,
    member: Member | None = None,
) -> Request[model.Page[T]]:
    """Return the request for a page of a list: ``GET /{kind}``.

    :param filters: ``property`` expressions; resources must match all of them. See :func:`equals`.
    :param order_by: field name, prefixed with ``-`` for descending order.
    :param limit: maximum number of resources on the page; AEP accepts up to 100. It is only sent if the list takes it.
    :param continuation_token: token returned with the previous page.
    :param member: what the page is asked for, if it can be read from another list.
    """
    params = [("property", expression) for expression in filters]
    if order_by:
        params.append(("orderby", order_by))
    if kind.takes_limit:
        params.append(("limit", str(limit)))
    if continuation_token:
        params.append(("continuationToken", continuation_token))
    return Request(
        "GET",
        _path(kind),
        lambda received: response.page(received, kind.type),
        params=tuple(params),
        member=member,
    )


def count(kind: Kind[Any], *, filters: Iterable[str] = ()) -> Request[int]:
    """Return the request that counts resources: ``GET /{kind}?count=true``. AEP rejects ``limit`` with it."""
    params = (*(("property", expression) for expression in filters), ("count", "true"))
    return Request("GET", _path(kind), response.count, params=params)


def create(
    kind: Kind[Any], body: Mapping[str, Any], *, draft: bool = False, secrets: tuple[str, ...] = ()
) -> Request[model.Created]:
    """Return the request that creates a resource: ``POST /{kind}``. If it is sent twice, AEP creates a duplicate.

    :param draft: whether to create a draft, which has no effect until it is published.
    """
    return Request(
        "POST",
        _path(kind),
        response.created,
        params=(("mode", "draft"),) if draft else (),
        json=dict(body),
        idempotent=False,
        secrets=secrets,
    )


def patch(
    kind: Kind[Any],
    resource_id: str,
    etag: str,
    operations: Sequence[model.Operation],
    *,
    secrets: tuple[str, ...] = (),
) -> Request[model.Created | None]:
    """Return the request that changes a resource: ``PATCH /{kind}/{id}`` with ``If-Match``.

    :param etag: version that the change was computed from.
    :returns: the request; its result is None if AEP's response has no body.
    """
    return Request(
        "PATCH",
        _path(kind, resource_id),
        response.changed,
        json=[operation.to_json() for operation in operations],
        headers=(("If-Match", quoted_etag(etag)),),
        idempotent=False,
        secrets=secrets,
    )


def delete(kind: Kind[Any], resource_id: str) -> Request[None]:
    """Return the request that deletes a resource: ``DELETE /{kind}/{id}``."""
    return Request("DELETE", _path(kind, resource_id), response.nothing)


def action(kind: Kind[Any], resource_id: str, operation: str) -> Request[model.Created | None]:
    """Return the request ``POST /{kind}/{id}/action?op=``; the operation is, for example, ``enable``."""
    return Request(
        "POST",
        f"{_path(kind, resource_id)}/action",
        response.changed,
        params=(("op", operation),),
        idempotent=False,
    )


def ims_token(client_id: str, client_secret: str, scopes: str) -> Request[response.Token]:
    """Return the request for a token: ``POST /ims/token/v3``. The secret is sent in the body, not in the query."""
    form = (
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", client_secret),
        ("scope", scopes),
    )
    return Request(
        "POST",
        "/ims/token/v3",
        response.token,
        form=form,
        host=Host.IMS,
        authorized=False,
        secrets=(client_secret,),
    )


def equals(path: str, value: str) -> str:
    """Return a ``property`` filter that matches one exact value.

    :raises InvalidInputError: if ``value`` has a special meaning in AEP's filter grammar; see :func:`is_plain`.
    """
    return any_of(path, (value,))


def any_of(path: str, values: Sequence[str]) -> str:
    """Return a ``property`` filter that matches each of several values exactly.

    :raises InvalidInputError: if one of them has a special meaning in AEP's filter grammar; see :func:`is_plain`.
    """
    for value in values:
        if not is_plain(value):
            remedy = "Give one that consists of letters, digits, spaces and -_./()."
            raise InvalidInputError(path, f"{value!r} cannot be used in a filter", remedy)
    return f"{path}=={','.join(values)}"


def is_plain(value: str) -> bool:
    """Whether a value certainly has no special meaning in AEP's filter grammar; a comma, for example, means OR."""
    return bool(value) and value.isascii() and value.strip() == value and not set(value) - _PLAIN


_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_./()")


def path_segment(resource_id: str) -> str:
    """Return an id, percent-encoded for use in a path.

    :raises InvalidInputError: if it is empty, ``.`` or ``..``: the path would lead to another resource.
    """
    if resource_id in ("", ".", ".."):
        raise InvalidInputError("id", f"{resource_id!r} is not an id", "Give the id that AEP shows.")
    return quote(resource_id, safe="")


def quoted_etag(etag: str) -> str:
    """Return an etag in the format of ``If-Match``: in double quotes, which AEP's values already have."""
    return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 1 else f'"{etag}"'


def _path(kind: Kind[Any], resource_id: str | None = None) -> str:
    collection = f"{FLOW_SERVICE}/{kind.path}"
    return collection if resource_id is None else f"{collection}/{path_segment(resource_id)}"
