"""``python -m airflow_provider_flowservice.doctor``, for an Airflow that does not show the commands of providers."""

from __future__ import annotations

import argparse
import sys

from airflow_provider_flowservice.doctor.command import DESCRIPTION, add_arguments, run


def main() -> int:
    """Run the command with the arguments of the process."""
    parser = argparse.ArgumentParser("python -m airflow_provider_flowservice.doctor", description=DESCRIPTION)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
