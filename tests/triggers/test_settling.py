from __future__ import annotations

import json

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.waits import FlowSettled
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.triggers import fire


def trigger(moment: float) -> FlowServiceTrigger:
    """A trigger for a flow that is settled at a moment. It asks AEP nothing, so it needs no connection."""
    wait = FlowSettled(flow_id="f", settle_seconds=300, changed_at=moment - 300)
    return FlowServiceTrigger(
        flowservice_conn_id="missing",
        sandbox=None,
        wait=wait.to_json(),
        poll_interval=60,
        deadline=START + 900,
    )


def test_a_trigger_survives_the_way_to_the_triggerer() -> None:
    from airflow.sdk.module_loading import import_string

    from tests.support.moved import serde

    path, arguments = trigger(1_700_000_300.25).serialize()
    stored = json.loads(json.dumps(serde.serialize(arguments)))
    again = import_string(path)(**serde.deserialize(stored))
    assert isinstance(again, FlowServiceTrigger)
    assert again.serialize() == (path, arguments)
    assert arguments["wait"] == {
        "wait": "FlowSettled",
        "flow_id": "f",
        "settle_seconds": 300.0,
        "changed_at": 1_700_000_000.25,
    }


def test_it_fires_at_its_moment(virtual_clock: VirtualClock) -> None:
    moment = virtual_clock.wall() + 300
    assert fire(trigger(moment)) == {"status": "done", "detail": moment - 300}
    assert virtual_clock.wall() == moment
    assert virtual_clock.sleeps == [300]


@pytest.mark.parametrize("late", [0, 1, 86_400])
def test_it_fires_at_once_when_its_moment_has_passed(virtual_clock: VirtualClock, late: float) -> None:
    assert fire(trigger(virtual_clock.wall() - late))["status"] == "done"
    assert virtual_clock.sleeps == []


def test_a_restart_does_not_move_its_moment(virtual_clock: VirtualClock) -> None:
    _, arguments = trigger(virtual_clock.wall() + 300).serialize()
    virtual_clock.advance(200)
    fire(FlowServiceTrigger(**arguments))
    assert virtual_clock.sleeps == [100]


class NeverBlocking(VirtualClock):
    """A clock on which the thread of all triggers may not be held up."""

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the event loop is blocked")

    async def sleep_async(self, seconds: float) -> None:
        self.advance(seconds)


def test_waiting_blocks_no_other_trigger() -> None:
    with clock.installed(NeverBlocking()) as time:
        moment = time.wall() + 300
        assert fire(trigger(moment))["status"] == "done"
        assert time.wall() == moment
