"""What is wrong with requests, and a caller that sends anything, whether or not it is HTTP."""

from __future__ import annotations

import copy
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any
from urllib.parse import urlsplit

from tests.support.valid_requests import Valid

_HOLE = "\x01hole\x01"
_IN_JSON = json.dumps(_HOLE)


def _nested(depth: int, opening: str, closing: str) -> str:
    return opening * depth + closing * depth


#: JSON, or almost JSON, that is put where a body has something else.
HOSTILE: dict[str, str] = {
    "null": "null",
    "true": "true",
    "number": "5",
    "fraction": "-1.5",
    "empty string": '""',
    "string": '"x"',
    "string of a URL": '"http://["',
    "long string": json.dumps("x" * 20_000),
    "digits": json.dumps("9" * 5_000),
    "control characters": r'"\u0000\r\n\u202e\ufeff"',
    "astral": '"\U0001f600"',
    "half of a pair": r'"\ud800"',
    "other half of a pair": r'"x\udc00"',
    "empty list": "[]",
    "empty object": "{}",
    "list": '[5,"x",null,[]]',
    "object": '{"id":5,"a":null,"":[]}',
    "list of objects": '[{"id":{}}]',
    "half of a pair as a name": r'{"\ud800":1}',
    "NaN": "NaN",
    "infinity": "-Infinity",
    "too large": "1e400",
    "more than 64 bits": "1" + "0" * 30,
    "huge whole number": "9" * 5_000,
    "9 * 10^18": "9" * 19,
    "1e300": "1e300",
    "50 lists": _nested(50, "[", "]"),
    "40 objects": _nested(40, '{"a":', "}").replace(":}", ":{}}"),
    "90 lists": _nested(90, "[", "]"),
    "200 lists": _nested(200, "[", "]"),
    "5,000 lists": _nested(5_000, "[", "]"),
    "5,000 objects": _nested(5_000, '{"a":', "}").replace(":}", ":1}"),
    "100,000 open lists": "[" * 100_000,
}
_BYTES = tuple(bytes([code]) for code in range(256))
#: Parts of queries and headers.
_TEXTS = (
    "", "%00", "%ff", "%ED%A0%80", "%", "-1", "9" * 5_000, "%D9%A3", "nan", "inf", "1e999", "x" * 20_000, "%5B", ",",
    "==", "%2C,%22", "~1", "%F0%9F%98%80", "null", "..%2F", "[", "true", "&&=", "+", "0", "1_0", "asc:", "*",
)  # fmt: skip


def positions(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in a JSON value, itself included."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from positions(value[key], (*path, key))


def with_hostile(body: Any, path: tuple[Any, ...], hostile: str) -> bytes:
    """A body with something else at one place, as it is sent."""
    changed = [copy.deepcopy(body)]
    holder: Any = changed
    *parents, last = (0, *path)
    for key in parents:
        holder = holder[key]
    holder[last] = _HOLE
    return json.dumps(changed[0]).replace(_IN_JSON, hostile).encode("utf-8", "surrogatepass")


def without(body: Any, path: tuple[Any, ...]) -> bytes:
    """A body that lacks one member or element."""
    changed = copy.deepcopy(body)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return json.dumps(changed).encode()


def garbled(content: bytes, random: Random) -> bytes:
    """Bytes of which a few were changed, lost, repeated or added."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 5))):
        start = random.randrange(len(changed) + 1)
        end = min(len(changed), start + random.choice((1, 1, 2, 10, 50)))
        kind = random.randrange(5)
        if kind == 0:
            changed[start:end] = b""
        elif kind == 1:
            changed[start:start] = b"".join(random.choices(_BYTES, k=random.choice((1, 3))))
        elif kind == 2:
            changed[start:start] = changed[start:end] * random.choice((1, 20))
        elif kind == 3:
            del changed[start:]
        elif changed:
            place = min(start, len(changed) - 1)
            changed[place] ^= 1 << random.randrange(8)
    return bytes(changed)


def strange_query(target: str, random: Random) -> str:
    """A target with other names and values of parameters."""
    path, _, query = target.partition("?")
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    place = random.randrange(len(pairs))
    name, value = pairs[place]
    strange = random.choice(_TEXTS)
    changed = {
        0: (name, strange),
        1: (name, f"{value}{strange}"),
        2: (name, f"{strange}{value}"),
        3: (strange, value),
    }[random.randrange(4)]
    pairs[place : place + random.randrange(2)] = [changed]
    return f"{path}?{'&'.join('='.join(pair) for pair in pairs)}"


def strange_headers(headers: Mapping[str, str], random: Random) -> dict[str, bytes]:
    """Headers with another value of one of them."""
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    name = random.choice(list(sent))
    strange = garbled(sent[name], random) if random.random() < 0.7 else random.choice(_TEXTS).encode()
    # Other lines than headers would not be about the emulator, but about HTTP.
    sent[name] = strange.replace(b"\r", b"").replace(b"\n", b"")
    return sent


class Wire:
    """A caller that sends what it is told over one connection, as long as the server keeps it open.

    :param seconds: real time after which a request counts as hanging.
    """

    def __init__(self, url: str, seconds: float = 20) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 0)
        self._seconds = seconds
        self._socket: socket.socket | None = None

    def send(
        self, method: str, target: bytes, headers: Mapping[str, bytes], content: bytes
    ) -> tuple[int, bytes]:
        """Send a request, and return status and body of the response.

        :raises TimeoutError: if there is none in time.
        :raises OSError: if the connection is closed without one.
        """
        named = {"Host": b"%s:%d" % (self._address[0].encode(), self._address[1])} | dict(headers)
        named["Content-Length"] = str(len(content)).encode()
        lines = [b"%s %s HTTP/1.1" % (method.encode(), target)]
        lines += [name.encode() + b": " + value for name, value in named.items()]
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._seconds)
        try:
            self._socket.sendall(b"\r\n".join((*lines, b"", content)))
            response = http.client.HTTPResponse(self._socket, method=method)
            response.begin()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if response.will_close:
            self.close()
        return response.status, body

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def sent_by(valid: Valid, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a valid request.

    :param headers: those of every request.
    """
    return {**headers, **valid.headers, **valid.prepare()}
