"""Responses, and pure functions that parse them.

Resources are wrapped in ``items``, and changes are confirmed with or without a body. Regardless of the bytes received,
these functions only raise
:class:`~airflow_provider_flowservice.client.errors.FlowServiceError`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from airflow_provider_flowservice.client import clock, model
from airflow_provider_flowservice.client.errors import (
    ApiError,
    AuthenticationError,
    FlowServiceError,
    InvalidResponseError,
    NotFoundError,
    api_error_class,
)
from airflow_provider_flowservice.client.http import problem
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.text import header_value, plain_text
from airflow_provider_flowservice.connection_fields import field_name

log = logging.getLogger(__name__)

T = TypeVar("T")
E = TypeVar("E", bound=FlowServiceError)

#: Maximum depth of nested JSON. AEP's documents have less than 20 levels; far more would exceed Python's recursion
#: limit when they are compared or copied.
MAX_DEPTH = 100
#: Maximum number of objects on a page that cannot be decoded: each is looked at again, and logged. Pages of at most 100
#: are requested.
MAX_UNREADABLE = 1000


class Response(Frozen, frozen=True):
    """An HTTP response.

    :param headers: headers by name in lower case.
    :param body: the decompressed body.
    :param secrets: what was sent and must not appear in a message, although the server may echo it.
    """

    hidden: ClassVar = frozenset({"body", "secrets"})

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    secrets: tuple[str, ...] = ()

    def said(self, text: str) -> str:
        """Return the server's text for a message: on one line, bounded, and without secrets."""
        return plain_text(text, secrets=self.secrets)

    def error(self, kind: type[E], problem: str, **details: Any) -> E:
        """Return an error about this response."""
        message = f"{self.method} {self.path}: {problem}"
        return kind(message, method=self.method, path=self.path, **details)

    def with_body(self, body: bytes) -> Response:
        """Return this response with a body."""
        return msgspec.structs.replace(self, body=body)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx. Redirects are failures: the token must not be sent to another server."""
        return 200 <= self.status < 300


class Token(Frozen, frozen=True):
    """An access token.

    :param lifetime: remaining lifetime in seconds.
    """

    hidden: ClassVar = frozenset({"value"})

    value: str
    lifetime: float


class _Items(model.Record, frozen=True, kw_only=True):
    # A response without a list is not an empty list: a create would then make a duplicate.
    items: tuple[msgspec.Raw, ...]
    links: dict[str, Any] | None = msgspec.field(name="_links", default=None)


class _Count(model.Record, frozen=True, kw_only=True):
    count: int


class _Token(model.Record, frozen=True, kw_only=True, rename=None):
    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: float


def error(
    response: Response, *, token_rejections: frozenset[int] = frozenset({401}), record: bytes | None = None
) -> ApiError:
    """Return the error for an unsuccessful response of the gateway or of any service.

    :param token_rejections: statuses that mean that the token is invalid.
    :param record: the record that was sent, encoded as JSON. What AEP quotes of it does not appear.
    """
    document = lenient_json(response.body)
    said = problem.read(document, secrets=response.secrets, record=record)
    text = said.text or _raw_text(response)
    token_is_rejected = response.status in token_rejections
    kind = AuthenticationError if token_is_rejected else api_error_class(response.status, said.code)
    label = f"HTTP {response.status}" + (f" {said.code}" if said.code else "")
    return response.error(
        kind,
        f"{label}: {text}",
        status=response.status,
        code=said.code,
        request_id=_request_id(response, document),
        retry_after=retry_after(response.headers.get("retry-after")),
    )


def first_item(response: Response, kind: type[T]) -> T:
    """Return the resource in a ``{"items": [{...}]}`` response.

    :raises NotFoundError: if the list is empty.
    """
    items = decode(response, _Items).items
    if not items:
        raise response.error(NotFoundError, "the response contains no resource", status=404)
    return decode(response, kind, items[0])


def page(response: Response, kind: type[T]) -> model.Page[T]:
    """Return a page of resources, with the token of the next page."""
    wrapper = decode(response, _Items)
    return page_of(response, kind, wrapper.items, next_cursor=next_token(wrapper.links))


def page_of(
    response: Response,
    kind: type[T],
    parts: Iterable[bytes | msgspec.Raw],
    *,
    next_cursor: str | None = None,
    id_at: Sequence[str] = ("id",),
    name_at: Sequence[str] = ("name",),
) -> model.Page[T]:
    """Decode the objects of a page. One that cannot be decoded does not affect the others, and is logged.

    :param id_at: path of the id in an object, for those that cannot be decoded.
    :param name_at: path of the name in an object, for those that cannot be decoded.
    :raises InvalidResponseError: if more than :data:`MAX_UNREADABLE` cannot be decoded.
    """
    items: list[T] = []
    unreadable: list[model.Unreadable] = []
    for part in parts:
        try:
            items.append(decode(response, kind, part))
        except InvalidResponseError as error:
            if len(unreadable) == MAX_UNREADABLE:
                text = f"invalid response: more than {MAX_UNREADABLE} objects cannot be read: {error.message}"
                raise response.error(InvalidResponseError, text) from error
            document = lenient_json(part)
            found, name = model.member(document, *id_at), model.member(document, *name_at)
            has_none = name is None and isinstance(model.member(document, *name_at[:-1]), Mapping)
            skipped = model.Unreadable(
                id=found if isinstance(found, str) else "",
                name="" if has_none else name if isinstance(name, str) else None,
                problem=error.message,
            )
            log.warning("Skipping %s", skipped)
            unreadable.append(skipped)
    return model.Page(items=tuple(items), unreadable=tuple(unreadable), next_cursor=next_cursor)


def count(response: Response) -> int:
    """Return the number in a ``{"count": n}`` response."""
    return decode(response, _Count).count


def created(response: Response) -> model.Created:
    """Return the id and etag of a created resource."""
    return decode(response, model.Created)


def changed(response: Response) -> model.Created | None:
    """Return the id and new etag of a changed resource; None if AEP responds 202 or 204 without a body."""
    return decode(response, model.Created) if response.body.strip() else None


def nothing(response: Response) -> None:
    """Ignore the body of a response."""


def token(response: Response) -> Token:
    """Return the access token in a response of IMS."""
    try:
        decoded = msgspec.json.decode(response.body, type=_Token)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The decoder's message could quote the response, including the token.
        problem = "the response does not contain access_token and expires_in"
        raise response.error(InvalidResponseError, problem) from None
    value = header_value(
        "access_token in the response of IMS",
        decoded.access_token,
        f"Check that {field_name('ims_host')} of the connection is Adobe's identity service.",
        secret=True,
    )
    return Token(value, decoded.expires_in)


def retry_after(header: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, which is a number or a date; None if it is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # More digits are an absurd wait in any case, and a longer number could overflow.
        return float(text[:18])
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - clock.current().wall())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def decode(response: Response, kind: type[T], part: bytes | msgspec.Raw | None = None) -> T:
    """Decode a response, or a part of it, into a record.

    :raises InvalidResponseError: if it is not JSON or does not have the structure of the record.
    """
    content = response.body if part is None else bytes(part)
    try:
        decoded = msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        text = f"HTTP {response.status}, invalid response: {problem}"
        raise response.error(InvalidResponseError, text) from problem
    # Each level begins with one of these. Counting them first saves looking into most values.
    if content.count(b"{") + content.count(b"[") >= MAX_DEPTH and _is_too_deep(decoded):
        raise response.error(InvalidResponseError, f"invalid response: more than {MAX_DEPTH} nested levels")
    return decoded


def _is_too_deep(value: Any) -> bool:
    """Whether a decoded value has more than :data:`MAX_DEPTH` levels, found without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.astuple(value)
    return value if isinstance(value, (list, tuple)) else ()


def next_token(links: Any) -> str | None:
    """Return the opaque token in ``_links.next.href``. It may contain ``=``, so the query is parsed, not split.

    :param links: ``_links`` of a page; None if it has none.
    """
    following = model.member(links, "next")
    href = following.get("href") if isinstance(following, dict) else following
    if not isinstance(href, str):
        return None
    try:
        values = parse_qs(urlsplit(href).query).get("continuationToken")
    except ValueError:
        return None
    return values[0] if values else None


def lenient_json(body: bytes | msgspec.Raw) -> Any:
    """Decode JSON; None if it is invalid."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _raw_text(response: Response) -> str:
    # Of a page that is not JSON, such as a proxy's, the beginning shows the title without flooding the log.
    text = response.body[: 64 * 1024].decode("utf-8", "replace")
    return plain_text(text, limit=300, secrets=response.secrets) or "no explanation"


def _request_id(response: Response, document: Any) -> str | None:
    candidates: Iterable[Any] = (
        model.member(document, "report", "request-id"),
        model.member(document, "requestId"),
        response.headers.get("x-request-id"),
    )
    return next((response.said(value) for value in candidates if isinstance(value, str)), None)
