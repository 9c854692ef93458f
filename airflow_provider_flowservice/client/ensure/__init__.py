"""One object however often it runs, and what that would take."""

from __future__ import annotations

from airflow_provider_flowservice.client.ensure.dry_run import is_planned

__all__ = ["is_planned"]
