"""What came back: pure functions that read responses.

Three error families share the gateway's host name, resources come in an ``items`` wrapper, and a change
is confirmed with or without a body. Whatever the bytes, nothing here raises anything but a
:class:`~airflow_provider_flowservice.client.errors.FlowServiceError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, TypeVar
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
from airflow_provider_flowservice.client.model import Frozen

T = TypeVar("T")
E = TypeVar("E", bound=FlowServiceError)


class Response(Frozen, frozen=True):
    """A response as it came.

    :param headers: names in lower case.
    :param body: bytes, decompressed.
    """

    hidden: ClassVar = frozenset({"body"})

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""

    def error(self, kind: type[E], problem: str, **details: Any) -> E:
        """An error about this response."""
        message = f"{self.method} {self.path}: {problem}"
        return kind(message, method=self.method, path=self.path, **details)

    @property
    def is_success(self) -> bool:
        """Whether the status says success. A redirect is none: a token follows no redirect."""
        return 200 <= self.status < 300


class Token(Frozen, frozen=True):
    """An access token.

    :param lifetime: seconds from now.
    """

    hidden: ClassVar = frozenset({"value"})

    value: str
    lifetime: float


class _Items(model.Record, frozen=True, kw_only=True):
    items: tuple[msgspec.Raw, ...] = ()
    links: dict[str, Any] | None = msgspec.field(name="_links", default=None)


class _Count(model.Record, frozen=True, kw_only=True):
    count: int


class _Token(model.Record, frozen=True, kw_only=True, rename=None):
    access_token: str
    expires_in: float


def error(response: Response, *, token_refusals: frozenset[int] = frozenset({401})) -> ApiError:
    """The error that an unsuccessful response stands for, whichever service or gateway wrote it.

    :param token_refusals: statuses that mean that the token is not accepted.
    """
    document = _lenient_json(response.body)
    code = _error_code(document)
    text = _error_text(document) or _raw_text(response.body)
    refused = response.status in token_refusals
    kind = AuthenticationError if refused else api_error_class(response.status, code)
    label = f"HTTP {response.status}" + (f" {code}" if code else "")
    return response.error(
        kind,
        f"{label}: {text}",
        status=response.status,
        code=code,
        request_id=_request_id(document, response.headers),
        retry_after=retry_after(response.headers.get("retry-after")),
    )


def first_item(response: Response, kind: type[T]) -> T:
    """The one resource in a ``{"items": [{...}]}`` wrapper.

    :raises NotFoundError: if the wrapper is empty.
    """
    items = decode(response, _Items).items
    if not items:
        raise response.error(NotFoundError, "the response holds no resource", status=404)
    return decode(response, kind, items[0])


def page(response: Response, kind: type[T]) -> model.Page[T]:
    """A page of resources with the token of the next one."""
    wrapper = decode(response, _Items)
    items = tuple(decode(response, kind, item) for item in wrapper.items)
    return model.Page(items=items, next_cursor=_next_token(wrapper.links))


def count(response: Response) -> int:
    """The number in a ``{"count": n}`` response."""
    return decode(response, _Count).count


def created(response: Response) -> model.Created:
    """Id and etag of a created resource."""
    return decode(response, model.Created)


def changed(response: Response) -> model.Created | None:
    """Id and new etag of a changed resource, None where AEP responds 202 or 204 without a body."""
    return decode(response, model.Created) if response.body.strip() else None


def nothing(response: Response) -> None:
    """For responses whose body, if any, does not matter."""


def token(response: Response) -> Token:
    """The access token that IMS gave."""
    try:
        decoded = msgspec.json.decode(response.body, type=_Token)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The decoder's message could quote the response, and with it the token.
        problem = "the response holds no access_token with expires_in"
        raise response.error(InvalidResponseError, problem) from None
    return Token(decoded.access_token, decoded.expires_in)


def retry_after(header: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, as a number or a date; None if it is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:18])
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return max(0.0, moment.timestamp() - clock.current().wall())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def decode(response: Response, kind: type[T], part: bytes | msgspec.Raw | None = None) -> T:
    """Read a response, or a part of it, into a record.

    :raises InvalidResponseError: if it is not JSON of that shape.
    """
    try:
        return msgspec.json.decode(response.body if part is None else part, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        text = f"HTTP {response.status}, invalid response: {problem}"
        raise response.error(InvalidResponseError, text) from problem


def _next_token(links: dict[str, Any] | None) -> str | None:
    """The opaque token in ``_links.next.href``; it may hold ``=``, so the query is parsed, never split."""
    following = (links or {}).get("next")
    href = following.get("href") if isinstance(following, dict) else following
    if not isinstance(href, str):
        return None
    try:
        values = parse_qs(urlsplit(href).query).get("continuationToken")
    except ValueError:
        return None
    return values[0] if values else None


def _lenient_json(body: bytes) -> Mapping[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _error_code(document: Mapping[str, Any]) -> str | None:
    """The gateway's ``error_code`` (text or number), the end of a problem ``type``, or IMS's ``error``."""
    if document.get("error_code") is not None:
        return str(document["error_code"])
    kind = document.get("type")
    if isinstance(kind, str) and "/errors/" in kind:
        return kind.rpartition("/")[2]
    ims = document.get("error")
    return ims if isinstance(ims, str) else None


def _error_text(document: Mapping[str, Any]) -> str | None:
    report = document.get("report")
    details = report if isinstance(report, dict) else {}
    candidates = (
        details.get("detailed-message"),
        document.get("errorMessage"),
        details.get("message"),
        document.get("error_description"),
        document.get("message"),
        document.get("detail"),
        document.get("title"),
    )
    return next((text for text in candidates if isinstance(text, str) and text), None)


def _raw_text(body: bytes) -> str:
    text = body[:300].decode("utf-8", "replace").strip()
    return " ".join(text.split()) or "no explanation"


def _request_id(document: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    report = document.get("report")
    candidates: Iterable[Any] = (
        report.get("request-id") if isinstance(report, dict) else None,
        document.get("requestId"),
        headers.get("x-request-id"),
    )
    return next((value for value in candidates if isinstance(value, str)), None)
