"""What each version of Airflow guarantees, asked of the one that runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from airflow import __version__
from packaging.version import Version

from airflow_provider_flowservice.testing.database import share_api_server
from tests.environments import ENVIRONMENTS
from tests.support.features import features, needs

README = Path(__file__).parents[1] / "README.md"
#: The first version that has it.
SINCE = {
    "task_state_store": "3.3",
    "asset_state_store": "3.3",
    "trigger_on_kill": "3.3",
    "shared_streams": "3.3",
    "conn_fields": "3.2",
    "retry_policies": "3.3",
}


@pytest.mark.parametrize("feature", SINCE)
def test_a_feature_is_found_from_its_first_version_on(feature: str) -> None:
    assert getattr(features(), feature) is (Version(__version__) >= Version(SINCE[feature]))


def test_every_feature_has_a_first_version() -> None:
    assert set(asdict(features())) == set(SINCE)


def readme_table() -> dict[str, dict[str, str]]:
    """README's table of versions: by row, what it says by minor version of Airflow."""
    section = README.read_text(encoding="utf-8").split("## Airflow versions\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|") and "---" not in line]
    head, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    minors = [name.removeprefix("Airflow ") for name in head[1:]]
    return {row[0]: dict(zip(minors, row[1:], strict=True)) for row in rows}


def test_readme_names_the_versions_that_the_tests_run_on() -> None:
    pythons: dict[str, list[str]] = {}
    for environment in ENVIRONMENTS.values():
        if not environment.runs:
            pythons.setdefault(environment.airflow, []).append(environment.python)
    assert set(readme_table()["`make test-matrix` runs the tests on"].values()) == {
        f"{airflow} (Python {', '.join(found)})" for airflow, found in pythons.items()
    }


@pytest.mark.parametrize(
    ("row", "feature"),
    [
        ("Airflow keeps state for a task", "task_state_store"),
        ("the connection form has a field for each extra", "conn_fields"),
        ("a retry can wait for as long as AEP asks", "retry_policies"),
    ],
)
def test_readme_says_what_this_airflow_offers(row: str, feature: str) -> None:
    said = readme_table()[row][".".join(__version__.split(".")[:2])]
    assert said.startswith("yes") is getattr(features(), feature)


@pytest.mark.usefixtures("airflow_database", "flowservice_emulator")
def test_tasks_that_run_in_this_process_share_an_api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.execution_time import supervisor

    assert supervisor.in_process_api_server() is supervisor.in_process_api_server()
    own = supervisor.in_process_api_server.__wrapped__
    monkeypatch.setattr(supervisor, "in_process_api_server", lambda: own())
    share_api_server()
    assert supervisor.in_process_api_server() is supervisor.in_process_api_server()


def test_a_test_is_skipped_for_what_airflow_lacks_and_for_nothing_else() -> None:
    for feature, present in asdict(features()).items():
        mark = needs(feature)
        assert mark.args == (not present,)
        assert mark.kwargs["reason"] == f"this Airflow has no {feature}"
    with pytest.raises(AttributeError):
        needs("task_state")
