"""A retry waits for as long as AEP asks, as Airflow's scheduler sees it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_flowservice
from airflow_provider_flowservice import retry_policy
from airflow_provider_flowservice.client import errors
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import for_airflow, from_event, raise_for_airflow, to_event
from airflow_provider_flowservice.retry_policy import flowservice_retry_policy
from tests.crash import driver
from tests.docs.pages import SITE, blocks
from tests.support import airflow as support
from tests.support.aep import make_flow
from tests.support.clients import client_of
from tests.support.faults import fault
from tests.support.features import features, needs
from tests.test_imports import NAME, loaded_by

TASKFLOW = """
from airflow.sdk import DAG, task
from airflow_provider_flowservice.client import FLOWS, errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.retry_policy import flowservice_retry_policy

with DAG("counts_flows", schedule=None) as dag:
    @task(retry_policy=flowservice_retry_policy())
    def count():
        try:
            return FlowServiceHook().count(FLOWS)
        except errors.FlowServiceError as error:
            raise RuntimeError("cannot count") from error

    count()
"""
SENSOR = """
from airflow.sdk import DAG
from airflow_provider_flowservice.retry_policy import flowservice_retry_policy
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor

with DAG("waits_for_flow", default_args={"retry_policy": flowservice_retry_policy()}) as dag:
    FlowServiceFlowStateSensor(
        task_id="wait", flow_id="{{ dag_run.conf['flow_id'] }}", state="enabled", deferrable=True
    )
"""


def limited(retry_after: float | None, request_id: str | None = "r-1") -> errors.FlowServiceError:
    return errors.RateLimitError("too many", status=429, request_id=request_id, retry_after=retry_after)


def decided(exception: BaseException, *, try_number: int = 1, max_delay: Any = None, **task: Any) -> Any:
    """The decision for a task that has these settings; without any, the context is unknown."""
    policy = flowservice_retry_policy(**({} if max_delay is None else {"max_delay": max_delay}))
    return policy.evaluate(exception, try_number, 3, context_of(**task) if task else None)


def context_of(**settings: Any) -> Any:
    from airflow.sdk import BaseOperator

    return {"task": BaseOperator(task_id="x", **settings)}


def raised(action: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        action()
    return caught.value


def wrapped_by_decorator() -> None:
    with raise_for_airflow():
        raise limited(120)


def wrapped_with_cause() -> None:
    try:
        wrapped_by_decorator()
    except Exception as error:
        raise RuntimeError from error


def wrapped_without_cause() -> None:
    try:
        raise limited(120)
    except errors.FlowServiceError:
        raise RuntimeError  # noqa: B904


def replaced() -> None:
    try:
        raise limited(120)
    except errors.FlowServiceError:
        raise RuntimeError from None


def own_cause() -> None:
    error = RuntimeError()
    raise error from error


@needs("retry_policies")
class TestDecision:
    @pytest.mark.parametrize(
        "exception",
        [
            limited(120),
            for_airflow(limited(120)),
            from_event(json.loads(json.dumps(to_event(limited(120))))),
            raised(wrapped_by_decorator),
            raised(wrapped_with_cause),
            raised(wrapped_without_cause),
        ],
        ids=["client", "airflow", "trigger", "decorator", "cause", "context"],
    )
    def test_a_wait_that_aep_asks_for_delays_the_retry(self, exception: BaseException) -> None:
        from airflow.sdk import RetryAction

        decision = decided(exception)
        assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(minutes=2))
        assert decision.reason == (
            "AEP asked to wait 120 seconds (status 429, request id r-1). The task is retried after that."
        )

    @pytest.mark.parametrize(
        "exception",
        [
            for_airflow(limited(None)),
            for_airflow(limited(0)),
            for_airflow(errors.NotSentError("refused")),
            KeyError("x"),
            raised(replaced),
            raised(own_cause),
        ],
        ids=["429", "429 at once", "not sent", "other", "suppressed", "own cause"],
    )
    def test_everything_else_is_left_to_the_task(self, exception: BaseException) -> None:
        from airflow.sdk import RetryDecision

        assert decided(exception) == RetryDecision.default()

    @pytest.mark.parametrize("max_delay", [timedelta(minutes=10), 600])
    def test_a_long_wait_is_shortened_and_the_reason_says_so(self, max_delay: Any) -> None:
        decision = decided(for_airflow(limited(1e18, request_id=None)), max_delay=max_delay)
        assert decision.retry_delay == timedelta(minutes=10)
        assert decision.reason == (
            "AEP asked to wait 1000000000000000000 seconds (status 429)."
            " The task is retried after 600 seconds, the max_delay of the retry policy."
        )
        assert decided(limited(86_400)).retry_delay == timedelta(hours=1)

    def test_a_part_of_a_second_is_waited_for_too(self) -> None:
        assert decided(limited(119.2)).retry_delay == timedelta(seconds=120)

    @pytest.mark.parametrize(
        ("task", "try_number", "own"),
        [
            ({"retry_delay": timedelta(minutes=2)}, 1, True),
            ({"retry_delay": timedelta(minutes=2)}, 9, True),
            ({"retry_delay": timedelta(seconds=119)}, 9, False),
            ({"retry_delay": timedelta(seconds=119), "retry_exponential_backoff": 1}, 9, False),
            ({"retry_delay": timedelta(seconds=30), "retry_exponential_backoff": 2}, 2, False),
            ({"retry_delay": timedelta(seconds=30), "retry_exponential_backoff": 2}, 3, True),
            ({"retry_delay": timedelta(seconds=30), "retry_exponential_backoff": 2.5}, 5000, True),
            (
                {
                    "retry_delay": timedelta(seconds=30),
                    "retry_exponential_backoff": 2,
                    "max_retry_delay": timedelta(seconds=90),
                },
                9,
                False,
            ),
        ],
    )
    def test_a_task_is_never_retried_earlier_than_by_its_own_settings(
        self, task: dict[str, Any], try_number: int, own: bool
    ) -> None:
        from airflow.sdk import RetryDecision

        decision = decided(limited(120), try_number=try_number, **task)
        assert (decision == RetryDecision.default()) is own

    @pytest.mark.parametrize("max_delay", [0, -1, timedelta(0), float("nan")])
    def test_a_max_delay_that_delays_nothing_is_rejected(self, max_delay: Any) -> None:
        with pytest.raises(ValueError, match=r"max_delay|NaN"):
            flowservice_retry_policy(max_delay=max_delay)


@needs("retry_policies")
def test_a_policy_is_what_it_was_after_it_was_json() -> None:
    policy = flowservice_retry_policy(max_delay=90)
    again = type(policy).deserialize(json.loads(json.dumps(policy.serialize())))
    assert again.max_delay == policy.max_delay == timedelta(seconds=90)
    assert again.serialize() == policy.serialize()


@needs("retry_policies")
@pytest.mark.parametrize("given", ["task", "default_args", "mapped"])
def test_a_serialized_dag_knows_that_its_task_has_a_policy_and_is_the_same_at_each_parsing(
    given: str,
) -> None:
    from tests.support.moved import DagSerialization

    first, second = (json.dumps(DagSerialization.to_dict(dag_with_policy(given))) for _ in range(2))
    assert first == second
    again = DagSerialization.from_dict(json.loads(first))
    assert [again.get_task(name).has_retry_policy for name in ("with", "without")] == [True, False]


def dag_with_policy(given: str) -> Any:
    """A DAG of two tasks, one of which has a policy."""
    from airflow.sdk import DAG

    from airflow_provider_flowservice.operators.flows import FlowServiceSetFlowStateOperator as SetState

    policy = {"retry_policy": flowservice_retry_policy()}
    with DAG("d", schedule=None, default_args=policy if given == "default_args" else {}) as dag:
        if given == "mapped":
            SetState.partial(task_id="with", state="enabled", **policy).expand(flow_id=["f"])
        else:
            SetState(task_id="with", flow_id="f", state="enabled", **(policy if given == "task" else {}))
        SetState(task_id="without", flow_id="f", state="enabled", retry_policy=None)
    return dag


def written(place: Path, name: str, code: str) -> Any:
    """A DAG with three retries for each task and no delay of its own, parsed and ready to run."""
    (place / f"{name}.py").write_text(code, encoding="utf-8")
    return driver.warm_up([place], [name])[name]


def documented() -> str:
    (code,) = [block.code for block in blocks(SITE / "reliability.md") if "retry_policy" in block.code]
    return code


@needs("retry_policies")
@pytest.mark.usefixtures("airflow_database", "virtual_clock")
@pytest.mark.parametrize(
    ("dag_id", "code"),
    [("pause_flow", documented()), ("counts_flows", TASKFLOW), ("waits_for_flow", SENSOR)],
    ids=["operator of the documentation", "TaskFlow", "trigger"],
)
def test_a_task_is_retried_when_aep_wants_it_and_not_earlier(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dag_id: str, code: str
) -> None:
    control = emulator.control
    with client_of(control) as client:
        flow_id = make_flow(client)
    connection = support.flowservice_connection(control.url, control.credential, retries=0)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)
    warm = written(tmp_path, dag_id, code)
    driver.create_run(warm, run_id := f"asked-{dag_id}", {"flow_id": flow_id})
    attempts = driver.Driver(warm, run_id)
    control.inject(fault("rate_limit", "GET", "flows*", times=100, retry_after=1800))

    with too_early():
        attempts.carry_on()
    control.clear_faults()
    assert waiting(dag_id) == (timedelta(seconds=1800), "AEP asked to wait 1800 seconds (status 429")
    ended_earlier(dag_id, seconds=1790)
    with too_early():
        attempts.carry_on()
    ended_earlier(dag_id, seconds=11)
    assert attempts.carry_on() == "success"
    assert instance(dag_id).try_number == 2
    if dag_id == "pause_flow":
        (flow,) = control.state()["flows"]
        assert flow["state"] == "disabled"


def too_early() -> Any:
    """Expects that Airflow runs nothing, because a task waits for its next try."""
    return pytest.raises(AssertionError, match=r"nothing can run.*up_for_retry")


def instance(dag_id: str) -> Any:
    """The one task instance of a DAG, as the database has it."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return session.scalars(select(TaskInstance).where(TaskInstance.dag_id == dag_id)).one()


def waiting(dag_id: str) -> tuple[timedelta, str]:
    """How long after its end a task is retried, and how the reason begins."""
    ti = instance(dag_id)
    return ti.next_retry_datetime() - ti.end_date, ti.retry_reason.partition(", request id")[0]


def ended_earlier(dag_id: str, *, seconds: int) -> None:
    """Let time pass since the end of a task's last try."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    end = instance(dag_id).end_date - timedelta(seconds=seconds)
    with create_session() as session:
        session.execute(update(TaskInstance).where(TaskInstance.dag_id == dag_id).values(end_date=end))


def test_an_older_airflow_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.exceptions import AirflowOptionalProviderFeatureException

    if features().retry_policies:
        import airflow.sdk

        lookup = airflow.sdk.__getattr__

        def older(name: str) -> Any:
            if name == "RetryPolicy":
                raise AttributeError(name)
            return lookup(name)

        monkeypatch.delitem(vars(airflow.sdk), "RetryPolicy", raising=False)
        monkeypatch.setattr(airflow.sdk, "__getattr__", older)
    # Another copy of the module; the one that other tests know stays as it is.
    monkeypatch.setattr(airflow_provider_flowservice, "retry_policy", retry_policy)
    monkeypatch.delitem(sys.modules, retry_policy.__name__)
    module = importlib.import_module(retry_policy.__name__)
    assert module is not retry_policy
    with pytest.raises(
        AirflowOptionalProviderFeatureException, match=r"needs Airflow 3\.3.*Omit retry_policy"
    ):
        module.flowservice_retry_policy()


def test_operators_and_sensors_load_no_policy() -> None:
    report = "import sys; assert not [each for each in sys.modules if 'flowservice.retry_policy' in each]"
    loaded = loaded_by(
        f"import {NAME}.operators.flows, {NAME}.operators.inlet, {NAME}.sensors.flows, {NAME}.triggers.base\n{report}"
    )
    assert NAME in loaded
