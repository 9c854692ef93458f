"""Schemas, datasets and mapping sets, which streaming sources write to."""

from __future__ import annotations

from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.datasets.identities import PrimaryIdentity, read_primary_identity
from airflow_provider_flowservice.client.datasets.mapping_sets import (
    BodyForm,
    DesiredMappingSet,
    FieldMapping,
    read_mappings,
)
from airflow_provider_flowservice.client.datasets.schemas import PROFILE_CLASS, DesiredSchema
