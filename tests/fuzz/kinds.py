"""Every kind of request, with a response as AEP documents it, and what the provider does with what it reads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.activation import adhoc, audiences, selectors
from airflow_provider_flowservice.client.activation.segments import Segment
from airflow_provider_flowservice.client.activation.selectors import ActivationMode, DesiredSelectors
from airflow_provider_flowservice.client.datasets import (
    DesiredSchema,
    PrimaryIdentity,
    datasets,
    identities,
    mapping_sets,
    schemas,
)
from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.datasets.mapping_sets import DesiredMappingSet, FieldMapping
from airflow_provider_flowservice.client.ensure.dry_run import pretty
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.flows import (
    DesiredBaseConnection,
    DesiredFlow,
    DesiredTargetConnection,
    outcomes,
    runs,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.hooks.credentials import auth_params, dummy_connection

SEGMENT = "11111111-1111-4111-8111-111111111111"
MAPPING = FieldMapping("first", "person.name.firstName")
SPEC = {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"}
COMMON = {"id": "i", "name": "n", "description": "d", "state": "enabled", "createdAt": 1, "etag": '"1"'}
CONNECTION_SPEC = {
    "id": SPEC["id"],
    "name": "n",
    "version": "1.0",
    "authSpec": [
        {
            "name": "Basic",
            "spec": {
                "type": "object",
                "properties": {
                    "accessKeyId": {"type": "string"},
                    "secretKey": {"type": "string", "format": "password"},
                    "region": {"type": "string", "enum": ["us-east-1"]},
                    "port": {"type": "string"},
                },
                "required": ["accessKeyId", "secretKey", "region"],
            },
        }
    ],
    "attributes": {"isSource": True},
}
CONNECTION = {
    **COMMON,
    "connectionSpec": SPEC,
    "auth": {
        "specName": "Basic",
        "params": {
            "inletUrl": "https://dcs.adobedc.net/collection/abc",
            "dataType": "xdm",
            "authenticationRequired": "true",
            "region": "us-east-1",
        },
    },
}
SOURCE = {
    **COMMON,
    "connectionSpec": SPEC,
    "baseConnectionId": "b",
    "data": {"format": "json", "schema": {"id": "s"}},
    "params": {"stream": "s", "region": "r"},
}
SELECTOR = {"type": "PLATFORM_SEGMENT", "value": {"id": SEGMENT, "name": "s", "schedule": {"endDate": "x"}}}
FLOW = {
    **COMMON,
    "flowSpec": {"id": "f", "version": "1.0"},
    "sourceConnectionIds": ["s"],
    "targetConnectionIds": ["t"],
    "scheduleParams": {"frequency": "once", "startTime": 1},
    "transformations": [
        {
            "name": "GeneralTransform",
            "params": {
                "segmentSelectors": {"selectors": [SELECTOR]},
                "profileSelectors": {"selectors": [{"type": "JSON_PATH", "value": {"path": "a.b"}}]},
                "profileMapping": {"mappingId": "m", "mappingVersion": 0},
                "mandatoryFields": ["a"],
                "primaryFields": [{"fieldType": "ATTRIBUTE", "attributePath": "a"}],
            },
        },
        {"name": "Mapping", "params": {"mappingId": "m", "mappingVersion": 0}},
    ],
}
RUN = {
    "id": "r",
    "flowId": "f",
    "createdAt": 1,
    "updatedAt": 2,
    "params": {"windowStartTime": 1, "windowEndTime": 2},
    "metrics": {
        "statusSummary": {
            "status": "partialSuccess",
            "errors": [{"code": "c", "message": "m"}],
            "extensions": {},
        },
        "recordSummary": {
            "inputRecordCount": 9,
            "failedRecordCount": 1,
            "failedInfo": [{"code": "c", "message": "m"}],
            "targetSummaries": [{"entitySummaries": [{"id": f"segment:{SEGMENT}"}]}],
        },
    },
    "activities": [
        {
            "id": "a",
            "statusSummary": {
                "status": "success",
                "errors": [],
                "extensions": {"errors": [{"code": "d"}], "manifest": {"failedRecords": "https://h/p?sig=s"}},
            },
        }
    ],
    "sandboxName": "dev",
}
DATASET = {
    "name": "n",
    "created": 1,
    "schemaRef": {"id": "s", "contentType": "c"},
    "tags": {"unifiedProfile": ["enabled:true"]},
}
SCHEMA = {
    "$id": "s",
    "title": "n",
    "meta:class": "c",
    "allOf": [{"$ref": "c"}],
    "meta:immutableTags": ["union"],
    "meta:registryMetadata": {"repo:createdDate": 1},
}
IDENTITY = {
    "@id": "i",
    "@type": "xdm:descriptorIdentity",
    "xdm:sourceSchema": "s",
    "xdm:sourceProperty": "/p",
    "xdm:namespace": "Email",
    "xdm:isPrimary": True,
}
MAPPING_SET = {
    "id": "m",
    "version": 0,
    "name": "n",
    "createdDate": 1,
    "outputSchema": {"schemaRef": {"id": "s"}},
    "mappings": [{"source": "first", "destination": "person.name.firstName"}],
}
COLUMNS = {**MAPPING_SET, "outputSchema": {"jsonSchema": {"properties": {"first": {"type": "string"}}}}}
ERROR = {
    "type": "https://ns.adobe.com/aep/errors/FLOW-1439-404",
    "status": 404,
    "title": "t",
    "error_code": "403010",
    "message": "m",
    "report": {"detailed-message": "d", "request-id": "r"},
    "error": "invalid_client",
}


@dataclass(frozen=True)
class RequestKind:
    """One kind of request.

    :param document: a response to it.
    :param use: what the provider does with what it reads.
    """

    name: str
    request: Request[Any]
    document: Any
    use: Callable[[Any], object] = repr

    def __str__(self) -> str:
        return self.name


def kinds() -> list[RequestKind]:
    """All of them; those that read an object of Flow Service also read a list of them."""
    resources: tuple[tuple[request.Kind[Any], Any, Callable[[Any], object]], ...] = (
        (request.CONNECTION_SPECS, CONNECTION_SPEC, _use_spec),
        (request.FLOW_SPECS, {"id": "f", "name": "n", "attributes": {}}, repr),
        (request.CONNECTIONS, CONNECTION, _use_connection),
        (request.SOURCE_CONNECTIONS, SOURCE, repr),
        (request.TARGET_CONNECTIONS, SOURCE, _use_target),
        (request.FLOWS, FLOW, _use_flow),
        (request.RUNS, RUN, _use_run),
    )
    next_page = {"next": {"href": "/x?continuationToken=c"}}
    lists = [
        RequestKind(f"list of {kind.path}", request.page(kind), {"items": [found] * 2, "_links": next_page})
        for kind, found, _ in resources
    ]
    objects = [
        RequestKind(f"one of {kind.path}", request.get(kind, "i"), {"items": [found]}, use)
        for kind, found, use in resources
    ]
    return [*lists, *objects, *_of_flow_service(), *_of_other_services()]


def _of_flow_service() -> list[RequestKind]:
    created = {"id": "i", "etag": '"1"'}
    return [
        RequestKind("count", request.count(request.FLOWS), {"count": 7}),
        RequestKind("create", request.create(request.FLOWS, {}), created, _use_created),
        RequestKind("patch", request.patch(request.FLOWS, "i", "e", ()), created),
        RequestKind("action", request.action(request.FLOWS, "i", "enable"), created),
        RequestKind("delete", request.delete(request.FLOWS, "i"), {}),
        RequestKind("token", request.ims_token("me", "s", "x"), {"access_token": "t", "expires_in": 86399}),
    ]


def _of_other_services() -> list[RequestKind]:
    wanted_schema = DesiredSchema(name="n", schema_class="c", enable_for_profile=True)
    wanted_dataset = DesiredDataset(name="n", schema_id="s", enable_for_profile=True)
    wanted_mapping = DesiredMappingSet(name="n", schema_id="s", mappings=(MAPPING,))
    columns = {"first": {"type": "string", "title": "First"}}
    wanted_columns = DesiredMappingSet(name="n", columns=columns, mappings=(MAPPING,))
    target = inlet.Inlet("https://dcs.adobedc.net/collection/abc")
    result = {"xactionId": "x", "status": 400, "statusCode": "429", "message": "m"}
    segments = {"segments": [{"id": SEGMENT, "name": "n"}], "page": {"totalPages": 2, "totalCount": 9}}
    audience = {"id": SEGMENT, "audienceId": "a", "name": "n", "type": "ExternalSegment", "namespace": "x"}
    order = {"segment": SEGMENT, "statusURL": "https://platform.adobe.io/runs/r"}
    validation = {"status": "FAILURE", "errors": [{"source": "a", "destination": "b", "exception": "c"}]}
    return [
        RequestKind("list of datasets", datasets.page(), {"a": DATASET, "b": DATASET}),
        RequestKind("dataset", wanted_dataset.read("d"), {"d": DATASET}, _compared_by(wanted_dataset)),
        RequestKind("create dataset", wanted_dataset.create(), ["@/dataSets/d"]),
        RequestKind("list of schemas", schemas.page(), {"results": [SCHEMA] * 2, "_page": {"next": "n"}}),
        RequestKind("schema", wanted_schema.read("s"), SCHEMA, _compared_by(wanted_schema)),
        RequestKind("create schema", wanted_schema.create(), SCHEMA),
        RequestKind(
            "identities", identities.identities_of("s"), {IDENTITY["@type"]: [IDENTITY]}, _use_identities
        ),
        RequestKind("list of mapping sets", mapping_sets.page(), {"data": [MAPPING_SET] * 2}),
        RequestKind("mapping set", wanted_mapping.read("m"), MAPPING_SET, _compared_by(wanted_mapping)),
        RequestKind("columns", wanted_columns.read("m"), COLUMNS, _compared_by(wanted_columns)),
        RequestKind("create mapping set", wanted_mapping.create(), MAPPING_SET),
        RequestKind("validate", wanted_mapping.validate(), {"validationResponse": [validation]}),
        RequestKind("list of segments", audiences.segment_page(), segments),
        RequestKind(
            "list of audiences", audiences.audience_page(), {"children": [audience], "_page": {"next": 1}}
        ),
        RequestKind("export", adhoc.adhoc("f", [SEGMENT]), {"order": [order]}),
        RequestKind(
            "post a batch", inlet.Endpoints(target, "f").batch([b"{}"] * 2), {"responses": [result, result]}
        ),
        RequestKind("post one", inlet.Endpoints(target, None).single(b"{}"), result),
    ]


def _compared_by(desired: Any) -> Callable[[Any], object]:
    def use(found: Any) -> None:
        desired.matches(found)
        desired.differences(found)
        with suppress(FlowServiceError):
            desired.update(found)
            desired.read(found.id)
        repr(found)

    return use


def _use_identities(found: Any) -> None:
    with suppress(FlowServiceError):
        identities.primary_identity_of("s", PrimaryIdentity("/p", "Email")).update(found)


def _use_created(created: model.Created) -> None:
    request.get(request.FLOWS, created.id)


def _use_spec(spec: model.ConnectionSpec) -> None:
    auth_params(spec, dummy_connection(spec), {})


def _use_connection(found: model.BaseConnection) -> None:
    auth = model.AuthSpec(name="Basic", spec={"properties": {"region": {}}})
    params = {"region": "r", "secretKey": "s"}
    _compared_by(DesiredBaseConnection(name="n", spec_id=SPEC["id"], auth_spec=auth, auth_params=params))(
        found
    )
    inlet.Endpoints(inlet.inlet_of(found).checked("https://dcs.adobedc.net"), found.id).single(b"{}")


def _use_target(found: model.TargetConnection) -> None:
    params = {"stream": "s", "list": [1]}
    _compared_by(
        DesiredTargetConnection(name="n", spec_id=SPEC["id"], base_connection_id="b", params=params)
    )(found)


def _use_flow(flow: model.Flow) -> None:
    wanted = DesiredFlow(
        name="n",
        spec_id="f",
        source_connection_ids=["s"],
        target_connection_ids=["t"],
        schedule_params={"frequency": "hour"},
        transformations=[{"name": "Mapping", "params": {"mappingId": "m", "mappingVersion": 1}}],
        settings={"profileMapping": {"mappingId": "m", "mappingVersion": 0}, "primaryFields": [{"a": "b"}]},
    )
    _compared_by(wanted)(flow)
    desired = DesiredSelectors(
        segments=(Segment(SEGMENT, {"schedule": {"frequency": "DAILY"}}),),
        attributes=("a.b", "c"),
        settings={"mandatoryFields": ["a"]},
    )
    for mode in ActivationMode:
        with suppress(FlowServiceError):
            patch = selectors.compute_patch(flow, desired, mode)
            pretty(patch.after)
    runs.check_can_run(flow)


def _use_run(run: model.FlowRun) -> None:
    for limit in (0, 0.5, 10, None):
        outcome = outcomes.outcome_of(run, limit)
        assert len(str(outcome)) < 10_000
        assert outcomes.RunOutcome.from_json(outcome.to_json()) == outcome
        is_partial = run.state is model.RunState.PARTIAL
        assert not (outcome.is_good and is_partial and limit is not None and not outcome.counts.failed)
        outcomes.failure_of([outcome])
