"""The example, as it is."""

from __future__ import annotations

from example_dags.onboard_kinesis_destination import dag

__all__ = ["dag"]
