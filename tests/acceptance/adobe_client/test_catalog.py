"""Catalog, as Adobe's client uses it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aepp.catalog import Catalog
from aepp.sandboxes import Sandboxes
from aepp.schema import Schema
from conftest import PROFILE


@pytest.fixture
def dataset(datasets: Catalog, registry: Schema, make_schema: Callable[..., str]) -> str:
    schema_id = make_schema()
    registry.enableSchemaForRealTime(schema_id)
    (reference,) = datasets.createDataSet(name="Customers", schemaId=schema_id)
    return str(reference.rpartition("/")[2])


def test_datasets_are_listed_with_what_the_client_needs(datasets: Catalog, dataset: str) -> None:
    (found,) = datasets.getDataSets(output="list")
    assert found["id"] == dataset
    # It prints that it could not, and goes on, if something is missing.
    assert datasets.data.table_names == {"Customers": ["customers"]}
    assert datasets.data.ids == {"Customers": dataset}
    (row,) = datasets.data.infos.to_dict("records")
    assert (row["dataBehavior"], row["profileEnabled"]) == ("record", False)


def test_a_dataset_is_changed_in_every_way(datasets: Catalog, dataset: str) -> None:
    def tag(name: str) -> object:
        return datasets.getDataSet(dataset)[dataset]["tags"].get(name)

    for change, name, value in (
        (datasets.enableDatasetProfile, "unifiedProfile", ["enabled:true"]),
        (datasets.enableDatasetUpsert, "unifiedProfile", ["enabled:true", "isUpsert:true"]),
        (datasets.disableDatasetProfile, "unifiedProfile", ["enabled:false"]),
        (datasets.enableDatasetIdentity, "unifiedIdentity", ["enabled:true"]),
        (datasets.disableDatasetIdentity, "unifiedIdentity", ["enabled:false"]),
        (datasets.disableDatasetValidationContext, "acp_validationContext", ["disabled"]),
    ):
        assert change(dataset) == [f"@/dataSets/{dataset}"]
        assert tag(name) == value
    datasets.setDatasetTTL(dataset, "P3M")
    held = datasets.getDataSet(dataset)[dataset]
    assert held["extensions"]["adobe_lakeHouse"]["rowExpiration"] == {"ttlValue": "P3M"}
    datasets.patchDataset(dataset, {"description": "text"})
    assert datasets.getDataSet(dataset)[dataset]["description"] == "text"
    datasets.putDataset(dataset, {"name": "Other", "schemaRef": held["schemaRef"]})
    assert "description" not in datasets.getDataSet(dataset)[dataset]
    assert datasets.getDataSetObservableSchema(dataset) == {}
    datasets.deleteDataSet(dataset)
    assert datasets.getDataSet(dataset)["status"] == 404


def test_profiles_are_exported_to_a_dataset_of_the_union(datasets: Catalog, dataset: str) -> None:
    (reference,) = datasets.createUnionProfileDataset()
    (made,) = datasets.getDataSet(reference.rpartition("/")[2]).values()
    assert made["schemaRef"]["id"] == f"{PROFILE}__union"


def test_what_is_not_served_says_so(datasets: Catalog) -> None:
    assert datasets.getBatches() == {}
    for refused, name in (
        (datasets.getLastBatches(), "listLastBatches"),
        (datasets.getBatch("x"), "retrieveBatch"),
    ):
        assert refused["status"] == 501
        assert name in refused["detail"]


def test_the_type_of_a_sandbox() -> None:
    sandboxes = Sandboxes()
    assert sandboxes.getSandbox("prod")["type"] == "production"
    assert sandboxes.getSandboxId("prod") != sandboxes.getSandboxId("dev")
