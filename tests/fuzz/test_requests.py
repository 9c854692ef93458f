"""Whatever AEP sends in place of a response, the client raises nothing but its own errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import FlowServiceError
from tests.fuzz.kinds import ERROR, RequestKind, kinds
from tests.fuzz.mutations import mutated
from tests.support.clients import TRANSPORTS, Client, open_client
from tests.support.raw import answer, serving

KINDS = kinds()
#: Mutations of each kind by each of the two transports: 200 and 2,000 in all.
ROUNDS = [100, pytest.param(1000, marks=pytest.mark.fuzz)]
STATUSES = ("200 OK",) * 6 + ("400 Bad", "401 No", "403 No", "404 No", "412 No", "429 Wait", "503 Later")
HEADERS = ("Retry-After: x", f"Retry-After: {'9' * 400}", "Retry-After: Tue, 99 Nov", "x-request-id: \xe9")


class Malformed:
    """The response that comes next. Each transport gets others."""

    def __init__(self, transport: str) -> None:
        self.content = b""
        self._transport = transport

    def draw(self, kind: RequestKind, number: int) -> None:
        random = Random(f"{self._transport} {kind} {number}")
        status = random.choice(STATUSES)
        body = mutated(kind.document if status.startswith("200") else ERROR, random)
        self.content = answer(body, *random.sample(HEADERS, random.randrange(2)), status=status)

    def respond(self, connection: socket.socket) -> None:
        connection.sendall(self.content)


@contextmanager
def opened(transport: str, malformed: Malformed) -> Iterator[Client]:
    with (
        serving(malformed.respond, keep=True) as server,
        open_client(transport, server.settings(retries=0, read_timeout=5)) as client,
    ):
        yield client


@pytest.fixture(scope="module", params=sorted(TRANSPORTS))
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Client, Malformed]]:
    """A client, and what it is sent."""
    malformed = Malformed(request.param)
    with opened(request.param, malformed) as client:
        yield client, malformed


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_nothing_but_the_clients_own_errors_is_raised(
    served: tuple[Client, Malformed], kind: RequestKind, rounds: int
) -> None:
    client, malformed = served
    escaped: list[Any] = []
    for number in range(rounds):
        malformed.draw(kind, number)
        try:
            kind.use(client.send(kind.request))
        except FlowServiceError:
            pass
        except Exception as error:  # noqa: BLE001 (each that escapes is told with what it was raised for)
            escaped.append((number, repr(error)[:200], malformed.content[:2000]))
    assert escaped == []


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_each_kind_reads_its_response_as_documented(
    served: tuple[Client, Malformed], kind: RequestKind
) -> None:
    """Otherwise its mutations would all fail at the same place."""
    client, malformed = served
    malformed.content = answer(json.dumps(kind.document).encode())
    if kind.name == "validate":
        with pytest.raises(FlowServiceError, match="AEP rejects 1 of 1"):
            client.send(kind.request)
    else:
        kind.use(client.send(kind.request))
