"""What the running Airflow offers. Tests of what a version lacks ask here, and not for the version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from inspect import signature
from typing import Any

import pytest


@dataclass(frozen=True)
class Features:
    """What one version of Airflow offers and another lacks.

    :param task_state_store: a task keeps state over its retries (``context["task_state_store"]``).
    :param asset_state_store: the trigger of an asset keeps state over restarts (``context["asset_state_store"]``).
    :param trigger_on_kill: a trigger hears that a user ended its task (``BaseTrigger.on_kill``).
    :param shared_streams: event triggers share one poll loop (``BaseEventTrigger.shared_stream_key``).
    :param conn_fields: provider info describes the connection form (``conn-fields``).
    :param retry_policies: a task's retry policy sees its exception (``retry_policy``).
    :param provider_commands: the command ``airflow`` has the commands of providers (``cli``).
    """

    task_state_store: bool
    asset_state_store: bool
    trigger_on_kill: bool
    shared_streams: bool
    conn_fields: bool
    retry_policies: bool
    provider_commands: bool


@cache
def features() -> Features:
    """The features of the installed Airflow, each found where Airflow defines it."""
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.triggers.base import BaseEventTrigger, BaseTrigger

    return Features(
        task_state_store="task_state_store" in Context.__annotations__,
        asset_state_store="asset_state_store" in Context.__annotations__,
        trigger_on_kill=hasattr(BaseTrigger, "on_kill"),
        shared_streams=find_spec("airflow.triggers.shared_stream") is not None
        and hasattr(BaseEventTrigger, "shared_stream_key"),
        conn_fields="conn-fields" in _provider_keys()["connection-types"]["items"]["properties"],
        retry_policies="retry_policy" in signature(BaseOperator.__init__).parameters,
        provider_commands="cli" in _provider_keys(),
    )


def needs(feature: str) -> pytest.MarkDecorator:
    """Skips a test where Airflow lacks a feature.

    :param feature: a field of :class:`Features`.
    :raises AttributeError: if there is no such feature.
    """
    return pytest.mark.skipif(not getattr(features(), feature), reason=f"this Airflow has no {feature}")


def _provider_keys() -> dict[str, Any]:
    schema = json.loads((files("airflow") / "provider.yaml.schema.json").read_text(encoding="utf-8"))
    return dict(schema["properties"])
