from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.client.ensure import dry_run
from airflow_provider_flowservice.client.ensure.create import IfExists
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.specs import empty_flow
from airflow_provider_flowservice.client.model import AuthSpec, SelectorKind, looks_secret
from tests.support.aep import KINESIS_SECRET, kinesis, make, profiles, stream
from tests.support.clients import Client


class Unused:
    """A sender that must not be asked."""

    def send(self, request: Any) -> Any:
        raise AssertionError(f"{request.method} {request.path} was sent")


def test_a_planned_id_is_known_as_one_and_says_what_it_stands_for() -> None:
    made = dry_run.planned_id("base connection", "Summer: a, b")
    assert made == "plan:base_connection:Summer: a, b"
    assert dry_run.is_planned(made)
    assert not any(map(dry_run.is_planned, ["8256cfb4", "", None, 5, "PLAN:x"]))
    dry_run.reject_planned("flow_id", "8256cfb4")
    with pytest.raises(
        DriftError,
        match=r"^flow_id: 'plan:base_connection:Summer: a, b' is a placeholder from a plan_only task",
    ):
        dry_run.reject_planned("flow_id", made)


def test_what_hangs_on_something_planned_is_planned_without_asking() -> None:
    planned = dry_run.plan_create(Unused(), profiles("plan:base_connection:x"), IfExists.REUSE)
    placeholder = f"plan:source_connection:{specs.UNIFIED_PROFILE_SERVICE}:profiles"
    assert (planned.id, planned.found) == (placeholder, None)
    assert planned.change is not None
    assert planned.change.startswith("POST /data/foundation/flowservice/sourceConnections\n{")


def test_what_is_missing_is_planned_and_what_is_there_is_found(plain_client: Client) -> None:
    assert dry_run.plan_create(plain_client, kinesis(), IfExists.REUSE).id == "plan:base_connection:kinesis"
    base = make(plain_client, kinesis())
    found = dry_run.plan_create(plain_client, kinesis(), IfExists.REUSE)
    assert (found.id, found.change) == (base, None)
    target = make(plain_client, stream(base))
    changed = dry_run.plan_create(plain_client, stream(base, stream="other"), IfExists.UPDATE)
    assert changed.id == target
    assert changed.change is not None
    assert changed.change.startswith(f"PATCH /data/foundation/flowservice/targetConnections/{target}\n[")
    another = dry_run.plan_create(plain_client, kinesis(), IfExists.CREATE)
    assert another.id == "plan:base_connection:kinesis"


def test_no_credential_is_in_a_plan(plain_client: Client) -> None:
    spec = AuthSpec(name="x", spec={"properties": {"pin": {"format": "password"}, "region": {}}})
    params = {"pin": KINESIS_SECRET, "region": "x"}
    odd = type(kinesis())(name="odd", spec_id=kinesis().spec_id, auth_spec=spec, auth_params=params)
    for desired in (kinesis(), odd):
        change = dry_run.plan_create(plain_client, desired, IfExists.REUSE).change or ""
        assert KINESIS_SECRET not in change
        assert '"***"' in change
    make(plain_client, kinesis())
    change = dry_run.plan_create(plain_client, kinesis(), IfExists.UPDATE).change or ""
    assert "/auth/params" in change
    assert KINESIS_SECRET not in change


@pytest.mark.parametrize(
    "name",
    [
        "secretKey",
        "s3SecretKey",
        "secretAccessKey",
        "sasKey",
        "SAS_KEY",
        "sasUri",
        "connectionString",
        "password",
        "passPhrase",
        "privateKeyContent",
        "sshKey",
        "servicePrincipalKey",
        "accountKey",
        "accessKeyId",
        "token",
    ],
)
def test_names_of_credentials_are_known(name: str) -> None:
    assert looks_secret(name)
    assert json.loads(dry_run.pretty([{"a": {name: "x", "region": "y"}}])) == [
        {"a": {name: "***", "region": "y"}}
    ]


def test_a_flow_that_does_not_exist_yet_selects_nothing() -> None:
    flow = empty_flow("plan:flow:x")
    assert [list(flow.selectors(kind)) for kind in SelectorKind] == [[], []]
    empty_flow("a").transformations[0]["params"]["segmentSelectors"]["selectors"].append(1)
    again = empty_flow("b").transformations[0]["params"]["segmentSelectors"]["selectors"]
    assert again == []


def test_a_difference_shows_the_lines_that_change() -> None:
    shown = dry_run.difference({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]}).splitlines()
    assert shown[:2] == ["--- before", "+++ after"]
    assert [line for line in shown[2:] if line[0] in "+-"] == ["-    2", "+    3"]
    assert dry_run.difference({"a": 1}, {"a": 1}) == ""


def test_a_plan_has_no_character_that_a_terminal_would_not_print() -> None:
    assert dry_run.pretty("é \x9b31m \u202e") == '"é \\u009b31m \\u202e"'
