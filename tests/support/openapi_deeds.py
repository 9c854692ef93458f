"""What users of AEP do, through operators and past them, to record all that is sent and answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_flowservice.client import IfExists, flows, model
from airflow_provider_flowservice.client.activation import audiences
from airflow_provider_flowservice.client.datasets import datasets, identities, mapping_sets, schemas
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from tests.support.files import columns, make_columns
from tests.support.operators import activate, create_flow, create_source, create_target, onboard
from tests.support.streaming import PERSON, WORK
from tests.support.tasks import run

FIRST = {"source": "first", "destination": "person.name.firstName"}
MAIL = {"source": "mail", "destination": "workEmail.address"}
FLOW_SERVICE = "/data/foundation/flowservice"
ADHOC = "/data/core/activation/disflowprovider/adhocrun"
PROFILES = {"id": specs.UNIFIED_PROFILE_SERVICE, "version": "1.0"}
S3 = {"id": specs.AMAZON_S3, "version": "1.0"}
#: An action of the provider or of a user of the emulator.
Deed = Callable[["Stage"], object]


@dataclass
class Stage:
    """An emulator whose exchanges are recorded.

    :param hook: a user of it.
    """

    control: EmulatorControl
    hook: FlowServiceHook

    def call(
        self, method: str, path: str, body: Any = None, *, accept: str | None = None, **params: str
    ) -> Any:
        """Send what no operator sends, and return the answer; a refusal is one like any other, and is None here."""
        sent: Request[Any] = Request(
            method,
            path,
            lambda answer: json.loads(answer.body) if answer.body else None,
            params=tuple(params.items()),
            json=body,
            headers=(("Accept", accept),) if accept else (),
        )
        with suppress(FlowServiceError):
            return self.hook.send(sent)
        return None


def onboard_kinesis(stage: Stage) -> None:
    """The tutorial of streaming destinations, with a second run, changes, refusals and the end."""
    made = onboard()
    segments = stage.control.segments
    run(activate(made["flows"], segments[:2], profile_attributes=["person.name.firstName"]))
    onboard()
    run(activate(made["flows"], segments[:2], profile_attributes=["person.name.firstName"]))
    changed = {"stream": "other", "region": "us-east-1"}
    run(create_target(made["connections"], target_params=changed, if_exists="update"))
    run(
        create_flow(
            made["sourceConnections"], made["targetConnections"], description="new", if_exists="update"
        )
    )
    for operation in ("disable", "enable"):
        stage.hook.action(request.FLOWS, made["flows"], operation)
    rename = model.Operation(op="replace", path="/name", value="x")
    for etag in ("stale", ""):
        body = [rename.to_json()]
        stage.call("PATCH", f"{FLOW_SERVICE}/flows/{made['flows']}", body)
        with pytest.raises(FlowServiceError):
            stage.hook.patch(request.FLOWS, made["flows"], etag, [rename])
    stage.control.advance(3 * 3600)
    flow_runs = list(stage.hook.iterate(request.RUNS, filters=[request.equals("flowId", made["flows"])]))
    stage.hook.get(request.RUNS, flow_runs[0].id)
    for kind in (request.FLOWS, request.TARGET_CONNECTIONS, request.SOURCE_CONNECTIONS, request.CONNECTIONS):
        list(stage.hook.iterate(kind))
        stage.hook.count(kind)
        stage.hook.get(kind, made[kind.path])
        stage.hook.delete(kind, made[kind.path])
        stage.hook.delete(kind, made[kind.path])


def onboard_event_hubs(stage: Stage) -> None:
    """The same tutorial's other destination."""
    base, _ = run(
        FlowServiceCreateConnectionOperator(
            task_id="hubs",
            name="hubs",
            connection_spec="Azure Event Hubs",
            auth_conn_id="event_hubs_destination",
        )
    )
    store, _ = run(
        FlowServiceCreateConnectionOperator(
            task_id="store", name="store", connection_spec=specs.UNIFIED_PROFILE_SERVICE
        )
    )
    source, _ = run(create_source(store))
    target, _ = run(
        create_target(
            base, connection_spec=specs.AZURE_EVENT_HUBS, target_params={"eventHubName": "profiles"}
        )
    )
    flow, _ = run(create_flow(source, target))
    run(activate(flow, stage.control.segments[:1]))
    stage.hook.get(request.FLOWS, flow)


def export_now(stage: Stage) -> None:
    """A destination of files, and an export of one audience outside of its schedule."""
    hook = stage.hook
    store = hook.create(request.CONNECTIONS, {"name": "store", "connectionSpec": PROFILES}).id
    params = {
        "s3AccessKey": "AKIAIOSFODNN7EXAMPLE",
        "s3SecretKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
    base = hook.create(
        request.CONNECTIONS,
        {"name": "s3", "connectionSpec": S3, "auth": {"specName": "Access Key", "params": params}},
    ).id
    source = hook.create(
        request.SOURCE_CONNECTIONS,
        {
            "name": "profiles",
            "baseConnectionId": store,
            "connectionSpec": PROFILES,
            "data": {"format": "CSV"},
            "params": {},
        },
    ).id
    place = {"mode": "Server-to-server", "bucketName": "bucket", "path": "out", "compression": "NONE"}
    target = hook.create(
        request.TARGET_CONNECTIONS,
        {
            "name": "files",
            "baseConnectionId": base,
            "connectionSpec": S3,
            "params": {**place, "fileType": "CSV"},
        },
    ).id
    transform = {
        "mandatoryFields": [],
        "primaryFields": [],
        "profileMapping": {},
        "segmentSelectors": {"selectors": []},
    }
    flow = hook.create(
        request.FLOWS,
        {
            "name": "files",
            "flowSpec": {"id": specs.AMAZON_S3_FLOW, "version": "1.0"},
            "sourceConnectionIds": [source],
            "targetConnectionIds": [target],
            "transformations": [{"name": "GeneralTransform", "params": transform}],
        },
    )
    segment = {
        "type": "PLATFORM_SEGMENT",
        "value": {
            "id": stage.control.segments[0],
            "exportMode": "DAILY_FULL_EXPORT",
            "filenameTemplate": "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%",
            "schedule": {
                "frequency": "DAILY",
                "triggerType": "SCHEDULED",
                "startDate": "2100-01-01",
                "startTime": "10:00",
            },
        },
    }
    path = "/transformations/0/params/segmentSelectors/selectors/-"
    etag = hook.get(request.FLOWS, flow.id).etag or ""
    hook.patch(request.FLOWS, flow.id, etag, [model.Operation(op="add", path=path, value=segment)])
    settings = flows.field_settings(
        make_columns(hook), ["email"], [{"fieldType": "ATTRIBUTE", "attributePath": "email"}]
    )
    held = hook.get(request.FLOWS, flow.id)
    operations, _ = flows.patch_settings(held, settings)
    hook.patch(request.FLOWS, flow.id, held.etag or "", operations)
    hook.get(request.FLOWS, flow.id)
    body = {"activationInfo": {"destinationId1": [stage.control.segments[0]]}}
    second = "application/vnd.adobe.adhoc.activation+json; version=2"
    stage.call("POST", ADHOC, body, accept=second)
    body = {"activationInfo": {flow.id: [stage.control.segments[0]]}}
    stage.call("POST", ADHOC, body, accept=second)
    stage.control.advance(3600)
    stage.call("POST", ADHOC, {**body, "exportIds": ["4ea968a0-0000-4000-8000-000000000000"]})
    list(hook.iterate(request.RUNS))


def open_sources(stage: Stage) -> None:
    """The tutorial of HTTP API sources in its four kinds, each run twice."""
    for _ in range(2):
        for data_type in ("xdm", "raw"):
            for authenticated in (True, False):
                open_source(stage, data_type, authenticated)
    stage.call("GET", f"{FLOW_SERVICE}/runs", limit="5")
    for kind in (request.FLOWS, request.TARGET_CONNECTIONS, request.SOURCE_CONNECTIONS, request.CONNECTIONS):
        for item in list(stage.hook.iterate(kind)):
            stage.hook.delete(kind, item.id)


def open_source(stage: Stage, data_type: str, authenticated: bool) -> None:
    schema, _ = run(
        FlowServiceCreateSchemaOperator(task_id="schema", name="customers", field_groups=[PERSON, WORK])
    )
    dataset, _ = run(FlowServiceCreateDatasetOperator(task_id="dataset", name="customers", schema_id=schema))
    params: dict[str, Any] = {"dataType": data_type}
    if authenticated:
        params |= {"sourceId": "shop", "name": "shop", "authenticationRequired": True}
    name = f"{data_type}, {'authenticated' if authenticated else 'open'}"
    base, _ = run(
        FlowServiceCreateConnectionOperator(
            task_id="base", name=name, connection_spec="HTTP API", auth=params
        )
    )
    source, _ = run(
        FlowServiceCreateSourceConnectionOperator(
            task_id="source",
            name=name,
            connection_spec=specs.HTTP_API,
            base_connection_id=base,
            data_format=None,
        )
    )
    target, _ = run(
        FlowServiceCreateTargetConnectionOperator(
            task_id="target",
            name=name,
            connection_spec=specs.DATA_LAKE,
            schema_id=schema,
            target_params={"dataSetId": dataset},
            data_format=None,
        )
    )
    arguments: dict[str, Any] = {"source_connection_ids": [source], "target_connection_ids": [target]}
    if data_type == "raw":
        mapping, pushed = run(
            FlowServiceCreateMappingSetOperator(
                task_id="mapping",
                schema_id=schema,
                mappings=[FIRST, MAIL],
                body_form="new" if authenticated else "old",
            )
        )
        version = pushed["mapping_version"]
        arguments["flow_spec"] = specs.HTTP_API_FLOW_WITH_MAPPING
        arguments["transformations"] = [
            {"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": version}}
        ]
    flow, _ = run(
        FlowServiceCreateFlowOperator(
            **{"task_id": "flow", "name": name, "flow_spec": specs.HTTP_API_FLOW, **arguments}
        )
    )
    stage.hook.get(request.FLOWS, flow)
    stage.control.advance(300)
    post(base, flow, **({"schema_id": schema, "dataset_id": dataset} if data_type == "xdm" else {}))


def post(base: str, flow: str, **changes: Any) -> None:
    """Records one by one, as a batch, and some that are refused."""
    good = {"_id": "1", "person": {"name": {"firstName": "Ada"}}}
    arguments = {"task_id": "post", "connection_id": base, "flow_id": flow, "settle_seconds": 0, **changes}
    for batch_size in (1, 500):
        run(FlowServicePostToInletOperator(messages=[good, good], batch_size=batch_size, **arguments))
    if changes:
        run(FlowServicePostToInletOperator(messages=[good], sync_validation=True, **arguments))
        with pytest.raises(FlowServicePermanentException):
            run(FlowServicePostToInletOperator(messages=[{"_id": 1}], sync_validation=True, **arguments))
    with pytest.raises(FlowServicePermanentException):
        run(FlowServicePostToInletOperator(messages=[good], **{**arguments, "flow_id": "unknown"}))


def identify_people(stage: Stage) -> None:
    """A schema that gains a field group, an identity, which is then changed, and Profile."""
    hook = stage.hook
    plain = schemas.DesiredSchema(name="people", field_groups=(PERSON,))
    schema = hook.send(plain.create()).id
    for namespace in ("Email", "Work"):
        changed = schemas.DesiredSchema(
            name="people",
            field_groups=(PERSON, WORK),
            primary_identity=identities.PrimaryIdentity("/workEmail/address", namespace),
            enable_for_profile=True,
        )
        hook.ensure(changed, IfExists.UPDATE)
    (identity,) = hook.send(identities.identities_of(schema)).items
    for method in ("GET", "DELETE", "DELETE"):
        stage.call(method, f"{identities.DESCRIPTORS}/{identity.id}")


def change_what_sources_need(stage: Stage) -> None:
    """Schemas, datasets and mapping sets: what is changed, refused, read and deleted."""
    hook = stage.hook
    desired = schemas.DesiredSchema(name="customers", field_groups=(PERSON, WORK), enable_for_profile=True)
    schema = hook.send(desired.create()).id
    hook.send(desired.read(schema))
    identify_people(stage)
    dataset = datasets.DesiredDataset(name="customers", schema_id=schema, enable_for_profile=True)
    made = hook.send(dataset.create()).id
    plain = hook.send(datasets.DesiredDataset(name="plain", schema_id=schema).create()).id
    change = dataset.update(hook.send(dataset.read(plain)))
    assert change
    hook.send(change)
    list(datasets.iterate(hook, name="customers"))
    names = mapping_sets.DesiredMappingSet(
        name="names", schema_id=schema, mappings=mapping_sets.read_mappings([FIRST])
    )
    mapping = hook.send(names.create()).id
    wider = mapping_sets.DesiredMappingSet(
        name="names", schema_id=schema, mappings=mapping_sets.read_mappings([FIRST, MAIL])
    )
    change = wider.update(hook.send(wider.read(mapping)))
    assert change
    hook.send(change)
    list(mapping_sets.iterate(hook))
    lacking = mapping_sets.read_mappings([FIRST, {"source": "x", "destination": "person.shoeSize"}])
    with pytest.raises(FlowServiceError):
        hook.send(mapping_sets.DesiredMappingSet(name="", schema_id=schema, mappings=lacking).validate())
    hook.send(columns().validate())
    hook.send(columns().read(make_columns(hook)["mappingId"]))
    preview = {"data": [{"first": "Ada"}], "mappingSet": names.body}
    stage.call("POST", f"{mapping_sets.DATA_PREP}/mappingSets/preview", preview)
    stage.call("GET", f"{mapping_sets.DATA_PREP}/mappingSets/{mapping}/mappings")
    registry = schemas.SCHEMA_REGISTRY
    stage.call("GET", f"{registry}/stats")
    stage.call("GET", f"{registry}/tenant/schemas", accept="application/vnd.adobe.xed-id+json")
    stage.call("GET", f"{registry}/tenant/schemas", accept="application/json")
    stage.call("GET", f"{registry}/global/classes", accept="application/vnd.adobe.xed+json")
    for accept in ("xdm-id", "xdm-link", "xed"):
        stage.call("GET", identities.DESCRIPTORS, accept=f"application/vnd.adobe.{accept}+json")
    stage.call("GET", f"{datasets.CATALOG}/batches", dataSet=made)
    stage.call("GET", f"{datasets.CATALOG}/dataSets/none")
    hook.send(dataset.delete(made))
    other = hook.send(schemas.DesiredSchema(name="other").create()).id
    hook.send(desired.delete(other))


def model_data(stage: Stage) -> None:
    """Everything of Schema Registry that has a schema: made, listed, read in every form, changed, moved, deleted."""
    registry = schemas.SCHEMA_REGISTRY
    fields = {"_emulator": {"type": "object", "properties": {"tier": {"type": "string"}}}}
    text = {"type": "object", "description": "", "title": "Loyalty"}
    own = {
        "definitions": {"customFields": {"type": "object", "properties": fields}},
        "allOf": [{"$ref": "#/definitions/customFields", "type": "object"}],
    }
    behavior = {"$ref": "https://ns.adobe.com/xdm/data/record"}
    bodies = {
        "fieldgroups": {**text, **own, "meta:intendedToExtend": [schemas.PROFILE_CLASS]},
        "mixins": {**text, **own, "meta:intendedToExtend": [schemas.PROFILE_CLASS]},
        "datatypes": {**text, **own},
        "classes": {**text, **own, "allOf": [behavior, *own["allOf"]]},
        "schemas": {**text, "allOf": [{"$ref": schemas.PROFILE_CLASS}]},
    }
    lists = [f"application/vnd.adobe.{form}+json" for form in ("xed-id", "xed")]
    forms = ("xed", "xed-full", "xed-notext", "xed-full-notext", "xed-full-desc")
    rename = [{"op": "replace", "path": "/title", "value": "Members"}]
    for collection, body in bodies.items():
        made = quote(stage.call("POST", f"{registry}/tenant/{collection}", body)["$id"], safe="")
        path = f"{registry}/tenant/{collection}/{made}"
        for accept in lists:
            stage.call("GET", f"{registry}/tenant/{collection}", accept=accept)
            stage.call("GET", f"{registry}/global/{collection}", accept=accept, orderby="title", limit="2")
        for form in forms:
            stage.call("GET", path, accept=f"application/vnd.adobe.{form}+json; version=1")
        stage.call("PUT", path, body)
        stage.call("PATCH", path, rename)
        stage.call("GET", f"{registry}/rpc/auditlog/{made}")
        if collection == "schemas":
            tag = [{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]
            stage.call("PATCH", path, tag)
            look_at_union(stage, made)
        stage.call("DELETE", path)
        stage.call("DELETE", path)
    for accept in lists:
        stage.call("GET", f"{registry}/global/behaviors", accept=accept)
    one = "application/vnd.adobe.xed+json; version=1"
    stage.call("GET", f"{registry}/global/behaviors/_xdm.data.record", accept=one)


def look_at_union(stage: Stage, schema_id: str) -> None:
    """A union, and the remote procedure calls for a schema."""
    registry = schemas.SCHEMA_REGISTRY
    one = "application/vnd.adobe.xed-full+json; version=1"
    for accept in ("xed-id", "xed"):
        stage.call("GET", f"{registry}/tenant/unions", accept=f"application/vnd.adobe.{accept}+json")
    stage.call("GET", f"{registry}/tenant/unions/_xdm.context.profile__union", accept=one)
    stage.call("GET", f"{registry}/rpc/sampledata/{schema_id}", accept=one)
    exported = stage.call("GET", f"{registry}/rpc/export/{schema_id}", accept=one)
    stage.call("POST", f"{registry}/rpc/import", exported)
    renamed = [{**each, "$id": f"{each['$id']}0", "title": "Imported"} for each in exported]
    stage.call("POST", f"{registry}/rpc/import", renamed)
    stage.call("GET", f"{registry}/rpc/export/none", accept=one)
    stage.call("GET", f"{registry}/rpc/sampledata/none", accept=one)


def evaluate_segments(stage: Stage) -> None:
    """A segment that is made and evaluated, and a dataset that is changed in the newer way."""
    service, first = audiences.PROFILE_SERVICE, stage.control.segments[0]
    definition = {
        "name": "Mine",
        "description": "",
        "expression": {"type": "PQL", "format": "pql/text", "value": "true"},
        "schema": {"name": "_xdm.context.profile"},
    }
    stage.call("POST", f"{service}/segment/definitions", definition)
    job = stage.call("POST", f"{service}/segment/jobs", [{"segmentId": first}])["id"]
    stage.call("GET", f"{service}/segment/jobs", limit="10", start="0", status="NEW")
    stage.call("GET", f"{service}/segment/jobs/{job}")
    stage.call("POST", f"{service}/segment/jobs/bulk-get", {"ids": [{"id": job}]})
    stage.call("DELETE", f"{service}/segment/jobs/{job}")
    stage.call("DELETE", f"{service}/segment/jobs/none")
    stage.call("POST", f"{service}/segment/jobs", [])
    schema = stage.hook.send(schemas.DesiredSchema(name="plain").create()).id
    dataset = stage.hook.send(datasets.DesiredDataset(name="plain", schema_id=schema).create()).id
    stage.call("PATCH", f"{datasets.CATALOG}/v2/dataSets/{dataset}", {"description": "other"})
    stage.call("PUT", f"{datasets.CATALOG}/dataSets/{dataset}", {"name": "x", "schemaRef": {"id": schema}})


def look_at_audiences(stage: Stage) -> None:
    """Segments and audiences with their own ways of paging."""
    list(audiences.iterate_segments(stage.hook))
    list(audiences.iterate_audiences(stage.hook, name="customers"))
    stage.call("GET", f"{audiences.PROFILE_SERVICE}/audiences", start="0", limit="2")
    first = stage.control.segments[0]
    stage.call("GET", f"{audiences.PROFILE_SERVICE}/segment/definitions/{first}")
    stage.call("GET", f"{audiences.PROFILE_SERVICE}/audiences/{first}")
    stage.call("GET", f"{audiences.PROFILE_SERVICE}/segment/definitions/none")
    stage.call("GET", f"{audiences.PROFILE_SERVICE}/export/jobs")


def look_at_specs(stage: Stage) -> None:
    """The catalogue of systems and of flows."""
    for kind, known in (
        (request.CONNECTION_SPECS, specs.HTTP_API),
        (request.FLOW_SPECS, specs.PROFILE_DESTINATION_FLOW),
    ):
        list(stage.hook.iterate(kind))
        stage.hook.get(kind, known)
        stage.call("GET", f"{FLOW_SERVICE}/{kind.path}/none")


#: Each deed, and the file that describes connections and flows while it is done.
DEEDS: tuple[tuple[Deed, str], ...] = (
    (onboard_kinesis, "destinations"),
    (onboard_event_hubs, "destinations"),
    (export_now, "destinations"),
    (open_sources, "flow-service"),
    (change_what_sources_need, "flow-service"),
    (model_data, "flow-service"),
    (evaluate_segments, "flow-service"),
    (look_at_audiences, "flow-service"),
    (look_at_specs, "flow-service"),
)
