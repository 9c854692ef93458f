"""What servers are told of the program and the task that send requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice import __version__
from airflow_provider_flowservice.client.http import Caller, auth, request
from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.http.exchange import NeedToken, Send, exchange
from airflow_provider_flowservice.client.http.request import Host, Request
from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.client.conftest import Opener
from tests.support.aep import aep_settings
from tests.support.clients import emulator_settings

CALLER = Caller("Airflow/3.3.2", "onboarding", "manual__2026-01-01T00:00:00+00:00", "activate[3]")
CALLED_BY = {"dag": "onboarding", "run": "manual__2026-01-01T00:00:00+00:00", "task": "activate[3]"}
COUNT = request.count(request.FLOWS)
AGENT = f"airflow-provider-flowservice/{__version__}"
ADOBE = {
    "host": "https://platform.adobe.io",
    "ims_host": "https://ims-na1.adobelogin.com",
    "collection_host": "https://dcs.adobedc.net",
}


def count_blocking(settings: Settings, caller: Caller) -> None:
    transport = RequestsTransport(settings, caller=caller)
    transport.send(COUNT)
    transport.close()


def count_async(settings: Settings, caller: Caller) -> None:
    async def count() -> None:
        transport = AiohttpTransport(settings, caller=caller)
        await transport.send(COUNT)
        await transport.close()

    asyncio.run(count())


def count_async_for_another(settings: Settings, caller: Caller) -> None:
    async def count() -> None:
        transport = AiohttpTransport(settings, caller=Caller(caller.program))
        await transport.send(COUNT, caller=caller)
        await transport.close()

    asyncio.run(count())


def test_the_client_alone_says_its_version(
    open_to_emulator: Opener, transport: str, control: EmulatorControl
) -> None:
    open_to_emulator(transport).send(COUNT)
    assert [entry["headers"]["user-agent"] for entry in control.requests()] == [AGENT, AGENT]
    assert [entry["caller"] for entry in control.requests()] == [{}, {}]


@pytest.mark.parametrize("count", [count_blocking, count_async])
def test_every_request_says_who_sends_it_that_for_a_token_too(
    control: EmulatorControl, count: Callable[[Settings, Caller], None]
) -> None:
    count(emulator_settings(control.url, control.credential), CALLER)
    journal = control.requests()
    assert [entry["path"].split("/")[1] for entry in journal] == ["ims", "data"]
    assert {entry["headers"]["user-agent"] for entry in journal} == {f"{AGENT} Airflow/3.3.2"}
    assert [entry["caller"] for entry in journal] == [CALLED_BY, CALLED_BY]


def test_a_token_that_many_tasks_share_is_fetched_for_none_of_them(control: EmulatorControl) -> None:
    count_async_for_another(emulator_settings(control.url, control.credential), CALLER)
    assert [entry["caller"] for entry in control.requests()] == [{}, CALLED_BY]


@pytest.mark.parametrize("count", [count_blocking, count_async])
@pytest.mark.parametrize("name", ["größe", "客户", "a b", " a ", "a\r\nX-Evil: 1", "100%", "a/b?c#d", "a%41"])
def test_any_name_arrives_as_it_is(
    control: EmulatorControl, count: Callable[[Settings, Caller], None], name: str
) -> None:
    count(emulator_settings(control.url, control.credential), Caller("", name, name, name))
    for entry in control.requests():
        assert entry["caller"] == {"dag": name, "run": name, "task": name}
        assert "x-evil" not in entry["headers"]


def sent_headers(asked: Request[Any], **hosts: str) -> dict[str, str]:
    """The headers that a transport would send."""
    settings = msgspec.structs.replace(
        aep_settings(),
        gateway=hosts["host"],
        ims_host=hosts["ims_host"],
        collection_host=hosts["collection_host"],
    )
    steps = exchange(asked, settings, CALLER)
    step = next(steps)
    while not isinstance(step, Send):
        step = steps.send("t" if isinstance(step, NeedToken) else None)
    return step.headers


def names_a_task(headers: dict[str, str]) -> bool:
    return any(name.startswith("x-airflow-") for name in headers)


@pytest.mark.parametrize("host", Host)
@pytest.mark.parametrize("local", ["http://127.0.0.1:8765", "http://localhost:8765", "https://[::1]:8765"])
def test_no_task_is_named_to_another_machine(host: Host, local: str) -> None:
    asked = Request("GET", "/x", lambda received: received, host=host, authorized=host is not Host.IMS)
    field = {Host.GATEWAY: "host", Host.IMS: "ims_host", Host.COLLECTION: "collection_host"}[host]
    assert not names_a_task(sent_headers(asked, **ADOBE))
    assert not names_a_task(sent_headers(asked, **{**ADOBE, "host": "https://127.0.0.1.example.com"}))
    # Whichever other hosts are on this machine.
    everywhere = dict.fromkeys(ADOBE, local)
    assert names_a_task(sent_headers(asked, **everywhere))
    assert not names_a_task(sent_headers(asked, **{**everywhere, field: ADOBE[field]}))
    assert not names_a_task(sent_headers(asked, **{**everywhere, "host": ADOBE["host"]}))
    assert sent_headers(asked, **ADOBE)["User-Agent"] == f"{AGENT} Airflow/3.3.2"


@pytest.fixture(autouse=True)
def no_token() -> None:
    auth.forget_all()
