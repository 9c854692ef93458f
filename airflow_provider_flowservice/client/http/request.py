"""What to send: pure functions that build requests.

A :class:`Request` carries the function that reads its response, so that sending one gives a typed value with
either transport.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.model import Frozen

T = TypeVar("T")

FLOW_SERVICE = "/data/foundation/flowservice"
PAGE_LIMIT = 100


class Host(str, Enum):
    """The servers that a request may go to. A token goes to the first two only."""

    GATEWAY = "gateway"
    COLLECTION = "collection"
    IMS = "ims"


class Request(Frozen, Generic[T], frozen=True):
    """One HTTP request, without credentials.

    :param method: HTTP method.
    :param path: path from the server's root, percent-encoded.
    :param parse: reads a successful response.
    :param params: query parameters in order; a name may repeat.
    :param json: body, sent as JSON; never shown, since it may hold credentials.
    :param form: body, sent form-encoded; never shown.
    :param content: body, sent as it is; JSON already.
    :param authorized: whether a token goes with it.
    :param headers: headers beside the ones every request of that host gets.
    :param host: which server it is for.
    :param idempotent: whether sending it again has no further effect; otherwise the caller looks first.
    :param secrets: values in the body that must not appear in an error message.
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

    @property
    def query(self) -> str:
        """The query string; spaces as ``%20``, since ``+`` means something in ``orderby``."""
        return urlencode(self.params, quote_via=quote)


class Sender(Protocol):
    """Anything that sends a request, with retries, and returns its parsed response."""

    def send(self, request: Request[T]) -> T:
        """Send ``request``."""
        ...


class Kind(Frozen, Generic[T], frozen=True):
    """A kind of Flow Service resource.

    :param path: its collection under the service's root, such as ``flows``.
    :param label: what a person calls one, for messages.
    :param type: record that one is read into.
    """

    path: str
    label: str
    type: type[T]


CONNECTION_SPECS = Kind("connectionSpecs", "connection spec", model.ConnectionSpec)
FLOW_SPECS = Kind("flowSpecs", "flow spec", model.FlowSpec)
CONNECTIONS = Kind("connections", "base connection", model.BaseConnection)
SOURCE_CONNECTIONS = Kind("sourceConnections", "source connection", model.SourceConnection)
TARGET_CONNECTIONS = Kind("targetConnections", "target connection", model.TargetConnection)
FLOWS = Kind("flows", "flow", model.Flow)
RUNS = Kind("runs", "flow run", model.FlowRun)


def get(kind: Kind[T], resource_id: str) -> Request[T]:
    """Read one resource: ``GET /{kind}/{id}``."""
    return Request("GET", _path(kind, resource_id), lambda received: response.first_item(received, kind.type))


def page(
    kind: Kind[T],
    *,
    filters: Iterable[str] = (),
    order_by: str | None = None,
    limit: int = PAGE_LIMIT,
    continuation_token: str | None = None,
) -> Request[model.Page[T]]:
    """Read one page of a list: ``GET /{kind}``.

    :param filters: ``property`` expressions, all of which must hold; see :func:`equals`.
    :param order_by: field name, with ``-`` in front for descending.
    :param limit: resources a page, 100 at most.
    :param continuation_token: token of the page, from the one before it.
    """
    params = [("property", expression) for expression in filters]
    if order_by:
        params.append(("orderby", order_by))
    params.append(("limit", str(limit)))
    if continuation_token:
        params.append(("continuationToken", continuation_token))
    return Request(
        "GET", _path(kind), lambda received: response.page(received, kind.type), params=tuple(params)
    )


def count(kind: Kind[Any], *, filters: Iterable[str] = ()) -> Request[int]:
    """Count resources: ``GET /{kind}?count=true``. AEP rejects ``limit`` beside it."""
    params = (*(("property", expression) for expression in filters), ("count", "true"))
    return Request("GET", _path(kind), response.count, params=params)


def create(
    kind: Kind[Any], body: Mapping[str, Any], *, draft: bool = False, secrets: tuple[str, ...] = ()
) -> Request[model.Created]:
    """Create a resource: ``POST /{kind}``. If it is sent twice, AEP creates a duplicate.

    :param draft: make a draft, which does nothing until it is published.
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
    """Change a resource: ``PATCH /{kind}/{id}`` with ``If-Match``.

    :param etag: version that the change was computed from.
    :returns: the request; its result is None where AEP's response has no body.
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
    """Delete a resource: ``DELETE /{kind}/{id}``."""
    return Request("DELETE", _path(kind, resource_id), response.nothing)


def action(kind: Kind[Any], resource_id: str, operation: str) -> Request[model.Created | None]:
    """Act on a resource: ``POST /{kind}/{id}/action?op=``, such as ``enable`` or ``publish``."""
    return Request(
        "POST",
        f"{_path(kind, resource_id)}/action",
        response.changed,
        params=(("op", operation),),
        idempotent=False,
    )


def ims_token(client_id: str, client_secret: str, scopes: str) -> Request[response.Token]:
    """Ask IMS for a token: ``POST /ims/token/v3``; the secret goes into the body, never into the query."""
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
    """A ``property`` filter for one exact value.

    :raises ValueError: if the filter grammar would read ``value`` as something else; see :func:`is_plain`.
    """
    if not is_plain(value):
        raise ValueError(f"{value!r} cannot stand in a filter")
    return f"{path}=={value}"


def is_plain(value: str) -> bool:
    """Whether AEP's filter grammar surely takes a value literally; a comma, for one, means OR there."""
    return bool(value) and value.isascii() and value.strip() == value and not set(value) - _PLAIN


_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_./()")


def quoted_etag(etag: str) -> str:
    """The etag as ``If-Match`` must carry it: in double quotes, which AEP's own values bring with them."""
    return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 1 else f'"{etag}"'


def _path(kind: Kind[Any], resource_id: str | None = None) -> str:
    collection = f"{FLOW_SERVICE}/{kind.path}"
    return collection if resource_id is None else f"{collection}/{quote(resource_id, safe='')}"
