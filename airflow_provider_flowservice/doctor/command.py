"""The command line of the doctor. Airflow imports it in all of its commands, so it imports nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from airflow_provider_flowservice.doctor.findings import Report

HELP = "Examine a connection and the AEP behind it"
DESCRIPTION = (
    "Examine a connection: what the credential may do in the sandbox, and how this AEP behaves where Adobe's documents"
    " leave it open. Exits with 0 if everything is fine, 1 if something is broken, and 2 if something could not be"
    " determined, or an option is wrong. The output contains no secrets, ids or names, so it can be shown to anyone."
)
_STDOUT = "-"
#: Exit code of a process that Ctrl-C ends, in shells.
_INTERRUPTED = 130


def add_arguments(parser: Any) -> None:
    """Add the options of the command to a parser, or to what collects them for Airflow's."""
    parser.add_argument(
        "--conn-id",
        default="flowservice_default",
        help="Airflow connection to examine (default: %(default)s)",
    )
    parser.add_argument("--sandbox", metavar="NAME", help="overrides the sandbox of the connection")
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also write the report to this file as JSON; - for standard output, with the table on standard error",
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
    if problem := _unwritable(options):
        sys.stderr.write(f"{problem}\n")
        return 1
    try:
        found = _examine(options)
        _write(found, options)
    except KeyboardInterrupt as error:
        sys.stderr.write(" ".join(["Interrupted.", *getattr(error, "__notes__", ())]) + "\n")
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 (it is shown, without its message, which can have ids and names)
        sys.stderr.write(
            f"The doctor itself has failed: {_place_of(error)}. Report this line to the provider's project.\n"
        )
        return 1
    return found.exit_code


def _examine(options: argparse.Namespace) -> Report:
    from rich.console import Console

    from airflow_provider_flowservice.doctor.examine import examine
    from airflow_provider_flowservice.doctor.privacy import Veil, veiled_logs
    from airflow_provider_flowservice.hooks.connection import look_into_airflows_database
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

    veil = Veil()
    # It shows what is done now in one line, and nothing if standard error is not a terminal, as in a CI job.
    progress = Console(stderr=True)
    with veiled_logs(veil), look_into_airflows_database(), progress.status("") as status:
        hook = FlowServiceHook(options.conn_id, options.sandbox)
        return examine(hook, status.update, with_writes=options.with_writes, veil=veil)


def _write(found: Report, options: argparse.Namespace) -> None:
    from rich.console import Console

    from airflow_provider_flowservice.doctor import report

    # Standard output has the JSON alone, for other programs.
    report.show(found, Console(stderr=options.json == _STDOUT))
    if options.json == _STDOUT:
        sys.stdout.write(report.as_json(found).decode() + "\n")
    elif options.json:
        Path(options.json).write_bytes(report.as_json(found) + b"\n")
    if options.switches:
        Path(options.switches).write_bytes(report.switches_file(found) + b"\n")


def _unwritable(options: argparse.Namespace) -> str | None:
    """Say which file cannot be written, before a run that would be for nothing."""
    for name, path in (("--json", options.json), ("--switches", options.switches)):
        if path and path != _STDOUT:
            try:
                Path(path).open("ab").close()
            except OSError as problem:
                return f"{name}: the file cannot be written ({problem.strerror}). Choose another path."
    return None


def _place_of(error: BaseException) -> str:
    """Return the type of an error, and the last line of this package that it came from."""
    import traceback

    package = Path(__file__).parents[1]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(package)
    ]
    last = frames[-1]
    place = Path(last.filename).relative_to(package.parent).as_posix()
    return f"{type(error).__name__} at {place}, line {last.lineno}"
