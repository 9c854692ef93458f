"""``python -m airflow_provider_flowservice.print_dag``, for an Airflow that does not show the commands of providers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_provider_flowservice.print_dag.command import DESCRIPTION, add_arguments, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :param arguments: command line; the process's own by default.
    :returns: exit status; see :func:`~airflow_provider_flowservice.print_dag.command.run`.
    """
    parser = argparse.ArgumentParser(
        "python -m airflow_provider_flowservice.print_dag", description=DESCRIPTION
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
