from __future__ import annotations

from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure.desired import compare
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.model import Operation, SpecRef
from tests.support.aep import KINESIS_SECRET, kinesis, profile_flow, profile_store, profiles, stream

MASK = "********"
MAPPING = {"name": "Mapping", "params": {"mappingId": "m-1", "mappingVersion": 0}}
SELECTORS = {
    "name": "GeneralTransform",
    "params": {"segmentSelectors": {"selectors": [{"type": "PLATFORM_SEGMENT", "value": {"id": "x"}}]}},
}


def found_kinesis(**changes: Any) -> model.BaseConnection:
    params = {"accessKeyId": "AKIA", "secretKey": MASK, "region": "us-east-1", "authorizedDate": "today"}
    fields: dict[str, Any] = {
        "id": "b",
        "name": "kinesis",
        "connection_spec": SpecRef(id=specs.AMAZON_KINESIS),
        "auth": model.Auth(spec_name="Aws Kinesis authentication credentials", params=params),
    }
    return model.BaseConnection(**{**fields, **changes})


def found_source(**changes: Any) -> model.SourceConnection:
    fields: dict[str, Any] = {
        "id": "s",
        "name": "profiles",
        "connection_spec": SpecRef(id=specs.UNIFIED_PROFILE_SERVICE),
        "base_connection_id": "b",
        "data": {"format": "json", "schema": None},
        "params": {"added": "by AEP"},
    }
    return model.SourceConnection(**{**fields, **changes})


def found_target(**changes: Any) -> model.TargetConnection:
    fields: dict[str, Any] = {
        "id": "t",
        "name": "stream",
        "connection_spec": SpecRef(id=specs.AMAZON_KINESIS),
        "base_connection_id": "b",
        "data": {"format": "json"},
        "params": {"stream": "events", "region": "us-east-1", "added": "by AEP"},
    }
    return model.TargetConnection(**{**fields, **changes})


def found_flow(**changes: Any) -> model.Flow:
    fields: dict[str, Any] = {
        "id": "f",
        "name": "flow",
        "flow_spec": SpecRef(id=specs.PROFILE_DESTINATION_FLOW),
        "source_connection_ids": ("s",),
        "target_connection_ids": ("t",),
        "transformations": (SELECTORS,),
    }
    return model.Flow(**{**fields, **changes})


CASES: list[tuple[Any, Any]] = [
    (kinesis(), found_kinesis()),
    (profiles("b"), found_source()),
    (stream("b"), found_target()),
    (profile_flow("s", "t"), found_flow()),
]


@pytest.mark.parametrize(("desired", "found"), CASES)
def test_its_own_earlier_work_is_recognised_and_does_not_differ(desired: Any, found: Any) -> None:
    assert desired.matches(found)
    assert desired.differences(found) == ()


@pytest.mark.parametrize(("desired", "found"), CASES)
def test_another_name_or_spec_is_somebody_elses(desired: Any, found: Any) -> None:
    import msgspec

    spec = "flow_spec" if isinstance(found, model.Flow) else "connection_spec"
    assert not desired.matches(msgspec.structs.replace(found, name=found.name.upper()))
    assert not desired.matches(msgspec.structs.replace(found, **{spec: SpecRef(id="other")}))


@pytest.mark.parametrize(
    ("desired", "found"),
    [
        (profiles("b"), found_source(base_connection_id="other")),
        (profiles("b"), found_source(base_connection_id=None)),
        (stream("b"), found_target(base_connection_id="other")),
        (profile_flow("s", "t"), found_flow(source_connection_ids=("other",))),
        (profile_flow("s", "t"), found_flow(target_connection_ids=("t", "other"))),
    ],
)
def test_other_parents_are_somebody_elses(desired: Any, found: Any) -> None:
    assert not desired.matches(found)


@pytest.mark.parametrize(
    ("desired", "expected"),
    [
        (kinesis(), ("name==kinesis",)),
        (kinesis("a,b"), (f"connectionSpec.id=={specs.AMAZON_KINESIS}",)),
        (profiles("b", "a=b"), ("baseConnectionId==b",)),
        (stream("b", "a&b"), ("baseConnectionId==b",)),
        (profile_flow("s", "t", 'a"b'), (f"flowSpec.id=={specs.PROFILE_DESTINATION_FLOW}",)),
    ],
)
def test_a_name_that_no_filter_can_hold_is_searched_by_its_parent(
    desired: Any, expected: tuple[str, ...]
) -> None:
    assert desired.filters == expected


def test_a_body_carries_what_was_given_and_nothing_else() -> None:
    spec = {"id": specs.AMAZON_KINESIS, "version": "1.0"}
    assert kinesis(description="d").body == {
        "name": "kinesis",
        "description": "d",
        "connectionSpec": spec,
        "auth": {
            "specName": "Aws Kinesis authentication credentials",
            "params": {"accessKeyId": "AKIA", "secretKey": KINESIS_SECRET, "region": "us-east-1"},
        },
    }
    assert set(profile_store().body) == {"name", "connectionSpec"}
    assert stream("b").body == {
        "name": "stream",
        "connectionSpec": spec,
        "baseConnectionId": "b",
        "data": {"format": "json"},
        "params": {"stream": "events", "region": "us-east-1"},
    }


def test_a_flow_has_the_transformations_that_were_given() -> None:
    assert "transformations" not in profile_flow("s", "t").body
    assert profile_flow("s", "t", transformations=[]).body["transformations"] == []


def test_secrets_are_known_not_compared_and_not_shown() -> None:
    desired = kinesis()
    assert desired.secrets == ("AKIA", KINESIS_SECRET)
    assert KINESIS_SECRET not in repr(desired)
    shown = model.Auth(params={"accessKeyId": "AKIA", "secretKey": "another secret", "region": "us-east-1"})
    assert desired.differences(found_kinesis(auth=shown)) == ()


@pytest.mark.parametrize("shown", ["***", MASK, "us-********"])
def test_a_masked_value_is_not_compared(shown: str) -> None:
    assert kinesis().differences(found_kinesis(auth=model.Auth(params={"region": shown}))) == ()


@pytest.mark.parametrize("auth", [None, model.Auth()])
def test_what_aep_does_not_show_is_not_compared(auth: model.Auth | None) -> None:
    assert kinesis().differences(found_kinesis(auth=auth)) == ()


def test_a_setting_that_is_no_secret_is_compared() -> None:
    (difference,) = kinesis(region="eu-west-1").differences(found_kinesis())
    assert str(difference) == "auth.params.region is 'us-east-1', expected 'eu-west-1'"


def test_a_selector_is_not_compared() -> None:
    assert profile_flow("s", "t").updates(found_flow()) == ()


def test_an_update_of_a_connection_sends_the_credentials_as_a_whole() -> None:
    assert kinesis().updates(found_kinesis()) == (
        Operation(
            op="replace",
            path="/auth/params",
            value={"accessKeyId": "AKIA", "secretKey": KINESIS_SECRET, "region": "us-east-1"},
        ),
    )
    assert profile_store("kinesis").updates(found_kinesis(auth=None)) == ()


def test_an_update_of_a_target_keeps_the_other_params() -> None:
    value = {"stream": "other", "region": "us-east-1", "added": "by AEP"}
    operation = Operation(op="replace", path="/params", value=value)
    assert stream("b", stream="other").updates(found_target()) == (operation,)


def test_an_update_of_a_target_does_not_send_back_what_aep_may_mask() -> None:
    found = found_target(params={"stream": "events", "region": "us-east-1", "secretKey": MASK})
    with pytest.raises(DriftError, match="may mask secretKey"):
        stream("b", stream="other").updates(found)
    assert stream("b").updates(found) == ()


@pytest.mark.parametrize(
    ("desired", "sent"),
    [
        (
            {"interval": 30},
            {"frequency": "minute", "interval": 30, "startTime": 1700000000, "backfill": True},
        ),
        ({"frequency": "once"}, {"frequency": "once", "startTime": 1700000000}),
    ],
)
def test_an_update_of_a_schedule_keeps_the_rest_as_far_as_aep_permits_it(
    desired: dict[str, object], sent: dict[str, object]
) -> None:
    held = {"frequency": "minute", "interval": 15, "startTime": 1700000000, "backfill": True}
    flow = msgspec.structs.replace(profile_flow("s", "t"), schedule_params=desired)
    operation = Operation(op="replace", path="/scheduleParams", value=sent)
    assert flow.updates(found_flow(schedule_params=held)) == (operation,)


@pytest.mark.parametrize(("held", "verb"), [(None, "add"), ("", "add"), ("old", "replace")])
def test_a_description_is_added_or_replaced(held: str | None, verb: str) -> None:
    (operation,) = profiles("b", description="new").updates(found_source(description=held))
    assert operation == Operation(op=verb, path="/description", value="new")
    assert profiles("b").updates(found_source(description=held)) == ()
    assert profiles("b", description="new").updates(found_source(description="new")) == ()


@pytest.mark.parametrize(
    ("desired", "found", "named"),
    [
        (profiles("b"), found_source(data={"format": "csv"}), "data.format is 'csv', expected 'json'"),
        (stream("b"), found_target(data={"format": "csv"}), "data.format is 'csv', expected 'json'"),
        (
            profile_flow("s", "t", transformations=[MAPPING]),
            found_flow(),
            "mapping.mappingId is None, expected 'm-1'",
        ),
    ],
)
def test_what_aep_cannot_change_is_refused_with_the_remedy(desired: Any, found: Any, named: str) -> None:
    with pytest.raises(DriftError) as caught:
        desired.updates(found)
    assert named in caught.value.message
    assert found.id in caught.value.message
    assert "other name" in caught.value.message


def test_a_flow_may_get_another_schedule_and_mapping() -> None:
    held = ({"name": "Copy", "params": {}}, {"name": "Mapping", "params": {"mappingId": "m-0"}})
    schedule = {"startTime": 5, "frequency": "hour", "interval": 1}
    desired = profile_flow("s", "t", transformations=[MAPPING], schedule_params=schedule)
    assert desired.updates(found_flow(transformations=held, schedule_params={"interval": "2"})) == (
        Operation(op="replace", path="/scheduleParams", value=schedule),
        Operation(op="replace", path="/transformations/1", value=MAPPING),
    )


def test_what_is_not_there_yet_is_added_since_a_replacement_needs_it() -> None:
    (schedule,) = profile_flow("s", "t", schedule_params={"interval": 1}).updates(found_flow())
    assert (schedule.op, schedule.path) == ("add", "/scheduleParams")
    (params,) = stream("b").updates(found_target(params=None))
    assert (params.op, params.path) == ("add", "/params")


def test_numbers_that_aep_shows_as_texts_are_equal() -> None:
    schedule = {"startTime": 5, "frequency": "hour", "interval": 1, "backfill": True}
    shown = {"startTime": "5", "frequency": "hour", "interval": "1", "backfill": "true"}
    desired = profile_flow("s", "t", transformations=[MAPPING], schedule_params=schedule)
    mapping = {"name": "Mapping", "params": {"mappingId": "m-1", "mappingVersion": "0"}}
    assert desired.differences(found_flow(schedule_params=shown, transformations=(mapping,))) == ()


def test_only_wanted_settings_are_compared_and_nested_ones_by_their_path() -> None:
    differences = compare("data", {"schema": {"id": "a", "v": 1}}, {"schema": {"id": "b", "v": 1}, "x": 1})
    assert [(d.setting, d.found, d.desired) for d in differences] == [("data.schema.id", "b", "a")]
    assert compare("p", {"a": {"b": 1}}, {"a": None})[0].setting == "p.a"
