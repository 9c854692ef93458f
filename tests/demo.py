"""The demo: onboarding DAGs through a real Airflow against an emulator, twice, and what exists afterwards.

Run by ``make demo``. Everything it writes lies in ``build/demo``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.testing.database import share_api_server
from tests.support import airflow as support
from tests.support.processes import output_to

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.control import EmulatorControl

DESTINATION = "onboard_kinesis_destination"
SOURCE = "onboard_http_api_source"
CREATES = ("/connections", "/sourceConnections", "/targetConnections", "/flows")


class DemoError(Exception):
    """The demo did not show what it is there to show."""


def main() -> int:
    """Run the demo; the exit status is 0 when everything held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--build", type=Path, default=Path("build/demo"), help="folder for everything written"
    )
    folder = parser.parse_args().build.resolve()
    try:
        run(folder)
    except DemoError as failure:
        say(f"demo: failed: {failure}")
        return 1
    say("demo: ok")
    return 0


def run(folder: Path) -> None:
    """Set up Airflow in ``folder``, run the DAGs twice and show what exists.

    :raises DemoError: naming what did not hold and where to look.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = folder / "airflow.log"
    isolate_environment(folder / "airflow")

    from airflow_provider_flowservice.emulator.server import EmulatorServer

    with EmulatorServer() as server:
        say(f"The emulator listens on {server.url}")
        os.environ.update(support.connections(server.url, server.control.credential))
        say("Airflow makes its database ...")
        with output_to(log):
            support.migrate()
            share_api_server()
        try:
            onboard_destination_twice(server.control, log)
            onboard_source(server.control, log)
        finally:
            keep(folder, server.control)
        show(server.control)
    say(f"Look further in {shown(folder / 'state.json')} and {shown(folder / 'journal.json')}")
    say(f"Airflow's log is {shown(log)}")


def onboard_destination_twice(control: EmulatorControl, log: Path) -> None:
    """Run the DAG, run it again, and hold the second run's journal against what it promises."""
    conf = {"segments": control.segments[:3]}
    for attempt in ("first", "second"):
        before = len(control.requests())
        say(f"Airflow runs {DESTINATION} for the {attempt} time ...")
        run_dag(DESTINATION, log, conf)
        calls = control.requests()[before:]
    writes = [f"{call['method']} {call['path']}" for call in calls if is_write(call)]
    if writes:
        raise DemoError(f"the second run changed something: {', '.join(writes)}")
    say(f"The second run made {len(calls)} calls: no create, no patch")


def onboard_source(control: EmulatorControl, log: Path) -> None:
    """Run the DAG that opens an inlet; the wait for the new flow passes on the emulator's clock."""
    say(f"Airflow runs {SOURCE}, and the emulator's clock moves over the wait for the new flow ...")
    with clock.installed(VirtualClock.in_step_with(control)):
        run_dag(SOURCE, log)
    arrived = [message for messages in control.state()["messages"].values() for message in messages]
    if not arrived or any(message["dropped"] for message in arrived):
        raise DemoError(f"records did not arrive: {arrived}")
    say(f"The inlet took {len(arrived)} records and dropped none")


def run_dag(dag_id: str, log: Path, conf: dict[str, Any] | None = None) -> None:
    """Run an example DAG to success.

    :raises DemoError: if it ends in another state.
    """
    with output_to(log):
        dag_run = support.run_dag(dag_id, conf)
    if dag_run.state != "success":
        raise DemoError(f"{dag_id} is {dag_run.state}: {support.task_states(dag_run)}; see {shown(log)}")


def is_write(call: dict[str, Any]) -> bool:
    """Whether a journalled call created or changed something."""
    created = call["method"] == "POST" and call["path"].endswith(CREATES)
    return bool(created or call["method"] in ("PATCH", "PUT", "DELETE"))


def show(control: EmulatorControl) -> None:
    """Print what exists as a table, and one profile as the destination gets it."""
    state = control.state()
    say("")
    for label, collection in (
        ("base connection", "connections"),
        ("source connection", "sourceConnections"),
        ("target connection", "targetConnections"),
        ("flow", "flows"),
    ):
        for resource in state[collection]:
            row(label, resource["name"], resource["id"])
    for messages in state["messages"].values():
        for message in messages:
            row("record mapped", message["mapped"]["_id"], message["xactionId"])
    for flow in state["flows"]:
        selected = flow["transformations"][0]["params"]
        if "segmentSelectors" not in selected:
            continue
        for selector in selected["segmentSelectors"]["selectors"]:
            row("segment mapped", selector["value"].get("name", ""), selector["value"]["id"])
        for selector in selected["profileSelectors"]["selectors"]:
            row("attribute mapped", selector["value"]["path"], "")
        exported = control.exports(flow["id"])
        if not exported:
            raise DemoError(f"flow {flow['id']} exports nothing")
        say("\nOne profile as the destination gets it:")
        say(json.dumps(exported[0], indent=2))
    say("")


def keep(folder: Path, control: EmulatorControl) -> None:
    """Write state and journal for a later look, also when a run failed."""
    (folder / "state.json").write_text(json.dumps(control.state(), indent=2))
    (folder / "journal.json").write_text(json.dumps(control.requests(), indent=2))


def isolate_environment(home: Path) -> None:
    """Leave no setting of an Airflow that is installed here in force."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    os.environ.update(support.environment(home, log_level="INFO"))


def shown(path: Path) -> str:
    """A path as a person would write it from here."""
    return os.path.relpath(path)


def row(kind: str, name: str, resource_id: str) -> None:
    """Print one line of the table."""
    say(f"{kind:<18} {name:<44} {resource_id}")


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
