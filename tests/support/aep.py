"""What tests put into the emulator and read out of it, through the client's own requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.console import Console
from airflow_provider_flowservice.client.flows.resources import (
    DesiredBaseConnection,
    DesiredFlow,
    DesiredSourceConnection,
    DesiredTargetConnection,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.settings import (
    DEFAULT_COLLECTION_HOST,
    DEFAULT_GATEWAY,
    DEFAULT_IMS_HOST,
    Settings,
)
from airflow_provider_flowservice.emulator.control import EmulatorControl

FLOW_SERVICE = "/data/foundation/flowservice"
KINESIS_KEYS = model.AuthSpec(
    name="Aws Kinesis authentication credentials",
    spec={
        "properties": {
            "accessKeyId": {"type": "string"},
            "secretKey": {"type": "string", "format": "password"},
            "region": {"type": "string"},
        },
        "required": ["accessKeyId", "secretKey"],
    },
)
KINESIS_SECRET = "aws+secret/of=tests"


def profile_store(name: str = "profile store", **changes: Any) -> DesiredBaseConnection:
    return DesiredBaseConnection(name=name, spec_id=specs.UNIFIED_PROFILE_SERVICE, **changes)


def kinesis(name: str = "kinesis", region: str = "us-east-1", **changes: Any) -> DesiredBaseConnection:
    return DesiredBaseConnection(
        name=name,
        spec_id=specs.AMAZON_KINESIS,
        auth_spec=KINESIS_KEYS,
        auth_params={"accessKeyId": "AKIA", "secretKey": KINESIS_SECRET, "region": region},
        **changes,
    )


def profiles(base_id: str, name: str = "profiles", **changes: Any) -> DesiredSourceConnection:
    return DesiredSourceConnection(
        name=name,
        spec_id=specs.UNIFIED_PROFILE_SERVICE,
        base_connection_id=base_id,
        data={"format": "json"},
        **changes,
    )


def stream(
    base_id: str, name: str = "stream", stream: str = "events", **changes: Any
) -> DesiredTargetConnection:
    return DesiredTargetConnection(
        name=name,
        spec_id=specs.AMAZON_KINESIS,
        base_connection_id=base_id,
        data={"format": "json"},
        params={"stream": stream, "region": "us-east-1"},
        **changes,
    )


def profile_flow(source_id: str, target_id: str, name: str = "flow", **changes: Any) -> DesiredFlow:
    return DesiredFlow(
        name=name,
        spec_id=specs.PROFILE_DESTINATION_FLOW,
        source_connection_ids=[source_id],
        target_connection_ids=[target_id],
        **changes,
    )


def make(sender: Sender, desired: Any) -> str:
    """Create a resource without looking for an earlier one."""
    return sender.send(request.create(desired.kind, desired.completed(sender).body)).id


def make_ends(sender: Sender) -> tuple[str, str]:
    """A source and a target connection with what they hang on."""
    return (
        make(sender, profiles(make(sender, profile_store()))),
        make(sender, stream(make(sender, kinesis()))),
    )


def make_flow(sender: Sender, name: str = "flow", **changes: Any) -> str:
    """A flow with everything that it needs."""
    return make(sender, profile_flow(*make_ends(sender), name=name, **changes))


def selected(flow: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The segment ids and attribute paths of a flow in the emulator's state; a flow to files has no such paths."""
    params = flow["transformations"][0]["params"]
    attributes = params.get("profileSelectors", {"selectors": []})
    return (
        [selector["value"]["id"] for selector in params["segmentSelectors"]["selectors"]],
        [selector["value"]["path"] for selector in attributes["selectors"]],
    )


def writes(control: EmulatorControl) -> list[tuple[str, str]]:
    """Method and collection of every request that may have changed something."""
    return [
        (entry["method"], entry["path"][len(FLOW_SERVICE) + 1 :].partition("/")[0])
        for entry in control.requests(path=FLOW_SERVICE)
        if entry["method"] != "GET"
    ]


def statuses(control: EmulatorControl, method: str, path: str) -> list[int | None]:
    """Status of each response to these requests; None if there was none."""
    return [entry["status"] for entry in control.requests(method, path)]


def ids(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def aep_settings(sandbox: str = "dev") -> Settings:
    """Settings of a connection to AEP itself, where tests send nothing."""
    return Settings(
        gateway=DEFAULT_GATEWAY,
        ims_host=DEFAULT_IMS_HOST,
        collection_host=DEFAULT_COLLECTION_HOST,
        org_id="tests@AdobeOrg",
        sandbox=sandbox,
        client_id="tests",
        access_token="t0ken-of-tests",
    )


def page_in_aep(sender: Sender, flow_id: str) -> str:
    """The page that a flow would have in AEP's user interface."""
    console = Console(aep_settings())
    console.learn(sender.send(request.get(request.FLOWS, flow_id)))
    return console.flow_page(flow_id)
