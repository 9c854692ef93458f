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

from airflow_provider_flowservice.task_groups import streaming_destination

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
            "Loyalty programme",
            type="string",
            title="Destination",
            description="Name in AEP of the flow and its connections",
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
    streaming_destination(
        name="{{ params.destination }}",
        connection_spec="Azure Event Hubs",
        auth_conn_id="event_hubs_destination",
        target_params={"eventHubName": "{{ params.event_hub }}"},
        segments="{{ params.segments }}",
        profile_attributes="{{ params.profile_attributes }}",
        deferrable=True,
    )
