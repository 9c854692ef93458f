"""The command line of the doctor. Airflow imports it in all of its commands, so it imports nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

DESCRIPTION = (
    "Examine a connection: what the credential may do in the sandbox, and how this AEP behaves where Adobe's documents"
    " leave it open. Exits with 0 if everything is fine, 1 if something is broken, and 2 if something could not be"
    " determined."
)


def add_arguments(parser: Any) -> None:
    """Add the options of the command to a parser, or to what collects them for Airflow's."""
    parser.add_argument(
        "--conn-id",
        default="flowservice_default",
        help="Airflow connection to examine (default: %(default)s)",
    )
    parser.add_argument("--sandbox", metavar="NAME", help="overrides the sandbox of the connection")
    parser.add_argument(
        "--json", metavar="FILE", help="write the report to this file too; - for standard output"
    )
    parser.add_argument(
        "--switches",
        metavar="FILE",
        help="write a file with which flowservice-emulator behaves like this AEP",
    )
    parser.add_argument(
        "--with-writes",
        action="store_true",
        help="also make a few objects, and remove them again; only in a sandbox that AEP says is not production",
    )


def run(options: argparse.Namespace) -> int:
    """Examine a connection, and show the report.

    :returns: the exit code.
    """
    from rich.console import Console

    from airflow_provider_flowservice.doctor import report
    from airflow_provider_flowservice.doctor.examine import examine
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

    progress = Console(stderr=True)
    # The table is for a person, who then has the JSON on standard output alone.
    console = Console(stderr=options.json == "-")
    hook = FlowServiceHook(options.conn_id, options.sandbox)
    with progress.status("") as status:
        found = examine(hook, status.update, with_writes=options.with_writes)
    report.show(found, console)
    if options.json == "-":
        sys.stdout.write(report.as_json(found).decode() + "\n")
    elif options.json:
        Path(options.json).write_bytes(report.as_json(found))
    if options.switches:
        Path(options.switches).write_bytes(report.switches_file(found))
    return found.exit_code
