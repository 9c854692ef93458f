"""Connections and flows: desired objects, lifecycle and runs."""

from __future__ import annotations

from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.console import Console, Shown
from airflow_provider_flowservice.client.flows.ended import EndedRuns
from airflow_provider_flowservice.client.flows.expected_runs import (
    check_has_runs,
    is_reported_hourly,
    why_no_run,
)
from airflow_provider_flowservice.client.flows.fields import (
    FIELD_ARGUMENTS,
    field_settings,
    missing_transformation,
    patch_settings,
    settings_of,
)
from airflow_provider_flowservice.client.flows.lifecycle import (
    DeleteResult,
    FlowResources,
    delete,
    delete_flow,
    delete_unshared,
    flow_resources,
    publish_flow,
    rename,
    resources_of,
    set_state,
    text_changes,
)
from airflow_provider_flowservice.client.flows.lookup import (
    Time,
    find_flow,
    iterate_flows,
    iterate_runs,
    last_run,
    with_transformations,
)
from airflow_provider_flowservice.client.flows.outcomes import (
    MaxFailedRecords,
    RunOutcome,
    RunTotals,
    failure_of,
    outcome_of,
)
from airflow_provider_flowservice.client.flows.pruning import (
    PruneAction,
    PruneReport,
    Pruning,
    check_prefix,
    prune,
)
from airflow_provider_flowservice.client.flows.resources import (
    SCHEMA_VERSION,
    DesiredBaseConnection,
    DesiredFlow,
    DesiredSourceConnection,
    DesiredTargetConnection,
)
from airflow_provider_flowservice.client.flows.run_report import (
    FailOn,
    ReportedRun,
    ReportSummary,
    RunDigest,
    report_runs,
)
from airflow_provider_flowservice.client.flows.runs import (
    NEWEST_FIRST,
    NewestRuns,
    Window,
    newest_runs,
    run_flow,
    runs_since,
)
from airflow_provider_flowservice.client.flows.schedules import ExportMode, check_dataset_schedule, one_of
from airflow_provider_flowservice.client.flows.specs import FlowSource, empty_flow, find_spec
