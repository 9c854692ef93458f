from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer

FLOW_SERVICE = "/data/foundation/flowservice"
UNIFIED_PROFILE = {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}
KINESIS = {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"}
PROFILE_FLOW = {"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"}
SECRET = "kinesis/secret+value"
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
        params = {"accessKeyId": "AKIA", "secretKey": SECRET, "region": "us-east-1"}
        auth = {"specName": "Aws Kinesis authentication credentials", "params": params}
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


def add_segment(segment_id: str) -> dict[str, Any]:
    value = {"type": "PLATFORM_SEGMENT", "value": {"id": segment_id}}
    return {"op": "add", "path": f"{SEGMENT_PATH}/-", "value": value}


def add_attribute(path: str) -> dict[str, Any]:
    value = {"type": "JSON_PATH", "value": {"path": path, "operator": "EXISTS"}}
    return {"op": "add", "path": f"{ATTRIBUTE_PATH}/-", "value": value}


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
