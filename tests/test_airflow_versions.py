"""What each version of Airflow guarantees, asked of the one that runs."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from airflow import __version__
from packaging.version import Version

from airflow_provider_flowservice.testing.database import share_api_server
from tests.docs.pages import SITE, section, table
from tests.environments import ENVIRONMENTS
from tests.support.features import features, needs

#: The first version that has it.
SINCE = {
    "task_state_store": "3.3",
    "asset_state_store": "3.3",
    "trigger_on_kill": "3.3",
    "shared_streams": "3.3",
    "conn_fields": "3.2",
    "retry_policies": "3.3",
    "provider_commands": "3.2",
}


@pytest.mark.parametrize("feature", SINCE)
def test_a_feature_is_found_from_its_first_version_on(feature: str) -> None:
    assert getattr(features(), feature) is (Version(__version__) >= Version(SINCE[feature]))


def test_every_feature_has_a_first_version() -> None:
    assert set(asdict(features())) == set(SINCE)


def versions() -> dict[str, dict[str, str]]:
    """The table of versions of the page: by row, what it says by minor version of Airflow."""
    head, *rows = table(section(SITE / "reliability.md", "Airflow versions"))
    minors = [name.removeprefix("Airflow ") for name in head[1:]]
    return {row[0]: dict(zip(minors, row[1:], strict=True)) for row in rows}


def test_the_page_names_the_versions_that_the_tests_run_on() -> None:
    pythons: dict[str, list[str]] = {}
    for environment in ENVIRONMENTS.values():
        if not environment.runs and not environment.further:
            pythons.setdefault(environment.airflow, []).append(environment.python)
    assert set(versions()["`make test-matrix` runs the tests on"].values()) == {
        f"{airflow} (Python {', '.join(found)})" for airflow, found in pythons.items()
    }


@pytest.mark.parametrize(
    ("row", "feature"),
    [
        ("Airflow keeps state for a task", "task_state_store"),
        ("the connection form has a field for each extra", "conn_fields"),
        ("a retry can wait for as long as AEP asks", "retry_policies"),
        ("`airflow flowservice doctor` and `print-dag`", "provider_commands"),
    ],
)
def test_the_page_says_what_this_airflow_offers(row: str, feature: str) -> None:
    said = versions()[row][".".join(__version__.split(".")[:2])]
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
