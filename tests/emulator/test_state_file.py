from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_flowservice.emulator.scenarios import read_scenario
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.state import Autosave, StateFile
from airflow_provider_flowservice.emulator.world import Store, World
from tests.emulator.conftest import (
    CATALOG,
    DATA_PREP,
    REGISTRY,
    XDM_FULL,
    Api,
    Streaming,
    add_attribute,
    add_segment,
    serving,
)


@contextmanager
def served(path: Path, token: str = "", **options: Any) -> Iterator[Api]:
    with serving(token, state_file=path, **options) as api:
        yield api


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def to_flow(streaming: Streaming) -> dict[str, str]:
    return {"x-adobe-flow-id": streaming.flow_id}


def everything(api: Api) -> dict[str, Any]:
    """What AEP's own endpoints and the emulator's show, without what depends on the emulator's port."""
    schemas = {"headers": {"Accept": "application/vnd.adobe.xed-id+json"}}
    shown = {
        "state": {name: api.control.state(name) for name in api.control.sandboxes},
        "switches": api.control.switches(),
        "datasets": api.get(f"{CATALOG}/dataSets").json(),
        "mappings": api.get(f"{DATA_PREP}/mappingSets", limit=10, start=0).json(),
        "schemas": api.call("GET", f"{REGISTRY}/tenant/schemas", **schemas).json(),
        "segments": api.get("/data/core/ups/segment/definitions", limit=100).json(),
        "zone": api.get("/data/foundation/connectors/landingzone/credentials", type="user_drop_zone").json(),
    }
    return dict(json.loads(json.dumps(shown).replace(api.url, "URL")))


def received(api: Api, flow_id: str) -> int:
    """How many records of a flow the page counts."""
    card = requests.get(f"{api.url}/_emulator/page/flows/{flow_id}", timeout=30).json()
    return int(card["inlets"][0]["received"])


def test_everything_outlives_a_restart(path: Path) -> None:
    with served(path) as api:
        api.control.open_sandbox("stage")
        api.control.set_switches(run_seconds=7)
        flow = api.flow()
        streaming = Streaming(api, "raw", mapped=True)
        streaming.settle()
        assert (
            streaming.send({"first": "Ada", "mail": "a@example.com"}, **to_flow(streaming)).status_code == 200
        )
        etag = api.item(f"/flows/{flow['id']}")["etag"]
        api.patch(
            f"/flows/{flow['id']}", etag, add_segment(api.control.segments[0]), add_attribute("person.name")
        )
        api.call(
            "POST", "/data/foundation/connectors/landingzone/credentials?action=refresh&type=user_drop_zone"
        )
        api.control.advance(2 * 3600 + 1)
        token = str(api.session.headers["Authorization"])
        before, ahead = everything(api), api.control._json("GET", "/clock")["ahead"]
        assert len(before["state"]["dev"]["runs"]) == 3
        assert len(before["state"]["dev"]["messages"][streaming.inlet_id]) == 1
        assert received(api, flow_id=streaming.flow_id) == 1
    with served(path, token) as api:
        # On the page, before anything else asks for the inlet.
        assert received(api, flow_id=streaming.flow_id) == 1
        assert everything(api) == before
        assert api.control._json("GET", "/clock")["ahead"] == ahead
        schema = api.call(
            "GET",
            f"{REGISTRY}/tenant/schemas/{before['schemas']['results'][0]['meta:altId']}",
            headers={"Accept": XDM_FULL},
        )
        assert schema.status_code == 200
        # It goes on from there: writes need the etags that were, and what was due is not due again.
        etag = api.item(f"/flows/{flow['id']}")["etag"]
        assert api.patch(f"/flows/{flow['id']}", etag, {"op": "replace", "path": "/name", "value": "x"}).ok
        api.control.advance(3600)
        assert len(api.control.state()["runs"]) == 4
        streaming.api, streaming.inlet_url = (
            api,
            streaming.inlet_url.replace(streaming.inlet_url.partition("/collection")[0], api.url),
        )
        assert streaming.send({"first": "Bob"}, **to_flow(streaming)).status_code == 200
        assert len(api.control.messages(streaming.inlet_id)) == 2
        for collection in ("flows", "sourceConnections", "targetConnections", "connections"):
            for item in api.get(f"/{collection}", limit=100).json()["items"]:
                assert api.call("DELETE", f"/{collection}/{item['id']}").ok


def test_an_inlet_that_nobody_asked_for_keeps_its_messages(path: Path) -> None:
    with served(path) as api:
        streaming = Streaming(api, "raw")
        streaming.settle()
        assert streaming.send({"n": 1}, **to_flow(streaming)).ok
    for _ in range(2):
        with served(path):
            pass
    with served(path) as api:
        assert len(api.control.messages(streaming.inlet_id)) == 1


def test_an_update_that_had_not_ended_ends(path: Path) -> None:
    with served(path) as api:
        api.control.set_switches(finalization_seconds=30)
        flow = api.flow()["id"]
        etag = api.item(f"/flows/{flow}")["etag"]
        etag = api.patch(f"/flows/{flow}", etag, {"op": "replace", "path": "/name", "value": "x"}).json()[
            "etag"
        ]
    with served(path) as api:
        assert api.item(f"/flows/{flow}")["etag"] == etag
        api.control.advance(31)
        assert api.item(f"/flows/{flow}")["etag"] != etag


def test_a_reset_is_kept_too(path: Path) -> None:
    with served(path) as api:
        api.profile_base()
        api.control.reset()
    with served(path) as api:
        assert api.get("/connections").json()["items"] == []


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    with served(path) as api:
        assert path.stat().st_mode & 0o777 == 0o600
        api.profile_base()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_scenario_is_used_once(path: Path) -> None:
    with served(path, prepare=read_scenario("quiet")) as api:
        flow = api.get("/flows").json()["items"][0]["id"]
        etag = api.item(f"/flows/{flow}")["etag"]
        api.patch(f"/flows/{flow}", etag, {"op": "replace", "path": "/name", "value": "mine"})
    with served(path, prepare=read_scenario("quiet")) as api:
        assert [each["name"] for each in api.get("/flows").json()["items"]] == ["mine"]


def test_it_is_written_only_if_something_has_changed(path: Path) -> None:
    world = World(Settings())
    file = StateFile(path)
    assert file.restore(world) is False
    file.save()
    path.unlink()
    file.save()
    assert not path.exists()
    world.open_sandbox("more")
    file.save()
    assert path.exists()


def test_it_is_saved_a_while_after_a_request() -> None:
    saves = []

    async def main() -> None:
        saved = asyncio.Event()

        async def app(*_: Any) -> None:
            assert not saved.is_set()

        def save() -> None:
            saves.append(1)
            saved.set()

        autosave = Autosave(app, save, seconds=0)
        for count in (1, 2):
            for _ in range(3):
                await autosave({"type": "http"}, None, None)  # type: ignore[arg-type]
            await asyncio.wait_for(saved.wait(), 10)
            assert len(saves) == count
            saved.clear()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is broken"),
        ("{", "is broken"),
        ("[]", "is broken"),
        ('{"format": "other", "version": 1}', "is broken, or no state of an emulator"),
        (
            '{"format": "flowservice-emulator", "version": 999}',
            "is of version 999, and this emulator has version 1",
        ),
        ('{"format": "flowservice-emulator", "version": 1}', "is broken.* missing required field `ahead`"),
    ],
)
def test_a_file_that_is_no_state_is_an_error_and_stays_as_it_is(
    content: str, message: str, path: Path
) -> None:
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"^the state file {re.escape(str(path))} {message}"):
        EmulatorServer(state_file=path)
    assert path.read_text() == content


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["sandboxes"]["dev"].update(Unknown={}),
        lambda state: state["sandboxes"]["dev"]["FlowStore"]["resources"].update(flows=[{}]),
        lambda state: state["sandboxes"]["dev"]["FlowStore"].pop("writes"),
        lambda state: state["organization"]["TokenStore"].update(_tokens=[]),
        lambda state: state["switches"].update(unknown=1),
        lambda state: state.update(ahead=-1),
        lambda state: state.update(format="other"),
    ],
)
def test_a_part_that_is_broken_is_an_error(change: Any, path: Path) -> None:
    with served(path) as api:
        api.flow()
    state = json.loads(path.read_text())
    change(state)
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"state\.json is broken, or no state of an emulator .*; remove it"):
        EmulatorServer(state_file=path)


def test_a_folder_that_is_not_there_is_an_error_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        EmulatorServer(state_file=tmp_path / "nowhere" / "state.json")


def test_a_server_that_did_not_start_leaves_the_state_of_the_one_that_runs(path: Path) -> None:
    with served(path) as api:
        other = EmulatorServer(port=int(api.url.rpartition(":")[2]), state_file=path)
        api.profile_base()
    saved = path.read_bytes()
    with EmulatorServer() as blocker:
        other._port = int(blocker.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            other.start()
        other.stop()
    assert path.read_bytes() == saved


def test_every_store_says_what_is_kept() -> None:
    """A new store must say it, or be named here: these are the emulator's own."""
    silent = {kind.__name__ for kind in Store.__subclasses__() if not kind.kept and kind.dump is Store.dump}
    assert silent == {"DeliveryStore", "FaultQueue"}


def test_the_command_saves_when_it_is_ended(path: Path) -> None:
    command = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0"]
    command += ["--scenario", "quiet", "--state-file", str(path)]
    for restored in (False, True):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                lines = [process.stdout.readline() for _ in range(1 + restored)]
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0
        assert ("without the scenario" in lines[-1]) is restored
    assert "Loyal customers to Kinesis" in path.read_text()
