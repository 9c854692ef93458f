"""Sends wrong requests to an emulator, counts the answers, and looks at all that the emulator shows afterwards."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

from tests.emulator.conftest import CATALOG, DATA_PREP, FLOW_SERVICE, REGISTRY, Api
from tests.support.valid_requests import SEGMENTATION, Valid
from tests.support.wrong_requests import (
    HOSTILE,
    Wire,
    garbled,
    positions,
    sent_by,
    strange_headers,
    strange_query,
    with_hostile,
    without,
)

#: Is there after every group, whatever was sent.
_SHOWN = (
    "/_emulator",
    "/_emulator/health",
    "/_emulator/state",
    "/_emulator/requests",
    "/_emulator/clock",
    "/_emulator/faults",
    "/_emulator/switches",
    "/_emulator/page/overview",
    "/_emulator/page/requests",
    "/_emulator/page/switches",
    "/_emulator/page/faults",
)
_SHELVES = (
    "flows", "runs", "connections", "sourceConnections", "targetConnections", "schemas", "datasets", "mappingSets",
    "segments",
)  # fmt: skip
_LISTS = (
    *(f"{FLOW_SERVICE}/{each}?limit=100&orderby=name" for each in _SHELVES[:5]),
    f"{CATALOG}/dataSets?limit=100&orderBy=description,name",
    f"{DATA_PREP}/mappingSets?limit=100",
    f"{SEGMENTATION}/segment/definitions?sort=name:asc",
    f"{SEGMENTATION}/audiences?limit=1000",
    f"{SEGMENTATION}/segment/jobs",
)
_REGISTRY = ("schemas", "classes", "fieldgroups", "datatypes", "unions")
_FORMS = ("xed", "xed-full", "xdm-full-notext", "xed-full-desc", "xdm-full-flat", "xed-deprecatefield")
_DETAILS = 20

#: A request as it is sent: its target, headers and body.
Variant = tuple[bytes, Mapping[str, bytes], bytes]


@dataclass
class Counts:
    """What came of some requests.

    :param failed: what was answered with 500, or not at all.
    :param hanging: what was not answered in time.
    """

    requests: int = 0
    accepted: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    hanging: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.requests:,} requests: {self.accepted:,} 2xx, {self.refused:,} 4xx and named 501,"
            f" {len(self.failed)} 500, {len(self.hanging)} hangs"
        )


class Fuzzer:
    """Sends variants of valid requests.

    :param api: a caller with a token.
    :param counts: to which the answers are added.
    """

    def __init__(self, api: Api, counts: Counts) -> None:
        self._api = api
        self._wire = Wire(api.url)
        self.counts = counts

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    def send(self, valid: Valid, variants: Iterable[Callable[[Random], Variant | bytes]], seed: str) -> None:
        """Send a request as it is, and variants of it, each based on the state that it finds.

        :param variants: each returns what is sent, or a body alone.
        """
        status, answer = self.send_variant(valid, lambda _: valid.content, seed)
        assert status in range(200, 300), (str(valid), status, answer)
        for number, variant in enumerate(variants):
            self.send_variant(valid, variant, f"{seed} {number}")

    def send_variant(
        self, valid: Valid, variant: Callable[[Random], Variant | bytes], seed: str
    ) -> tuple[int, bytes]:
        """Send one variant of a request, and return status and body of the answer."""
        headers = {name: value.encode("latin-1") for name, value in sent_by(valid, self._common).items()}
        made = variant(Random(seed))
        target, changed, content = (valid.target.encode(), {}, made) if isinstance(made, bytes) else made
        answer = self.exchange(valid.method, target, {**headers, **changed}, content)
        if answer[0] == 201 and valid.target == "/_emulator/faults":
            self._provoke(json.loads(answer[1]))
        return answer

    def _provoke(self, rules: list[Any]) -> None:
        """Send a request that meets a fault. Any answer is right but that the emulator has failed to make one."""
        with suppress(ConnectionError, http.client.HTTPException):
            if all(rule["fault"].get("seconds") in (None, 0) for rule in rules):
                _, body = self._wire.send("GET", b"/data/nothing", {}, b"")
                if b"The emulator failed" in body:
                    self.counts.failed.append(f"{rules}: {body!r}")
        self._api.control.clear_faults()

    @property
    def _common(self) -> dict[str, str]:
        return {
            name: str(self._api.session.headers[name])
            for name in ("x-api-key", "x-gw-ims-org-id", "x-sandbox-name", "Authorization")
        }

    def exchange(
        self, method: str, target: bytes, headers: Mapping[str, bytes], content: bytes
    ) -> tuple[int, bytes]:
        """Send a request and count its answer."""
        self.counts.requests += 1
        told = f"{method} {target[:300]!r} {dict(headers)!r:.300} {content[:300]!r}"
        try:
            status, body = self._wire.send(method, target, headers, content)
        except TimeoutError:
            self.counts.hanging.append(told)
            return 0, b""
        except (OSError, http.client.HTTPException) as error:
            self.counts.failed.append(f"{told}: {error!r}")
            return 0, b""
        if status < 300:
            self.counts.accepted += 1
        elif status < 500 or status == 501:
            self.counts.refused += 1
        else:
            self.counts.failed.append(f"{told}: {status} {body[:300]!r}")
        return status, body

    def look(self) -> None:
        """Read everything that the emulator shows; all of it must be there.

        The clock runs on, so that what was scheduled starts.
        """
        self._api.control.clear_faults()
        self._api.control.set_switches(token_lifetime=86_399, mask_secrets=True)
        self._api.log_in()
        for ahead in (0, 4000):
            self._api.control.advance(ahead)
            for path in (*_SHOWN, *_LISTS):
                self._read(path)
            self._read_registry()
            self._read_shelves()

    def _read(self, path: str, **headers: str) -> Any:
        named = {**self._common, **headers}
        status, body = self._wire.send(
            "GET", path.encode(), {name: value.encode() for name, value in named.items()}, b""
        )
        if status != 200:
            self.counts.failed.append(f"afterwards, GET {path}: {status} {body[:300]!r}")
        return json.loads(body) if status == 200 and body[:1] in (b"{", b"[") else {}

    def _read_registry(self) -> None:
        summary, whole = (f"application/vnd.adobe.{form}+json" for form in ("xed-id", "xed"))
        for collection in _REGISTRY:
            listed = self._read(f"{REGISTRY}/tenant/{collection}", Accept=summary).get("results", [])
            self._read(f"{REGISTRY}/tenant/{collection}?orderby=title", Accept=whole)
            for one in listed[-_DETAILS:]:
                name = quote(one["$id"], safe="")
                for form in _FORMS:
                    accept = f"application/vnd.adobe.{form}+json;version=1"
                    self._read(f"{REGISTRY}/tenant/{collection}/{name}", Accept=accept)
                if collection != "unions":
                    for call in ("export", "auditlog"):
                        self._read(f"{REGISTRY}/rpc/{call}/{name}")
                if collection in ("schemas", "unions"):
                    self._read(f"{REGISTRY}/rpc/sampledata/{name}")
        for form in ("xdm", "xdm-v2", "xdm-id"):
            self._read(f"{REGISTRY}/tenant/descriptors", Accept=f"application/vnd.adobe.{form}+json")

    def _read_shelves(self) -> None:
        for shelf in _SHELVES:
            page = self._read(f"/_emulator/page/{shelf}?limit=50")
            self._read(f"/_emulator/page/{shelf}?limit=50&search=a")
            for line in page.get("items", [])[:_DETAILS]:
                detail = self._read(f"/_emulator/page/{shelf}/{quote(line['id'], safe='')}")
                for inlet in detail.get("inlets", []):
                    self._read(f"/_emulator/inlets/{inlet['id']}/messages")
                    self._read(f"/_emulator/page/inlets/{inlet['id']}")
                if shelf in _SHELVES[:5]:
                    self._read(f"{FLOW_SERVICE}/{shelf}/{line['id']}")
                if shelf == "flows":
                    self._read(f"/_emulator/exports/{line['id']}")
                    self._read(f"/_emulator/flows/{line['id']}/exports")


def structural(valid: Valid) -> Iterator[Callable[[Random], bytes]]:
    """Each hostile value at each place of a body, and the body without each of its members."""
    if valid.body is None or isinstance(valid.body, bytes):
        return
    for path in positions(valid.body):
        for hostile in HOSTILE.values():
            yield lambda _, path=path, hostile=hostile: with_hostile(valid.body, path, hostile)
        if path:
            yield lambda _, path=path: without(valid.body, path)


def chosen(valid: Valid) -> Iterator[Callable[[Random], bytes]]:
    """Each hostile value once, at one place after the other."""
    if valid.body is None or isinstance(valid.body, bytes):
        return
    places = list(positions(valid.body))
    for number, hostile in enumerate(HOSTILE.values()):
        path = places[number % len(places)]
        yield lambda _, path=path, hostile=hostile: with_hostile(valid.body, path, hostile)


def bytewise(valid: Valid, times: int) -> Iterator[Callable[[Random], Variant | bytes]]:
    """Some variants with other bytes in the body, the query and the headers."""
    headers = {**valid.headers, "x-sandbox-name": "dev", "x-request-id": "r", "Host": "127.0.0.1:1"}

    def changed_query(random: Random) -> Variant:
        target = (
            strange_query(valid.target, random).encode()
            if random.random() < 0.7
            else garbled(valid.target.encode(), random).translate(None, b" \r\n\t\x0b\x0c")
        )
        return target or b"/", {}, valid.content

    def changed_headers(random: Random) -> Variant:
        return valid.target.encode(), strange_headers(headers, random), valid.content

    for _ in range(times):
        if valid.content:
            yield lambda random: garbled(valid.content, random)
        if "?" in valid.target:
            yield changed_query
        yield changed_headers
