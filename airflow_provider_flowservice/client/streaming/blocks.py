"""Files of any kind as buffered streams, whose lines can be read with a limit."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from typing import IO, Any

#: Number of bytes that are read at once.
BLOCK_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"


class TruncatedError(ValueError):
    """A file ends before it is complete, or is damaged from there on."""


class _Blocks(io.RawIOBase):
    """The raw side of a buffered stream."""

    def __init__(self, read: Callable[[int], bytes], head: bytes) -> None:
        self._read = read
        self._head = head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def buffered(read: Callable[[int], bytes], head: bytes = b"") -> io.BufferedReader:
    """Return a buffered stream. The lines of an object store's file are slow to read, and without a limit.

    :param read: returns up to that many bytes; none at the end.
    :param head: bytes that come first.
    """
    return io.BufferedReader(_Blocks(read, head), BLOCK_BYTES)


def opened(file: IO[bytes], *, gzipped: bool) -> io.BufferedReader:
    """Return the content of a file, decompressed if it is compressed with gzip, whatever its name."""
    stream = buffered(file.read)
    if gzipped or stream.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
        # All that comes before an error is returned by read1(), but not by read().
        return buffered(gzip.GzipFile(fileobj=stream).read1)
    return stream
