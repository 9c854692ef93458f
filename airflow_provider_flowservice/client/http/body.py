"""Reading of response bodies with bounded memory, in the same way for both transports.

The transports pass on the bytes of a body as they come from the connection, because the libraries below decompress
without a limit: some kilobytes of gzip can become gigabytes.
"""

from __future__ import annotations

import io
import zlib

from airflow_provider_flowservice.client.errors import InvalidResponseError, ResponseTooLargeError
from airflow_provider_flowservice.client.http.response import Response

#: Maximum size of a body in bytes, both as received and decompressed. A page of 100 flows has less than one megabyte.
MAX_BYTES = 64 * 1024 * 1024
#: Maximum number of JSON values in a body: decoded, each takes up to a hundred times its bytes. A page of 100 flows,
#: each with the 250 segments that AEP supports, has half as many.
MAX_VALUES = 1_000_000
#: The compression that requests ask for.
ACCEPT_ENCODING = "gzip"
#: Maximum number of bytes that are decompressed at once.
_PIECE_BYTES = 1024 * 1024

#: Codings that :mod:`zlib` recognizes by their first bytes.
_ZLIB = frozenset({"gzip", "x-gzip", "deflate"})
_KNOWN = _ZLIB | {"", "identity"}


class Body:
    """Collects and decompresses the body of a response, piece by piece.

    :param head: the response without its body.
    :raises InvalidResponseError: if the body has a compression that was not asked for. Of a failure, the status says
        enough: its body is then read as empty.
    """

    def __init__(self, head: Response) -> None:
        self._head = head
        coding = head.headers.get("content-encoding", "").strip().lower()
        self._ignored = coding not in _KNOWN
        if self._ignored and head.is_success:
            raise self._error(f"is compressed with {coding!r}, which was not asked for")
        # 32 accepts the headers of both gzip and zlib.
        self._stream = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS) if coding in _ZLIB else None
        self._received = 0
        self._content = io.BytesIO()

    def feed(self, chunk: bytes) -> None:
        """Add bytes as they were received.

        :raises ResponseTooLargeError: if the body exceeds :data:`MAX_BYTES`.
        :raises InvalidResponseError: if it cannot be decompressed.
        """
        self._received += len(chunk)
        # Compressed data can also be larger than its content, for example if it consists of empty blocks.
        if self._received > MAX_BYTES:
            raise self._too_large(f"is larger than the limit of {MAX_BYTES // 2**20} MB")
        if self._stream:
            self._decompress(self._stream, chunk)
        elif not self._ignored:
            self._content.write(chunk)

    def complete(self) -> bytes:
        """Return the decompressed body.

        :raises InvalidResponseError: if its compressed form ends too early.
        :raises ResponseTooLargeError: if it has more than :data:`MAX_VALUES` values.
        """
        if self._stream and self._received and not self._stream.eof:
            raise self._error("ends in the middle of its compressed data")
        content = self._content.getvalue()
        # Each value but the first follows one of these, and it takes no time to count them.
        if len(content) > MAX_VALUES and sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
            raise self._too_large(f"has more values than the limit of {MAX_VALUES:,}")
        return content

    def _decompress(self, stream: zlib._Decompress, data: bytes) -> None:
        while True:
            try:
                piece = stream.decompress(data, _PIECE_BYTES)
            except zlib.error as problem:
                raise self._error(f"cannot be decompressed: {problem}") from problem
            if self._content.tell() + len(piece) > MAX_BYTES:
                raise self._too_large(f"is larger than the limit of {MAX_BYTES // 2**20} MB")
            self._content.write(piece)
            data = stream.unconsumed_tail or stream.unused_data
            if data and stream.eof:
                raise self._error("goes on after the end of its compressed data")
            if not data and (stream.eof or len(piece) < _PIECE_BYTES):
                return

    def _error(self, problem: str) -> InvalidResponseError:
        return self._head.error(InvalidResponseError, f"HTTP {self._head.status}, the response {problem}")

    def _too_large(self, problem: str) -> ResponseTooLargeError:
        return self._head.error(
            ResponseTooLargeError,
            f"HTTP {self._head.status}, the response {problem}. AEP does not send such responses: check the hosts of"
            " the connection, and that no proxy answers instead of AEP.",
        )
