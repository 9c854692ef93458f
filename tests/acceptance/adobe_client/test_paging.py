"""Lists of more than one page, as Adobe's client collects them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aepp.dataprep import DataPrep
from aepp.flowservice import FlowService
from aepp.schema import Schema
from aepp.segmentation import Segmentation
from conftest import EVENT, PROFILE, control

UPS = {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}
KINESIS = {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"}
PROFILE_FLOW = {"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"}
SELECTORS = {"profileSelectors": {"selectors": []}, "segmentSelectors": {"selectors": []}}


@pytest.fixture
def flow_parts(flows: FlowService) -> tuple[str, str]:
    """Ids of a source connection and a target connection."""
    base = flows.createConnection({"name": "store", "connectionSpec": UPS})["id"]
    source = {"name": "profiles", "baseConnectionId": base, "connectionSpec": UPS, "params": {}}
    params = {"accessKeyId": "AKIA", "secretKey": "kinesis/secret+value", "region": "us-east-1"}
    auth = {"specName": "Aws Kinesis authentication credentials", "params": params}
    kinesis = flows.createConnection({"name": "kinesis", "connectionSpec": KINESIS, "auth": auth})["id"]
    target = {
        "name": "stream",
        "baseConnectionId": kinesis,
        "connectionSpec": KINESIS,
        "params": {"stream": "events", "region": "us-east-1"},
    }
    return flows.createSourceConnection(source)["id"], flows.createTargetConnection(data=target)["id"]


def make_flow(flows: FlowService, name: str, source: str, target: str) -> str:
    body = {
        "name": name,
        "flowSpec": PROFILE_FLOW,
        "sourceConnectionIds": [source],
        "targetConnectionIds": [target],
        "transformations": [{"name": "GeneralTransform", "params": SELECTORS}],
    }
    return str(flows.createFlow(PROFILE_FLOW["id"], obj=body)["id"])


def test_connections(flows: FlowService) -> None:
    made = [
        flows.createConnection({"name": f"store {number}", "connectionSpec": UPS})["id"]
        for number in range(25)
    ]
    found = [each["id"] for each in flows.getConnections(limit=10, n_results="inf")]
    assert sorted(found) == sorted(made)
    assert flows.getConnections(limit=10, n_results="inf", property="name==store 7")[0]["name"] == "store 7"


def test_flows_with_their_connections(flows: FlowService, flow_parts: tuple[str, str]) -> None:
    source, target = flow_parts
    made = [make_flow(flows, f"flow {number}", source, target) for number in range(25)]
    found = [each["id"] for each in flows.getFlows(limit=10, n_results="inf")]
    assert sorted(found) == sorted(made)
    assert len(flows.getFlows(limit=10, n_results="inf", onlyDestinations=True)) == 25
    assert flows.getFlows(limit=10, n_results="inf", onlySources=True) == []
    assert len(flows.getFlows(limit=10, n_results="inf", filterTargetIds=[target])) == 25
    assert [each["id"] for each in flows.getSourceConnections()] == [source]
    assert [each["id"] for each in flows.getTargetConnections()] == [target]


def test_runs(flows: FlowService, flow_parts: tuple[str, str]) -> None:
    flow = make_flow(flows, "flow", *flow_parts)
    segment = {"type": "PLATFORM_SEGMENT", "value": {"id": "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"}}
    path = "/transformations/0/params/segmentSelectors/selectors/-"
    etag = flows.getFlow(flow)["etag"]
    flows.updateFlow(flow, etag, [{"op": "add", "path": path, "value": segment}])
    control("clock", {"advance": 12 * 3600})
    everything = flows.getRuns(limit=100, n_results="inf", prop=[f"flowId=={flow}"])
    found = flows.getRuns(limit=3, n_results="inf", prop=[f"flowId=={flow}"])
    assert len(found) == len(everything) >= 10
    assert {each["id"] for each in found} == {each["id"] for each in everything}


def test_schemas(registry: Schema, make_schema: Callable[..., str]) -> None:
    made = []
    for number in range(310):
        made.append(make_schema(f"Customers {number}"))
        # Pages end between different times only.
        control("clock", {"advance": 1})
    found = registry.getSchemas()
    assert sorted(each["$id"] for each in found) == sorted(made)
    assert registry.data.schemas_id["Customers 309"] == made[-1]
    of_class = registry.getSchemas(classFilter=PROFILE)
    assert len(of_class) == 310
    assert registry.getSchemas(classFilter=EVENT)["results"] == []


def test_classes_and_field_groups_of_adobe(registry: Schema) -> None:
    everything = {each["$id"] for each in registry.getClassesGlobal()}
    assert {PROFILE, EVENT} <= everything
    assert {each["$id"] for each in registry.getClassesGlobal(limit=1, orderBy="title")} == everything
    groups = registry.getFieldGroupsGlobal(prop=f"meta:intendedToExtend=={PROFILE}")
    assert groups
    assert all(PROFILE in each["meta:intendedToExtend"] for each in groups)
    assert {"Person", "Postal address"} <= {each["title"] for each in registry.getDataTypesGlobal()}


def test_segments_audiences_and_jobs(segments: Segmentation) -> None:
    known = {each["id"] for each in segments.getSegments()}
    assert len(known) == 14
    for limit in (60, 5):
        assert {each["id"] for each in segments.getAudiences(limit=limit)} == known
    job = segments.createJob(sorted(known)[:2])
    assert segments.getJob(job["id"])["status"] in ("NEW", "PROCESSING")
    assert [each["id"] for each in segments.getJobs()] == [job["id"]]
    assert segments.getJobs(status="SUCCEEDED") == []


def test_mapping_sets(data_prep: DataPrep, make_schema: Callable[..., str]) -> None:
    mappings = [{"sourceType": "ATTRIBUTE", "source": "first", "destination": "person.name.firstName"}]
    made = data_prep.createMappingSet(schemaId=make_schema(), mappingList=mappings)["id"]
    assert [each["id"] for each in data_prep.getMappingSets()] == [made]
    mapping_set = {"outputSchema": data_prep.getMappingSet(made)["outputSchema"], "mappings": mappings}
    shown = data_prep.previewDataOutput(data={"first": "Ada"}, mappingSet=mapping_set)
    assert shown["data"] == {"person": {"name": {"firstName": "Ada"}}}
