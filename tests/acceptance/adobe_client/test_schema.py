"""Schema Registry, as Adobe's client uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aepp
import pytest
from aepp.fieldgroupmanager import FieldGroupManager
from aepp.schema import Schema
from aepp.schemamanager import SchemaManager
from conftest import PERSON, PROFILE, WORK

RECORD = "https://ns.adobe.com/xdm/data/record"
PROPERTIES = {
    "_emulator": {
        "type": "object",
        "properties": {"tier": {"type": "string", "title": "Tier", "description": "What they reached."}},
    }
}


@pytest.fixture
def group(registry: Schema) -> dict[str, Any]:
    """A field group as Adobe's guide makes one."""
    body = {
        "type": "object",
        "title": "Loyalty",
        "description": "Who is loyal.",
        "meta:intendedToExtend": [PROFILE],
        "definitions": {"customFields": {"type": "object", "properties": PROPERTIES}},
        "allOf": [{"$ref": "#/definitions/customFields", "type": "object", "meta:xdmType": "object"}],
    }
    made: dict[str, Any] = registry.createFieldGroup(body)
    return made


def test_tenant_and_behaviors(registry: Schema) -> None:
    assert registry.getTenantId() == "emulator"
    assert RECORD in {each["$id"] for each in registry.getBehaviors()}
    for kind in ("xdm", "xed"):
        assert registry.getBehavior(RECORD, type=kind)["title"] == "Record Schema"


@pytest.mark.parametrize("kind", ["xdm", "xed"])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("desc", [True, False])
@pytest.mark.parametrize("deprecated", [True, False])
def test_every_form_of_a_schema(
    registry: Schema, make_schema: Callable[..., str], kind: str, full: bool, desc: bool, deprecated: bool
) -> None:
    schema_id = make_schema()
    schema = registry.getSchema(schema_id, schema_type=kind, full=full, desc=desc, deprecated=deprecated)
    assert schema["$id"] == schema_id
    assert ("properties" in schema, "allOf" in schema) == (full, not full)
    assert ("meta:descriptors" in schema) is desc


def test_paths_and_sample_of_a_schema(registry: Schema, make_schema: Callable[..., str]) -> None:
    schema_id = make_schema()
    assert {"person.name.firstName", "workEmail.address"} <= set(registry.getSchemaPaths(schema_id))
    assert registry.getSchemaSample(schema_id)["xdm:workEmail"]["xdm:address"] == "string"


def test_a_schema_from_its_creation_to_its_end(
    registry: Schema, make_schema: Callable[..., str], group: dict[str, Any]
) -> None:
    schema_id = make_schema("Members", PERSON)
    wider = registry.addFieldGroupToSchema(schema_id, [WORK, group["$id"]])
    assert [part["$ref"] for part in wider["allOf"]] == [PROFILE, PERSON, WORK, group["$id"]]
    assert "_emulator" in registry.getSchema(schema_id)["properties"]
    change = {"op": "replace", "path": "/title", "value": "All members"}
    assert registry.patchSchema(schema_id, [change])["title"] == "All members"
    assert registry.putSchema(schema_id, {**wider, "title": "Members"})["title"] == "Members"
    assert [each["updates"][0]["path"] for each in registry.getAuditLogs(schema_id)][:2] == ["/title"] * 2
    assert registry.enableSchemaForRealTime(schema_id)["meta:immutableTags"] == ["union"]
    assert [each["$id"] for each in registry.getXDMprofileSchema()["results"]] == [schema_id]
    (union,) = registry.getUnions()
    assert "_emulator" in registry.getUnion(union["$id"])["properties"]
    registry.deleteSchema(schema_id)
    assert registry.getSchemas()["results"] == []


def test_field_groups(registry: Schema, group: dict[str, Any]) -> None:
    assert [each["$id"] for each in registry.getFieldGroups()] == [group["$id"]]
    assert registry.getFieldGroup(group["$id"])["properties"] == PROPERTIES
    copy = registry.copyFieldGroup(registry.getFieldGroup(group["$id"], full=False), title="Copy")
    made = registry.createFieldGroup(copy)
    assert registry.getFieldGroup(made["$id"])["properties"] == PROPERTIES
    assert len(registry.extendFieldGroup(group["$id"])["meta:intendedToExtend"]) == 2
    change = {"op": "replace", "path": "/description", "value": "other"}
    assert registry.patchFieldGroup(group["$id"], [change])["description"] == "other"
    assert registry.putFieldGroup(made["$id"], {**copy, "title": "Renamed"})["title"] == "Renamed"
    registry.deleteFieldGroup(made["$id"])
    assert registry.getFieldGroup(made["$id"])["status"] == 404


def test_classes_and_data_types(registry: Schema) -> None:
    made = registry.createClass(title="Property", class_template=RECORD)
    assert [each["$id"] for each in registry.getClasses()] == [made["$id"]]
    assert registry.getClass(made["$id"])["meta:extends"] == [RECORD]
    body = {"title": "House", "type": "object", "allOf": [{"$ref": RECORD}]}
    assert registry.putClass(made["$id"], body)["title"] == "House"
    change = {"op": "replace", "path": "/title", "value": "Home"}
    assert registry.patchClass(made["$id"], [change])["title"] == "Home"
    registry.deleteClass(made["$id"])
    kind = {"title": "Tier", "type": "object", "properties": {"name": {"type": "string"}}}
    data_type = registry.createDataType(kind)["$id"]
    assert [each["$id"] for each in registry.getDataTypes()] == [data_type]
    assert registry.getDataType(data_type)["properties"] == kind["properties"]
    assert registry.putDataType(data_type, {**kind, "title": "Level"})["title"] == "Level"
    assert registry.patchDataType(data_type, [change])["title"] == "Home"
    registry.deleteDataType(data_type)
    assert registry.getDataType(data_type)["status"] == 404


def test_descriptors(registry: Schema, make_schema: Callable[..., str]) -> None:
    schema_id, other = make_schema(), make_schema("Others")
    path = "workEmail.address"
    bodies = [
        registry.createDescriptorOperation(schema_id, "xdm:descriptorIdentity", path, "Email", True),
        registry.createDescriptorOperation(
            schema_id, "xdm:alternateDisplayInfo", path, alternateTitle="Mail"
        ),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorDeprecated", path),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorReferenceIdentity", path, "Email"),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorOneToOne", path, targetSchema=other),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorLabel", path, labels=["C1"]),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorTimeSeriesGranularity"),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorPrimaryKey", path),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorVersion", path),
        registry.createDescriptorOperation(schema_id, "xdm:descriptorTimestamp", path),
    ]
    made = [registry.createDescriptor(body) for body in bodies]
    assert [each["@type"] for each in made] == [body["@type"] for body in bodies]
    assert registry.getDescriptors() == made
    assert registry.getDescriptors(id_desc=True) == [each["@id"] for each in made]
    assert registry.getDescriptors(type_desc="xdm:descriptorIdentity") == made[:1]
    of_other = registry.getDescriptors(type_desc="xdm:descriptorIdentity", prop=f"xdm:sourceSchema=={other}")
    assert of_other == []
    identity = made[0]["@id"]
    changed = registry.putDescriptor(identity, {**bodies[0], "xdm:isPrimary": False})
    assert changed == {"@id": identity}
    assert registry.getDescriptor(identity)["xdm:isPrimary"] is False
    registry.deleteDescriptor(identity)
    assert registry.getDescriptor(identity)["status"] == 404


def test_export_and_import(registry: Schema, make_schema: Callable[..., str], group: dict[str, Any]) -> None:
    schema_id = make_schema("Members", group["$id"])
    exported = registry.exportResource(schema_id)
    assert [each["title"] for each in exported] == ["Loyalty", "Members"]
    production = Schema(sandbox="prod")
    assert [each["$id"] for each in production.importResource(exported)] == [group["$id"], schema_id]
    assert "_emulator" in production.getSchema(schema_id)["properties"]


def test_managers(registry: Schema, make_schema: Callable[..., str], group: dict[str, Any]) -> None:
    schema_id = make_schema("Members", PERSON, group["$id"])
    manager = SchemaManager(schema_id, schemaAPI=registry)
    paths = set(manager.to_dataframe()["path"])
    assert {"person.name.firstName", "_emulator.tier"} <= paths
    groups = FieldGroupManager(group["$id"], schemaAPI=registry)
    assert groups.addField("_emulator.points", dataType="integer", title="Points")
    groups.updateFieldGroup()
    fields = registry.getFieldGroup(group["$id"])["properties"]["_emulator"]["properties"]
    assert set(fields) == {"tier", "points"}
    assert aepp.__version__ == "0.6.0"
