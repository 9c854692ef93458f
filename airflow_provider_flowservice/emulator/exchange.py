"""What travels with a request: marks that a fault leaves, and the reply on its way out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import Request

SCOPE_KEY = "flowservice_emulator.marks"


@dataclass
class Marks:
    """Notes on one request, for the handler that serves it.

    :param request_id: value of ``x-request-id``, the caller's or a new one.
    :param patch_changes_nothing: a PATCH answers success and leaves the resource as it is.
    """

    request_id: str
    patch_changes_nothing: bool = False


@dataclass
class Reply:
    """A whole answer, held back until a fault has had its say.

    :param cut_after: bytes of the body after which the connection is closed; None to send all.
    :param drip_seconds: real time over which the body is sent.
    """

    status: int
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    cut_after: int | None = None
    drip_seconds: float = 0.0

    @classmethod
    def of(cls, status: int, body: Any, headers: dict[str, str] | None = None) -> Reply:
        """Make a reply from text or from anything that JSON can hold."""
        is_text = isinstance(body, str)
        content = body.encode() if is_text else b"" if body is None else json.dumps(body).encode()
        given = {name.lower(): value for name, value in (headers or {}).items()}
        if content:
            given.setdefault("content-type", "text/plain" if is_text else "application/json")
        given.setdefault("content-length", str(len(content)))
        return cls(
            status,
            content,
            [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
        )


def marks_of(request: Request) -> Marks:
    """The marks of a request."""
    return cast(Marks, request.scope[SCOPE_KEY])
