"""The command line of ``print-dag``. Airflow imports this module with each of its commands, so it imports little."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DESCRIPTION = (
    "Write DAG files for existing flows. The operators in them adopt the objects by their ids, so a run"
    " changes nothing until a file is changed. Only reads are sent."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument("flow_ids", metavar="FLOW_ID", nargs="*", help="id of a flow; see also --all")
    parser.add_argument(
        "--conn-id",
        default="flowservice_default",
        help="Airflow connection of type flowservice (default: %(default)s)",
    )
    parser.add_argument("--sandbox", help="overrides the sandbox of the connection")
    parser.add_argument("--all", action="store_true", help="take all flows of the sandbox")
    parser.add_argument(
        "--kind",
        choices=("destination", "source"),
        help="with --all: only flows to destinations, or from sources",
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="FOLDER",
        help="folder for one file per flow, flow_<id>.py; required for several flows (default: standard output)",
    )
    parser.add_argument(
        "--mapped",
        action="store_true",
        help="write one DAG for all flows, mapped over the entries of a YAML file beside it",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")


def run(options: argparse.Namespace) -> int:
    """Print the DAGs.

    :param options: what a parser with :func:`add_arguments` returns.
    :returns: exit status: 0 if everything has been printed; 1 if not, because of errors, which are on standard error:
        nothing has been printed then, or with --all, the flows that could be read; 2 if the arguments contradict each
        other.
    """
    if problem := _contradiction(options):
        _tell(problem)
        return 2
    with _output_on_stderr():
        from airflow_provider_flowservice.hooks.connection import look_into_airflows_database
        from airflow_provider_flowservice.print_dag.printing import PrintError, print_dags

        try:
            with look_into_airflows_database():
                text = print_dags(
                    conn_id=options.conn_id,
                    sandbox=options.sandbox,
                    flow_ids=None if options.all else options.flow_ids,
                    kind=options.kind,
                    folder=options.output_dir,
                    mapped=options.mapped,
                    force=options.force,
                    tell=_tell,
                )
        except PrintError as error:
            for each in error.problems:
                _tell(each)
            return 1
    sys.stdout.write(text)
    return 0


@contextmanager
def _output_on_stderr() -> Iterator[None]:
    """Let what anything else writes to standard output go to standard error: Airflow's log goes there."""
    sys.stdout.flush()
    try:
        saved = os.dup(1)
    except OSError:
        # Standard output is closed.
        yield
        return
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def _contradiction(options: argparse.Namespace) -> str:
    several = options.all or options.mapped or len(options.flow_ids) > 1
    if options.all and options.flow_ids:
        return "give either FLOW_ID or --all, not both"
    if not options.all and not options.flow_ids:
        return "give a FLOW_ID, or --all for all flows of the sandbox"
    if options.kind and not options.all:
        return "--kind needs --all"
    if several and options.output_dir is None:
        return "several files are written: give the folder for them as --output-dir"
    return ""


def _tell(line: str) -> None:
    sys.stderr.write(f"print-dag: {line}\n")
    sys.stderr.flush()
