"""Responses that fill the memory of who reads them without a limit."""

from __future__ import annotations

import gzip
import itertools
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.raw import Answer, answer, endless

MB = 2**20
GZIP = "Content-Encoding: gzip"


@contextmanager
def memory() -> Iterator[Callable[[], float]]:
    """Tell the most memory that was in use since the block began, in MB."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def sending(*parts: bytes) -> Answer:
    """Send these bytes."""
    return lambda connection: connection.sendall(b"".join(parts))


def repeating(head: bytes, piece: bytes, times: int | None = None) -> Answer:
    """Send a piece again and again, as often as it is read or ``times``."""

    def respond(connection: socket.socket) -> None:
        connection.sendall(head)
        for each in itertools.repeat(piece) if times is None else itertools.repeat(piece, times):
            connection.sendall(each)

    return respond


def bomb(megabytes: int) -> bytes:
    """The beginning of a gzip stream of zeros, a thousand times as large as it looks."""
    stream = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(MB)
    first = stream.compress(zeros) + stream.flush(zlib.Z_FULL_FLUSH)
    # After a full flush, the same block comes again byte for byte.
    block = stream.compress(zeros) + stream.flush(zlib.Z_FULL_FLUSH)
    return first + block * (megabytes - 1)


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
