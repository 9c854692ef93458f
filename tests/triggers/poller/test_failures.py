"""What calls that fail do to the triggers that share a poller."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import ServerError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers import poller as module
from airflow_provider_flowservice.triggers.poller import (
    GATHER_SECONDS,
    HOLD_SECONDS,
    SLOW_SECONDS,
    SLOWER,
    Poller,
    aligned,
)
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.triggers.poller.asking import FLOWS, UNKNOWN, asked, calls, flow, made_flows, made_runs, opened


def test_an_error_is_given_to_each_trigger_and_the_next_poll_is_a_list_again(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    flows = made_flows(hook, control, 3)
    control.inject(fault("status", "GET", FLOWS, status=503))
    errors = asked(hook, *map(flow, flows))
    assert all(isinstance(each, ServerError) for each in errors)
    assert len(set(map(id, errors))) == 3
    assert calls(control) == ["/flows"]
    assert [each.id for each in asked(hook, *map(flow, flows))] == flows
    assert calls(control) == ["/flows", "/flows"]


async def held_back(poller: Poller, first: Sequence[str], then: Sequence[str]) -> float:
    """The seconds for which lists are held back by the failures of earlier ones."""
    await asyncio.gather(*(poller.send(flow(each)) for each in first), return_exceptions=True)
    began = clock.current().monotonic()
    await asyncio.gather(*(poller.send(request.get(request.RUNS, each)) for each in then))
    return clock.current().monotonic() - began


@pytest.mark.parametrize(
    ("failure", "least", "most"),
    [
        ({"kind": "status", "status": 429}, HOLD_SECONDS, 2 * HOLD_SECONDS),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "30"}}, 31, 32),
        ({"kind": "status", "status": 503, "headers": {"Retry-After": "30"}}, 31, 32),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}}, 60, 60),
        ({"kind": "status", "status": 500}, HOLD_SECONDS, 2 * HOLD_SECONDS),
        # aiohttp itself sends a read again if a connection breaks that was open before.
        ({"kind": "reset", "times": 2}, HOLD_SECONDS, 2 * HOLD_SECONDS),
        ({"kind": "status", "status": 403}, 0, 3 * GATHER_SECONDS),
    ],
    ids=str,
)
def test_a_call_that_fails_holds_back_those_for_others(
    hook: FlowServiceHook,
    control: EmulatorControl,
    virtual_clock: VirtualClock,
    failure: dict[str, Any],
    least: float,
    most: float,
) -> None:
    flows = [make_batch_flow(hook) for _ in range(2)]
    runs = made_runs(hook, flows)

    async def ask() -> list[float]:
        async with opened(hook) as poller:
            control.inject(fault(**{"method": "GET", "path": "flows", **failure}))
            return [await held_back(poller, flows, runs) for _ in range(2)]

    held, after = asyncio.run(ask())
    assert least <= held <= most + 0.001
    assert after <= 3 * GATHER_SECONDS


def test_calls_that_fail_at_the_same_time_hold_back_for_longer(
    hook: FlowServiceHook, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    """Failed calls do not come faster because more of them are under way."""
    flows = [make_batch_flow(hook) for _ in range(2)]
    runs = made_runs(hook, flows)
    count = 5

    async def ask() -> float:
        async with opened(hook, users=1) as poller:
            control.inject(fault("status", "GET", times=count, status=503))
            return await held_back(poller, [UNKNOWN] * count, runs)

    assert count * HOLD_SECONDS <= asyncio.run(ask()) <= 2 * count * HOLD_SECONDS


def test_for_some_minutes_after_a_call_that_failed_triggers_poll_less_often(
    hook: FlowServiceHook, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    interval = 60.0

    async def ask() -> None:
        async with opened(hook) as poller:
            for status, slower in ((404, 1.0), (503, SLOWER)):
                control.inject(fault("status", "GET", status=status))
                await asyncio.gather(poller.send(flow(UNKNOWN)), return_exceptions=True)
                assert poller.pause(interval) == aligned(slower * interval)
            virtual_clock.advance(SLOW_SECONDS)
            assert poller.pause(interval) == aligned(interval)

    asyncio.run(ask())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_fault_of_the_poller_itself_leaves_no_trigger_waiting(
    hook: FlowServiceHook, control: EmulatorControl, mocker: Any
) -> None:
    flows = made_flows(hook, control, 3)
    mocker.patch.object(module._List, "_read", side_effect=RuntimeError("unforeseen"))
    answers = asked(hook, *map(flow, flows))
    assert [str(each) for each in answers] == ["unforeseen"] * 3
