"""Open an HTTP API streaming source in Adobe Experience Platform and send the first records to its inlet.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The params below: the names, the field mappings, the first records. They can also be set when the DAG is
  triggered.
* For XDM records, set ``data_type`` to ``xdm``. Then no mapping set is created, and plain records are wrapped with
  the schema and the dataset.
* For records that are to reach Real-Time Customer Profile, set ``enable_for_profile=True`` for the schema and for the
  dataset, and give the schema a ``primary_identity``. AEP cannot undo this for a schema.

The DAG can be run any number of times: existing objects are reused. The records are sent each time.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator

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
    schema = FlowServiceCreateSchemaOperator(
        task_id="create_schema",
        name="{{ params.source }} customers",
        field_groups=[
            "https://ns.adobe.com/xdm/context/profile-person-details",
            "https://ns.adobe.com/xdm/context/profile-work-details",
        ],
    )
    dataset = FlowServiceCreateDatasetOperator(
        task_id="create_dataset", name="{{ params.source }} customers", schema_id=schema.output
    )
    base = FlowServiceCreateConnectionOperator(
        task_id="open_inlet",
        name="{{ params.source }}: inlet ({{ params.data_type }})",
        connection_spec=specs.HTTP_API,
        auth={
            "dataType": "{{ params.data_type }}",
            "sourceId": "{{ params.source }}",
            "name": "{{ params.source }}",
            "authenticationRequired": "{{ params.authenticated }}",
        },
    )
    source = FlowServiceCreateSourceConnectionOperator(
        task_id="create_source_connection",
        name="{{ params.source }}: records ({{ params.data_type }})",
        connection_spec=specs.HTTP_API,
        base_connection_id=base.output,
        data_format=None,
    )
    target = FlowServiceCreateTargetConnectionOperator(
        task_id="create_target_connection",
        name="{{ params.source }}: data lake ({{ params.data_type }})",
        connection_spec=specs.DATA_LAKE,
        schema_id=schema.output,
        target_params={"dataSetId": dataset.output},
        data_format=None,
    )

    @task.branch
    def choose_flow(params: dict[str, str] | None = None) -> str:
        """Create a mapping set for raw records only."""
        return "create_mapping" if params and params["data_type"] == "raw" else "create_flow_for_xdm"

    mapping = FlowServiceCreateMappingSetOperator(
        task_id="create_mapping",
        name="{{ params.source }} customers",
        schema_id=schema.output,
        mappings="{{ params.mappings }}",
    )
    flow_for_raw = FlowServiceCreateFlowOperator(
        task_id="create_flow_for_raw",
        name="{{ params.source }}: customers (raw)",
        flow_spec=specs.HTTP_API_FLOW_WITH_MAPPING,
        source_connection_ids=[source.output],
        target_connection_ids=[target.output],
        transformations=[
            {
                "name": "Mapping",
                "params": {"mappingId": mapping.output, "mappingVersion": mapping.output["mapping_version"]},
            }
        ],
    )
    flow_for_xdm = FlowServiceCreateFlowOperator(
        task_id="create_flow_for_xdm",
        name="{{ params.source }}: customers (xdm)",
        flow_spec=specs.HTTP_API_FLOW,
        source_connection_ids=[source.output],
        target_connection_ids=[target.output],
    )
    post_raw = FlowServicePostToInletOperator(
        task_id="post_raw_records",
        connection_id=base.output,
        flow_id=flow_for_raw.output,
        messages="{{ params.records }}",
        deferrable=True,
    )
    post_xdm = FlowServicePostToInletOperator(
        task_id="post_xdm_records",
        connection_id=base.output,
        flow_id=flow_for_xdm.output,
        messages="{{ params.records }}",
        schema_id=schema.output,
        dataset_id=dataset.output,
        deferrable=True,
    )
    chosen = choose_flow()
    [source, target] >> chosen >> [mapping, flow_for_xdm]
    mapping >> flow_for_raw >> post_raw
    flow_for_xdm >> post_xdm
