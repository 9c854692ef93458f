"""A valid request for every operation of the emulator that takes a body or a query, with all that it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.emulator.conftest import (
    CATALOG,
    DATA_PREP,
    FLOW_SERVICE,
    HTTP_API,
    KINESIS,
    PROFILE_CLASS,
    REGISTRY,
    SECRET,
    UNIFIED_PROFILE,
    XDM_FULL,
    Api,
    Streaming,
    add_attribute,
    add_audience,
    add_segment,
)

SEGMENTATION = "/data/core/ups"
ADHOC = "/data/core/activation/disflowprovider/adhocrun"
JSON = {"Content-Type": "application/json"}
#: The two ways in which parameters get to IMS.
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Valid:
    """A request that the emulator accepts.

    :param target: path and query.
    :param body: anything that JSON can hold, or bytes of another type.
    :param prepare: is called before each time that it, or a variant of it, is sent; returns further headers.
    """

    method: str
    target: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], Mapping[str, str]] = dict

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body).encode()

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


def _post(target: str, body: Any, **headers: str) -> Valid:
    return Valid("POST", target, body, {**JSON, **headers})


def _change(api: Api, method: str, path: str, body: Any) -> Valid:
    """A change of a resource of Flow Service, which must name the current etag."""
    return Valid(method, f"{FLOW_SERVICE}{path}", body, JSON, lambda: {"If-Match": api.item(path)["etag"]})


def _passed(api: Api, seconds: float) -> Mapping[str, str]:
    """Let time pass: a run ends, and so many messages a minute are validated."""
    api.control.advance(seconds)
    return {}


def connections(api: Api) -> list[Valid]:
    """Base, source and target connections."""
    profiles, kinesis = api.profile_base()["id"], api.kinesis_base()["id"]
    keys = {"accessKeyId": "AKIA", "secretKey": SECRET, "region": "us-east-1"}
    auth = {"specName": "Aws Kinesis authentication credentials", "params": keys}
    inlet = {"specName": "Streaming Connection", "params": {"dataType": "raw", "sourceId": "a", "name": "b"}}
    source = {
        "name": "profiles",
        "description": "",
        "baseConnectionId": profiles,
        "connectionSpec": UNIFIED_PROFILE,
        "data": {"format": "json", "properties": {"columnDelimiter": ",", "encoding": "UTF-8"}},
        "params": {"path": "in"},
    }
    target = {
        "name": "stream",
        "baseConnectionId": kinesis,
        "connectionSpec": KINESIS,
        "data": {"format": "json", "schema": {"id": "x", "version": "1"}},
        "params": {"stream": "events", "region": "us-east-1"},
    }
    made = {"source": api.source(profiles)["id"], "target": api.target(kinesis)["id"]}
    rename = [{"op": "replace", "path": "/name", "value": "other"}]
    place = [
        {"op": "replace", "path": "/params", "value": {"stream": "other", "region": "us-east-1"}},
        {"op": "add", "path": "/description", "value": "new"},
        {"op": "remove", "path": "/description"},
    ]
    base = f"{FLOW_SERVICE}/connections"
    return [
        _post(
            f"{base}?mode=draft",
            {"name": "kinesis", "description": "", "connectionSpec": KINESIS, "auth": auth},
        ),
        _post(base, {"name": "inlet", "connectionSpec": HTTP_API, "auth": inlet}),
        _post(f"{FLOW_SERVICE}/sourceConnections", source),
        _post(f"{FLOW_SERVICE}/targetConnections", target),
        _change(api, "PATCH", f"/connections/{kinesis}", rename),
        _change(api, "PATCH", f"/sourceConnections/{made['source']}", rename),
        _change(api, "PATCH", f"/targetConnections/{made['target']}", place),
        _post(f"{base}/search", {"queryString": "property=name==x", "orderby": "-createdAt", "limit": 5}),
        _post(f"{base}/search", {"count": True, "projectionFields": "id,name"}),
    ]


def flows(api: Api) -> list[Valid]:
    """Flows to streams and files, of datasets and from files, and their runs."""
    segment = api.control.segments[0]
    stream = api.flow_body()
    stream["transformations"][0]["params"] = {
        "profileSelectors": {"selectors": [add_attribute("person.name.firstName")["value"]]},
        "segmentSelectors": {"selectors": [add_segment(segment)["value"]]},
    }
    columns = api.columns(email="person.email")
    identity = {"fieldType": "IDENTITY", "identityNamespace": "Email"}
    fields = {
        "mandatoryFields": ["email"],
        "primaryFields": [{"fieldType": "ATTRIBUTE", "attributePath": "email"}, identity],
        "profileMapping": {"mappingId": columns, "mappingVersion": 0},
        "segmentSelectors": {"selectors": [add_audience(segment)["value"]]},
    }
    files = api.file_flow_body(**fields)
    made, of_files = api.flow()["id"], api.create("/flows", files)["id"]
    operations = [add_segment(segment), add_attribute("person.name")]
    start = {"startTime": int(api.control.now()) + 100, "frequency": "once"}
    batch = api.batch_flow(**start).json()["id"]
    body = api.item(f"/flows/{batch}")
    hourly = {"startTime": 2_000_000_000, "frequency": "hour", "interval": 1, "endTime": 2_000_009_000}
    api.control.set_switches(run_outcome="failed", run_seconds=0)
    failed = api.create("/runs", {"flowId": batch})["id"]
    api.control.set_switches(run_outcome="success", run_seconds=60)
    again = {name: body[name] for name in ("flowSpec", "sourceConnectionIds", "targetConnectionIds")}
    datasets = {"id": "23598e46-f560-407b-88d5-ea6207e49db0", "version": "1.0"}
    exported = {"name": "d", "connectionSpec": datasets, "params": {"datasets": [{"dataSetId": "1"}]}}
    export = {
        "name": "datasets",
        "flowSpec": {"id": "269ba276-16fc-47db-92b0-c1049a3c131f", "version": "1.0"},
        "sourceConnectionIds": [api.create("/sourceConnections", exported)["id"]],
        "targetConnectionIds": files["targetConnectionIds"],
        "transformations": [],
        "scheduleParams": {"startTime": 2_000_000_000, "interval": 3, "timeUnit": "hour"},
    }
    reschedule = [{"op": "replace", "path": "/scheduleParams", "value": hourly}]
    return [
        _post(f"{FLOW_SERVICE}/flows", stream),
        _post(f"{FLOW_SERVICE}/flows", files),
        _post(f"{FLOW_SERVICE}/flows", {**again, "name": "hourly", "scheduleParams": hourly}),
        _post(f"{FLOW_SERVICE}/flows", export),
        _change(api, "PATCH", f"/flows/{made}", operations),
        _change(api, "PATCH", f"/flows/{of_files}", [add_audience(api.control.segments[1])]),
        _post(f"{FLOW_SERVICE}/runs", {"flowId": batch, "params": {"startTime": 1}}),
        _change(api, "PATCH", f"/flows/{batch}", reschedule),
        _post(f"{FLOW_SERVICE}/flows/search", {"queryString": "state==enabled", "limit": 1}),
        _post(f"{FLOW_SERVICE}/flowSpecs/search", {"projectionFields": "id"}),
        Valid("POST", f"{FLOW_SERVICE}/flows/{made}/action?op=disable"),
        Valid("POST", f"{FLOW_SERVICE}/runs/{failed}/action?op=re_trigger"),
    ]


def mapped_flows(api: Api) -> list[Valid]:
    """Flows from an inlet to a dataset, and the target connections that name its schema."""
    raw = Streaming(api, "raw", mapped=True)
    body = raw.flow_body(mapped=True)
    target = api.item(f"/targetConnections/{body['targetConnectionIds'][0]}")
    again = {name: target[name] for name in ("name", "connectionSpec", "data", "params")}
    return [_post(f"{FLOW_SERVICE}/flows", body), _post(f"{FLOW_SERVICE}/targetConnections", again)]


def schemas(api: Api) -> list[Valid]:
    """Resources of Schema Registry."""
    fields = {"_emulator": {"type": "object", "properties": {"tier": {"type": "string", "enum": ["a"]}}}}
    text = {"type": "object", "description": "", "title": "Loyalty"}
    part = {"$ref": "#/definitions/own", "type": "object"}
    own = {
        "definitions": {"own": {"type": "object", "properties": fields, "required": ["_emulator"]}},
        "allOf": [part],
        "meta:intendedToExtend": [PROFILE_CLASS],
    }
    behavior = {"$ref": "https://ns.adobe.com/xdm/data/record"}
    replaced, patched = (f"{REGISTRY}/tenant/schemas/{quote(api.schema(), safe='')}" for _ in range(2))
    schema = {**text, "allOf": [{"$ref": PROFILE_CLASS}], "meta:immutableTags": ["union"]}
    operations = [
        {"op": "add", "path": "/meta:immutableTags", "value": ["union"]},
        {"op": "test", "path": "/title", "value": "Customers"},
        {"op": "copy", "path": "/description", "from": "/title"},
        {"op": "move", "path": "/meta:other", "from": "/description"},
        {"op": "remove", "path": "/meta:other"},
    ]
    made = {name: f"https://ns.adobe.com/emulator/mixins/{name}" for name in ("one", "two")}
    imported = [
        {**text, **own, "$id": made["one"], "meta:resourceType": "mixins", "title": "Imported"},
        {
            **text,
            "$id": made["two"],
            "meta:resourceType": "mixins",
            "title": "Second",
            "allOf": [{"$ref": made["one"]}],
        },
    ]
    return [
        *(
            _post(f"{REGISTRY}/tenant/{collection}", body)
            for collection, body in {
                "schemas": schema,
                "classes": {**text, **own, "allOf": [behavior, part]},
                "fieldgroups": {**text, **own},
                "datatypes": {**text, "properties": {"list": {"type": "array", "items": part}}, **own},
            }.items()
        ),
        Valid("PUT", replaced, {**text, "allOf": [{"$ref": PROFILE_CLASS}]}, JSON),
        Valid("PATCH", patched, operations, JSON),
        _post(f"{REGISTRY}/rpc/import", imported),
        _post(f"{REGISTRY}/rpc/export", [{**imported[0], "$id": f"{made['one']}-again", "title": "Again"}]),
    ]


def descriptors(api: Api) -> list[Valid]:
    """Descriptors of Schema Registry."""
    schema, other = api.schema(), api.schema("Other")
    field_of = {"xdm:sourceSchema": schema, "xdm:sourceVersion": 1}
    email = {**field_of, "xdm:sourceProperty": "/workEmail/address"}
    identity = {
        **email,
        "@type": "xdm:descriptorIdentity",
        "xdm:namespace": "Email",
        "xdm:property": "xdm:code",
        "xdm:isPrimary": True,
    }
    name = {**field_of, "xdm:sourceProperty": "/person/name/firstName"}
    held = api.create(f"{REGISTRY}/tenant/descriptors", {**name, "@type": "xdm:descriptorLabel"})["@id"]
    names = {**name, "@type": "xdm:alternateDisplayInfo", "xdm:title": {"en_us": "First"}}
    relation = {
        **name,
        "@type": "xdm:descriptorOneToOne",
        "xdm:destinationSchema": other,
        "xdm:destinationVersion": 1,
    }
    key = {
        "@type": "xdm:descriptorPrimaryKey",
        "xdm:sourceSchema": schema,
        "xdm:sourceProperty": ["/person/name/lastName"],
    }
    path = f"{REGISTRY}/tenant/descriptors"
    bodies = (identity, names, relation, key, {**name, "@type": "xdm:descriptorDeprecated"})
    return [*(_post(path, each) for each in bodies), Valid("PUT", f"{path}/{held}", names, JSON)]


def datasets(api: Api) -> list[Valid]:
    """Datasets."""
    schema = api.schema()
    api.enable(schema)
    reference = {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"}
    body = {
        "name": "customers",
        "description": "",
        "schemaRef": reference,
        "tags": {"unifiedProfile": ["enabled:true"]},
        "fileDescription": {"persisted": True, "format": "parquet"},
    }
    path = f"{CATALOG}/dataSets"
    held = api.call("POST", path, json=body).json()[0].rpartition("/")[2]
    operations = [{"op": "add", "path": "/tags/unifiedIdentity", "value": ["enabled:true"]}]
    return [
        _post(path, body),
        Valid("PATCH", f"{path}/{held}", operations, JSON),
        Valid("PATCH", f"{path}/{held}", {"description": "new", "tags": {"a": ["b"]}}, JSON),
        Valid("PATCH", f"{CATALOG}/v2/dataSets/{held}", {"fileDescription": {"format": "json"}}, JSON),
        Valid("PUT", f"{path}/{held}", body, JSON),
    ]


def mapping_sets(api: Api) -> list[Valid]:
    """Schemas and mapping sets of Data Prep."""
    schema = api.schema()
    pair = {"sourceType": "ATTRIBUTE", "source": "a", "destination": "person.name.firstName"}
    older = {"sourceType": "text/x.schema-path", "source": "a", "destination": "person.name.firstName"}
    legacy = {"sourceAttribute": "a", "destinationXdmPath": "person.name.lastName"}
    new = {"outputSchema": {"schemaRef": {"id": schema, "contentType": "x"}}, "mappings": [pair, older]}
    old = {"name": "n", "version": 0, "xdmSchema": schema, "xdmVersion": "1.0", "mappings": [legacy]}
    columns = {"type": "object", "properties": {"email": {"type": "string"}}}
    own = {
        "outputSchema": {"jsonSchema": columns},
        "mappings": [{"sourceType": "STATIC", "source": "x", "destination": "email"}],
    }
    held = api.call("POST", f"{DATA_PREP}/mappingSets", json=old).json()["id"]
    made = api.call("POST", f"{DATA_PREP}/schemas", json={"name": "s", "jsonSchema": columns}).json()["id"]
    path = f"{DATA_PREP}/mappingSets"
    return [
        _post(f"{DATA_PREP}/schemas", {"name": "s", "jsonSchema": columns}),
        *(_post(path, each) for each in (new, old, own)),
        _post(path, {**own, "outputSchema": {"id": made}}),
        _post(f"{path}/validate", new),
        _post(f"{path}/preview", {"data": [{"a": "Ada"}], "mappingSet": new}),
        Valid("PUT", f"{path}/{held}", old, JSON),
    ]


def segments(api: Api) -> list[Valid]:
    """Segments and their jobs, and ad-hoc activation."""
    segment = api.control.segments[0]
    definition = {
        "name": "Mine",
        "description": "",
        "expression": {"type": "PQL", "format": "pql/text", "value": "true"},
        "schema": {"name": "_xdm.context.profile"},
    }
    flow = api.file_flow()
    api.patch(f"/flows/{flow['id']}", flow["etag"], add_audience(segment))
    order = {"activationInfo": {flow["id"]: [segment]}, "exportIds": ["4ea968a0-0000-4000-8000-000000000000"]}
    second = {"Accept": "application/vnd.adobe.adhoc.activation+json; version=2"}
    jobs = f"{SEGMENTATION}/segment/jobs"
    made = api.call("POST", jobs, json=[{"segmentId": segment}]).json()["id"]
    return [
        _post(f"{SEGMENTATION}/segment/definitions", definition),
        _post(jobs, [{"segmentId": segment}]),
        _post(f"{jobs}/bulk-get", {"ids": [{"id": made}]}),
        Valid("POST", ADHOC, order, JSON, lambda: _passed(api, 100)),
        Valid("POST", ADHOC, order, JSON | second, lambda: _passed(api, 100)),
        Valid(
            "POST", "/data/foundation/connectors/landingzone/credentials?type=user_drop_zone&action=refresh"
        ),
    ]


def inlets(api: Api) -> list[Valid]:
    """Messages and batches, with and without an envelope, and validated at once."""
    xdm, raw = Streaming(api), Streaming(api, "raw", mapped=True)
    api.control.advance(301)
    envelope = xdm.envelope(_id="1", person={"name": {"firstName": "Ada"}})
    record = {"first": "Ada", "mail": "ada@example.com", "number": 1.5, "list": [1]}

    def target(source: Streaming, batch: bool = False) -> str:
        return f"/collection/{'batch/' if batch else ''}{source.inlet_id}"

    flow = f"?x-adobe-flow-id={raw.flow_id}"
    return [
        _post(target(xdm), envelope),
        Valid("POST", f"{target(xdm)}?syncValidation=true", envelope, JSON, lambda: _passed(api, 1)),
        _post(target(xdm, batch=True), {"messages": [envelope, envelope]}),
        _post(f"{target(raw)}{flow}", record),
        _post(f"{target(raw, batch=True)}{flow}", {"messages": [record, record]}),
        _post(target(raw), record, **{"x-adobe-flow-id": raw.flow_id}),
    ]


def ims(api: Api) -> list[Valid]:
    """Tokens."""
    credential = api.credential
    client = f"client_id={credential.client_id}&client_secret={credential.client_secret}"
    form = f"grant_type=client_credentials&{client}&scope=openid,AdobeID".encode()
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (pair.split("=") for pair in form.decode().split("&"))
    )
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    return [
        Valid("POST", "/ims/token/v3", form, FORM),
        Valid("POST", f"/ims/token/v2?{form.decode()}"),
        Valid("POST", "/ims/token/v3", f"{parts}--b--\r\n".encode(), multipart),
        Valid("POST", "/ims/exchange/jwt", f"{client}&jwt_token=x".encode(), FORM),
    ]


def control(_api: Api) -> list[Valid]:
    """What the emulator itself is told. No request of another group gets one of these faults."""
    match = {"method": "GET", "path": "*/nothing"}
    faults = [
        {"kind": "status", "status": 503, "headers": {"Retry-After": "1"}, "body": {"message": "x"}},
        {"kind": "delay", "seconds": 0.5},
        {"kind": "rate_limit", "retry_after": 1, "as_date": True},
        {"kind": "html", "status": 502},
        {"kind": "forbidden"},
        {"kind": "foreign", "client": "other"},
        {"kind": "stale_etag", "seconds": 0},
    ]
    return [
        _post("/_emulator/sandboxes", {"name": "other"}),
        _post("/_emulator/clock", {"advance": 1.5}),
        *(
            _post("/_emulator/faults", [{"match": match, "after": 0, "times": 1, "fault": each}])
            for each in faults
        ),
        _post(
            "/_emulator/switches", {"patch_response": "202", "mask_secrets": False, "default_page_size": 10}
        ),
    ]


def reads(api: Api) -> list[Valid]:
    """Reads with a query, or with a header that is parsed."""
    flow = api.flow()["id"]
    target = api.file_flow_body()["targetConnectionIds"][0]
    base = api.item(f"/targetConnections/{target}")["baseConnectionId"]
    schema = quote(api.schema(), safe="")
    for number in range(3):
        api.profile_base(f"base {number}")
    following = api.get("/connections", limit=1).json()["_links"]["next"]["href"]
    lists = "orderby=-createdAt,name&limit=2&property=name==a,%22b%22&property=createdAt%3E1600000000000"
    audiences = "limit=2&start=1&name=men&property=audienceId==x&sort=name:asc"
    registry = "orderby=-title&limit=2&start=M&property=meta:immutableTags==union,version%3E1"
    xed = {"Accept": "application/vnd.adobe.xed+json"}
    last = api.session.get(f"{api.url}/_emulator/page/overview").json()["lastRequest"]
    spec = f"{FLOW_SERVICE}/connectionSpecs/{KINESIS['id']}"
    targets = (
        f"{FLOW_SERVICE}/flows?{lists}",
        f"{FLOW_SERVICE}{following}",
        f"{FLOW_SERVICE}/connections?count=true&property=auth.params.s3AccessKey==AKIA",
        f"{FLOW_SERVICE}/runs?property=metrics.statusSummary.status==success&limit=5",
        f"{FLOW_SERVICE}/flows/{flow}/runs?limit=2",
        f"{FLOW_SERVICE}/connectionSpecs?property=name==%22Amazon%20Kinesis%22&orderby=name",
        f"{FLOW_SERVICE}/connections/{base}/explore?objectType=folder&object=/daily",
        f"{spec}/configs?outputType=activationDatasets&outputField=datasets&start=0&limit=5",
        f"{CATALOG}/dataSets?orderBy=desc:created,name&limit=5&start=0&name=x&property=description==y",
        f"{DATA_PREP}/mappingSets?start=0&limit=5&name=x",
        f"{SEGMENTATION}/segment/definitions?limit=5&page=1&sort=name:desc",
        f"{SEGMENTATION}/audiences?{audiences}",
        f"{SEGMENTATION}/segment/jobs?limit=5&start=0&sort=updateTime:asc&status=NEW&property=segments~segmentId==x",
        "/data/foundation/connectors/landingzone?type=user_drop_zone",
        f"/_emulator/exports/{flow}?wait=0&sandbox=dev",
        "/_emulator/page/flows?sandbox=dev&offset=0&limit=5&search=flow",
        "/_emulator/page/requests?before=100&after=1&limit=5&search=flows",
        f"/_emulator/page/requests/{last}?x=1",
    )
    return [
        *(Valid("GET", each) for each in targets),
        Valid("GET", f"{REGISTRY}/tenant/schemas?{registry}", headers=xed),
        Valid("GET", f"{REGISTRY}/tenant/schemas/{schema}?x=1", headers={"Accept": XDM_FULL}),
        Valid(
            "GET", f"{REGISTRY}/tenant/descriptors?x=1", headers={"Accept": "application/vnd.adobe.xdm+json"}
        ),
    ]


#: Each makes what its requests need, in an emulator that has nothing yet.
GROUPS: tuple[Callable[[Api], list[Valid]], ...] = (
    connections,
    flows,
    mapped_flows,
    schemas,
    descriptors,
    datasets,
    mapping_sets,
    segments,
    inlets,
    ims,
    control,
    reads,
)
