"""Open an HTTP API streaming source in Adobe Experience Platform and send the first records to its inlet.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The params below: the names, the field mappings, the first records. They can also be set when the DAG is
  triggered.
* For XDM records, set ``data_type`` to ``xdm``. Then no mapping set is created, and plain records are wrapped with
  the schema and the dataset. A DAG for one of the two formats needs only one of the two task groups.
* For records that are to reach Real-Time Customer Profile, set ``enable_for_profile=True`` and a
  ``primary_identity``. AEP cannot undo this for a schema.

The DAG can be run any number of times: existing objects are reused. The records are sent each time.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.task_groups import http_api_source

FIELD_GROUPS = [
    "https://ns.adobe.com/xdm/context/profile-person-details",
    "https://ns.adobe.com/xdm/context/profile-work-details",
]

with DAG(
    dag_id="onboard_http_api_source",
    schedule=None,
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["flowservice", "onboarding"],
    default_args={"plan_only": "{{ params.plan_only }}"},
    params={
        "plan_only": Param(
            False, type="boolean", title="Plan only", description="Only log the changes, without sending them"
        ),
        "source": Param("Web shop", type="string", title="Source", description="Prefix of all names in AEP"),
        "data_type": Param(
            "raw",
            type="string",
            enum=["raw", "xdm"],
            title="Data type",
            description="Format of the records: raw ones are mapped to the schema, XDM has its fields",
        ),
        "authenticated": Param(
            True, type="boolean", title="Authenticated", description="Whether the inlet requires a token"
        ),
        "mappings": Param(
            [
                {"source": "id", "destination": "_id"},
                {"source": "firstName", "destination": "person.name.firstName"},
                {"source": "lastName", "destination": "person.name.lastName"},
                {"source": "email", "destination": "workEmail.address"},
            ],
            type="array",
            items={"type": "object"},
            title="Mappings",
            description="For raw records: each field (source) and its path in the schema (destination)",
        ),
        "records": Param(
            [
                {"id": "web-shop-1", "firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"},
                {
                    "id": "web-shop-2",
                    "firstName": "Alan",
                    "lastName": "Mathison",
                    "email": "alan@example.com",
                },
            ],
            type="array",
            items={"type": "object"},
            title="Records",
            description="The first records, as a JSON array of objects",
        ),
    },
) as dag:

    @task.branch
    def choose_source(params: dict[str, str]) -> str:
        """Open a source with a mapping set for raw records only."""
        return "raw_source" if params["data_type"] == "raw" else "xdm_source"

    raw = http_api_source(
        group_id="raw_source",
        name="{{ params.source }} (raw)",
        field_groups=FIELD_GROUPS,
        mappings="{{ params.mappings }}",
        authentication_required="{{ params.authenticated }}",
    )
    xdm = http_api_source(
        group_id="xdm_source",
        name="{{ params.source }} (xdm)",
        field_groups=FIELD_GROUPS,
        authentication_required="{{ params.authenticated }}",
    )
    choose_source() >> [raw.group, xdm.group]
    FlowServicePostToInletOperator(
        task_id="post_raw_records",
        connection_id=raw.connection_id,
        flow_id=raw.flow_id,
        messages="{{ params.records }}",
        deferrable=True,
    )
    FlowServicePostToInletOperator(
        task_id="post_xdm_records",
        connection_id=xdm.connection_id,
        flow_id=xdm.flow_id,
        messages="{{ params.records }}",
        schema_id=xdm.schema_id,
        dataset_id=xdm.dataset_id,
        deferrable=True,
    )
