"""What each version of Airflow guarantees, asked of the one that runs."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from airflow import __version__
from packaging.version import Version

from tests.support.features import features, needs

#: The first version that has it.
SINCE = {
    "task_state_store": "3.3",
    "asset_state_store": "3.3",
    "trigger_on_kill": "3.3",
    "shared_streams": "3.3",
    "conn_fields": "3.2",
}


@pytest.mark.parametrize("feature", SINCE)
def test_a_feature_is_found_from_its_first_version_on(feature: str) -> None:
    assert getattr(features(), feature) is (Version(__version__) >= Version(SINCE[feature]))


def test_every_feature_has_a_first_version() -> None:
    assert set(asdict(features())) == set(SINCE)


@pytest.mark.usefixtures("airflow_database")
def test_tasks_that_run_in_this_process_share_an_api_server() -> None:
    from airflow.sdk.execution_time import supervisor

    assert supervisor.in_process_api_server() is supervisor.in_process_api_server()


def test_a_test_is_skipped_for_what_airflow_lacks_and_for_nothing_else() -> None:
    for feature, present in asdict(features()).items():
        mark = needs(feature)
        assert mark.args == (not present,)
        assert mark.kwargs["reason"] == f"this Airflow has no {feature}"
    with pytest.raises(AttributeError):
        needs("task_state")
