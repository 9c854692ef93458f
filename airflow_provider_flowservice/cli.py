"""The commands ``airflow flowservice ...``, for Airflow 3.2 and newer.

Airflow imports this module in all of its commands, so what a command needs is imported when it is run.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

from airflow_provider_flowservice.doctor import command as doctor
from airflow_provider_flowservice.print_dag import command as print_dag

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


class _Arguments:
    """Collects what would be added to a parser of arguments."""

    def __init__(self, add_arguments: Callable[[Any], None]) -> None:
        self.collected: list[Arg] = []
        add_arguments(self)

    def add_argument(self, *flags: str, **details: Any) -> None:
        """Collect an argument."""
        self.collected.append(Arg(flags, **details))  # type: ignore[no-untyped-call]


def get_cli_commands() -> list[GroupCommand]:
    """Return the commands of this provider."""
    return [
        GroupCommand(
            name="flowservice",
            help="Commands for dataflows in Adobe Experience Platform",
            subcommands=(
                ActionCommand(
                    name="doctor",
                    help=doctor.HELP,
                    description=doctor.DESCRIPTION,
                    func=_run_doctor,
                    args=_Arguments(doctor.add_arguments).collected,
                ),
                ActionCommand(
                    name="print-dag",
                    help="Write DAG files for existing flows",
                    description=print_dag.DESCRIPTION,
                    func=_run_print_dag,
                    args=_Arguments(print_dag.add_arguments).collected,
                ),
            ),
        )
    ]


def _run_doctor(options: argparse.Namespace) -> NoReturn:
    sys.exit(doctor.run(options))


def _run_print_dag(options: argparse.Namespace) -> NoReturn:
    sys.exit(print_dag.run(options))
