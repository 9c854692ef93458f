from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.scenarios import SHIPPED, read_scenario
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import World
from tests.emulator.conftest import Api

QUIET = yaml.safe_load(
    (Path(sys.modules[read_scenario.__module__].__file__ or "").parent / "quiet.yaml").read_text()
)


@contextmanager
def served(scenario: Any) -> Iterator[Api]:
    with EmulatorServer(prepare=read_scenario(scenario)) as server:
        api = Api(server.url, server.control)
        api.log_in()
        yield api
        api.session.close()


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(**content: Any) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_a_quiet_day() -> None:
    with served("quiet") as api:
        (flow,) = api.get("/flows").json()["items"]
        assert (flow["name"], flow["state"]) == ("Loyal customers to Kinesis", "enabled")
        assert len(api.control.exports(flow["id"])) > 0
        api.control.advance(3700)
        (run,) = api.get("/runs").json()["items"]
        assert run["flowId"] == flow["id"]


def test_a_bad_day() -> None:
    with served("bad-day") as api:
        assert len(api.get("/flows", limit=100).json()["items"]) == 20
        assert api.control.switches()["change_delay_seconds"] == 8
        assert [rule["fault"]["kind"] for rule in api.control.faults_left()] == ["conflict"]
        api.control.advance(61)
        assert api.get("/flows").status_code == 429


def test_a_busy_sandbox_has_as_many_flows_and_runs_as_it_says() -> None:
    world = World(Settings())
    read_scenario("busy-sandbox")(world)
    store = FlowStore.of(world.sandboxes["dev"])
    assert (len(store.all(Kind.FLOWS)), len(store.all(Kind.RUNS))) == (5000, 20000)


def test_resources_refer_to_each_other_by_name_or_by_id(write: Any) -> None:
    content = {**QUIET, "segments": [{"name": "Mine", "expression": "age > 1"}], "sandbox": "stage"}
    content["flows"] = [
        {**QUIET["flows"][0], "segments": ["Mine", "Men over 50"], "flowSpec": "upsToStreamingDestination"},
        {**QUIET["flows"][0], "name": "off", "state": "disabled"},
    ]
    with served(write(**content)) as api:
        api.session.headers["x-sandbox-name"] = "stage"
        off, on = api.get("/flows").json()["items"]
        assert (off["state"], on["state"]) == ("disabled", "enabled")
        selectors = on["transformations"][0]["params"]["segmentSelectors"]["selectors"]
        definitions = api.get("/data/core/ups/segment/definitions", limit=100).json()["segments"]
        names = {each["id"]: each["name"] for each in definitions}
        assert [names[each["value"]["id"]] for each in selectors] == ["Mine", "Men over 50"]
        api.session.headers["x-sandbox-name"] = "dev"
        assert api.get("/flows").json()["items"] == []


def test_an_http_api_connection_has_an_inlet(write: Any) -> None:
    auth = {"specName": "Streaming Connection", "params": {"dataType": "raw"}}
    path = write(connections=[{"name": "inlet", "connectionSpec": "HTTP API", "auth": auth}])
    with served(path) as api:
        (connection,) = api.get("/connections").json()["items"]
        assert connection["auth"]["params"]["inletUrl"].startswith(api.url)


def test_a_fault_waits_for_its_time(write: Any) -> None:
    fault = {"at": 60, "match": {"path": "*/flows"}, "fault": {"kind": "status", "status": 503}}
    with served(write(faults=[fault])) as api:
        assert api.get("/flows").status_code == 200
        api.control.advance(60)
        assert [api.get("/flows").status_code for _ in range(2)] == [503, 200]


def test_runs_end_as_their_time_says_even_if_the_clock_skips_it(write: Any) -> None:
    outcomes = [
        {"outcome": "partialSuccess", "seconds": 10},
        {"at": 5400, "outcome": "failed"},
        {"at": 9000, "outcome": "success"},
    ]
    with served(write(**{**QUIET, "run_outcomes": outcomes})) as api:
        api.control.advance(3 * 3600 + 60)
        runs = api.get("/runs").json()["items"]
        statuses = [run["metrics"]["statusSummary"]["status"] for run in runs]
        assert statuses == ["success", "failed", "partialSuccess"]


def test_a_reset_forgets_the_scenario(write: Any) -> None:
    fault = {"at": 60, "fault": {"kind": "status", "status": 503}}
    with served(write(**{**QUIET, "faults": [fault]})) as api:
        api.control.reset()
        api.control.advance(60)
        assert api.control.faults_left() == []
        assert api.control.state()["flows"] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"flow": []}, r"unknown key 'flow'; use one of sandbox, switches, .*flows"),
        ({"flows": {}}, r"flows: Expected `array`, got `object`"),
        ({"flows": ["x"]}, r"flows\[0\]: Expected `object`, got `str`"),
        (
            {"streaming_flows": {"count": "5"}},
            r"streaming_flows\.count: Expected `int`, got `str`; .*count, runs",
        ),
        ({"streaming_flows": [1]}, r"streaming_flows: Expected `object \| null`, got `array`; its keys are"),
        ({"streaming_flows": {"count": 0}}, r"streaming_flows\.count: Expected `int` >= 1"),
        (
            {"streaming_flows": {"flows": 1}},
            r"streaming_flows: Object .* unknown field `flows`; its keys are count",
        ),
        ({"streaming_flows": {"count": 3, "runs": 4}}, r"streaming_flows\.runs: .* use a multiple of 3"),
        ({"switches": {"gzip": "no"}}, r"switches: switch 'gzip' must be one of refuse, accept"),
        ({"switches": {"nothing": 1}}, r"switches: unknown switch 'nothing'; it must be one of"),
        ({"run_outcomes": [{"outcome": "fine"}]}, r"run_outcomes\[0\]\.outcome: Invalid enum value 'fine'"),
        ({"faults": [{"at": -1, "fault": {}}]}, r"faults\[0\]\.at: Expected `float` >= 0"),
        ({"faults": [{"fault": {"kind": "x"}}]}, r"faults\[0\]: fault\.kind must be one of"),
        (
            {"faults": [{"fault": {"kind": "reset"}, "path": "/"}]},
            r"faults\[0\]: .*`path`; its keys are fault, at",
        ),
        ({"segments": [{"name": ""}]}, r"segments\[0\]\.name: "),
    ],
)
def test_what_is_wrong_in_a_file_is_named(content: dict[str, Any], message: str, write: Any) -> None:
    path = write(**content)
    with pytest.raises(ValueError, match=rf"^scenario {path}: {message}"):
        read_scenario(path)


@pytest.mark.parametrize(
    ("key", "changes", "message"),
    [
        (
            "connections",
            {"connectionSpec": "Kinesis"},
            r"connectionSpec: there is no 'Kinesis'; .*Amazon Kinesis",
        ),
        ("connections", {"name": 5}, r"AEP would refuse it: 'name' is required"),
        (
            "sourceConnections",
            {"baseConnection": "x"},
            r"baseConnection: there is no 'x'; .* are Kinesis, Profiles",
        ),
        ("flows", {"targetConnections": "x"}, r"targetConnections: 'x' is not what it must be; use names of"),
        (
            "flows",
            {"segments": ["x"]},
            r"segments: there is no 'x'; the segments of the sandbox are .*Men over 50",
        ),
        ("flows", {"transformations": []}, r"segments: the flow has transformations too; leave out one"),
        ("flows", {"state": "on"}, r"state: 'on' is not possible; use enabled or disabled"),
    ],
)
def test_a_resource_that_aep_would_refuse_is_an_error_before_anything_is_served(
    key: str, changes: dict[str, Any], message: str, write: Any
) -> None:
    path = write(**{**QUIET, key: [{**QUIET[key][0], **changes}, *QUIET[key][1:]]})
    with pytest.raises(ValueError, match=rf"^scenario {path}: {key}\[0\](\.|: ){message}"):
        EmulatorServer(prepare=read_scenario(path))


@pytest.mark.parametrize("text", ["[", "- a list", "text"])
def test_a_file_that_is_no_mapping_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^scenario {path}: (not valid YAML|it must be a mapping)"):
        read_scenario(path)


def test_dates_need_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("connections: [{name: a, connectionSpec: Unified Profile Service, since: 2026-01-02}]")
    with served(path) as api:
        assert api.control.state()["connections"][0]["since"] == "2026-01-02"


def test_the_command_takes_a_scenario_by_name_and_says_what_is_wrong() -> None:
    command = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0", "--scenario"]
    done = subprocess.run([*command, "loud"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"no scenario 'loud'; give the path of a YAML file, or one of {', '.join(SHIPPED)}" in done.stderr
    with subprocess.Popen([*command, "quiet"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "emulator on http://" in process.stdout.readline()
        finally:
            process.terminate()
