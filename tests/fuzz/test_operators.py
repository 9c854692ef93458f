"""Whatever AEP sends in place of a response, operators and sensors raise nothing but Airflow's faces of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import pytest

from airflow_provider_flowservice.client.http import forget_tokens
from airflow_provider_flowservice.emulator.exchange import BufferedResponse
from airflow_provider_flowservice.emulator.faults import queue
from airflow_provider_flowservice.emulator.faults.base import Fault, InterceptedRequest
from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_NAMES
from airflow_provider_flowservice.exceptions import FlowServiceException, FlowServiceWaitTimeout
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from tests.fuzz.mutations import mutated
from tests.support import operators
from tests.support.aep import make_flow
from tests.support.deferral import run_to_end
from tests.support.faults import fault
from tests.support.operation import SEGMENTS, Operation, Sandbox
from tests.support.operations import operations
from tests.support.tasks import forget_masked

ROUNDS = [10, pytest.param(200, marks=pytest.mark.fuzz)]

WINDOW = (1_700_000_000, 1_700_086_400)


@dataclass(frozen=True)
class MalformedFault(Fault):
    """Serves the request, and sends a mutated response."""

    kind: ClassVar[str] = "malformed"
    seed: str

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        response = await request.serve()
        body = mutated(json.loads(response.body or b"{}"), Random(self.seed))
        length = (b"content-length", str(len(body)).encode())
        headers = [each for each in response.headers if each[0] != length[0]]
        return replace(response, body=body, headers=[*headers, length])


def _activation_by_name() -> Operation:
    return Operation(
        "activate by name",
        lambda sandbox: make_flow(sandbox.hook),
        lambda flow: operators.activate(flow, [{"name": SEEDED_SEGMENT_NAMES[SEGMENTS[0]]}]),
        places={},
        left=lambda *_: None,
        wanted=None,
    )


OPERATIONS = [*operations(), _activation_by_name()]


@dataclass
class Trial:
    """Runs an operation in one new sandbox after the other."""

    operation: Operation
    sandbox: Sandbox
    time: VirtualClock

    def prepare(self) -> Any:
        control = self.sandbox.control
        control.reset()
        forget_tokens()
        forget_masked()
        self.time.set_wall_ahead(control.now() - START - self.time.monotonic())
        told = self.operation.prepare(self.sandbox)
        if self.operation.meanwhile is not None:
            self.operation.meanwhile(self.sandbox, told)
        forget_tokens()
        control.clear_requests()
        return told

    def requests(self) -> int:
        """How many requests it takes."""
        run_to_end(self.operation.build(self.prepare()))
        return len(self.sandbox.control.requests())

    def escaped(self, rule: dict[str, Any]) -> Exception | None:
        """What it raises that it should not."""
        told = self.prepare()
        self.sandbox.control.inject(rule)
        try:
            run_to_end(self.operation.build(told))
        except (FlowServiceException, FlowServiceWaitTimeout):
            return None
        except Exception as error:  # noqa: BLE001 (each that escapes is told with what it was raised for)
            return error
        return None


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_nothing_but_the_exceptions_for_airflow_is_raised(
    sandbox: Sandbox, time: VirtualClock, monkeypatch: pytest.MonkeyPatch, operation: Operation, rounds: int
) -> None:
    monkeypatch.setitem(queue.FAULTS, MalformedFault.kind, MalformedFault)
    trial = Trial(operation, sandbox, time)
    requests = trial.requests()
    escaped = []
    for number in range(rounds):
        seed = f"{operation.name} {number}"
        random = Random(seed)
        # A response that is malformed once may be asked for again; one that stays so is not.
        times = random.choice((1, 20))
        rule = fault("malformed", after=random.randrange(requests), times=times, seed=seed)
        if error := trial.escaped(rule):
            escaped.append((rule, repr(error)[:500]))
    assert escaped == []
