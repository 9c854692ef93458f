"""What came back: pure functions that read answers.

Three error families share the gateway's host name, resources come in an ``items`` wrapper, and a change
answers with or without a body. Whatever the bytes, nothing here raises anything but a
:class:`~airflow_provider_flowservice.client.errors.FlowServiceError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from airflow_provider_flowservice.client import clock, model
from airflow_provider_flowservice.client.errors import (
    ApiError,
    AuthenticationError,
    InvalidResponseError,
    NotFoundError,
    api_error_class,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Response:
    """An answer as it came.

    :param headers: names in lower case.
    :param body: bytes, decompressed.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status says success. A redirect is none: a token follows no redirect."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Token:
    """An access token.

    :param lifetime: seconds from now.
    """

    value: str = field(repr=False)
    lifetime: float


class _Items(model.Record, frozen=True, kw_only=True):
    items: tuple[msgspec.Raw, ...] = ()
    links: dict[str, Any] | None = msgspec.field(name="_links", default=None)


class _Count(model.Record, frozen=True, kw_only=True):
    count: int


class _Token(model.Record, frozen=True, kw_only=True, rename=None):
    access_token: str
    expires_in: float


def error(answer: Response, *, token_refusals: frozenset[int] = frozenset({401})) -> ApiError:
    """The error that an answer without success stands for, whichever service or gateway wrote it.

    :param token_refusals: statuses that mean that the token is not accepted.
    """
    document = _lenient_json(answer.body)
    code = _error_code(document)
    text = _error_text(document) or _raw_text(answer.body)
    refused = answer.status in token_refusals
    kind = AuthenticationError if refused else api_error_class(answer.status, code)
    label = f"HTTP {answer.status}" + (f" {code}" if code else "")
    return kind(
        f"{answer.method} {answer.path}: {label}: {text}",
        status=answer.status,
        code=code,
        request_id=_request_id(document, answer.headers),
        retry_after=retry_after(answer.headers.get("retry-after")),
        method=answer.method,
        path=answer.path,
    )


def first_item(answer: Response, kind: type[T]) -> T:
    """The one resource in a ``{"items": [{...}]}`` wrapper.

    :raises NotFoundError: if the wrapper is empty.
    """
    items = decode(answer, _Items).items
    if not items:
        raise NotFoundError(
            f"{answer.method} {answer.path}: the answer holds no resource",
            status=404,
            method=answer.method,
            path=answer.path,
        )
    return decode(answer, kind, items[0])


def page(answer: Response, kind: type[T]) -> model.Page[T]:
    """A page of resources with the token of the next one."""
    wrapper = decode(answer, _Items)
    items = tuple(decode(answer, kind, item) for item in wrapper.items)
    return model.Page(items=items, next_cursor=_next_token(wrapper.links))


def count(answer: Response) -> int:
    """The number in a ``{"count": n}`` answer."""
    return decode(answer, _Count).count


def created(answer: Response) -> model.Created:
    """Id and etag of a created resource."""
    return decode(answer, model.Created)


def changed(answer: Response) -> model.Created | None:
    """Id and new etag of a changed resource, None where AEP answers 202 or 204 without a body."""
    return decode(answer, model.Created) if answer.body.strip() else None


def nothing(answer: Response) -> None:
    """For answers whose body, if any, says nothing."""


def token(answer: Response) -> Token:
    """The access token that IMS gave."""
    try:
        decoded = msgspec.json.decode(answer.body, type=_Token)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The decoder's message could quote the answer, and with it the token.
        raise InvalidResponseError(
            f"{answer.method} {answer.path}: the answer holds no access_token with expires_in",
            method=answer.method,
            path=answer.path,
        ) from None
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


def decode(answer: Response, kind: type[T], part: bytes | msgspec.Raw | None = None) -> T:
    """Read an answer, or a part of it, into a record.

    :raises InvalidResponseError: if it is no JSON of that shape.
    """
    try:
        return msgspec.json.decode(answer.body if part is None else part, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise InvalidResponseError(
            f"{answer.method} {answer.path}: HTTP {answer.status}, unreadable answer: {problem}",
            method=answer.method,
            path=answer.path,
        ) from problem


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
