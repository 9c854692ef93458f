from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.outputs import exporter
from airflow_provider_flowservice.emulator.server import EmulatorServer

FLOW_SERVICE = "/data/foundation/flowservice"
UNIFIED_PROFILE = {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}
KINESIS = {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"}
PROFILE_FLOW = {"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"}
SECRET = "kinesis/secret+value"
KEYS = {"accessKeyId": "AKIA", "secretKey": SECRET, "region": "us-east-1"}
PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
REGISTRY = "/data/foundation/schemaregistry"
CATALOG = "/data/foundation/catalog"
DATA_PREP = "/data/foundation/conversion"
XDM_FULL = "application/vnd.adobe.xed-full+json;version=1"
HTTP_API = {"id": "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb", "version": "1.0"}
DATA_LAKE = {"id": "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "version": "1.0"}
SETTLED = 301
SEGMENT_PATH = "/transformations/0/params/segmentSelectors/selectors"
ATTRIBUTE_PATH = "/transformations/0/params/profileSelectors/selectors"


class Api:
    """A caller with a token, as a person with curl would be."""

    def __init__(self, url: str, control: EmulatorControl) -> None:
        self.url = url
        self.control = control
        self.credential = control.credential
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(
            {
                "x-api-key": self.credential.client_id,
                "x-gw-ims-org-id": self.credential.org_id,
                "x-sandbox-name": self.credential.sandbox,
            }
        )

    def ask_for_token(self, **changes: str) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.credential.client_id,
            "client_secret": self.credential.client_secret,
            "scope": "openid,AdobeID",
        }
        return requests.post(f"{self.url}/ims/token/v3", data=form | changes, timeout=10)

    def log_in(self) -> None:
        token = self.ask_for_token().json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        prefix = "" if path.startswith(("/data", "/ims", "/collection")) else FLOW_SERVICE
        return self.session.request(method, f"{self.url}{prefix}{path}", timeout=10, **kwargs)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.call("GET", path, params=params)

    def create(self, path: str, body: dict[str, Any]) -> dict[str, str]:
        response = self.call("POST", path, json=body)
        assert response.status_code == 201, response.text
        receipt: dict[str, str] = response.json()
        return receipt

    def item(self, path: str) -> dict[str, Any]:
        response = self.get(path)
        assert response.status_code == 200, response.text
        (item,) = response.json()["items"]
        return dict(item)

    def patch(self, path: str, etag: str, *operations: dict[str, Any]) -> requests.Response:
        return self.call("PATCH", path, json=list(operations), headers={"If-Match": etag})

    def profile_base(self, name: str = "profile base") -> dict[str, str]:
        return self.create("/connections", {"name": name, "connectionSpec": UNIFIED_PROFILE})

    def kinesis_base(self, name: str = "kinesis base") -> dict[str, str]:
        auth = {"specName": "Aws Kinesis authentication credentials", "params": KEYS}
        return self.create("/connections", {"name": name, "connectionSpec": KINESIS, "auth": auth})

    def source(self, base_id: str) -> dict[str, str]:
        return self.create(
            "/sourceConnections",
            {
                "name": "profiles",
                "baseConnectionId": base_id,
                "connectionSpec": UNIFIED_PROFILE,
                "data": {"format": "json"},
                "params": {},
            },
        )

    def target(self, base_id: str) -> dict[str, str]:
        return self.create(
            "/targetConnections",
            {
                "name": "stream",
                "baseConnectionId": base_id,
                "connectionSpec": KINESIS,
                "data": {"format": "json"},
                "params": {"stream": "events", "region": "us-east-1"},
            },
        )

    def flow_body(self, name: str = "flow") -> dict[str, Any]:
        params = {"profileSelectors": {"selectors": []}, "segmentSelectors": {"selectors": []}}
        return {
            "name": name,
            "flowSpec": PROFILE_FLOW,
            "sourceConnectionIds": [self.source(self.profile_base()["id"])["id"]],
            "targetConnectionIds": [self.target(self.kinesis_base()["id"])["id"]],
            "transformations": [{"name": "GeneralTransform", "params": params}],
        }

    def flow(self, name: str = "flow") -> dict[str, str]:
        return self.create("/flows", self.flow_body(name))

    def schema(self, title: str = "Customers") -> str:
        groups = ("profile-person-details", "profile-work-details")
        parts = [PROFILE_CLASS, *(f"https://ns.adobe.com/xdm/context/{group}" for group in groups)]
        body = {
            "type": "object",
            "title": title,
            "description": "",
            "allOf": [{"$ref": part} for part in parts],
        }
        return str(self.create(f"{REGISTRY}/tenant/schemas", body)["$id"])

    def enable(self, schema_id: str) -> requests.Response:
        """Enable a schema for Profile."""
        tag = {"op": "add", "path": "/meta:immutableTags", "value": ["union"]}
        return self.call("PATCH", f"{REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}", json=[tag])

    def columns(self, **mappings: str) -> str:
        """The id of a mapping set of a destination: source by column."""
        body = {
            "outputSchema": {
                "jsonSchema": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in mappings},
                }
            },
            "mappings": [
                {"sourceType": "ATTRIBUTE", "source": source, "destination": name}
                for name, source in mappings.items()
            ],
        }
        made = self.call("POST", f"{DATA_PREP}/mappingSets", json=body)
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    def file_flow(self) -> dict[str, str]:
        """A flow that exports audiences to files in Amazon S3."""
        return self.create("/flows", self.file_flow_body())

    def file_flow_body(self, **params: Any) -> dict[str, Any]:
        """The same, with other ``params`` of its transformation."""
        spec = {"id": "4fce964d-3f37-408f-9778-e597338a21ee", "version": "1.0"}
        auth = {"specName": "Access Key", "params": {"s3AccessKey": "AKIA", "s3SecretKey": SECRET}}
        base = self.create("/connections", {"name": "s3", "connectionSpec": spec, "auth": auth})["id"]
        place = {"bucketName": "bucket", "path": "out", "fileType": "CSV", "compression": "NONE"}
        target = {"name": "files", "baseConnectionId": base, "connectionSpec": spec, "params": place}
        source = {"name": "profiles", "connectionSpec": UNIFIED_PROFILE}
        transform = {
            "mandatoryFields": [],
            "primaryFields": [],
            "profileMapping": {},
            "segmentSelectors": {"selectors": []},
            **params,
        }
        return {
            "name": "files",
            "flowSpec": {"id": "1a0514a6-33d4-4c7f-aff8-594799c47549", "version": "1.0"},
            "sourceConnectionIds": [self.create("/sourceConnections", source)["id"]],
            "targetConnectionIds": [self.create("/targetConnections", target)["id"]],
            "transformations": [{"name": "GeneralTransform", "params": transform}],
        }

    def batch_flow(self, **schedule: Any) -> requests.Response:
        """Try to create a flow that reads files on a schedule."""
        streaming = Streaming(self, "raw")
        spec = {"id": "26f526f2-58f4-4712-961d-e41bf1ccc0e8", "version": "1.0"}
        base = self.create("/connections", {"name": "zone", "connectionSpec": spec})["id"]
        source = {"name": "zone", "baseConnectionId": base, "connectionSpec": spec, "params": {"path": "in"}}
        body = {
            **streaming.flow_body(mapped=False),
            "flowSpec": {"id": "9753525b-82c7-4dce-8a9b-5ccfce2b9876", "version": "1.0"},
            "sourceConnectionIds": [self.create("/sourceConnections", source)["id"]],
            "scheduleParams": schedule,
        }
        return self.call("POST", "/flows", json=body)


def add_audience(segment_id: str, **changes: Any) -> dict[str, Any]:
    """The operation that adds an audience with a schedule to a flow that exports files."""
    schedule = {
        "frequency": "DAILY",
        "triggerType": "SCHEDULED",
        "startDate": "2100-01-01",
        "startTime": "10:00",
        **changes.pop("schedule", {}),
    }
    operation = add_segment(segment_id)
    operation["value"]["value"] |= {
        "exportMode": "DAILY_FULL_EXPORT",
        "filenameTemplate": "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%",
        "schedule": {name: value for name, value in schedule.items() if value is not None},
        **changes,
    }
    return operation


def add_segment(segment_id: str) -> dict[str, Any]:
    value = {"type": "PLATFORM_SEGMENT", "value": {"id": segment_id}}
    return {"op": "add", "path": f"{SEGMENT_PATH}/-", "value": value}


def add_attribute(path: str) -> dict[str, Any]:
    value = {"type": "JSON_PATH", "value": {"path": path, "operator": "EXISTS"}}
    return {"op": "add", "path": f"{ATTRIBUTE_PATH}/-", "value": value}


def identity(schema_id: str, **changes: Any) -> dict[str, Any]:
    """The descriptor that makes the work email address the primary identity of a schema."""
    return {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": schema_id,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": "/workEmail/address",
        "xdm:namespace": "Email",
        "xdm:property": "xdm:code",
        "xdm:isPrimary": True,
        **changes,
    }


def code_of(response: requests.Response) -> str:
    """The FLOW code of an error in its current shape."""
    return str(response.json()["type"].rpartition("/")[2])


@pytest.fixture(scope="session")
def emulator_server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def control(emulator_server: EmulatorServer) -> EmulatorControl:
    control = emulator_server.control
    control.reset()
    return control


@pytest.fixture
def api(emulator_server: EmulatorServer, control: EmulatorControl) -> Iterator[Api]:
    api = Api(emulator_server.url, control)
    api.log_in()
    control.clear_requests()
    yield api
    api.session.close()


class Streaming:
    """An HTTP API source from schema to flow, as the second tutorial builds it."""

    def __init__(
        self, api: Api, data_type: str = "xdm", authenticated: bool = False, mapped: bool = False
    ) -> None:
        self.api = api
        self.schema_id = api.schema()
        self.dataset_id = self.make_dataset()
        self.base_id = self.make_base(data_type, authenticated)
        self.flow_id = self.make_flow(mapped)
        params = api.item(f"/connections/{self.base_id}")["auth"]["params"]
        self.inlet_id, self.inlet_url = params["inletId"], params["inletUrl"]

    def make_dataset(self) -> str:
        reference = {"id": self.schema_id, "contentType": "application/vnd.adobe.xed+json;version=1"}
        made = self.api.call(
            "POST", f"{CATALOG}/dataSets", json={"name": "customers", "schemaRef": reference}
        )
        return str(made.json()[0].rpartition("/")[2])

    def make_base(self, data_type: str, authenticated: bool) -> str:
        params: dict[str, Any] = {"dataType": data_type}
        if authenticated:
            params |= {"sourceId": "acme", "name": "acme", "authenticationRequired": True}
        auth = {"specName": "Streaming Connection", "params": params}
        return self.api.create("/connections", {"name": "inlet", "connectionSpec": HTTP_API, "auth": auth})[
            "id"
        ]

    def make_mapping(self, **paths: str) -> str:
        mappings = [{"sourceAttribute": source, "destinationXdmPath": paths[source]} for source in paths]
        body = {"version": 0, "xdmSchema": self.schema_id, "xdmVersion": "1.0", "mappings": mappings}
        made = self.api.call("POST", f"{DATA_PREP}/mappingSets", json=body)
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    def flow_body(self, mapped: bool) -> dict[str, Any]:
        source = {"name": "source", "baseConnectionId": self.base_id, "connectionSpec": HTTP_API}
        target = {
            "name": "target",
            "connectionSpec": DATA_LAKE,
            "data": {
                "schema": {"id": self.schema_id, "version": "application/vnd.adobe.xed-full+json;version=1.0"}
            },
            "params": {"dataSetId": self.dataset_id},
        }
        body: dict[str, Any] = {
            "name": "stream",
            "flowSpec": {"id": "d8a6f005-7eaf-4153-983e-e8574508b877", "version": "1.0"},
            "sourceConnectionIds": [self.api.create("/sourceConnections", source)["id"]],
            "targetConnectionIds": [self.api.create("/targetConnections", target)["id"]],
        }
        if mapped:
            mapping_id = self.make_mapping(first="person.name.firstName", mail="workEmail.address")
            body["flowSpec"] = {"id": "c1a19761-d2c7-4702-b9fa-fe91f0613e81", "version": "1.0"}
            params = {"mappingId": mapping_id, "mappingVersion": 0}
            body["transformations"] = [{"name": "Mapping", "params": params}]
        return body

    def make_flow(self, mapped: bool) -> str:
        return self.api.create("/flows", self.flow_body(mapped))["id"]

    def envelope(self, **entity: Any) -> dict[str, Any]:
        reference = {
            "id": self.schema_id,
            "contentType": "application/vnd.adobe.xed-full-notext+json; version=1.0",
        }
        header = {
            "schemaRef": reference,
            "flowId": self.flow_id,
            "datasetId": self.dataset_id,
            "imsOrgId": self.api.credential.org_id,
        }
        return {"header": header, "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": entity}}

    def send(self, body: Any, batch: bool = False, query: str = "", **headers: str) -> requests.Response:
        url = self.inlet_url.replace("/collection/", "/collection/batch/") if batch else self.inlet_url
        return requests.post(f"{url}{query}", json=body, headers=headers, timeout=10)

    def settle(self) -> None:
        self.api.control.advance(SETTLED)

    def messages(self) -> list[dict[str, Any]]:
        return self.api.control.messages(self.inlet_id)


@contextmanager
def serving(token: str = "", **options: Any) -> Iterator[Api]:
    """An emulator of a test's own, and a caller with a token.

    :param token: its Authorization header; a new token by default.
    :param options: of :class:`EmulatorServer`.
    """
    with EmulatorServer(**options) as server:
        api = Api(server.url, server.control)
        if token:
            api.session.headers["Authorization"] = token
        else:
            api.log_in()
        yield api
        api.session.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs try again without a pause."""
    monkeypatch.setattr(exporter, "_PAUSES", (0, 0, 0))
