# What one person writes in a week who has README, the docstrings and the example DAGs, and nothing else.

from datetime import timedelta
from pathlib import Path

import yaml
from airflow.sdk import DAG, Param, task, task_group

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.exceptions import flowservice_errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators import activation, connections, data_prep, flows, inlet
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowValidationSensor

# Some of the built-in segments of the emulator.
LOYAL, MEN, WOMEN = {"name": "Loyal customers"}, {"name": "Men over 50"}, {"name": "Women over 50"}


# All destinations read from the same source.
def read_profiles():
    spec = specs.UNIFIED_PROFILE_SERVICE
    store = connections.FlowServiceCreateConnectionOperator(
        task_id="connect_store", name="Profile store", connection_spec=spec
    )
    return connections.FlowServiceCreateSourceConnectionOperator(
        task_id="read_profiles", name="Profiles", connection_spec=spec, base_connection_id=store.output
    ).output


# What every destination consists of.
def send_profiles(source, name, spec, auth_conn_id, flow_spec, target_params, data_format, **flow_settings):
    base = connections.FlowServiceCreateConnectionOperator(
        task_id="connect", name=name, connection_spec=spec, auth_conn_id=auth_conn_id
    )
    target = connections.FlowServiceCreateTargetConnectionOperator(
        task_id="create_target",
        name=name,
        connection_spec=spec,
        base_connection_id=base.output,
        target_params=target_params,
        data_format=data_format,
    )
    return flows.FlowServiceCreateFlowOperator(
        task_id="create_flow",
        name=name,
        flow_spec=flow_spec,
        source_connection_ids=[source],
        target_connection_ids=[target.output],
        **flow_settings,
    ).output


@task_group
def event_hub(source, name, hub, segments):
    spec, flow_spec = specs.AZURE_EVENT_HUBS, specs.PROFILE_DESTINATION_FLOW
    flow_id = send_profiles(source, name, spec, "event_hubs", flow_spec, {"eventHubName": hub}, "json")
    activate = activation.FlowServiceActivateSegmentsOperator(
        task_id="activate", flow_id=flow_id, segments=segments, profile_attributes=["personalEmail.address"]
    )
    activate >> FlowServiceFlowValidationSensor(task_id="validate", flow_id=flow_id, segments=segments)


# Monday: one destination, then other segments for it, then its end.
with DAG("loyalty") as loyalty:
    event_hub(read_profiles(), "Loyalty", "loyalty-hub", [LOYAL, MEN])

with DAG("change_loyalty") as change_loyalty:
    flow_id = flows.FlowServiceFindFlowOperator(task_id="find", name="Loyalty").output
    remove = activation.FlowServiceActivateSegmentsOperator(
        task_id="remove", flow_id=flow_id, segments=[MEN], activation_mode="remove"
    )
    removed = FlowServiceFlowValidationSensor(task_id="removed", flow_id=flow_id, absent=[MEN])
    sync = activation.FlowServiceActivateSegmentsOperator(
        task_id="sync", flow_id=flow_id, segments=[WOMEN], activation_mode="sync", max_removals=1
    )
    synced = FlowServiceFlowValidationSensor(task_id="synced", flow_id=flow_id, segments=[WOMEN], exact=True)
    remove >> removed >> sync >> synced

with DAG("end_loyalty") as end_loyalty:
    flow_id = flows.FlowServiceFindFlowOperator(task_id="find", name="Loyalty", if_missing="skip").output
    flows.FlowServiceDeleteFlowOperator(task_id="delete", flow_id=flow_id, with_connections=True)

# Tuesday: files in S3, every day and now.
FOLDER = {"mode": "Server-to-server", "bucketName": "partner", "path": "daily", "fileType": "CSV"}
DAILY = {"frequency": "DAILY", "triggerType": "AFTER_SEGMENT_EVAL", "startDate": "2027-01-01"}
MAPPINGS = [
    {"source": "personalEmail.address", "destination": "email"},
    {"source": "person.name.lastName", "destination": "last_name"},
]
with DAG("partner_files") as partner_files:
    columns = data_prep.FlowServiceCreateMappingSetOperator(
        task_id="map_columns", name="Partner files", columns=["email", "last_name"], mappings=MAPPINGS
    )
    mapping = {"mappingId": columns.output, "mappingVersion": columns.output["mapping_version"]}
    spec, flow_spec, source = specs.AMAZON_S3, specs.AMAZON_S3_FLOW, read_profiles()
    flow_id = send_profiles(
        source, "Partner files", spec, "s3", flow_spec, FOLDER, data_format=None, profile_mapping=mapping
    )
    segments = [{**LOYAL, "exportMode": "DAILY_FULL_EXPORT", "schedule": DAILY}]
    activation.FlowServiceActivateSegmentsOperator(task_id="activate", flow_id=flow_id, segments=segments)

with DAG("export_now") as export_now:
    found = flows.FlowServiceFindFlowOperator(task_id="find", name="Partner files")
    activation.FlowServiceAdHocActivationOperator(
        task_id="export", flow_id=found.output, segments=found.output["segments"]
    )

# Wednesday: a file for the inlet that example_dags/onboard_http_api_source.py has opened.
with DAG("post_customers", params={"file": Param(type="string")}) as post_customers:
    found = flows.FlowServiceFindFlowOperator(task_id="find", name="Web shop (raw)")
    inlet.FlowServicePostToInletOperator(
        task_id="post",
        flow_id=found.output,
        connection_id="{{ ti.xcom_pull('find', key='connections').base[0] }}",
        path="{{ params.file }}",
        dead_letter_path="{{ params.file }}.rejected.jsonl",
    )


# Thursday: an event hub for each entry of a file, and none for those that were removed from it.
@task
def read_file(params):
    return yaml.safe_load(Path(params["file"]).read_text())


PARAMS = {"file": str(Path(__file__).with_name("destinations.yaml")), "prune": "report"}
with DAG("markets", params=PARAMS) as markets:
    event_hub.partial(source=read_profiles()).expand_kwargs(read_file())

with DAG("prune_markets", params=PARAMS) as prune_markets:
    names = read_file().map(lambda entry: entry["name"])
    flows.FlowServicePruneFlowsOperator(
        task_id="prune", keep=names, name_prefix="Market ", action="{{ params.prune }}", with_connections=True
    )


# Friday: what each destination has lost since yesterday. One that failed waits for a person.
@task
@flowservice_errors
def check_destinations(dag_run):
    hook, lines = FlowServiceHook(), []
    for flow in hook.flows(kind="destination", state="enabled"):
        segments = ", ".join(segment.name or segment.id for segment in hook.active_segments(flow))
        runs = hook.runs(flow.id, since=dag_run.run_after - timedelta(days=1))
        lines.append(
            f"{flow.name} ({segments}): lost {sum(run.records_failed or 0 for run in runs)} records."
        )
    files = hook.find_flow("Partner files")
    last = hook.last_run(files.id)
    if last and last.state == "failed":
        hook.set_flow_state(files.id, "disabled")
        lines.append(f"{files.name} is disabled: {last.errors[0]}")
    return lines


with DAG("morning_check") as morning_check:
    check_destinations()
