"""Connect Adobe Experience Platform to Amazon Kinesis and activate segments there.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The Airflow connection ``kinesis_destination`` (type Amazon Web Services) contains the long-lived keys of an
  IAM user with write access to the stream: login, password, and ``region_name`` in the extras. Without the
  Amazon provider, which brings that type, use the type Generic.
* The params below: the stream, the segments, the profile attributes. They can also be set when the DAG is
  triggered.

The DAG can be run any number of times: existing objects are reused, and only missing ones are created.

This example shows the operators one by one. The task group ``streaming_destination``, which the other examples use, has
the same tasks.
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
    dag_id="onboard_kinesis_destination",
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
            "Summer campaign", type="string", title="Destination", description="Prefix of all names in AEP"
        ),
        "stream": Param(
            "summer-campaign", type="string", title="Stream", description="Name of the Kinesis data stream"
        ),
        "region": Param("us-east-1", type="string", title="Region", description="AWS region of the stream"),
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
    kinesis = FlowServiceCreateConnectionOperator(
        task_id="connect_kinesis",
        name="{{ params.destination }}: Amazon Kinesis",
        connection_spec="Amazon Kinesis",
        auth_conn_id="kinesis_destination",
    )
    target = FlowServiceCreateTargetConnectionOperator(
        task_id="create_target_connection",
        name="{{ params.destination }}: stream {{ params.stream }}",
        connection_spec="Amazon Kinesis",
        base_connection_id=kinesis.output,
        target_params={"stream": "{{ params.stream }}", "region": "{{ params.region }}"},
    )
    flow = FlowServiceCreateFlowOperator(
        task_id="create_flow",
        name="{{ params.destination }}: to Amazon Kinesis",
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
