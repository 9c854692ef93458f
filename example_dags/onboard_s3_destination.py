"""Connect Adobe Experience Platform to Amazon S3, export segments to files there, and start an export at once.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The Airflow connection ``s3_destination`` (type Amazon Web Services) contains the long-lived keys of an IAM user with
  write access to the bucket: login, password. Without the Amazon provider, which brings that type, use the type
  Generic.
* The params below: the bucket, the columns of the files, the segments and their schedule. They can also be set when the
  DAG is triggered.

A file destination takes its attributes from a mapping set, whose target is the columns of the files. The names of
columns must not contain dots.

Set the param ``export_now`` to start an export in addition to the schedule, and to wait for it. AEP may refuse that
until one hour after the first scheduled export, so leave it out of the first run.

The DAG can be run any number of times: existing objects are reused, and only missing ones are created. To change the
columns or the mandatory fields, set the param ``if_exists`` to ``update``.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.task_groups import file_destination

with DAG(
    dag_id="onboard_s3_destination",
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
            "Partner files",
            type="string",
            title="Destination",
            description="Name in AEP of the flow and its connections",
        ),
        "bucket": Param(
            "acme-partner-files", type="string", title="Bucket", description="Name of the bucket"
        ),
        "path": Param("exports", type="string", title="Path", description="Folder in the bucket"),
        "mappings": Param(
            [
                {"source": "personalEmail.address", "destination": "email"},
                {"source": "person.name.firstName", "destination": "first_name"},
                {"source": "person.name.lastName", "destination": "last_name"},
            ],
            type="array",
            items={"type": "object"},
            title="Mappings",
            description="Path of each profile attribute (source) and its column of the files (destination)",
        ),
        "mandatory_fields": Param(
            ["email"],
            type="array",
            items={"type": "string"},
            title="Mandatory fields",
            description="Columns without which a profile is not exported, one per line",
        ),
        "segments": Param(
            [{"id": "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"}],
            type="array",
            items={"type": "object"},
            title="Segments",
            description='The segments to export, each as {"id": "..."} or {"name": "..."}',
        ),
        "export_as": Param(
            {
                "exportMode": "DAILY_FULL_EXPORT",
                "schedule": {
                    "frequency": "DAILY",
                    "triggerType": "AFTER_SEGMENT_EVAL",
                    "startDate": "2027-01-01",
                },
                "filenameTemplate": "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%",
            },
            type="object",
            title="Export as",
            description="Schedule and file name of each segment that does not have its own",
        ),
        "export_now": Param(
            False, type="boolean", title="Export now", description="Also export now, and wait for it"
        ),
        "if_exists": Param(
            "reuse",
            type="string",
            enum=["reuse", "update"],
            title="If exists",
            description="Whether to change a mapping set or flow that differs",
        ),
    },
) as dag:

    @task
    def add_schedule(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the segments with schedule and file name."""
        return [{**params["export_as"], **segment} for segment in params["segments"]]

    segments = add_schedule()
    destination = file_destination(
        name="{{ params.destination }}",
        connection_spec=specs.AMAZON_S3,
        auth_conn_id="s3_destination",
        target_params={
            "mode": "Server-to-server",
            "bucketName": "{{ params.bucket }}",
            "path": "{{ params.path }}",
            "fileType": "CSV",
            "compression": "NONE",
        },
        columns="{{ params.mappings | map(attribute='destination') | list }}",
        mappings="{{ params.mappings }}",
        mandatory_fields="{{ params.mandatory_fields }}",
        segments=segments,
        if_exists="{{ params.if_exists }}",
        deferrable=True,
    )

    @task.short_circuit
    def is_export_wanted(params: dict[str, Any]) -> bool:
        """Whether to export now, too."""
        return bool(params["export_now"])

    export = FlowServiceAdHocActivationOperator(
        task_id="export_now",
        flow_id=destination.flow_id,
        segments=segments,
        poll_interval=60,
        wait_timeout=3 * 3600,
        deferrable=True,
    )
    destination.group >> is_export_wanted() >> export
