"""What the wheel brings to an environment that has nothing but Airflow and pytest."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_flowservice
from airflow_provider_flowservice.get_provider_info import get_provider_info
from tests.docs.pages import SITE, blocks
from tests.environments import UV, child_variables
from tests.support.airflow import EXAMPLE_DAGS
from tests.testing import installed as installed_airflow
from tests.testing.conftest import ROOT

NAME = "airflow-provider-flowservice"
PACKAGE = airflow_provider_flowservice.__name__
#: The test of the examples, which needs no more than the wheel either.
EXAMPLES_TEST = """
from pathlib import Path

import airflow_provider_flowservice
from airflow.dag_processing.dagbag import DagBag

FOLDER = Path(airflow_provider_flowservice.__file__).parent / "example_dags"


def test_all_can_be_parsed():
    bag = DagBag(str(FOLDER))
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(path.stem for path in FOLDER.glob("*.py"))


def test_one_runs_with_the_file_beside_it(flowservice_emulator, flowservice_clock):
    dag = DagBag(str(FOLDER / "onboard_many_destinations.py")).dags["onboard_many_destinations"]
    assert dag.test().state == "success"
    assert len(flowservice_emulator.state["flows"]) == 2
"""


def uv(*arguments: str) -> None:
    done = subprocess.run(
        [*UV, *arguments],
        cwd=ROOT,
        env=child_variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, built as for a release: from what is in the sdist."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--out-dir", str(folder))
    (wheel,) = folder.glob("*.whl")
    uv("venv", "--python", sys.executable, str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--python", str(python), "--constraint", "constraints.txt", str(wheel), "pytest")
    return python


def readme_test() -> str:
    (code,) = [block.code for block in blocks(SITE / "howto" / "test.md") if block.file == "test_dags.py"]
    return code


def test_readmes_test_of_a_dag_has_five_lines() -> None:
    assert len([line for line in readme_test().splitlines() if line]) == 5


def run(python: Path, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, as somebody who has configured nothing of Airflow."""
    (folder / "home").mkdir(exist_ok=True)
    return subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={"HOME": str(folder / "home"), "PATH": str(python.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.mark.wheel
def test_readmes_test_of_a_dag_and_the_examples_pass_without_a_conftest(
    installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "dags").mkdir()
    shutil.copy(EXAMPLE_DAGS / "onboard_http_api_source.py", tmp_path / "dags")
    (tmp_path / "test_dags.py").write_text(readme_test())
    (tmp_path / "test_examples.py").write_text(EXAMPLES_TEST)
    done = run(installed, ["-m", "pytest", "-q"], tmp_path)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture(scope="session")
def known(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow knows of the provider."""
    commands = [
        "providers list --output json",
        f"providers get {NAME} --full --output json",
        "providers hooks --output json",
        "providers links --output json",
        "providers triggers --output json",
        "config list --section flowservice",
    ]
    done = run(installed, [installed_airflow.__file__, *commands], tmp_path_factory.mktemp("known"))
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def rows(known: dict[str, Any], command: str) -> list[dict[str, Any]]:
    """The rows of the provider that a command of Airflow printed."""
    (printed,) = [text for name, text in known["printed"].items() if name.startswith(command)]
    return [row for row in json.loads(printed) if NAME in row.values() or PACKAGE in str(row)]


@pytest.mark.wheel
@pytest.mark.parametrize(
    ("module", "arguments"), [("doctor", []), ("print_dag", ["--all", "--output-dir", "dags"])]
)
def test_the_commands_run_and_name_a_missing_connection(
    installed: Path, tmp_path: Path, module: str, arguments: list[str]
) -> None:
    done = run(installed, ["-m", f"{PACKAGE}.{module}", *arguments], tmp_path)
    assert done.returncode == 1
    assert "Airflow has found no connection" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.wheel
def test_airflow_lists_the_provider_with_its_version_and_documentation(known: dict[str, Any]) -> None:
    (listed,) = rows(known, "providers list")
    assert listed["version"] == airflow_provider_flowservice.__version__
    (info,) = rows(known, "providers get")
    assert info["documentation-url"] == "https://airflow-provider-flowservice.readthedocs.io/"


@pytest.mark.wheel
def test_airflow_has_the_connection_type_links_triggers_and_options(known: dict[str, Any]) -> None:
    (hook,) = rows(known, "providers hooks")
    assert (hook["connection_type"], hook["conn_id_attribute_name"]) == ("flowservice", "flowservice_conn_id")
    assert rows(known, "providers links") == [{"extra_link_class_name": f"{PACKAGE}.links.FlowServiceLink"}]
    (triggers,) = get_provider_info()["triggers"]
    assert {row["class"] for row in rows(known, "providers triggers")} == set(triggers["python-modules"])
    assert "allowed_hosts" in known["printed"]["config list --section flowservice"]


@pytest.mark.wheel
def test_airflow_normalizes_the_uris_of_assets(known: dict[str, Any]) -> None:
    assert known["asset"] == f"flowservice://5C0FFEE/dev/flows/{installed_airflow.FLOW.lower()}"


@pytest.mark.wheel
def test_airflow_looks_for_the_examples_where_they_are(known: dict[str, Any], installed: Path) -> None:
    folder = Path(known["examples"])
    assert folder.is_relative_to(installed.parents[1])
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        path.name for path in EXAMPLE_DAGS.iterdir() if path.is_file()
    }
