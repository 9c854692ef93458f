"""Asking AEP through a poller, as triggers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.client.http import AiohttpTransport, request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.triggers.poller import Poller
from tests.support.aep import make_flow

FLOWS, RUNS = "/data/foundation/flowservice/flows", "/data/foundation/flowservice/runs"
UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"


@asynccontextmanager
async def opened(hook: FlowServiceHook, users: int = 100) -> AsyncIterator[Poller]:
    poller = Poller(AiohttpTransport(hook.settings))
    poller.users = users
    try:
        yield poller
    finally:
        await poller.close()


def asked(hook: FlowServiceHook, *requests: request.Request[Any], rounds: int = 1) -> list[Any]:
    """What each of several triggers gets that ask at the same time: an answer or an error."""

    async def ask() -> list[Any]:
        async with opened(hook) as poller:
            for _ in range(rounds):
                answers = await asyncio.gather(*map(poller.send, requests), return_exceptions=True)
            return answers

    return asyncio.run(ask())


def flow(flow_id: str) -> request.Request[Any]:
    return request.get(request.FLOWS, flow_id)


def calls(control: EmulatorControl) -> list[str]:
    """The paths of all requests to Flow Service."""
    paths = [each["path"] for each in control.requests()]
    base = "/data/foundation/flowservice"
    return [path.removeprefix(base) for path in paths if path.startswith(base)]


def made_flows(hook: FlowServiceHook, control: EmulatorControl, count: int) -> list[str]:
    flows = [make_flow(hook, f"flow {n}") for n in range(count)]
    control.clear_requests()
    return flows


def made_runs(hook: FlowServiceHook, flows: Sequence[str], count: int = 1) -> list[str]:
    return [hook.send(create_run(each, Window(n, n + 1))).id for each in flows for n in range(count)]
