"""Schemas, datasets and mapping sets: what streaming sources write to, and the columns of file destinations."""

from __future__ import annotations

from airflow_provider_flowservice.client.datasets.datasets import CATALOG, DesiredDataset
from airflow_provider_flowservice.client.datasets.identities import PrimaryIdentity, read_primary_identity
from airflow_provider_flowservice.client.datasets.mapping_sets import (
    DATA_PREP,
    BodyForm,
    DesiredMappingSet,
    FieldMapping,
    MappingSet,
    check_destinations,
    get_mapping_set,
    read_columns,
    read_mappings,
)
from airflow_provider_flowservice.client.datasets.schemas import PROFILE_CLASS, SCHEMA_REGISTRY, DesiredSchema
