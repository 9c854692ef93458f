"""The onboarding DAGs, whose tasks have two retries and post small batches.

What the sensors wait for holds already when they begin. A trigger would fire at once, and Airflow's scheduler takes
a task that is resumed before it has seen the end of the deferred process for a failed one; so they look from the
worker, and it is the wait for the new flow that is deferred.
"""

from __future__ import annotations

from datetime import timedelta

from example_dags.onboard_event_hubs_destination import dag as event_hubs
from example_dags.onboard_http_api_source import dag as http_api_source
from example_dags.onboard_kinesis_destination import dag as kinesis

for dag in (kinesis, event_hubs, http_api_source):
    for task in dag.tasks:
        task.retries = 2
        task.retry_delay = timedelta(0)
        if hasattr(task, "batch_size"):
            task.batch_size = task.resend_window = 2
        if task.task_id.endswith("validate_flow"):
            task.deferrable = False
