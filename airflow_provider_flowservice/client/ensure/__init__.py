"""One object however often a create runs: what is desired, how it is compared, how it comes to be."""

from __future__ import annotations

from airflow_provider_flowservice.client.ensure.create import EnsureResult, IfExists, SavedState, ensure
from airflow_provider_flowservice.client.ensure.desired import Desired, Difference, compare

__all__ = ["Desired", "Difference", "EnsureResult", "IfExists", "SavedState", "compare", "ensure"]
