"""The emulator that is measured, on one core and with a busy sandbox.

``python -m tests.benchmarks.emulator.server FLOWS RUNS`` prints its URL, and serves until it is ended. With ``--scan``,
lists look at every resource instead of using an index.
"""

from __future__ import annotations

import argparse
import os
import signal

from airflow_provider_flowservice.emulator.flow import finding
from airflow_provider_flowservice.emulator.flow.seeding import seed_streaming_flows
from airflow_provider_flowservice.emulator.flow.store import FlowStore
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.world import World


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("flows", type=int)
    parser.add_argument("runs", type=int, help="of each flow")
    parser.add_argument("--scan", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.scan:
        finding._narrowed = lambda renderer, kind, filters: (  # type: ignore[assignment]
            [FlowStore.of(renderer.sandbox).shelf(kind).by_age],
            list(filters),
        )

    def prepare(world: World) -> None:
        seed_streaming_flows(world.sandboxes[world.settings.sandbox], options.flows, options.runs)

    with EmulatorServer(prepare=prepare) as server:
        print(server.url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
