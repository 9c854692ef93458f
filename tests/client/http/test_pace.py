"""When requests are sent: in their turn, and over how many connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import NotSentError, RateLimitError
from airflow_provider_flowservice.client.http import auth, request
from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.clients import emulator_settings
from tests.support.faults import fault
from tests.support.raw import answer

COUNT = request.count(request.FLOWS)
Event = int | tuple[int | None, float | None]


class SlowPace:
    """Lets each request wait for its turn, and writes down all that it is asked and told."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.events: list[Event] = []
        self._seconds = seconds

    async def turn(self, messages: int) -> None:
        await clock.current().sleep_async(self._seconds)
        self.events.append(messages)

    def saw(self, status: int | None, retry_after: float | None) -> None:
        self.events.append((status, retry_after))


@pytest.fixture
def control(emulator: EmulatorServer, virtual_clock: VirtualClock) -> EmulatorControl:
    auth.forget_all()
    return emulator.control


def with_transport(
    control: EmulatorControl, use: Callable[[AiohttpTransport], Awaitable[object]], **changes: object
) -> None:
    async def main() -> None:
        transport = AiohttpTransport(emulator_settings(control.url, control.credential, **changes))
        try:
            await use(transport)
        finally:
            await transport.close()

    asyncio.run(main())


def test_every_attempt_has_its_turn_and_its_end(control: EmulatorControl) -> None:
    pace = SlowPace()
    control.inject(
        fault("status", "GET", "flows", status=429, headers={"Retry-After": "7"}),
        fault("status", "GET", "flows", status=503),
        fault("status", "GET", "flows", status=401),
    )
    with_transport(control, lambda transport: transport.send(COUNT, pace=pace, messages=12))
    ends = [event for event in pace.events if event != 12]
    assert ends == [(429, 7.0), (503, None), (401, None), (200, None)]
    assert pace.events[::2] == [12] * 4
    assert len(control.requests("POST", "/ims")) == 2


def test_a_response_that_is_lost_has_no_status(control: EmulatorControl) -> None:
    pace = SlowPace()
    # aiohttp itself sends a read again if a connection breaks that was open before.
    control.inject(fault("reset", "GET", "flows", times=2))
    with_transport(control, lambda transport: transport.send(COUNT, pace=pace))
    assert pace.events == [1, (None, None), 1, (200, None)]


def test_a_request_that_is_cancelled_has_an_end_too(control: EmulatorControl) -> None:
    pace = SlowPace()

    async def use(transport: AiohttpTransport) -> None:
        await transport.send(COUNT, pace=pace)
        control.inject(fault("delay", "GET", "flows", seconds=5))
        sending = asyncio.create_task(transport.send(COUNT, pace=pace))
        while len(control.requests("GET")) < 2 and control.faults_left():
            await asyncio.wait({sending}, timeout=0.01)
        sending.cancel()
        await asyncio.wait({sending})

    with_transport(control, use)
    assert pace.events == [1, (200, None), 1, (None, None)]


def test_a_request_that_never_gets_its_turn_is_not_sent(control: EmulatorControl) -> None:
    class Closed(SlowPace):
        async def turn(self, messages: int) -> None:
            raise NotSentError("closed")

    pace = Closed()

    async def use(transport: AiohttpTransport) -> None:
        with pytest.raises(NotSentError, match="closed"):
            await transport.send(COUNT, pace=pace)

    with_transport(control, use)
    assert pace.events == []
    assert control.requests("GET") == []


def test_the_wait_for_a_turn_is_no_part_of_the_retry_budget(
    control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    wait = {"Retry-After": "30"}
    control.inject(fault("status", "GET", "flows", times=9, status=429, headers=wait))
    budget = {"retries": 100, "retry_budget": 70}

    async def use(transport: AiohttpTransport) -> None:
        with pytest.raises(RateLimitError):
            await transport.send(COUNT, pace=SlowPace(1000))

    with_transport(control, use, **budget)
    assert [seconds for seconds in virtual_clock.sleeps if seconds == 1000] == [1000] * 3
    assert len(control.requests("GET")) == 3


def test_the_time_of_an_attempt_is_the_budget_that_is_left(control: EmulatorControl) -> None:
    pace = SlowPace(1000)

    async def use(transport: AiohttpTransport) -> None:
        await transport.send(COUNT)
        # An attempt has a millisecond at least. That would not be enough for this response.
        control.inject(fault("delay", "GET", "flows", seconds=0.2))
        await transport.send(COUNT, pace=pace)

    with_transport(control, use, retries=0, retry_budget=60)
    assert pace.events == [1, (200, None)]


@pytest.mark.parametrize(("connections", "requests"), [(150, 150), (3, 20)])
def test_as_many_connections_are_open_as_the_caller_says(
    emulator: EmulatorServer, connections: int, requests: int
) -> None:
    opened = 0

    async def main() -> None:
        all_open = asyncio.Event()

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal opened
            opened += 1
            if opened == connections:
                all_open.set()
            while await reader.read(65536):
                await all_open.wait()
                writer.write(answer(b'{"count": 1}'))
            writer.close()

        server = await asyncio.start_server(respond, "127.0.0.1")
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = emulator_settings(
            url, emulator.control.credential, access_token="token", retries=0, read_timeout=5
        )
        transport = AiohttpTransport(settings, connections=connections)
        counts = await asyncio.gather(*(transport.send(COUNT) for _ in range(requests)))
        assert counts == [1] * requests
        await transport.close()
        server.close()

    asyncio.run(main())
    assert opened == connections
