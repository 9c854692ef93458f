from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow
from tests.support.inlets import letters, post
from tests.support.streaming import SETTLED, Source, numbers, people
from tests.support.tasks import refused, rendered, run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"messages": []}, "flow_id: is missing"),
        (
            {"connection_id": "c", "inlet_url": "u", "messages": []},
            "connection_id or inlet_url: are both given",
        ),
        ({"connection_id": "c"}, "messages or path: is missing"),
        ({"connection_id": "c", "messages": [], "path": "p.jsonl"}, "messages or path: are both given"),
        ({"connection_id": "c", "messages": [], "schema_id": "s"}, "dataset_id: is missing"),
        ({"connection_id": "c", "messages": [], "dataset_id": "d"}, "schema_id: is missing"),
        (
            {"connection_id": "c", "messages": [], "batch_size": 0},
            "batch_size: 0 is not a whole number of 1 or more",
        ),
    ],
)
def test_arguments_that_exclude_each_other_are_refused_when_the_dag_is_parsed(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        post(**arguments)


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ("[{}]", "must be a list, not str"),
        (b"[{}]", "must be a list, not bytes"),
        ({"n": 1}, "must be a list, not dict"),
    ],
)
def test_messages_that_are_no_list_are_refused(
    control: EmulatorControl, source: Source, messages: Any, problem: str
) -> None:
    assert f"messages: {problem}" in refused(rendered(partial(post, source), messages=messages))


def test_an_upstream_task_that_returned_nothing_is_named(control: EmulatorControl, source: Source) -> None:
    operator = post(source, messages=people(1))
    operator.connection_id = None
    assert "connection_id: is None, although it was given" in refused(operator)
    operator = post(source, messages=people(1))
    operator.messages = None
    assert "messages: is None, although it was given" in refused(operator)
    operator = post(source, path="x.jsonl")
    operator.path = None
    operator.messages = None
    assert "path: is None, although it was given" in refused(operator)


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_list_that_has_other_things_than_objects_is_refused_before_anything_waits_or_is_sent(
    control: EmulatorControl, in_step: VirtualClock, source: Source, kind: type, deferrable: bool
) -> None:
    control.clear_requests()
    auth.forget_all()
    messages = kind([{"n": 0}, "[object Object]", 5, {"n": {"Zebediah"}}])
    operator = post(source, messages=messages, settle_seconds=SETTLED, deferrable=deferrable)
    assert refused(operator) == (
        "messages: record 1: is not a JSON object; record 2: is not a JSON object; record 3: has a value of type set,"
        ' which JSON cannot represent. Give a list of objects. A Param for it must have items={"type": "object"}.'
    )
    assert control.requests() == []
    assert in_step.sleeps == []


def test_an_empty_list_is_refused_before_anything_waits_or_is_sent(
    control: EmulatorControl, in_step: VirtualClock, source: Source
) -> None:
    control.clear_requests()
    auth.forget_all()
    assert "messages: contains no records" in refused(post(source, messages=[], settle_seconds=SETTLED))
    assert control.requests() == []
    assert in_step.sleeps == []


@pytest.mark.parametrize(
    "arguments", [{"max_failures": 2}, {"skip_records": 3}], ids=["may fail", "are skipped"]
)
def test_messages_that_are_no_objects_are_posted_around_if_that_is_enough(
    control: EmulatorControl, source: Source, arguments: dict[str, int]
) -> None:
    run(post(source, messages=[{"n": 0}, "text", 5, {"n": 3}], **arguments))
    assert numbers(control.messages(source.inlet.id))[-1:] == [3]


def test_with_dead_letters_the_objects_arrive_and_the_others_are_kept(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    dead = tmp_path / "dead.jsonl"
    message = refused(post(source, messages=[{"n": 0}, "text", 5, {"n": 3}], dead_letter_path=str(dead)))
    assert "2 records were accepted, 2 rejected" in message
    assert "record 1: is not a JSON object; record 2: is not a JSON object" in message
    assert numbers(control.messages(source.inlet.id)) == [0, 3]
    assert len(letters(dead)) == 2


def test_a_generator_is_not_read_ahead(control: EmulatorControl, source: Source) -> None:
    message = refused(post(source, messages=iter([{"n": 0}, "text"])))
    assert "1 records were accepted, 1 rejected" in message
    assert numbers(control.messages(source.inlet.id)) == [0]


def test_a_flow_tells_its_inlet(control: EmulatorControl, source: Source) -> None:
    control.clear_requests()
    operator = FlowServicePostToInletOperator(
        task_id="post", flow_id=source.flow_id, messages=people(3), settle_seconds=0
    )
    result, _ = run(operator)
    assert (result["inlet_id"], result["accepted"]) == (source.inlet.id, 3)
    assert {each["flowId"] for each in control.messages(source.inlet.id)} == {source.flow_id}
    # The flow, its target connection, which may have had a base connection, and the connection of the inlet.
    assert len(control.requests("GET")) == 3


def test_a_flow_that_reads_no_inlet_is_refused(control: EmulatorControl, hook: FlowServiceHook) -> None:
    operator = FlowServicePostToInletOperator(
        task_id="post", flow_id=make_flow(hook), messages=people(3), settle_seconds=0
    )
    with pytest.raises(
        FlowServicePermanentException, match=r"so its inlet is not known\. Give connection_id"
    ):
        run(operator)
