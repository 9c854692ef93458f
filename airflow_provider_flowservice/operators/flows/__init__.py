"""Operators for flows."""

from __future__ import annotations

from airflow_provider_flowservice.operators.flows.changes import (
    FlowServiceCreateFlowOperator,
    FlowServiceDeleteFlowOperator,
    FlowServicePublishFlowOperator,
    FlowServiceSetFlowStateOperator,
    FlowServiceUpdateFlowOperator,
)
from airflow_provider_flowservice.operators.flows.lookup import FlowServiceFindFlowOperator
from airflow_provider_flowservice.operators.flows.pruning import FlowServicePruneFlowsOperator
from airflow_provider_flowservice.operators.flows.runs import FlowServiceRunFlowOperator

__all__ = [
    "FlowServiceCreateFlowOperator",
    "FlowServiceDeleteFlowOperator",
    "FlowServiceFindFlowOperator",
    "FlowServicePruneFlowsOperator",
    "FlowServicePublishFlowOperator",
    "FlowServiceRunFlowOperator",
    "FlowServiceSetFlowStateOperator",
    "FlowServiceUpdateFlowOperator",
]
