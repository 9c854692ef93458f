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


def is_gzip(file: IO[bytes]) -> bool:
    """Whether a file is compressed with gzip, whatever its name. Its first bytes are read."""
    return file.read(len(_GZIP)) == _GZIP


def opened(file: IO[bytes], *, gzipped: bool) -> io.BufferedReader:
    """Return the content of a file, decompressed if it is compressed with gzip, whatever its name."""
    stream = buffered(file.read)
    if gzipped or stream.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
        # All that comes before an error is returned by read1(), but not by read().
        return buffered(gzip.GzipFile(fileobj=stream).read1)
    return stream


def lines_in_range(file: IO[bytes], begin: int, end: int) -> io.BufferedReader:
    """Return the lines of a file that begin in a range of its bytes, each up to its end.

    The lines in ranges that follow each other are all lines of the file.

    :param file: a file that can be read at any place.
    :param begin: index of the first byte of the range.
    :param end: index after its last byte.
    """
    return buffered(_Range(file, begin, end).read)


class _Range:
    def __init__(self, file: IO[bytes], begin: int, end: int) -> None:
        self._file = file
        self._end = end
        # Whether a line begins with the range is known by the byte before it.
        self._at = max(begin - 1, 0)
        self._is_before = begin > 0
        self._is_over = False
        file.seek(self._at)

    def read(self, size: int) -> bytes:
        """Return up to so many bytes of the lines; none at the end."""
        while not self._is_over and (part := self._file.read(size)):
            at = self._at
            self._at += len(part)
            if self._is_before:
                first = part.find(b"\n") + 1
                if not first:
                    continue
                self._is_before = False
                at, part = at + first, part[first:]
                if at >= self._end:
                    break
            # No other line of the range begins after this line end.
            last = part.find(b"\n", max(self._end - 1 - at, 0)) + 1
            if last:
                self._is_over, part = True, part[:last]
            if part:
                return part
        self._is_over = True
        return b""
