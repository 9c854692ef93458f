"""Responses that fill the memory of who reads them without a limit."""

from __future__ import annotations

import gzip
import itertools
import socket
from collections.abc import Callable

from tests.support.memory import MB, bomb
from tests.support.raw import Answer, answer, endless, sending

GZIP = "Content-Encoding: gzip"


def repeating(head: bytes, piece: bytes, times: int | None = None) -> Answer:
    """Send a piece again and again, as often as it is read or ``times``."""

    def respond(connection: socket.socket) -> None:
        connection.sendall(head)
        for each in itertools.repeat(piece) if times is None else itertools.repeat(piece, times):
            connection.sendall(each)

    return respond


def objects(count: int, each: bytes = b"{}") -> bytes:
    """A compressed page of this many objects."""
    return gzip.compress(b'{"items":[' + (each + b",") * (count - 1) + each + b"]}", compresslevel=1)


def chunk(content: bytes) -> bytes:
    """A chunk of a body in chunks."""
    return b"%x\r\n%s\r\n" % (len(content), content)


#: Responses that are too much, by what is too much about them.
TOO_MUCH: dict[str, Callable[[], Answer]] = {
    "a gigabyte": lambda: repeating(endless(f"Content-Length: {2**30}"), bytes(MB), 1024),
    "no end": lambda: repeating(endless(), bytes(MB)),
    "chunks without end": lambda: repeating(endless("Transfer-Encoding: chunked"), chunk(bytes(MB))),
    "a bomb": lambda: sending(answer(bomb(1024), GZIP)),
    "values": lambda: sending(answer(objects(15 * MB, b"[]"), GZIP)),
}
#: A response of which no more than the head ever comes.
TOO_MANY_HEADERS: Answer = repeating(
    b"HTTP/1.1 200 OK\r\n", b"".join(b"x-%d: %s\r\n" % (n, b"x" * 4000) for n in range(250))
)
