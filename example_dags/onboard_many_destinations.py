"""Keep Adobe Experience Platform's destinations as a YAML file says: one flow with segments for each of its entries.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The file, by default ``onboard_many_destinations.yaml`` beside this one: it describes its fields. Each entry names the
  Airflow connection with its credentials, as in ``onboard_kinesis_destination`` and ``onboard_event_hubs_destination``.
* The params below. ``prefix`` must begin the names of these flows, and of no others.

Run it whenever the file changes:

* A new entry is onboarded. One that is wrong fails alone: the others are onboarded, and the run fails in the end.
* The stream, hub, segments or attributes of an entry are changed in place. A change that removes more than half of its
  segments fails, and says so. An entry that moves from Kinesis to Event Hubs needs a new name.
* A removed entry is reported. With the param ``prune``, its flow is disabled, or deleted once it is disabled. As long
  as the file has an entry without a flow, because it is wrong, nothing is disabled or deleted: it may be the new name
  of a removed entry. A file that cannot be read, or is empty, prunes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from airflow.sdk import DAG, ObjectStoragePath, Param, task, task_group

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
)
from airflow_provider_flowservice.operators.flows import FlowServicePruneFlowsOperator
from airflow_provider_flowservice.task_groups import streaming_destination

with DAG(
    dag_id="onboard_many_destinations",
    schedule=None,
    max_active_runs=1,
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["flowservice", "onboarding"],
    default_args={"plan_only": "{{ params.plan_only }}"},
    params={
        "plan_only": Param(
            False, type="boolean", title="Plan only", description="Only log the changes, without sending them"
        ),
        "file": Param(
            Path(__file__).absolute().with_suffix(".yaml").as_uri(),
            type="string",
            title="File",
            description="URL or path of the YAML file of destinations",
        ),
        "prefix": Param(
            "Destinations as code: ",
            type="string",
            minLength=3,
            title="Prefix",
            description="Prefix of all names in AEP",
        ),
        "prune": Param(
            "report",
            type="string",
            enum=["report", "disable", "delete"],
            title="Prune",
            description="What happens to flows whose entries were removed",
        ),
    },
) as dag:

    @task
    def read_destinations(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the entries of the file, each of which must have a name: it decides which flows are kept."""
        with ObjectStoragePath(params["file"]).open("r", encoding="utf-8") as file:
            document = yaml.safe_load(file)
        entries = document.get("destinations") if isinstance(document, dict) else None
        if not isinstance(entries, list) or not entries:
            raise ValueError(f"{params['file']}: has no destinations. Give a list with this name.")
        names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
        for number, name in enumerate(names, start=1):
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"{params['file']}: entry {number} has no name. Give a string.")
            if names.count(name) > 1:
                raise ValueError(f"{params['file']}: several entries are named {name!r}. Rename one of them.")
        return entries

    @task
    def name_flows(entries: list[dict[str, Any]], params: dict[str, Any]) -> list[str]:
        """Return the names of the flows of all entries, also of those that are wrong."""
        return [params["prefix"] + entry["name"] for entry in entries]

    @task(multiple_outputs=True)
    def check_destination(entry: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the task group for one entry."""
        is_hub = "hub" in entry
        required = {"name", "auth_conn_id", "segments"} | ({"hub"} if is_hub else {"stream", "region"})
        if missing := sorted(field for field in required if not entry.get(field)):
            raise ValueError(f"{entry['name']}: has no {', '.join(missing)}. Add it in the file.")
        if unknown := sorted(map(str, entry.keys() - required - {"profile_attributes"})):
            raise ValueError(f"{entry['name']}: {', '.join(unknown)} is not a field. Correct it in the file.")
        return {
            "name": params["prefix"] + entry["name"],
            "connection_spec": "Azure Event Hubs" if is_hub else "Amazon Kinesis",
            "target_params": {"eventHubName": entry["hub"]}
            if is_hub
            else {"stream": entry["stream"], "region": entry["region"]},
            "auth_conn_id": entry["auth_conn_id"],
            "segments": entry["segments"],
            "profile_attributes": entry.get("profile_attributes") or [],
        }

    @task_group
    def onboard(entry: dict[str, Any], source: Any) -> None:
        """Connect one destination and activate its segments."""
        destination = check_destination(entry)
        streaming_destination(
            name=destination["name"],
            connection_spec=destination["connection_spec"],
            auth_conn_id=destination["auth_conn_id"],
            target_params=destination["target_params"],
            segments=destination["segments"],
            profile_attributes=destination["profile_attributes"],
            source_connection_id=source,
            activation_mode="sync",
            if_exists="update",
            deferrable=True,
        )

    entries = read_destinations()
    # All flows read from the same source.
    profile_store = FlowServiceCreateConnectionOperator(
        task_id="connect_profile_store",
        name="{{ params.prefix }}profile store",
        connection_spec=specs.UNIFIED_PROFILE_SERVICE,
    )
    profiles = FlowServiceCreateSourceConnectionOperator(
        task_id="create_source_connection",
        name="{{ params.prefix }}profiles",
        connection_spec=specs.UNIFIED_PROFILE_SERVICE,
        base_connection_id=profile_store.output,
    )
    entries >> profile_store
    onboarded = onboard.partial(source=profiles.output).expand(entry=entries)
    # This also runs if an entry is wrong. It does not if the file cannot be read: then no task before it succeeds.
    prune = FlowServicePruneFlowsOperator(
        task_id="prune_removed_destinations",
        keep=name_flows(entries),
        name_prefix="{{ params.prefix }}",
        action="{{ params.prune }}",
        with_connections=True,
        trigger_rule="all_done_min_one_success",
    )

    # The last tasks decide whether a run fails. This one fails if a destination did, whatever becomes of the pruning.
    @task
    def check_all_onboarded() -> None:
        """Do nothing: this task only runs if every destination is onboarded."""

    onboarded >> [prune, check_all_onboarded()]
