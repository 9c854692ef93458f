"""The operators of a destination that takes files, as its tests need them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from tests.support.files import FileDestination
from tests.support.tasks import run


def connect(destination: FileDestination, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> str:
    """Make the base connection, with the credentials from an Airflow connection."""
    arguments: dict[str, Any] = {"connection_spec": destination.spec_id}
    if destination.connection:
        monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps(destination.connection))
        arguments["auth_conn_id"] = "files"
    made, _ = run(FlowServiceCreateConnectionOperator(task_id="x", name="files", **{**arguments, **changes}))
    return str(made)


def onboard(destination: FileDestination, profiles: str, monkeypatch: pytest.MonkeyPatch) -> str:
    base = connect(destination, monkeypatch)
    params = {**destination.target_params, "fileType": "CSV", "compression": "NONE"}
    target, _ = run(
        FlowServiceCreateTargetConnectionOperator(
            task_id="x",
            name="files",
            connection_spec=destination.spec_id,
            base_connection_id=base,
            target_params=params,
            data_format=None,
        )
    )
    flow, _ = run(create_flow(destination.flow_spec_id, profiles, target))
    return str(flow)


def create_flow(spec: str, source: str, target: str, **changes: Any) -> FlowServiceCreateFlowOperator:
    return FlowServiceCreateFlowOperator(
        task_id="x",
        name="files",
        flow_spec=spec,
        source_connection_ids=source,
        target_connection_ids=target,
        **changes,
    )


def params(control: EmulatorControl) -> dict[str, Any]:
    (flow,) = control.state()["flows"]
    return dict(flow["transformations"][0]["params"])


def selected_segments(control: EmulatorControl) -> list[Any]:
    return list(params(control)["segmentSelectors"]["selectors"])
