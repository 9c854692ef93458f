"""What triggers that share a poller ask AEP, and that each gets the answer that it would get alone."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import FlowServiceError, NotFoundError
from airflow_provider_flowservice.client.flows.runs import newest_runs
from airflow_provider_flowservice.client.http import AiohttpTransport, Caller, auth, request
from airflow_provider_flowservice.client.model import SelectorKind
from airflow_provider_flowservice.client.waits import JITTER, FlowInState
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers import poller as module
from airflow_provider_flowservice.triggers import sessions
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from airflow_provider_flowservice.triggers.poller import aligned
from tests.support.batch import make_batch_flow
from tests.support.tasks import shown
from tests.support.triggers import first_event
from tests.triggers.poller.asking import FLOWS, UNKNOWN, asked, calls, flow, made_flows, made_runs, opened


def test_flows_are_read_as_a_list(hook: FlowServiceHook, control: EmulatorControl) -> None:
    flows = made_flows(hook, control, 5)
    answers = asked(hook, *map(flow, flows), flow(flows[0]))
    assert [each.id for each in answers] == [*flows, flows[0]]
    assert calls(control) == ["/flows"]
    control.clear_requests()
    assert answers[:5] == [hook.send(flow(each)) for each in flows]
    assert len(calls(control)) == 5


def test_a_single_trigger_asks_for_what_it_needs(hook: FlowServiceHook, control: EmulatorControl) -> None:
    (flow_id,) = made_flows(hook, control, 1)

    async def ask() -> Any:
        async with opened(hook, users=1) as poller:
            return await poller.send(flow(flow_id))

    assert asyncio.run(ask()).id == flow_id
    assert calls(control) == [f"/flows/{flow_id}"]


def test_what_the_list_does_not_show_is_asked_for_alone(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    flows = made_flows(hook, control, 2)
    *found, missing = asked(hook, *map(flow, flows), flow(UNKNOWN))
    assert [each.id for each in found] == flows
    assert isinstance(missing, NotFoundError)
    assert calls(control) == ["/flows", f"/flows/{UNKNOWN}"]


def test_an_id_that_a_filter_cannot_have_is_asked_for_alone(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    flows = made_flows(hook, control, 2)
    *found, missing = asked(hook, *map(flow, flows), flow("a,b"))
    assert [each.id for each in found] == flows
    assert isinstance(missing, FlowServiceError)
    assert sorted(calls(control)) == ["/flows", "/flows/a,b"]


def test_many_ids_are_read_in_several_lists(
    hook: FlowServiceHook, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_IDS", 2)
    flows = made_flows(hook, control, 5)
    assert [each.id for each in asked(hook, *map(flow, flows))] == flows
    assert sorted(calls(control)) == ["/flows", "/flows", f"/flows/{flows[4]}"]


def test_urls_are_not_too_long(
    hook: FlowServiceHook, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_ID_BYTES", 100)
    flows = made_flows(hook, control, 4)
    assert [each.id for each in asked(hook, *map(flow, flows))] == flows
    assert calls(control) == ["/flows", "/flows"]


@pytest.mark.parametrize(
    "habit", [{"lists_comma": "refuse"}, {"lists_comma": "literal"}, {"list_selectors": "omitted"}]
)
def test_each_trigger_gets_the_whole_flow_whatever_a_list_shows(
    hook: FlowServiceHook, control: EmulatorControl, habit: dict[str, str]
) -> None:
    flows, segment = made_flows(hook, control, 3), control.segments[0]
    for each in flows:
        hook.activate_segments(each, [segment])
    control.set_switches(**habit)
    answers = asked(hook, *map(flow, flows), rounds=3)
    assert answers == [hook.send(flow(each)) for each in flows]
    assert all(any(each.selectors(SelectorKind.SEGMENT)) for each in answers)
    control.clear_requests()
    asked(hook, *map(flow, flows), rounds=9)
    # No more lists are requested than needed.
    assert calls(control).count("/flows") <= 3


@pytest.mark.parametrize("comma", ["or", "refuse", "literal"])
def test_each_trigger_gets_the_runs_of_its_flow(
    hook: FlowServiceHook, control: EmulatorControl, comma: str
) -> None:
    control.set_switches(runs_comma=comma)
    flows = [make_batch_flow(hook) for _ in range(4)]
    for n, flow_id in enumerate(flows):
        made_runs(hook, [flow_id], n)
    rounds = 5
    control.clear_requests()
    answers = asked(hook, *map(newest_runs, flows), rounds=rounds)
    assert [len(page.items) for page in answers] == [0, 1, 2, 3]
    assert [page.items for page in answers] == [hook.send(newest_runs(each)).items for each in flows]
    control.clear_requests()
    asked(hook, *map(newest_runs, flows), rounds=rounds)
    if comma == "or":
        # Three calls find out that the list can be trusted.
        assert len(calls(control)) == 3 + rounds


@pytest.mark.parametrize("comma", ["or", "refuse", "literal"])
def test_a_list_that_aep_does_not_answer_is_not_asked_for_again(
    hook: FlowServiceHook, control: EmulatorControl, comma: str, caplog: pytest.LogCaptureFixture
) -> None:
    control.set_switches(runs_comma=comma)
    flows = [make_batch_flow(hook) for _ in range(4)]
    made_runs(hook, flows[:1])
    control.clear_requests()
    with caplog.at_level(logging.WARNING):
        asked(hook, *map(newest_runs, flows), rounds=4)
    before = len(calls(control))
    control.clear_requests()
    asked(hook, *map(newest_runs, flows), rounds=14)
    more = len(calls(control)) - before
    assert more == 10 * (1 if comma == "or" else 4)
    assert ("asked for alone" in caplog.text) == (comma != "or")


def test_no_run_at_all_is_known_from_the_list(hook: FlowServiceHook, control: EmulatorControl) -> None:
    flows = [make_batch_flow(hook) for _ in range(4)]
    control.clear_requests()
    answers = asked(hook, *map(newest_runs, flows))
    assert [page.items for page in answers] == [()] * 4
    assert len(calls(control)) == 2


def test_older_runs_are_not_read(hook: FlowServiceHook, control: EmulatorControl) -> None:
    flows = [make_batch_flow(hook) for _ in range(2)]
    made_runs(hook, flows, 120)
    control.advance(1000)
    since = control.now() - 500
    made_runs(hook, flows, 2)
    control.clear_requests()
    answers = asked(hook, *(newest_runs(each, since) for each in flows))
    assert [len([run for run in page.items if run.created_at >= since * 1000]) for page in answers] == [2, 2]
    assert len(calls(control)) == 3 + 1


@pytest.mark.parametrize("earlier_first", [True, False])
def test_who_asks_for_older_runs_of_a_flow_gets_them_too(
    hook: FlowServiceHook, control: EmulatorControl, earlier_first: bool
) -> None:
    flows = [make_batch_flow(hook) for _ in range(2)]
    # More than a page, so that reading ends where nobody needs more.
    made_runs(hook, flows, 30)
    control.advance(1000)
    since = control.now() - 500
    made_runs(hook, flows, 40)
    both = [newest_runs(flows[0]), newest_runs(flows[0], since)]
    answers = asked(hook, newest_runs(flows[1], since), *(both if earlier_first else reversed(both)))
    assert [len(page.items) for page in answers[1:]] == [70, 70]


def test_a_token_is_masked_in_this_process_and_told_to_airflow_from_a_thread(
    hook: FlowServiceHook, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow refuses a call from the thread of the event loop, unless the trigger's own task makes it."""
    told = threading.Event()
    here = threading.get_ident()

    class Comms:
        def send(self, _: Any) -> None:
            if threading.get_ident() == here:
                raise RuntimeError("not from here")
            told.set()

    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", Comms(), raising=False)
    auth.forget_all()

    async def ask() -> str:
        session = partial(sessions.poller, "flowservice_default", None, clock.current().wall() + 60)
        async with session() as poller, session():
            await asyncio.gather(*(poller.send(flow(each)) for each in flows))
            return str(poller._transport._tokens.cached())

    flows = made_flows(hook, control, 2)
    auth.forget_all()
    token = asyncio.run(ask())
    assert told.wait(30)
    assert token not in shown(f"token {token}")


def test_a_trigger_that_leaves_does_not_disturb_the_others(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    flows = made_flows(hook, control, 3)

    async def ask() -> list[Any]:
        async with opened(hook) as poller:
            tasks = [asyncio.create_task(poller.send(flow(each))) for each in (*flows, flows[0], UNKNOWN)]
            await clock.current().sleep_async(0)
            for task in (tasks[0], tasks[4]):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            return await asyncio.gather(*tasks[1:4])

    assert [each.id for each in asyncio.run(ask())] == [*flows[1:], flows[0]]
    assert calls(control) == ["/flows"]


def test_triggers_poll_together_and_each_fires_when_its_wait_is_over(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    flows = made_flows(hook, control, 6)
    now = clock.current().wall()

    def trigger(flow_id: str, seconds: float) -> FlowServiceTrigger:
        return FlowServiceTrigger(
            flowservice_conn_id="flowservice_default",
            sandbox=None,
            wait=FlowInState(flow_id=flow_id, state="disabled").to_json(),
            poll_interval=0.4,
            deadline=now + seconds,
        )

    async def wait() -> list[dict[str, Any]]:
        waiting = [
            asyncio.create_task(first_event(trigger(each, 2 if n % 2 else 30)))
            for n, each in enumerate(flows)
        ]
        # Those with the nearer deadline have timed out.
        await asyncio.wait(waiting[1::2])
        assert not any(task.done() for task in waiting[::2])
        for each in flows[::2]:
            await asyncio.to_thread(hook.set_flow_state, each, "disabled")
        return await asyncio.gather(*waiting)

    events = asyncio.run(wait())
    assert [event["status"] for event in events] == ["done", "timeout"] * 3
    paths = calls(control)
    assert paths.count("/flows") > 2
    # Alone, each asks when it is the first one, and when only its own deadline has come.
    assert all(paths.count(f"/flows/{each}") <= 2 for each in flows[1::2])


def test_the_runs_of_all_flows_can_be_read_although_aep_does_not_say_whose_the_newest_is(
    hook: FlowServiceHook, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be proven is asked for alone, and fails nobody's wait."""
    flows = [make_batch_flow(hook) for _ in range(3)]
    made_runs(hook, flows)
    send = AiohttpTransport.send

    async def without_flow(transport: AiohttpTransport, asked: request.Request[Any], **named: Any) -> Any:
        answer = await send(transport, asked, **named)
        if asked.params[-1] == ("limit", "1"):
            return msgspec.structs.replace(
                answer, items=tuple(msgspec.structs.replace(run, flow_id="") for run in answer.items)
            )
        return answer

    monkeypatch.setattr(AiohttpTransport, "send", without_flow)
    answers = asked(hook, *map(newest_runs, flows))
    assert [[run.flow_id for run in page.items] for page in answers] == [[each] for each in flows]


@pytest.mark.parametrize("interval", [0.5, 60.0, 900.0])
def test_polls_with_an_interval_come_together(interval: float, virtual_clock: VirtualClock) -> None:
    moments = []
    for start in range(7):
        virtual_clock._now = start * interval / 7
        for _ in range(8):
            pause = aligned(interval)
            assert (1 - JITTER) * interval * 0.999 <= pause <= (1 + JITTER) * interval * 1.001
            virtual_clock.advance(pause)
        moments.append(virtual_clock.monotonic() / interval % 1)
    spread = {round((each - moments[0]) % 1, 3) % 1 for each in moments}
    assert spread == {0}


ONE = Caller("Airflow/3", "onboarding", "manual__1", "wait[0]")


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([ONE], {"dag": "onboarding", "run": "manual__1", "task": "wait[0]"}),
        ([Caller("", "onboarding", "manual__1", "wait[1]")], {"dag": "onboarding", "run": "manual__1"}),
        ([Caller("", "onboarding", "manual__2", "wait[0]")], {"dag": "onboarding", "task": "wait[0]"}),
        ([ONE, Caller("", "another", "manual__1", "wait[0]")], {}),
        ([ONE, None], {}),
    ],
)
def test_a_list_is_read_in_the_name_of_what_its_tasks_have_in_common(
    hook: FlowServiceHook, control: EmulatorControl, others: list[Caller | None], expected: dict[str, str]
) -> None:
    flows = made_flows(hook, control, 2)

    async def ask() -> None:
        async with opened(hook) as poller:
            asked = [
                poller.send(flow(flows[0]), ONE),
                *(poller.send(flow(flows[1]), each) for each in others),
            ]
            await asyncio.gather(*asked)

    asyncio.run(ask())
    (entry,) = control.requests("GET")
    assert entry["path"] == FLOWS
    assert entry["caller"] == expected
