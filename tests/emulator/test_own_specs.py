from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.own_specs import add_specs
from tests.emulator.conftest import PROFILE_FLOW, UNIFIED_PROFILE, Api, add_segment

LOYALTY = "11111111-2222-4333-8444-555555555555"
LOYALTY_FLOW = "66666666-7777-4888-8999-aaaaaaaaaaaa"
SPECS: dict[str, Any] = {
    "connectionSpecs": [
        {
            "id": LOYALTY,
            "name": "Loyalty service",
            "attributes": {"category": "Loyalty", "isDestination": True, "custom": [1]},
            "authSpec": [
                {
                    "name": "Key",
                    "type": "KeyBased",
                    "spec": {
                        "type": "object",
                        "properties": {"key": {"type": "string", "format": "password", "minLength": 3}},
                        "required": ["key"],
                    },
                }
            ],
            "targetSpec": {"spec": {"properties": {"program": {"type": "string"}}, "required": ["program"]}},
        }
    ],
    "flowSpecs": [
        {
            "id": LOYALTY_FLOW,
            "name": "upsToLoyalty",
            "sourceConnectionSpecIds": [UNIFIED_PROFILE["id"]],
            "targetConnectionSpecIds": [LOYALTY],
            "transformationSpecs": [{"name": "GeneralTransform"}],
            "attributes": {"isDestinationFlow": True},
        }
    ],
}

CONNECTION, FLOW = ["connectionSpecs", 0], ["flowSpecs", 0]


@pytest.fixture
def add(tmp_path: Path) -> Iterator[Any]:
    """Adds specs for the time of a test."""
    before = dict(CONNECTION_SPECS), dict(FLOW_SPECS)

    def add(specs: Any) -> None:
        path = tmp_path / "specs.json"
        path.write_text(json.dumps(specs))
        add_specs(path)

    yield add
    for catalogue, kept in zip((CONNECTION_SPECS, FLOW_SPECS), before, strict=True):
        catalogue.clear()
        catalogue.update(kept)  # type: ignore[arg-type]


def loyalty(api: Api, **changes: Any) -> dict[str, Any]:
    spec = {"id": LOYALTY, "version": "1.0"}
    auth = {"specName": "Key", "params": {"key": "secret"}}
    base = api.create("/connections", {"name": "loyalty", "connectionSpec": spec, "auth": auth})
    target = {
        "name": "t",
        "connectionSpec": spec,
        "baseConnectionId": base["id"],
        "params": {"program": "gold"},
    }
    return {
        **api.flow_body(),
        "targetConnectionIds": [api.create("/targetConnections", target)["id"]],
        "flowSpec": {"id": LOYALTY_FLOW, "version": "1.0"},
        **changes,
    }


def test_a_destination_of_ones_own_is_served(add: Any, api: Api) -> None:
    add(SPECS)
    (shown,) = api.get("/connectionSpecs", property='name=="Loyalty service"').json()["items"]
    assert shown == {"version": "1.0", **SPECS["connectionSpecs"][0]}
    flow = api.create("/flows", loyalty(api))
    segment = api.control.segments[0]
    assert api.patch(f"/flows/{flow['id']}", flow["etag"], add_segment(segment)).ok
    (base,) = api.get("/connections", property="name==loyalty").json()["items"]
    assert base["auth"]["params"]["key"] != "secret"


def test_what_its_specs_say_is_checked(add: Any, api: Api) -> None:
    add(SPECS)
    spec = {"id": LOYALTY, "version": "1.0"}
    auth = {"specName": "Key", "params": {"key": "ab"}}
    body = {"name": "x", "connectionSpec": spec, "auth": auth}
    assert "minLength" in api.call("POST", "/connections", json=body).text
    wrong = api.call("POST", "/flows", json=loyalty(api, flowSpec=PROFILE_FLOW))
    assert f"Use the flow spec {LOYALTY_FLOW} (upsToLoyalty)" in wrong.text


def test_any_schema_of_an_authentication_is_explained(add: Any, api: Api) -> None:
    add(
        changed(
            [*CONNECTION, "authSpec", 0, "spec"], {"anyOf": [{"minProperties": 2}, {"required": ["key"]}]}
        )
    )
    auth = {"specName": "Key", "params": {}}
    body = {"name": "x", "connectionSpec": {"id": LOYALTY, "version": "1.0"}, "auth": auth}
    refused = api.call("POST", "/connections", json=body)
    assert (refused.status_code, "anyOf" in refused.text) == (400, True)


def test_a_connection_spec_alone_is_a_partners(add: Any, api: Api) -> None:
    add({"connectionSpecs": SPECS["connectionSpecs"]})
    assert api.create("/flows", loyalty(api, flowSpec=PROFILE_FLOW))


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    specs = deepcopy(SPECS)
    place: Any = specs
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return specs


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([], r"Expected `object`, got `array`"),
        ({"specs": []}, r"Object contains unknown field `specs`"),
        (changed([*CONNECTION, "id"], "x"), r"connectionSpecs\[0\]\.id: Invalid UUID"),
        (changed([*CONNECTION, "name"], ""), r"connectionSpecs\[0\]\.name: "),
        (changed([*CONNECTION, "attributes"], 1), r"connectionSpecs\[0\]\.attributes: Expected `object`"),
        (
            changed([*CONNECTION, "authSpec", 0, "spec"], {"type": 1}),
            r"authSpec\[0\]\.spec: it is not a JSON schema",
        ),
        (
            changed([*CONNECTION, "targetSpec", "spec", "properties"], []),
            r"targetSpec\.spec: it is not a JSON",
        ),
        (
            changed([*FLOW, "transformationSpecs", 0, "spec"], {"properties": 1}),
            r"Specs\[0\]\.spec: it is not a JSON",
        ),
        (changed([*CONNECTION, "id"], UNIFIED_PROFILE["id"]), r"connectionSpecs\[0\]\.id: .* known already"),
        (changed([*FLOW, "targetConnectionSpecIds"], []), r"flowSpecs\[0\]\.targetConnectionSpecIds: "),
        (changed([*FLOW, "targetConnectionSpecIds"], ["x"]), r"flowSpecs\[0\]: it connects x, which is no"),
        (changed([*FLOW, "id"], PROFILE_FLOW["id"]), r"flowSpecs\[0\]\.id: .* known already; leave it out"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_and_nothing_is_added(specs: Any, message: str, add: Any) -> None:
    before = len(CONNECTION_SPECS), len(FLOW_SPECS)
    with pytest.raises(ValueError, match=rf"^specs .*specs\.json: .*{message}"):
        add(specs)
    assert (len(CONNECTION_SPECS), len(FLOW_SPECS)) == before


def test_the_command_adds_them(tmp_path: Path) -> None:
    path = tmp_path / "specs.json"
    path.write_text(json.dumps(SPECS))
    command = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0"]
    with subprocess.Popen([*command, "--specs", str(path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
            api = Api(url, EmulatorControl(url))
            api.log_in()
            assert api.get(f"/flowSpecs/{LOYALTY_FLOW}").json()["items"][0]["name"] == "upsToLoyalty"
            api.session.close()
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("collection", "spec_id", "name"),
    [
        ("flowSpecs", "d69717ba-71b4-4313-b654-49f9cf126d7a", "Stream data with optional transformation"),
        ("flowSpecs", "c1a19761-d2c7-4702-b9fa-fe91f0613e81", "Steam data with transformation"),
        ("flowSpecs", "d8a6f005-7eaf-4153-983e-e8574508b877", "Stream data without transformation"),
        ("flowSpecs", "9753525b-82c7-4dce-8a9b-5ccfce2b9876", "CloudStorageToAEP"),
        ("connectionSpecs", "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "datalake"),
        ("connectionSpecs", "23598e46-f560-407b-88d5-ea6207e49db0", "activation-datalake"),
        ("connectionSpecs", "26f526f2-58f4-4712-961d-e41bf1ccc0e8", "landing-zone"),
        ("connectionSpecs", "10440537-2a7b-4583-ac39-ed38d4b848e8", "Data Landing Zone"),
        ("connectionSpecs", "6d6b59bf-fb58-4107-9064-4d246c0e5bb2", "Azure Blob Storage"),
    ],
)
def test_names_are_those_that_adobe_prints_or_looks_up(
    collection: str, spec_id: str, name: str, api: Api
) -> None:
    (found,) = api.get(f"/{collection}", property=f'name=="{name}"').json()["items"]
    assert found["id"] == spec_id


def test_http_api_is_a_source_of_the_flow_spec_with_an_optional_transformation(api: Api) -> None:
    spec = api.get("/flowSpecs/d69717ba-71b4-4313-b654-49f9cf126d7a").json()["items"][0]
    assert "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb" in spec["sourceConnectionSpecIds"]
