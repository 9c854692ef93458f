"""Connect Adobe Experience Platform to Azure Event Hubs and activate segments there.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The Airflow connection ``event_hubs_destination`` (type Generic) contains a shared access policy with the Send claim:
  login = its name, password = its key, host = the Event Hubs namespace.
* The params below: the event hub, the segments, the profile attributes. They can also be set when the DAG is
  triggered.

The DAG can be run any number of times: existing objects are reused, and only missing ones are created.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.operators.activation import FlowServiceActivateSegmentsOperator
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowValidationSensor

with DAG(
    dag_id="onboard_event_hubs_destination",
    schedule=None,
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["flowservice", "onboarding"],
    default_args={"plan_only": "{{ params.plan_only }}"},
    params={
        "plan_only": Param(
            False, type="boolean", title="Plan only", description="Only log the changes, without sending them"
        ),
        "destination": Param(
            "Loyalty programme", type="string", title="Destination", description="Prefix of all names in AEP"
        ),
        "event_hub": Param(
            "loyalty-profiles", type="string", title="Event hub", description="Name of the event hub"
        ),
        "segments": Param(
            ["72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"],
            type="array",
            items={"type": "string"},
            title="Segments",
            description="Ids of the segments to activate, one per line",
        ),
        "profile_attributes": Param(
            ["person.name.firstName", "person.name.lastName", "personalEmail.address"],
            type="array",
            items={"type": "string"},
            title="Profile attributes",
            description="Paths of the profile attributes to send, one per line",
        ),
    },
) as dag:
    profile_store = FlowServiceCreateConnectionOperator(
        task_id="connect_profile_store",
        name="{{ params.destination }}: profile store",
        connection_spec=specs.UNIFIED_PROFILE_SERVICE,
    )
    source = FlowServiceCreateSourceConnectionOperator(
        task_id="create_source_connection",
        name="{{ params.destination }}: profiles",
        connection_spec=specs.UNIFIED_PROFILE_SERVICE,
        base_connection_id=profile_store.output,
    )
    event_hubs = FlowServiceCreateConnectionOperator(
        task_id="connect_event_hubs",
        name="{{ params.destination }}: Azure Event Hubs",
        connection_spec="Azure Event Hubs",
        auth_conn_id="event_hubs_destination",
    )
    target = FlowServiceCreateTargetConnectionOperator(
        task_id="create_target_connection",
        name="{{ params.destination }}: hub {{ params.event_hub }}",
        connection_spec="Azure Event Hubs",
        base_connection_id=event_hubs.output,
        target_params={"eventHubName": "{{ params.event_hub }}"},
    )
    flow = FlowServiceCreateFlowOperator(
        task_id="create_flow",
        name="{{ params.destination }}: to Azure Event Hubs",
        flow_spec=specs.PROFILE_DESTINATION_FLOW,
        source_connection_ids=[source.output],
        target_connection_ids=[target.output],
    )
    activate = FlowServiceActivateSegmentsOperator(
        task_id="activate_segments",
        flow_id=flow.output,
        segments="{{ params.segments }}",
        profile_attributes="{{ params.profile_attributes }}",
    )
    validate = FlowServiceFlowValidationSensor(
        task_id="validate_flow",
        flow_id=flow.output,
        segments="{{ params.segments }}",
        profile_attributes="{{ params.profile_attributes }}",
        poke_interval=30,
        timeout=600,
        deferrable=True,
    )
    activate >> validate
