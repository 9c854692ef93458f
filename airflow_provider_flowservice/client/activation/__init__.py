"""Segments and profile attributes on a flow."""

from __future__ import annotations

from airflow_provider_flowservice.client.activation.activate import resolve
from airflow_provider_flowservice.client.activation.segments import read_attributes, read_segments

__all__ = ["read_attributes", "read_segments", "resolve"]
