"""What a broken or hostile server must not do to a worker or a triggerer: fill its memory, or hold it forever."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest

from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    FlowServiceError,
    InvalidResponseError,
    ResponseLostError,
    ResponseTooLargeError,
    is_ambiguous,
    is_permanent,
)
from airflow_provider_flowservice.client.http import body, request
from airflow_provider_flowservice.client.http.asynchronous import LARGE_AT_ONCE, SMALL_BYTES, AiohttpTransport
from airflow_provider_flowservice.client.http.response import MAX_UNREADABLE
from tests.support.clients import open_client
from tests.support.hostile import GZIP, objects, repeating
from tests.support.memory import MB, bomb, peak_megabytes
from tests.support.raw import Answer, RawServer, answer, endless, sending, serving

COUNT = request.count(request.FLOWS)


def send(transport: str, server: RawServer, **extras: object) -> int:
    with open_client(transport, server.settings(**{"retries": 2, **extras})) as client:
        return client.send(COUNT)


def failure(transport: str, respond: Answer, **extras: object) -> FlowServiceError:
    """How a request fails, and that it was sent once."""
    with serving(respond) as server:
        with pytest.raises(FlowServiceError) as caught:
            send(transport, server, **extras)
        assert len(server.requests) == 1
    return caught.value


@pytest.fixture
def peak() -> Iterator[Callable[[], float]]:
    """The most memory that was in use since the test began, in MB."""
    with peak_megabytes() as peak:
        yield peak


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "503 Service Unavailable"])
def test_a_bomb_takes_no_more_memory_than_the_limit(
    transport: str, status: str, peak: Callable[[], float]
) -> None:
    location = "Location: /elsewhere"
    error = failure(transport, sending(answer(bomb(900), GZIP, location, status=status)))
    assert peak() < 1.5 * body.MAX_BYTES / MB
    assert isinstance(error, ResponseTooLargeError)
    for told in ("GET /data/foundation/flowservice/flows", status[:3], "limit of 64 MB", "check the hosts"):
        assert told in error.message


@pytest.mark.parametrize(
    ("headers", "piece"),
    [((), bytes(MB)), ((GZIP,), b"\0\0\0\xff\xff" * 200_000)],
    ids=["as it is", "compressed to more than it was"],
)
def test_a_body_without_end_is_given_up_at_the_limit(
    transport: str, headers: tuple[str, ...], piece: bytes, peak: Callable[[], float]
) -> None:
    empty_gzip = gzip.compress(b"")[:10] if headers else b""

    error = failure(transport, repeating(endless(*headers) + empty_gzip, piece))
    assert isinstance(error, ResponseTooLargeError)
    assert peak() < 1.5 * body.MAX_BYTES / MB


def test_what_is_too_large_is_permanent_and_may_have_had_its_effect() -> None:
    error = ResponseTooLargeError("large")
    assert is_permanent(error)
    assert is_ambiguous(error)


@pytest.mark.parametrize(("size", "fits"), [(body.MAX_BYTES, True), (body.MAX_BYTES + 1, False)])
def test_the_limit_is_exact(transport: str, size: int, fits: bool) -> None:
    count = b'{"count": 7}'
    padded = gzip.compress(count.ljust(size), compresslevel=1)
    with serving(sending(answer(padded, GZIP))) as server:
        if fits:
            assert send(transport, server) == 7
        else:
            with pytest.raises(ResponseTooLargeError):
                send(transport, server)


@pytest.mark.parametrize(("zeros", "fits"), [(body.MAX_VALUES - 2, True), (body.MAX_VALUES - 1, False)])
def test_so_is_that_of_the_values_in_a_body(transport: str, zeros: int, fits: bool) -> None:
    values = b'{"count": 7, "x": [' + b"0," * (zeros - 1) + b"0]}"
    with serving(sending(answer(gzip.compress(values, compresslevel=1), GZIP))) as server:
        if fits:
            assert send(transport, server) == 7
        else:
            with pytest.raises(ResponseTooLargeError, match="more values than the limit of 1,000,000"):
                send(transport, server)


def test_objects_on_a_page_are_limited_if_they_cannot_be_read(transport: str) -> None:
    page = request.page(request.CONNECTION_SPECS)
    good, bad = b'{"id":"i"}', b"{}"
    for each, count in ((good, 10 * MAX_UNREADABLE), (bad, MAX_UNREADABLE), (bad, 300_000)):
        with (
            serving(sending(answer(objects(count, each), GZIP))) as server,
            open_client(transport, server.settings(retries=0)) as client,
        ):
            if count <= 10 * MAX_UNREADABLE:
                found = client.send(page)
                assert len(found.items) + len(found.unreadable) == count
            else:
                with pytest.raises(InvalidResponseError, match="more than 1000 objects cannot be read"):
                    client.send(page)


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("identity", b'{"count": 7}'),
        ("gzip", gzip.compress(b'{"count": 7}', mtime=0)),
        ("GZIP", gzip.compress(b'{"count": 7}'.ljust(2 * MB), mtime=0)),
        ("deflate", zlib.compress(b'{"count": 7}')),
    ],
)
def test_a_body_is_decompressed(transport: str, coding: str, content: bytes) -> None:
    with serving(sending(answer(content, f"Content-Encoding: {coding}"))) as server:
        assert send(transport, server) == 7


@pytest.mark.parametrize(
    ("coding", "content", "problem"),
    [
        ("br", b"x", "'br', which was not asked for"),
        ("gzip, gzip", b"x", "which was not asked for"),
        ("gzip", b'{"count": 7}', "cannot be decompressed"),
        ("gzip", gzip.compress(b'{"count": 7}', mtime=0)[:-9], "in the middle"),
        ("gzip", gzip.compress(b'{"count": 7}', mtime=0) + b"x", "after the end"),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_invalid(
    transport: str, coding: str, content: bytes, problem: str
) -> None:
    error = failure(transport, sending(answer(content, f"Content-Encoding: {coding}")), retries=0)
    assert type(error) is InvalidResponseError
    assert problem in error.message


@pytest.mark.parametrize("location", ["http://[", "/elsewhere"])
def test_where_a_redirect_leads_is_not_looked_at(transport: str, location: str) -> None:
    respond = sending(answer(b"moved", f"Location: {location}", status="302 Found"))
    assert isinstance(failure(transport, respond), BadRequestError)


@pytest.mark.parametrize(
    ("head", "drip"),
    [
        (b"", b"HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"a: bcd\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (endless("Transfer-Encoding: chunked"), b"0"),
        (endless("Transfer-Encoding: chunked"), b"1\r\n \r\n"),
        (endless("Transfer-Encoding: chunked") + b"0\r\n", b"trailer: 1\r\n"),
        (endless(), b" "),
    ],
    ids=["status", "header", "100", "size of a chunk", "chunks", "trailer", "body"],
)
def test_a_response_that_comes_byte_by_byte_ends_at_the_deadline(
    transport: str, head: bytes, drip: bytes
) -> None:
    given_up = threading.Event()
    with serving(lambda connection: dripping(connection, head, drip, given_up)) as server:
        with pytest.raises(ResponseLostError, match="GET /data/foundation/flowservice/flows") as caught:
            send(transport, server, retry_budget=0.3, read_timeout=60)
        assert "took too long" in str(caught.value) or transport == "aiohttp"
        assert given_up.wait(10)


def dripping(connection: socket.socket, head: bytes, drip: bytes, given_up: threading.Event) -> None:
    """Send a byte every 20 ms, until the other side closes the connection; 10 s at most."""
    connection.sendall(head)
    connection.settimeout(0.02)
    for number in range(500):
        try:
            connection.sendall(drip[number % len(drip) :][:1])
            gone = connection.recv(1) == b""
        except TimeoutError:
            continue
        except OSError:
            gone = True
        if gone:
            given_up.set()
            return


def test_a_proxy_that_answers_byte_by_byte_ends_at_the_deadline(transport: str) -> None:
    given_up = threading.Event()
    drip = b"HTTP/1.1 200 OK\r\n" + b"a" * 1000
    with serving(lambda connection: dripping(connection, b"", drip, given_up)) as proxy:
        settings = RawServer("https://platform.example").settings(
            proxy=proxy.url, retries=0, retry_budget=0.3, connect_timeout=60
        )
        with open_client(transport, settings) as client, pytest.raises(FlowServiceError):
            client.send(COUNT)
        assert given_up.wait(10)


def test_few_large_bodies_are_read_at_once_and_small_ones_do_not_wait() -> None:
    sent, go_on = threading.Semaphore(0), threading.Event()
    # More than what fits into the buffers between two sockets.
    large = answer(b'{"count": 7}'.ljust(30 * MB))
    small = answer(b'{"count": 8}'.ljust(SMALL_BYTES))
    waiting = LARGE_AT_ONCE + 2
    responses = iter([*repeat(large, waiting), small])

    def respond(connection: socket.socket) -> None:
        response = next(responses)
        connection.sendall(response[:-1])
        if response is large:
            sent.release()
            go_on.wait(30)
        connection.sendall(response[-1:])

    async def work(server: RawServer) -> list[int]:
        transport = AiohttpTransport(server.settings())
        others = AiohttpTransport(server.settings(sandbox="other"))
        try:
            tasks = [
                asyncio.create_task(sender.send(COUNT))
                for sender in (*repeat(transport, waiting - 2), others, others)
            ]
            for _ in range(LARGE_AT_ONCE):
                assert await asyncio.to_thread(sent.acquire, timeout=30)
            assert await others.send(COUNT) == 8
            # The others would come within this time, as the small one did.
            assert not await asyncio.to_thread(sent.acquire, timeout=0.3)
            go_on.set()
            return await asyncio.gather(*tasks)
        finally:
            go_on.set()
            await transport.close()
            await others.close()

    with serving(respond) as server:
        assert asyncio.run(work(server)) == [7] * waiting
