"""Idempotent creation of objects: desired state, comparison, creation, dry run."""

from __future__ import annotations

from airflow_provider_flowservice.client.ensure.create import (
    NOTHING_SAVED,
    EnsureResult,
    IfExists,
    SavedState,
    check_adoption,
    ensure,
)
from airflow_provider_flowservice.client.ensure.desired import (
    Desired,
    Difference,
    ExistingResource,
    Part,
    compare,
)
from airflow_provider_flowservice.client.ensure.dry_run import (
    PlannedCreate,
    difference,
    is_planned,
    operations_json,
    plan_create,
    planned_id,
    reject_planned,
)
