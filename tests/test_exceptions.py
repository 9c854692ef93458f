from __future__ import annotations

import json
import pickle
import traceback

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

from airflow_provider_flowservice.client import errors
from airflow_provider_flowservice.exceptions import (
    FlowServiceException,
    FlowServicePermanentException,
    FlowServiceTransientException,
    FlowServiceWaitTimeout,
    flowservice_errors,
    for_airflow,
    from_event,
    raise_for_airflow,
    to_event,
)


def api_error(status: int) -> errors.ApiError:
    kind = errors.api_error_class(status, "FLOW-1")
    return kind("what happened", status=status, code="FLOW-1", request_id="r", retry_after=7.0)


PERMANENT = [
    errors.InvalidInputError("field", "is wrong", "Change it."),
    errors.NameNotFoundError("name", "AEP has no flow 'x'", "Check it."),
    errors.NotTheEmulatorError("https://platform.adobe.io", "http://127.0.0.1:1"),
    errors.UntrustedServerError("https://h", "self-signed"),
    errors.ResponseTooLargeError("large"),
    errors.DriftError("differs"),
    errors.SandboxNotFoundError("no sandbox", status=404, code="FLOW-2100-404"),
    *(api_error(status) for status in (400, 401, 403, 404, 409, 422)),
]
TRANSIENT = [
    errors.NotSentError("refused"),
    errors.ResponseLostError("reset"),
    errors.InvalidResponseError("no JSON"),
    errors.MissingConnectionError("no connection"),
    errors.RunFailedError("failed"),
    errors.RenewedTokenError("again", status=401, code="401013"),
    *(api_error(status) for status in (412, 429, 500, 503)),
]


def label(error: errors.FlowServiceError) -> str:
    return f"{type(error).__name__}-{error.status}"


def test_every_kind_of_error_has_a_face() -> None:
    def leaves(kind: type) -> set[type]:
        below = kind.__subclasses__()
        return {leaf for each in below for leaf in leaves(each)} if below else {kind}

    named = {kind for kind in leaves(errors.FlowServiceError) if kind.__module__ == errors.__name__}
    assert named <= {type(error) for error in PERMANENT + TRANSIENT}


@pytest.mark.parametrize("error", PERMANENT, ids=label)
def test_what_a_retry_does_not_cure_fails_the_task_at_once(error: errors.FlowServiceError) -> None:
    face = for_airflow(error)
    assert isinstance(face, FlowServicePermanentException)
    assert isinstance(face, AirflowFailException)


@pytest.mark.parametrize("error", TRANSIENT, ids=label)
def test_what_passes_is_left_to_airflows_retries(error: errors.FlowServiceError) -> None:
    face = for_airflow(error)
    assert isinstance(face, FlowServiceTransientException)
    assert isinstance(face, AirflowException)
    assert not isinstance(face, AirflowFailException)


def test_a_face_carries_what_the_error_knows() -> None:
    error = api_error(503)
    face = for_airflow(error)
    assert str(face) == "what happened"
    assert face.error is error
    assert (face.status, face.code, face.request_id, face.retry_after) == (503, "FLOW-1", "r", 7.0)


def test_the_original_error_is_kept_but_not_shown_a_second_time(caplog: pytest.LogCaptureFixture) -> None:
    error = api_error(404)
    caplog.set_level("DEBUG")
    with pytest.raises(FlowServicePermanentException) as caught, raise_for_airflow():
        raise error
    assert caught.value.error is error
    assert "".join(traceback.format_exception(caught.value)).count("what happened") == 1
    (record,) = caplog.records
    assert record.levelname == "DEBUG"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_other_errors_pass_through_unchanged() -> None:
    with pytest.raises(KeyError), raise_for_airflow():
        raise KeyError("x")


def test_a_decorated_function_keeps_its_name_result_and_arguments() -> None:
    @flowservice_errors
    def count(number: int, *, fail: bool = False) -> int:
        """Count."""
        if fail:
            raise api_error(429)
        return number

    assert (count.__name__, count.__doc__) == ("count", "Count.")
    assert count(5) == 5
    with pytest.raises(FlowServiceTransientException):
        count(5, fail=True)


@pytest.mark.parametrize("error", PERMANENT + TRANSIENT, ids=label)
def test_an_error_survives_the_way_from_trigger_to_task(error: errors.FlowServiceError) -> None:
    face, direct = from_event(json.loads(json.dumps(to_event(error)))), for_airflow(error)
    assert isinstance(face, FlowServiceException)
    assert type(face) is type(direct)
    assert str(face) == str(direct)
    for name in ("status", "code", "request_id", "retry_after"):
        assert getattr(face, name) == getattr(direct, name)


def test_a_wait_that_ran_out_is_a_sensors_time_out() -> None:
    assert issubclass(FlowServiceWaitTimeout, AirflowSensorTimeout)


@pytest.mark.parametrize("error", PERMANENT + TRANSIENT, ids=label)
def test_errors_and_their_faces_survive_the_way_between_processes(error: errors.FlowServiceError) -> None:
    again = pickle.loads(pickle.dumps(for_airflow(error)))
    assert type(again) is type(for_airflow(error))
    assert type(again.error) is type(error)
    assert (str(again), again.status, again.code) == (str(error), error.status, error.code)
