"""``python installed.py COMMAND ...``: what an installed Airflow knows of the provider, as JSON.

Run with the Python of an environment that has the wheel, and not these tests. Airflow's commands run in one process,
since each takes seconds to start.

The result has what each command printed, the URI of an asset after Airflow has normalized it, and the folder where
Airflow looks for the provider's example DAGs.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

FLOW = "0FC98A7A-1C2D-4E3F-8A5B-6C7D8E9F0A1B"


def main() -> None:
    """Print the result as the last line."""
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "True"

    from airflow.cli.cli_parser import get_parser
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.sdk import Asset

    printed = {}
    for command in sys.argv[1:]:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            arguments = get_parser().parse_args(command.split())
            arguments.func(arguments)
        printed[command] = output.getvalue()
    bundles = {bundle.name: str(bundle.path) for bundle in DagBundlesManager().get_all_dag_bundles()}
    known = {
        "printed": printed,
        "asset": Asset(f"flowservice://5C0FFEE@AdobeOrg/dev/flows/{FLOW}").uri,
        "examples": bundles.get("airflow-provider-flowservice-example-dags"),
    }
    print(json.dumps(known))  # noqa: T201


if __name__ == "__main__":
    main()
