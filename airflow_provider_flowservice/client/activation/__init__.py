"""Activation of segments and profile attributes on flows, export schedules, and audience lookup by name."""

from __future__ import annotations

from airflow_provider_flowservice.client.activation.activation import (
    ActivationResult,
    RemovalLimits,
    activate,
    resolve,
)
from airflow_provider_flowservice.client.activation.adhoc import ADHOC_SERVICE, export_segments
from airflow_provider_flowservice.client.activation.audiences import (
    PROFILE_SERVICE,
    ActiveSegment,
    Audience,
    SegmentDefinition,
    active_segments,
    iterate_audiences,
    iterate_segments,
)
from airflow_provider_flowservice.client.activation.segments import (
    Segment,
    SegmentName,
    read_attributes,
    read_segments,
)
from airflow_provider_flowservice.client.activation.selectors import (
    ActivationMode,
    DesiredSelectors,
    SelectorPatch,
    compute_patch,
)
