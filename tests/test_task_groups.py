"""The task groups, in DAGs that a real Airflow runs against the emulator."""

from __future__ import annotations

import inspect
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException
from airflow.sdk import DAG, TaskGroup, task, task_group

from airflow_provider_flowservice import task_groups
from airflow_provider_flowservice.client import clock, specs
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.task_groups import file_destination, http_api_source, streaming_destination
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import dags
from tests.support.aep import make, profile_store, profiles, selected
from tests.support.airflow import flowservice_connection
from tests.support.files import EXPORT, FILE_DESTINATIONS
from tests.support.streaming import CATALOG, DATA_PREP, PERSON, SCHEMA_REGISTRY, WORK
from tests.test_signatures import documented

pytestmark = pytest.mark.usefixtures("airflow_database")

GROUPS = (streaming_destination, file_destination, http_api_source)
KINDS = ("connections", "sourceConnections", "targetConnections", "flows")
#: What a flow has one of, and how many connections it has at its ends.
DESTINATION = {"connections": 2, "sourceConnections": 1, "targetConnections": 1, "flows": 1}
SOURCE = {**DESTINATION, "connections": 1, "schemas": 1, "dataSets": 1}
NAME = "Summer campaign"
STREAM = {"stream": "summer", "region": "us-east-1"}
SEGMENT = "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
COLUMNS = [{"source": "personalEmail.address", "destination": "email"}]
FIELDS = [{"source": "id", "destination": "_id"}, {"source": "email", "destination": "workEmail.address"}]
#: Where objects outside of the Flow Service are created.
BESIDE = (f"{SCHEMA_REGISTRY}/tenant/schemas", f"{CATALOG}/dataSets", f"{DATA_PREP}/mappingSets")


NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True)
def in_step(control: EmulatorControl) -> Iterator[None]:
    with clock.installed(VirtualClock.in_step_with(control)):
        yield


def to_kinesis(**changes: Any) -> task_groups.Destination:
    arguments: dict[str, Any] = {
        "name": NAME,
        "connection_spec": "Amazon Kinesis",
        "auth_conn_id": "kinesis_destination",
        "target_params": STREAM,
        "segments": [SEGMENT],
        "profile_attributes": ["person.name.firstName"],
    }
    return streaming_destination(**{**arguments, **changes})


def to_s3(**changes: Any) -> task_groups.Destination:
    arguments: dict[str, Any] = {
        "name": NAME,
        "connection_spec": specs.AMAZON_S3,
        "auth_conn_id": "s3_destination",
        "target_params": {"bucketName": "acme", "path": "out"},
        "columns": ["email"],
        "mappings": COLUMNS,
        "segments": [{"id": SEGMENT, **EXPORT}],
    }
    return file_destination(**{**arguments, **changes})


def from_shop(**changes: Any) -> task_groups.HttpApiSource:
    return http_api_source(**{"name": NAME, "field_groups": [PERSON, WORK], "mappings": FIELDS, **changes})


def run(build: Callable[[], object], **settings: Any) -> dags.Ran:
    """Run a DAG of its own: Airflow 3.1 may still know the tasks of an earlier one with the same id."""
    ran = dags.run(f"task_groups_{next(NUMBERS)}", build, **settings)
    assert ran.succeeded, (ran.states, ran.errors)
    return ran


def written(control: EmulatorControl) -> list[str]:
    """What may have changed something since the journal was cleared."""
    harmless = ("/ims/token/v3", "/mappingSets/validate")
    sent = [each for each in control.requests() if each["method"] != "GET"]
    return [f"{each['method']} {each['path']}" for each in sent if not each["path"].endswith(harmless)]


def created(control: EmulatorControl) -> Counter[str]:
    """How many objects of each kind there are; of those beside the Flow Service, how many were created."""
    state, sent = control.state(), [path for path in written(control) if path.startswith("POST ")]
    held = {kind: len(state[kind]) for kind in KINDS}
    return +Counter(held | {path.rpartition("/")[2]: sent.count(f"POST {path}") for path in BESIDE})


def names(control: EmulatorControl) -> set[str]:
    state = control.state()
    return {each["name"] for kind in KINDS for each in state[kind]}


def params(control: EmulatorControl) -> dict[str, dict[str, Any]]:
    """The parameters of each target connection by its name."""
    return {each["name"]: each["params"] for each in control.state()["targetConnections"]}


@pytest.mark.parametrize(
    ("spec", "auth_conn_id", "target_params"),
    [
        ("Amazon Kinesis", "kinesis_destination", STREAM),
        ("Azure Event Hubs", "event_hubs_destination", {"eventHubName": "summer"}),
    ],
)
def test_a_streaming_destination_is_made_once(
    control: EmulatorControl, spec: str, auth_conn_id: str, target_params: dict[str, str]
) -> None:
    def build() -> None:
        to_kinesis(connection_spec=spec, auth_conn_id=auth_conn_id, target_params=target_params)

    run(build)
    state = control.state()
    assert created(control) == DESTINATION
    assert names(control) == {NAME}
    assert params(control) == {NAME: target_params}
    (flow,) = state["flows"]
    assert selected(flow) == ([SEGMENT], ["person.name.firstName"])
    control.clear_requests()
    run(build)
    assert written(control) == []
    assert control.state() == state


def test_a_destination_is_made_for_files_of_each_product(
    control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> None:
        for number, product in enumerate(FILE_DESTINATIONS):
            conn_id = f"files_{number}" if product.connection else None
            monkeypatch.setenv(f"AIRFLOW_CONN_FILES_{number}", json.dumps(product.connection))
            to_s3(
                group_id=f"to_{number}",
                name=product.name,
                connection_spec=product.spec_id,
                auth_conn_id=conn_id,
                target_params=product.target_params,
                mandatory_fields=["email"],
            )

    ran = run(build)
    assert len(ran.states) == 8 * len(FILE_DESTINATIONS)
    flows = {flow["name"]: flow for flow in control.state()["flows"]}
    for product in FILE_DESTINATIONS:
        flow = flows[product.name]
        assert flow["flowSpec"]["id"] == product.flow_spec_id
        held = flow["transformations"][0]["params"]
        assert (held["profileMapping"]["mappingVersion"], held["mandatoryFields"]) == (0, ["email"])
        assert selected(flow) == ([SEGMENT], [])
    assert (
        len({flow["transformations"][0]["params"]["profileMapping"]["mappingId"] for flow in flows.values()})
        == 6
    )
    state = control.state()
    assert [each for each in state["targetConnections"] if "data" in each] == []
    control.clear_requests()
    run(build)
    assert written(control) == []
    assert control.state() == state


@pytest.mark.parametrize(
    ("mappings", "record"),
    [
        (FIELDS, {"id": "1", "email": "ada@example.com"}),
        (None, {"_id": "1", "workEmail": {"address": "ada@example.com"}}),
    ],
    ids=["raw", "xdm"],
)
def test_a_source_takes_records(
    control: EmulatorControl, mappings: list[dict[str, str]] | None, record: dict[str, Any]
) -> None:
    def build() -> None:
        source = from_shop(mappings=mappings, authentication_required=False)
        wrapped = {} if mappings else {"schema_id": source.schema_id, "dataset_id": source.dataset_id}
        FlowServicePostToInletOperator(
            task_id="post", inlet_url=source.inlet_url, flow_id=source.flow_id, messages=[record], **wrapped
        )
        look(source.connection_id)

    @task
    def look(connection_id: str) -> str:
        return connection_id

    ran = run(build)
    assert created(control) == SOURCE | ({"mappingSets": 1} if mappings else {})
    assert names(control) == {NAME}
    state = control.state()
    (base,), (flow,) = state["connections"], state["flows"]
    assert base["auth"]["params"]["authenticationRequired"] is False
    assert ran.results["look"] == base["id"]
    ((message,),) = state["messages"].values()
    assert (message["flowId"], message["dropped"]) == (flow["id"], False)
    sent = message["mapped"] if mappings else message["message"]["body"]["xdmEntity"]
    assert sent["workEmail"] == {"address": "ada@example.com"}
    control.clear_requests()
    run(build)
    assert [each for each in written(control) if "/collection/" not in each] == []


def test_a_source_takes_a_schema_and_a_dataset_that_exist(control: EmulatorControl) -> None:
    def build() -> None:
        first = from_shop()
        from_shop(
            group_id="second",
            name="Second",
            field_groups=None,
            schema_id=first.schema_id,
            dataset_id=first.dataset_id,
        )

    ran = run(build)
    assert created(control) == {
        **dict.fromkeys((*KINDS, "mappingSets"), 2),
        **dict.fromkeys(("schemas", "dataSets"), 1),
    }
    assert "second.create_schema" not in ran.states
    first, second = (each["params"]["dataSetId"] for each in control.state()["targetConnections"])
    assert first == second


def test_a_source_for_profiles_has_an_identity_and_is_enabled(control: EmulatorControl) -> None:
    identity = {"property": "/workEmail/address", "namespace": "Email"}
    run(lambda: from_shop(primary_identity=identity, enable_for_profile=True))
    descriptors = control.requests("POST", f"{SCHEMA_REGISTRY}/tenant/descriptors")
    assert len(descriptors) == 1
    (made,) = control.requests("POST", f"{CATALOG}/dataSets")
    assert made["body"]["tags"]["unifiedProfile"] == ["enabled:true"]


@pytest.mark.parametrize("build", [to_kinesis, to_s3, from_shop])
@pytest.mark.parametrize("settings", [{}, {"default_args": {"plan_only": True}}], ids=["group", "DAG"])
def test_a_plan_changes_nothing(
    control: EmulatorControl, build: Callable[..., Any], settings: dict[str, Any]
) -> None:
    before = control.state()
    arguments = {} if settings else {"plan_only": "{{ dag_run is not none }}"}
    ran = run(lambda: build(**arguments), **settings)
    assert [each for each in written(control) if not each.endswith("/validate")] == []
    assert control.state() == before
    (flow_id,) = [result for task_id, result in ran.results.items() if task_id.endswith(".create_flow")]
    assert flow_id.startswith("plan:flow:")


def test_what_follows_the_group_waits_for_its_end_and_gets_the_id(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    def build() -> None:
        @task
        def look(flow_id: str) -> list[Any]:
            return [flow_id, len(hook.active_segments(hook.find_flow(NAME)))]

        destination = to_kinesis()
        destination.group >> look(destination.flow_id)

    ran = run(build)
    (flow,) = control.state()["flows"]
    assert ran.results["look"] == [flow["id"], 1]


def test_many_destinations_are_made_by_a_mapped_group(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    entries = [
        {"name": f"Destination {number}", "stream": f"stream-{number}", "segments": [segment]}
        for number, segment in enumerate(control.segments[:3])
    ]

    def build() -> None:
        @task
        def read() -> list[dict[str, Any]]:
            return entries

        @task
        def find_source() -> str:
            return make(hook, profiles(make(hook, profile_store())))

        @task
        def look(flow_ids: Any) -> list[str]:
            return sorted(flow_ids)

        @task_group
        def onboard(name: Any, stream: Any, segments: Any, source: Any) -> Any:
            return to_kinesis(
                name=name,
                target_params={"stream": stream, "region": "us-east-1"},
                segments=segments,
                source_connection_id=source,
            ).flow_id

        look(onboard.partial(source=find_source()).expand_kwargs(read()))

    ran = run(build)
    flows = {flow["name"]: flow for flow in control.state()["flows"]}
    assert {name: selected(flow)[0] for name, flow in flows.items()} == {
        entry["name"]: entry["segments"] for entry in entries
    }
    assert {name: each["stream"] for name, each in params(control).items()} == {
        entry["name"]: entry["stream"] for entry in entries
    }
    assert created(control) == {"connections": 4, "sourceConnections": 1, "targetConnections": 3, "flows": 3}
    assert ran.results["look"] == sorted(flow["id"] for flow in flows.values())


def test_an_update_changes_all_but_connections_with_credentials(control: EmulatorControl) -> None:
    run(to_kinesis)
    control.clear_requests()
    ran = dags.run("task_groups_changed", lambda: to_kinesis(target_params={**STREAM, "stream": "autumn"}))
    assert ran.states["streaming_destination.create_target_connection"] == "failed"
    assert "Set if_exists='update'" in str(ran.error)
    assert written(control) == []
    run(lambda: to_kinesis(target_params={**STREAM, "stream": "autumn"}, if_exists="update"))
    (change,) = written(control)
    assert change.startswith("PATCH /data/foundation/flowservice/targetConnections/")


def test_sync_removes_what_is_not_given(control: EmulatorControl) -> None:
    first, second, third = control.segments[:3]
    run(lambda: to_kinesis(segments=[first, second]))
    run(lambda: to_kinesis(segments=[second, third]))
    (flow,) = control.state()["flows"]
    assert selected(flow)[0] == [first, second, third]
    run(lambda: to_kinesis(segments=[second, third], activation_mode="sync"))
    (flow,) = control.state()["flows"]
    assert selected(flow)[0] == [second, third]


def test_arguments_of_the_group_reach_all_its_tasks_and_come_before_defaults(
    control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.open_sandbox("other")
    connection = flowservice_connection(control.url, control.credential)
    monkeypatch.setenv("AIRFLOW_CONN_MINE", connection)
    monkeypatch.delenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT")
    defaults = {"sandbox": "wrong", "flowservice_conn_id": "wrong"}
    ran = run(
        lambda: to_kinesis(
            sandbox="other", flowservice_conn_id="mine", default_args={"owner": "shop", **defaults}
        ),
        default_args=defaults,
    )
    assert len(ran.states) == 7
    sandboxes = {each["headers"]["x-sandbox-name"] for each in control.requests(path="/data/")}
    assert sandboxes == {"other"}


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (
            lambda: to_kinesis(if_exists="replace"),
            r"^if_exists: 'replace' is not supported\. Choose one of: ",
        ),
        (lambda: to_kinesis(segments=SEGMENT), r"^segments: must be a list, not str\."),
        (lambda: to_kinesis(name=""), r"^name: "),
        (lambda: to_kinesis(deferrable="perhaps"), r"^deferrable: 'perhaps' is neither true nor false"),
        (lambda: to_kinesis(target_params="summer"), r"^target_params: must be a mapping"),
        (
            lambda: to_kinesis(activation_mode="remove"),
            r"^activation_mode: 'remove' is not supported\. .*: add, sync\.",
        ),
        (lambda: to_kinesis(activation_mode="{{ params.mode }}"), r"^activation_mode: .* is not supported"),
        (lambda: to_s3(columns=["e.mail"]), r"^columns"),
        (
            lambda: to_s3(connection_spec="Amazon S3"),
            r"^flow_spec: is missing, .*'Amazon S3' .* specs\.AMAZON_S3",
        ),
        (lambda: to_s3(connection_spec="{{ params.spec }}"), r"^flow_spec: is missing"),
        (lambda: from_shop(mappings="id"), r"^mappings: must be a list"),
        (lambda: from_shop(field_groups=None), r"^field_groups or schema_id: is missing\."),
        (lambda: from_shop(schema_id="s"), r"^field_groups or schema_id: are both given\."),
        (
            lambda: from_shop(field_groups=None, schema_id="s"),
            r"^dataset_id: is missing, but schema_id is given",
        ),
        (lambda: from_shop(dataset_id="d"), r"^schema_id: is missing, but dataset_id is given\. Give both\."),
        (
            lambda: from_shop(field_groups=None, schema_id="s", dataset_id="d", enable_for_profile=True),
            r"^enable_for_profile: cannot be combined with schema_id\.",
        ),
    ],
)
def test_a_wrong_literal_is_rejected_when_the_dag_is_parsed(build: Callable[[], object], error: str) -> None:
    with DAG("wrong", schedule=None), pytest.raises(InvalidInputError, match=error):
        build()


@pytest.mark.parametrize("activation_mode", ["add", "sync"])
def test_validation_looks_for_others_if_they_are_removed(activation_mode: str) -> None:
    with DAG("modes", schedule=None) as dag:
        to_kinesis(activation_mode=activation_mode)
    validate = dag.task_dict["streaming_destination.validate_flow"]
    assert validate.exact is (activation_mode == "sync")


@pytest.mark.parametrize(
    ("build", "last"), [(to_kinesis, "validate_flow"), (to_s3, "validate_flow"), (from_shop, "create_flow")]
)
def test_a_group_is_one_box_and_its_id_is_taken_once(build: Callable[..., Any], last: str) -> None:
    with DAG("boxes", schedule=None) as dag:
        made = build()
        assert isinstance(made.group, TaskGroup)
        group_id = made.group.group_id
        assert {each.partition(".")[0] for each in dag.task_dict} == {group_id}
        assert group_id in dag.task_group_dict
        assert [leaf.task_id for leaf in made.group.get_leaves()] == [f"{group_id}.{last}"]
        with pytest.raises(AirflowException, match=f"'{group_id}' has already been added"):
            build()
        assert build(group_id="another").group.group_id == "another"


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_every_argument_is_documented_and_given_by_name(group: Any) -> None:
    parameters = inspect.signature(group).parameters
    assert list(documented(group)) == list(parameters)
    kinds = [each.kind for name, each in parameters.items() if name != "kwargs"]
    assert set(kinds) == {inspect.Parameter.KEYWORD_ONLY}


def test_arguments_of_several_groups_are_the_same_in_each() -> None:
    texts: Mapping[str, set[str]] = {
        name: {documented(group)[name] for group in GROUPS if name in inspect.signature(group).parameters}
        for name in (
            "name",
            "source_connection_id",
            "deferrable",
            "plan_only",
            "sandbox",
            "group_id",
            "kwargs",
        )
    }
    assert {name: len(each) for name, each in texts.items()} == dict.fromkeys(texts, 1)
