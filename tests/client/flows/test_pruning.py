from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.flows.pruning import PruneAction, Pruning
from airflow_provider_flowservice.client.model import Flow, SpecRef

ID = "8256cfb4-17e6-432c-a469-6aedafb16cd5"


def pruning(*keep: str, **changes: Any) -> Pruning:
    return Pruning(**{"client_id": "mine", "name_prefix": "Summer", "keep": keep or ("kept",), **changes})


def flow(**changes: Any) -> Flow:
    fields = {"name": "Summer sale", "created_client": "mine", "state": "enabled"}
    return Flow(id=ID, flow_spec=SpecRef(id="s"), **{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"name": "Summer"}, True),
        ({"name": "summer sale"}, False),
        ({"name": " Summer sale"}, False),
        ({"name": ""}, False),
        ({"created_client": "Mine"}, False),
        ({"created_client": None}, False),
    ],
)
def test_only_flows_of_this_credential_with_exactly_this_prefix_are_looked_at(
    changes: dict[str, Any], expected: bool
) -> None:
    assert pruning().covers(flow(**changes)) is expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (ID, True),
        (ID.upper(), True),
        ("Summer sale", True),
        ("summer sale", False),
        ("Summer sale ", False),
        ("Summer", False),
    ],
)
def test_a_flow_is_kept_by_its_id_or_its_exact_name(entry: str, expected: bool) -> None:
    assert pruning("other", entry).keeps(flow()) is expected


@pytest.mark.parametrize(
    ("action", "state", "goes"),
    [
        (PruneAction.REPORT, "enabled", False),
        (PruneAction.REPORT, None, False),
        (PruneAction.DISABLE, "enabled", True),
        (PruneAction.DISABLE, "disabled", False),
        (PruneAction.DISABLE, "draft", False),
        (PruneAction.DELETE, "enabled", False),
        (PruneAction.DELETE, "disabled", True),
        (PruneAction.DELETE, "disabling", False),
        (PruneAction.DELETE, None, False),
    ],
)
def test_an_action_takes_flows_in_one_state(action: PruneAction, state: str | None, goes: bool) -> None:
    obstacle = pruning(action=action).obstacle(flow(state=state))
    assert (obstacle is None) is goes


@pytest.mark.parametrize("prefix", ["", "ab", "  ab  ", "\tx\n"])
def test_a_short_prefix_is_rejected(prefix: str) -> None:
    with pytest.raises(InvalidInputError, match=r"name_prefix: .* has fewer than 3 characters"):
        pruning(name_prefix=prefix).check(plan_only=True)


def test_an_empty_list_and_an_empty_entry_are_rejected() -> None:
    with pytest.raises(InvalidInputError, match="keep: is empty"):
        pruning(keep=()).check(plan_only=True)
    with pytest.raises(InvalidInputError, match=r"keep\[1\]: '  ' is neither an id nor a name"):
        pruning("a", "  ").check(plan_only=True)


def test_a_placeholder_is_for_dry_runs() -> None:
    pruning("a", "plan:flow:x").check(plan_only=True)
    with pytest.raises(DriftError, match=r"keep\[1\]: 'plan:flow:x' is a placeholder"):
        pruning("a", "plan:flow:x").check(plan_only=False)
