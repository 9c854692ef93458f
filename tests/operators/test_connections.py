from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.model import ParameterSpec
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import FlowServiceCreateSourceConnectionOperator
from tests.support.aep import ids, kinesis, make, stream, writes
from tests.support.airflow import AWS_SECRET, SAS_KEY, flowservice_connection
from tests.support.faults import fault
from tests.support.operators import (
    create_kinesis,
    create_profile_store,
    create_source,
    create_target,
    onboard,
)
from tests.support.properties import examples
from tests.support.tasks import rendered, run

EVERYTHING = ("connections", "sourceConnections", "targetConnections", "flows")
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda name: name.isprintable() and bool(name.strip())
)


def only(control: EmulatorControl, kind: str) -> dict[str, Any]:
    (item,) = control.state()[kind]
    return dict(item)


def refused(operator: Any) -> FlowServicePermanentException:
    with pytest.raises(FlowServicePermanentException) as caught:
        run(operator)
    return caught.value


@pytest.mark.parametrize("stream_name", ["20260101", 20260101])
def test_a_number_is_sent_as_the_string_that_the_connection_spec_requires(
    control: EmulatorControl, stream_name: str | int
) -> None:
    base, _ = run(create_kinesis())
    control.clear_requests()
    run(create_target(base, target_params={"stream": stream_name, "region": "us-east-1"}))
    assert only(control, "targetConnections")["params"]["stream"] == "20260101"
    # The spec is read only if there is a number.
    assert len(control.requests("GET", "/connectionSpecs/")) == isinstance(stream_name, int)


def test_a_number_stays_one_where_the_connection_spec_does_not_require_a_string() -> None:
    schema = {"properties": {"path": {"type": "string"}, "depth": {"type": "integer"}, "odd": 5}}
    given = {"path": 7, "depth": 7, "odd": 7, "unknown": 7, "flag": True, "text": "7"}
    assert ParameterSpec(spec=schema).with_strings(given) == {**given, "path": "7"}
    assert ParameterSpec().with_strings(given) == given


def test_a_base_connection_is_created_with_the_credentials_of_an_airflow_connection(
    control: EmulatorControl,
) -> None:
    made, pushed = run(create_kinesis(description="for summer"))
    item = only(control, "connections")
    assert made == item["id"]
    assert pushed == {"etag": item["etag"], "created": True}
    assert (item["name"], item["description"]) == ("kinesis", "for summer")
    assert item["auth"]["specName"] == "Aws Kinesis authentication credentials"
    assert item["auth"]["params"]["region"] == "us-east-1"


def test_event_hubs_take_their_credentials_from_a_generic_connection(control: EmulatorControl) -> None:
    run(create_kinesis(connection_spec="Azure Event Hubs", auth_conn_id="event_hubs_destination"))
    auth = only(control, "connections")["auth"]
    assert auth["specName"] == "Azure EventHub authentication credentials"
    assert auth["params"]["namespace"] == "acme-hubs"
    assert auth["params"]["sasKeyName"] == "send-policy"


@pytest.mark.parametrize("spec", ["Amazon Kinesis", specs.AMAZON_KINESIS])
def test_a_spec_is_named_or_given_by_id(control: EmulatorControl, spec: str) -> None:
    run(create_kinesis(connection_spec=spec))
    assert only(control, "connections")["connectionSpec"]["id"] == specs.AMAZON_KINESIS


def test_source_and_target_are_created_below_their_base(control: EmulatorControl) -> None:
    store, _ = run(create_profile_store())
    base, _ = run(create_kinesis())
    source, pushed = run(create_source(store, source_params={"a": 1}))
    target, _ = run(create_target(base, connection_spec="Amazon Kinesis"))
    found = only(control, "sourceConnections")
    assert (found["id"], found["baseConnectionId"]) == (source, store)
    assert (found["data"], found["params"]) == ({"format": "json"}, {"a": 1})
    assert pushed == {"etag": found["etag"], "created": True}
    found = only(control, "targetConnections")
    assert (found["id"], found["baseConnectionId"]) == (target, base)
    assert found["params"] == {"stream": "events", "region": "us-east-1"}


def test_no_format_sends_no_data(control: EmulatorControl) -> None:
    store, _ = run(create_profile_store())
    run(create_source(store, data_format=None))
    assert "data" not in only(control, "sourceConnections")


def test_a_source_says_how_its_files_are_read(control: EmulatorControl) -> None:
    store, _ = run(create_profile_store())
    files = {
        "data_format": "delimited",
        "data_properties": {"columnDelimiter": ";", "encoding": "ISO-8859-1"},
    }
    made, _ = run(create_source(store, **files, compression_type="gzip"))
    properties = {"columnDelimiter": ";", "encoding": "ISO-8859-1", "compressionType": "gzip"}
    assert only(control, "sourceConnections")["data"] == {"format": "delimited", "properties": properties}
    assert run(create_source(store, **files, compression_type="gzip"))[0] == made
    assert run(create_source(store, data_format="delimited"))[0] == made
    for if_exists in ("reuse", "update"):
        with pytest.raises(
            FlowServicePermanentException, match=r"data\.properties\.compressionType is 'gzip'"
        ):
            run(create_source(store, **files, compression_type="tar", if_exists=if_exists))
    with pytest.raises(FlowServicePermanentException, match=r"data\.properties\.columnDelimiter is ';'"):
        run(create_source(store, data_format="delimited", data_properties={"columnDelimiter": 1}))


def test_a_compression_is_given_once() -> None:
    twice = {"data_properties": {"compressionType": "gzip"}, "compression_type": "gzip"}
    with pytest.raises(InvalidInputError, match="compression_type: is also in data_properties"):
        create_source("x", **twice)


def test_a_number_in_the_properties_becomes_the_string_that_it_was(control: EmulatorControl) -> None:
    store, _ = run(create_profile_store())
    run(create_source(store, data_format=None, data_properties={"columnDelimiter": 1}))
    assert only(control, "sourceConnections")["data"] == {"properties": {"columnDelimiter": "1"}}


def test_a_second_run_finds_everything_and_writes_nothing(control: EmulatorControl) -> None:
    first = onboard()
    state = control.state()
    control.clear_requests()
    assert onboard() == first
    assert writes(control) == []
    assert control.state() == state
    _, pushed = run(create_kinesis())
    assert pushed["created"] is False


@given(name=NAMES)
@example(name="a, b")
@example(name='say "hi"')
@example(name="x=y&z")
@example(name="50 % + more")
@example(name="a;b|c~d>e<f!=g")
@example(name=" padded ")
@example(name="null")
@example(name="{{ not.a.template }}")
@examples(25)
def test_whatever_the_name_creating_twice_gives_one_object(control: EmulatorControl, name: str) -> None:
    first, _ = run(create_profile_store(name=name))
    second, pushed = run(create_profile_store(name=name))
    assert (second, pushed["created"]) == (first, False)
    assert [item["name"] for item in control.state()["connections"]].count(name) == 1


@pytest.mark.parametrize("name", ["plain", 'a, "b" = c & d + e', "été 100 %"])
def test_whatever_the_name_creating_all_four_kinds_twice_gives_one_of_each(
    control: EmulatorControl, name: str
) -> None:
    assert onboard(name) == onboard(name)
    state = control.state()
    assert [len(state[kind]) for kind in EVERYTHING] == [2, 1, 1, 1]
    assert {item["name"] for kind in EVERYTHING for item in state[kind]} == {name}


@pytest.mark.parametrize("lost", ["reset", "reset_after"])
def test_a_create_whose_answer_is_lost_gives_one_object(control: EmulatorControl, lost: str) -> None:
    control.inject(fault(lost, "POST", "connections"))
    made, pushed = run(create_kinesis())
    assert only(control, "connections")["id"] == made
    assert pushed["created"] is True
    assert control.faults_left() == []


def test_reuse_refuses_other_settings_and_update_makes_them_agree(control: EmulatorControl) -> None:
    base, _ = run(create_kinesis())
    held, _ = run(create_target(base))
    wanted = {"target_params": {"stream": "other", "region": "us-east-1"}}
    error = refused(create_target(base, **wanted))
    assert "params.stream is 'events', expected 'other'" in str(error)
    assert only(control, "targetConnections")["params"]["stream"] == "events"
    made, pushed = run(create_target(base, if_exists="update", **wanted))
    item = only(control, "targetConnections")
    assert (made, pushed) == (held, {"etag": item["etag"], "created": False})
    assert item["params"]["stream"] == "other"


def test_update_refuses_what_aep_cannot_change(control: EmulatorControl) -> None:
    store, _ = run(create_profile_store())
    held, _ = run(create_source(store))
    control.clear_requests()
    error = refused(create_source(store, data_format="csv", if_exists="update"))
    assert f"source connection {held}" in str(error)
    assert "data.format is 'json', expected 'csv'" in str(error)
    assert "under other names" in str(error)
    assert writes(control) == []


def test_fail_refuses_what_is_there_and_create_makes_another(control: EmulatorControl) -> None:
    held, _ = run(create_kinesis(if_exists="fail"))
    assert f"already exists: {held}" in str(refused(create_kinesis(if_exists="fail")))
    other, pushed = run(create_kinesis(if_exists="create"))
    assert pushed["created"] is True
    assert sorted(ids(control.state()["connections"])) == sorted([held, other])


def test_of_several_equal_ones_the_oldest_is_taken_with_a_warning(
    control: EmulatorControl, hook: FlowServiceHook, caplog: pytest.LogCaptureFixture
) -> None:
    base = make(hook, kinesis("base"))
    twins = []
    for _ in range(2):
        twins.append(make(hook, stream(base)))
        control.advance(1)
    with caplog.at_level(logging.WARNING, "airflow_provider_flowservice"):
        made, _ = run(create_target(base))
    assert made == twins[0]
    assert ", ".join(twins) in caplog.text


def test_several_different_ones_are_listed_with_their_differences(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    base = make(hook, kinesis("base"))
    equal, other = make(hook, stream(base)), make(hook, stream(base, stream="other"))
    message = str(refused(create_target(base)))
    assert f"{equal}: as desired." in message
    assert f"{other}: params.stream is 'other'" in message


def test_secrets_are_never_compared_and_sent_by_an_update_only(
    control: EmulatorControl, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run(create_kinesis())
    changed = {"conn_type": "aws", "login": "AKIANEW", "password": "n3w+secret/key"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_KINESIS_DESTINATION", json.dumps({**changed, "extra": {"region_name": "us-east-1"}})
    )
    control.set_switches(mask_secrets=False)
    control.clear_requests()
    with caplog.at_level(logging.INFO, "airflow_provider_flowservice"):
        run(create_kinesis())
    assert writes(control) == []
    assert "AEP does not show whether its credentials are the same" in caplog.text
    run(create_kinesis(if_exists="update"))
    assert writes(control) == [("PATCH", "connections")]
    assert "n3w+secret/key" not in caplog.text


def test_no_secret_reaches_results_logs_or_the_journal(
    control: EmulatorControl, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        results = [
            run(create_kinesis()),
            run(
                create_kinesis(
                    "hubs", connection_spec="Azure Event Hubs", auth_conn_id="event_hubs_destination"
                )
            ),
        ]
    seen = repr(results) + caplog.text + json.dumps(control.requests()) + json.dumps(control.state())
    assert [
        secret for secret in (AWS_SECRET, SAS_KEY, control.credential.client_secret) if secret in seen
    ] == []


def test_a_failure_that_passes_is_left_to_airflows_retries(control: EmulatorControl) -> None:
    control.inject(fault("status", "GET", "connections", times=5, status=503))
    with pytest.raises(FlowServiceTransientException) as caught:
        run(create_kinesis())
    assert caught.value.status == 503
    assert control.state()["connections"] == []
    run(create_kinesis())
    assert len(control.state()["connections"]) == 1


BAD_CONNECTIONS: list[tuple[dict[str, Any], str]] = [
    ({"org_id": None}, "Organization ID (extra org_id) of connection 'flowservice_default': is empty"),
    ({"sandbox": None}, "Sandbox (extra sandbox) of connection 'flowservice_default': is empty"),
    (
        {"password": "wr0ng+secret"},
        "Client ID (login) or Client secret (password) of the connection is wrong",
    ),
    ({"sandbox": "missing"}, "Sandbox 'missing' does not exist"),
    (
        {"org_id": "0DDBA11@AdobeOrg"},
        "Check Organization ID (extra org_id) of the connection, 0DDBA11@AdobeOrg",
    ),
    ({"conn_type": "aws"}, "connection 'flowservice_default' is of type 'aws'"),
]


@pytest.mark.parametrize(("changes", "problem"), BAD_CONNECTIONS)
@pytest.mark.parametrize("create", [create_profile_store, create_kinesis])
def test_a_bad_connection_gets_a_sentence_and_leaves_nothing(
    emulator: EmulatorServer,
    control: EmulatorControl,
    monkeypatch: pytest.MonkeyPatch,
    create: Callable[..., Any],
    changes: dict[str, Any],
    problem: str,
) -> None:
    bad = flowservice_connection(emulator.url, control.credential, **changes)
    good = flowservice_connection(emulator.url, control.credential)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", bad)
    message = str(refused(create()))
    assert problem in message
    assert "wr0ng+secret" not in message
    assert control.state()["connections"] == []
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", good)
    run(create())
    run(create())
    assert len(control.state()["connections"]) == 1


@pytest.mark.parametrize(
    ("arguments", "connection", "problem"),
    [
        (
            {"connection_spec": "Amazon Kinesis Streams"},
            None,
            "AEP has no connection spec 'Amazon Kinesis Streams'. Did you mean 'Amazon Kinesis'",
        ),
        ({"connection_spec": ""}, None, "connection_spec: is '', although it was given"),
        ({"connection_spec": None}, None, "connection_spec: is None, although it was given"),
        ({"name": ""}, None, "name: is '', although it was given"),
        ({"name": None}, None, "name: is None, although it was given"),
        ({"auth": "region=x"}, None, "auth: must be a mapping, not str. Give a dict"),
        ({"auth": {"secretKey": "x"}}, None, "auth['secretKey']: is a credential"),
        ({"auth_conn_id": None}, None, "auth_conn_id: is None, although it was given"),
        (
            {},
            {"conn_type": "http"},
            "is of type 'http', which does not fit Amazon Kinesis. Use one of type aws",
        ),
        (
            {},
            {"conn_type": "aws", "login": "AKIA", "password": "s3cret+key"},
            "does not contain region or connectionUrl, which Amazon Kinesis needs",
        ),
        (
            {},
            {"conn_type": "aws", "login": "AKIA", "extra": {"region_name": "us-east-1"}},
            "does not contain secretKey, which Amazon Kinesis needs",
        ),
        (
            {},
            {"conn_type": "aws", "extra": {"role_arn": "arn:aws:iam::1:role/x", "region_name": "us-east-1"}},
            "has the extra 'role_arn', which AEP cannot use. AEP needs long-lived keys",
        ),
    ],
)
def test_a_bad_argument_gets_a_sentence_and_leaves_nothing(
    control: EmulatorControl,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    connection: dict[str, Any] | None,
    problem: str,
) -> None:
    with monkeypatch.context() as patched:
        if connection:
            patched.setenv("AIRFLOW_CONN_KINESIS_DESTINATION", json.dumps(connection))
        message = str(refused(rendered(create_kinesis, **arguments)))
    assert problem in message
    assert "s3cret+key" not in message
    assert control.state()["connections"] == []
    assert writes(control) == []
    run(create_kinesis())
    assert len(control.state()["connections"]) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"target_params": "stream"}, "target_params: must be a mapping, not str"),
        ({"target_params": {"stream": "x"}}, "region"),
        ({"connection_spec": "Amazon Kinesys"}, "Did you mean 'Amazon Kinesis'"),
        (
            {"base_connection_id": "8256cfb4-17e6-432c-a469-6aedafb16cd5"},
            "8256cfb4-17e6-432c-a469-6aedafb16cd5",
        ),
    ],
)
def test_a_bad_target_gets_a_sentence_and_leaves_nothing(
    control: EmulatorControl, changes: dict[str, Any], problem: str
) -> None:
    base, _ = run(create_kinesis())
    assert problem in str(refused(rendered(partial(create_target, base), **changes)))
    assert control.state()["targetConnections"] == []
    run(create_target(base))
    assert len(control.state()["targetConnections"]) == 1


def test_a_word_that_if_exists_does_not_know_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(
        InvalidInputError, match=r"if_exists: 'replace' is not supported. Choose one of: reuse, update"
    ):
        create_kinesis(if_exists="replace")


def test_a_parent_that_was_given_must_be_there_at_run_time(control: EmulatorControl) -> None:
    """An upstream task that was skipped makes None of its ``.output``."""
    operator = FlowServiceCreateSourceConnectionOperator(
        task_id="create",
        name="profiles",
        connection_spec=specs.UNIFIED_PROFILE_SERVICE,
        base_connection_id="{{ ti.xcom_pull('skipped') }}",
    )
    operator.base_connection_id = None
    with pytest.raises(
        FlowServicePermanentException, match="base_connection_id: is None, although it was given"
    ):
        run(operator)
    assert control.state()["sourceConnections"] == []


def test_a_spec_that_is_given_by_its_id_is_not_looked_up(control: EmulatorControl) -> None:
    base, _ = run(create_profile_store())
    control.clear_requests()
    run(create_source(base))
    assert control.requests(path="/connectionSpecs") == []
    run(create_source(base, name="by name", connection_spec="Unified Profile Service"))
    assert len(control.requests(path="/connectionSpecs")) == 1
