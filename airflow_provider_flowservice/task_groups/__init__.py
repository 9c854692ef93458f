"""Task groups that compose what AEP's tutorials do step by step: destinations with their segments, and sources.

A call makes the tasks, inside a ``with DAG`` block, and returns what later tasks need::

    destination = streaming_destination(
        name="Summer campaign",
        connection_spec="Amazon Kinesis",
        auth_conn_id="kinesis_destination",
        target_params={"stream": "summer-campaign", "region": "us-east-1"},
        segments=["72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"],
    )
    destination.group >> announce(destination.flow_id)

Arguments that have the name of an operator's argument are passed to that operator: they may be templates or the
outputs of other tasks, also within a mapped task group, and literals are checked when the DAG is parsed. What decides
which tasks there are must be known then: whether ``source_connection_id``, ``mappings`` and ``schema_id`` are given,
and ``activation_mode``.
"""

from __future__ import annotations

from airflow_provider_flowservice.task_groups.destinations import (
    Destination,
    file_destination,
    streaming_destination,
)
from airflow_provider_flowservice.task_groups.sources import HttpApiSource, http_api_source

__all__ = ["Destination", "HttpApiSource", "file_destination", "http_api_source", "streaming_destination"]
