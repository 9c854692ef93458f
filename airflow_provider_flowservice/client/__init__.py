"""A client for Adobe Experience Platform's Flow Service. It does not depend on Airflow.

The names exported here are the public API. Everything else in this package may change without notice.
"""

from __future__ import annotations

from airflow_provider_flowservice.client import errors, waits
from airflow_provider_flowservice.client.activation import ActivationMode, ActiveSegment, RemovalLimits
from airflow_provider_flowservice.client.datasets import (
    DesiredDataset,
    DesiredMappingSet,
    DesiredSchema,
    FieldMapping,
    PrimaryIdentity,
)
from airflow_provider_flowservice.client.ensure import IfExists
from airflow_provider_flowservice.client.flows import (
    DesiredBaseConnection,
    DesiredFlow,
    DesiredSourceConnection,
    DesiredTargetConnection,
    PruneAction,
    ReportedRun,
    Window,
    specs,
)
from airflow_provider_flowservice.client.http import (
    CONNECTION_SPECS,
    CONNECTIONS,
    FLOW_SPECS,
    FLOWS,
    RUNS,
    SOURCE_CONNECTIONS,
    TARGET_CONNECTIONS,
    equals,
)
from airflow_provider_flowservice.client.model import (
    Flow,
    FlowKind,
    FlowRun,
    FlowState,
    RunError,
    RunState,
    SelectorKind,
)

__all__ = [
    "CONNECTIONS",
    "CONNECTION_SPECS",
    "FLOWS",
    "FLOW_SPECS",
    "RUNS",
    "SOURCE_CONNECTIONS",
    "TARGET_CONNECTIONS",
    "ActivationMode",
    "ActiveSegment",
    "DesiredBaseConnection",
    "DesiredDataset",
    "DesiredFlow",
    "DesiredMappingSet",
    "DesiredSchema",
    "DesiredSourceConnection",
    "DesiredTargetConnection",
    "FieldMapping",
    "Flow",
    "FlowKind",
    "FlowRun",
    "FlowState",
    "IfExists",
    "PrimaryIdentity",
    "PruneAction",
    "RemovalLimits",
    "ReportedRun",
    "RunError",
    "RunState",
    "SelectorKind",
    "Window",
    "equals",
    "errors",
    "specs",
    "waits",
]
