"""AEP's resources as immutable records that contain the fields used by the provider."""

from __future__ import annotations

from airflow_provider_flowservice.client.model.documents import (
    JsonObject,
    is_number,
    is_uuid,
    member,
    objects,
)
from airflow_provider_flowservice.client.model.flows import (
    Auth,
    BaseConnection,
    Flow,
    FlowKind,
    FlowState,
    Selector,
    SelectorKind,
    SourceConnection,
    TargetConnection,
)
from airflow_provider_flowservice.client.model.records import (
    Created,
    Etag,
    Frozen,
    Id,
    Milliseconds,
    Operation,
    Page,
    Record,
    Resource,
    Unreadable,
)
from airflow_provider_flowservice.client.model.runs import FlowRun, RunError, RunState
from airflow_provider_flowservice.client.model.secrets import looks_secret, without_secrets
from airflow_provider_flowservice.client.model.specs import (
    AuthSpec,
    ConnectionSpec,
    FlowSpec,
    ParameterSpec,
    SpecRef,
)
