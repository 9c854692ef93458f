from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import DATA_LAKE, Api, Streaming, code_of

LANDING_ZONE = "26f526f2-58f4-4712-961d-e41bf1ccc0e8"
LANDING_ZONE_DESTINATION = "10440537-2a7b-4583-ac39-ed38d4b848e8"
CONNECTORS = "/data/foundation/connectors/landingzone"
ZONE = f"/connectionSpecs/{LANDING_ZONE}/explore"


def storage(api: Api) -> str:
    auth = {"specName": "Access Key", "params": {"s3AccessKey": "AKIA", "s3SecretKey": "secret"}}
    spec = {"id": "ecadc60c-7455-4d87-84dc-2a0e293d997b", "version": "1.0"}
    return api.create("/connections", {"name": "s3", "connectionSpec": spec, "auth": auth})["id"]


def paths(listing: Any) -> list[str]:
    assert listing.status_code == 200, listing.text
    return [each["path"] for each in listing.json()]


@pytest.mark.parametrize("object_type", ["root", "ROOT", None])
def test_the_root_of_a_storage(api: Api, object_type: str | None) -> None:
    found = api.get(f"/connections/{storage(api)}/explore", objectType=object_type)
    assert found.json() == [
        {
            "type": "file",
            "name": "customers.csv",
            "path": "/customers.csv",
            "canPreview": True,
            "canFetchSchema": True,
        },
        {
            "type": "file",
            "name": "profiles.json",
            "path": "/profiles.json",
            "canPreview": True,
            "canFetchSchema": True,
        },
        {"type": "folder", "name": "daily", "path": "/daily/", "canPreview": False, "canFetchSchema": False},
    ]


def test_what_a_listing_names_can_be_explored(api: Api) -> None:
    for path, root in ((f"/connections/{storage(api)}/explore", "/"), (ZONE, "dlz-user-container/")):
        assert paths(api.get(path, objectType="root")) == [
            f"{root}{name}" for name in ("customers.csv", "profiles.json", "daily/")
        ]
        assert paths(api.get(path, objectType="folder", object=f"{root}daily/")) == [
            f"{root}daily/orders.csv"
        ]
        found = api.get(
            path, objectType="file", object=f"{root}daily/orders.csv", fileType="delimited"
        ).json()
        assert found["format"] == "flat"
        assert {"name": "email", "type": "string", "xdm": {"type": "string"}} in found["schema"]["columns"]
        assert "data" not in found


def test_a_file_can_be_previewed(api: Api) -> None:
    file = {"objectType": "file", "object": "dlz-user-container/customers.csv", "preview": "True"}
    found = api.get(ZONE, **file, determineProperties="True").json()
    assert found["properties"] == {"fileType": "delimited", "columnDelimiter": ","}
    assert [set(row) for row in found["data"]] == [{"id", "firstName", "lastName", "email"}] * 2
    both = api.get(ZONE, **file, determineProperties="true", fileType="delimited")
    assert code_of(both) == "FLOW-1452-400"


def test_tables_of_a_database(api: Api) -> None:
    spec = {"id": "3c9b37f8-13a6-43d8-bad3-b863b941fedd", "version": "1.0"}
    params = {"project": "p", "clientId": "c", "refreshToken": "r", "clientSecret": "s"}
    auth = {"specName": "Basic Authentication", "params": params}
    base = api.create("/connections", {"name": "big", "connectionSpec": spec, "auth": auth})["id"]
    path = f"/connections/{base}/explore"
    table = api.get(path, objectType="root").json()[0]
    assert (table["type"], table["canPreview"]) == ("table", True)
    found = api.get(path, objectType="table", object=table["path"], preview="true").json()
    assert found["format"] == "flat"
    assert found["data"]
    assert api.get(path, objectType="table", object="none").status_code == 404


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"objectType": "rest"}, "FLOW-1452-400"),
        ({"objectType": "file"}, "FLOW-1439-404"),
        ({"objectType": "file", "object": "none.csv"}, "FLOW-1439-404"),
        ({"objectType": "folder", "object": "none"}, "FLOW-1439-404"),
    ],
)
def test_what_is_not_there_cannot_be_explored(api: Api, params: dict[str, str], code: str) -> None:
    assert code_of(api.get(ZONE, **params)) == code


def test_not_everything_can_be_explored(api: Api) -> None:
    assert code_of(api.get(f"/connections/{api.kinesis_base()['id']}/explore")) == "FLOW-1452-400"
    assert code_of(api.get(f"/connections/{api.profile_base()['id']}/explore")) == "FLOW-1452-400"
    assert code_of(api.get(f"/connectionSpecs/{DATA_LAKE['id']}/explore")) == "FLOW-1452-400"
    for path in ("connections", "connectionSpecs"):
        for last in ("explore", "configs"):
            assert code_of(api.get(f"/{path}/none/{last}")) == "FLOW-1439-404"


def test_columns_behind_a_connection(api: Api) -> None:
    expected = {"columnName": "email", "columnType": "string"}
    for path in (f"/connections/{storage(api)}/configs", f"/connectionSpecs/{LANDING_ZONE}/configs"):
        assert expected in api.get(path).json()["items"]


def test_datasets_that_can_be_exported(api: Api) -> None:
    streaming = Streaming(api)
    ids = [streaming.dataset_id, streaming.make_dataset(), streaming.make_dataset()]
    wanted = {"outputType": "activationDatasets", "outputField": "datasets"}
    path = f"/connectionSpecs/{LANDING_ZONE_DESTINATION}/configs"
    found = api.get(path, **wanted).json()
    assert [each["id"] for each in found["items"]] == ids
    assert found["pageInfo"] == {"start": 0, "end": 3, "total": 3, "hasNext": False}
    page = api.get(path, **wanted, start=1, limit=1, properties="name").json()
    assert page["items"] == [{"id": ids[1], "name": "customers"}]
    assert page["pageInfo"] == {"start": 1, "end": 2, "total": 3, "hasNext": True}
    for wrong in ({"limit": 0}, {"limit": 101}, {"start": "x"}, {"start": "9" * 5000}):
        assert code_of(api.get(path, **wanted, **wrong)) == "FLOW-1449-400"
    assert code_of(api.get(path, outputType="other", outputField="datasets")) == "FLOW-1452-400"


def test_a_landing_zone_needs_no_base_connection(api: Api) -> None:
    source = {
        "name": "zone",
        "connectionSpec": {"id": LANDING_ZONE, "version": "1.0"},
        "data": {"format": "delimited"},
        "params": {"path": "dlz-user-container/customers.csv", "type": "file", "recursive": False},
    }
    made = api.create("/sourceConnections", source)
    assert api.item(f"/sourceConnections/{made['id']}")["inheritedAttributes"] == {}
    target = {
        "name": "zone",
        "connectionSpec": {"id": LANDING_ZONE_DESTINATION, "version": "1.0"},
        "params": {"path": "out", "type": "file"},
    }
    api.create("/targetConnections", target)
    spec = {"id": "4fce964d-3f37-408f-9778-e597338a21ee", "version": "1.0"}
    refused = api.call("POST", "/targetConnections", json={**target, "connectionSpec": spec})
    assert code_of(refused) == "FLOW-1452-400"


def test_the_container_and_its_credentials(api: Api) -> None:
    zone = {"type": "user_drop_zone"}
    container = api.get(CONNECTORS, **zone).json()
    assert container == {"containerName": "dlz-user-container", "containerTTL": "7"}
    found = api.get(f"{CONNECTORS}/credentials", **zone).json()
    assert found["containerName"] == "dlz-user-container"
    address = f"https://{found['storageAccountName']}.blob.core.windows.net/dlz-user-container"
    assert found["SASUri"] == f"{address}?{found['SASToken']}"
    assert api.get(f"{CONNECTORS}/credentials", **zone).json() == found
    refreshed = api.call("POST", f"{CONNECTORS}/credentials", params={**zone, "action": "refresh"}).json()
    assert refreshed["SASToken"] != found["SASToken"]
    assert api.get(f"{CONNECTORS}/credentials", **zone).json() == refreshed
    other = api.get(f"{CONNECTORS}/credentials", type="dlz_destination").json()
    assert other["SASToken"] not in (found["SASToken"], refreshed["SASToken"])


def test_a_landing_zone_wants_a_type_and_an_action(api: Api) -> None:
    for path in (CONNECTORS, f"{CONNECTORS}/credentials"):
        assert api.get(path).status_code == 400
        assert api.get(path, type="none").status_code == 400
    assert api.call("POST", f"{CONNECTORS}/credentials?type=user_drop_zone").status_code == 400
    api.session.headers.pop("Authorization")
    assert api.get(CONNECTORS, type="user_drop_zone").status_code == 403
