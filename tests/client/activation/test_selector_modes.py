"""For any flow and any wish: the patch gives exactly what is wished for, and nothing else moves."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client.activation.segments import Segment
from airflow_provider_flowservice.client.activation.selectors import (
    ActivationMode,
    DesiredSelectors,
    SelectorPatch,
    compute_patch,
)
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.model import Flow, JsonObject, SpecRef
from tests.support.files import EXPORT
from tests.support.patch import apply_patch
from tests.support.properties import examples

IDS = [str(uuid.UUID(int=0xABCDEF0 + number)) for number in range(8)]
PATHS = [f"person.field{number}" for number in range(6)]
#: What is no selector and stays where it is.
ODD = st.lists(
    st.sampled_from(["text", None, 5, {"type": "?"}, {"value": "text"}, {"value": {"id": 5}}]), max_size=1
)
SERVER = {"createTime": "1600000000", "updateTime": "1600000001"}
MODES = st.sampled_from(list(ActivationMode))
EXPORTS = st.sampled_from(
    [
        {},
        EXPORT,
        {**EXPORT, "schedule": {**EXPORT["schedule"], "startTime": "11:30"}},
        {**EXPORT, "filenameTemplate": "%SEGMENT_ID%_%DESTINATION_NAME%"},
    ]
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "profileMapping": st.builds(lambda n: {"mappingId": "m", "mappingVersion": n}, st.integers(0, 2)),
        "mandatoryFields": st.lists(st.sampled_from(["GAID", "ECID"]), max_size=2),
        "primaryFields": st.lists(
            st.just({"fieldType": "IDENTITY", "identityNamespace": "GAID"}), max_size=1
        ),
    },
)


def segment_selector(segment_id: str, value: JsonObject) -> JsonObject:
    return {"type": "PLATFORM_SEGMENT", "value": {"id": segment_id, **value}, "server": "kept"}


@st.composite
def selector_lists(draw: Any) -> list[Any]:
    """Segments as AEP shows them: in either case of letters, with fields that it added, and odd ones between."""
    ids = draw(st.lists(st.sampled_from(IDS), unique=True))
    held = [
        segment_selector(each.upper() if draw(st.booleans()) else each, {**draw(EXPORTS), **SERVER})
        for each in ids
    ]
    return draw(ODD) + held + draw(ODD)


@st.composite
def generals(draw: Any) -> JsonObject:
    """A transformation of either generation."""
    params: JsonObject = {"segmentSelectors": {"selectors": draw(selector_lists())}}
    if draw(st.booleans()):
        attributes = draw(st.lists(st.sampled_from(PATHS), unique=True))
        params["profileSelectors"] = {
            "selectors": [{"type": "JSON_PATH", "value": {"path": path}} for path in attributes] + draw(ODD),
            **{k: v for k, v in draw(SETTINGS).items() if k != "profileMapping"},
        }
    else:
        params |= draw(SETTINGS)
    return {"name": "GeneralTransform", "params": params}


@st.composite
def flows(draw: Any) -> Flow:
    """A flow with one transformation or several, which may hold the same segments, and others around them."""
    around = st.sampled_from([[], [{"name": "Copy", "params": {}}], [{"name": "Other"}], ["text", None]])
    several = draw(st.lists(generals(), min_size=1, max_size=3))
    return flow(*draw(around), *(each for general in several for each in (general, *draw(around))))


def flow(*transformations: JsonObject, spec: str = specs.PROFILE_DESTINATION_FLOW) -> Flow:
    return Flow(id="f", name="n", flow_spec=SpecRef(id=spec), transformations=transformations)


@st.composite
def wishes(draw: Any, before: Flow) -> DesiredSelectors:
    ids = draw(st.lists(st.sampled_from(IDS), unique=True))
    segments = tuple(Segment(each, draw(EXPORTS)) for each in ids)
    paths: Any = draw(st.none() | st.lists(st.sampled_from(PATHS), unique=True).map(tuple))
    if paths and not any("profileSelectors" in params for params in all_params(before.transformations)):
        paths = None
    return DesiredSelectors(segments, paths, draw(SETTINGS))


CASES = flows().flatmap(lambda before: st.tuples(st.just(before), wishes(before), MODES))


def is_general(transformation: Any) -> bool:
    return isinstance(transformation, dict) and transformation["name"] == "GeneralTransform"


def all_params(transformations: Sequence[Any]) -> list[JsonObject]:
    return [each["params"] for each in transformations if is_general(each)]


def key_of(selector: Any, name: str) -> str | None:
    value = selector.get("value") if isinstance(selector, dict) else None
    key = value.get(name) if isinstance(value, dict) else None
    return key.lower() if isinstance(key, str) and name == "id" else key if isinstance(key, str) else None


def segments_of(held: Flow) -> set[str]:
    found = {
        key_of(selector, "id")
        for params in all_params(held.transformations)
        for selector in params["segmentSelectors"]["selectors"]
    }
    return {key for key in found if key is not None}


def after_patch(before: Flow, plan: SelectorPatch) -> Flow:
    patched = apply_patch({"transformations": list(before.transformations)}, plan.operations)
    return flow(*patched["transformations"])


def wished(before: Flow, wanted: DesiredSelectors, mode: ActivationMode) -> list[Any]:
    """The transformations as they must be, worked out without any patch."""
    result: list[Any] = copy.deepcopy(list(before.transformations))
    generals = all_params(result)
    change(
        [params["segmentSelectors"]["selectors"] for params in generals],
        {segment.id: dict(segment.value) for segment in wanted.segments},
        mode,
        "id",
    )
    if wanted.attributes is not None:
        change(
            [params["profileSelectors"]["selectors"] for params in generals if "profileSelectors" in params],
            {path: {} for path in wanted.attributes},
            mode,
            "path",
        )
    for name, value in wanted.settings.items():
        older = [params.get("profileSelectors", params) for params in generals]
        holders = generals if name == "profileMapping" else older
        # Where it is, or else where the first transformation keeps such settings.
        next((holder for holder in holders if name in holder), holders[0])[name] = value
    return result


def change(lists: list[list[Any]], values: dict[str, JsonObject], mode: ActivationMode, name: str) -> None:
    """Bring lists of selectors to what is wished for; ``name`` is that of the key in a selector's value."""
    held = {key_of(selector, name) for selectors in lists for selector in selectors}
    for selectors in lists:
        selectors[:] = [
            changed(selector, values.get(key_of(selector, name) or "", {}), mode)
            for selector in selectors
            if stays(key_of(selector, name), values, mode)
        ]
    if mode is not ActivationMode.REMOVE and lists:
        lists[0] += [new(key, value, name == "path") for key, value in values.items() if key not in held]


def changed(selector: Any, value: JsonObject, mode: ActivationMode) -> Any:
    if mode is ActivationMode.REMOVE or not value:
        return selector
    return {**selector, "value": {**selector["value"], **value}}


def stays(key: str | None, values: dict[str, JsonObject], mode: ActivationMode) -> bool:
    if key is None or mode is ActivationMode.ADD:
        return True
    return (key in values) is (mode is ActivationMode.SYNC)


def new(key: str, value: JsonObject, attribute: bool) -> JsonObject:
    if attribute:
        return {"type": "JSON_PATH", "value": {"operator": "EXISTS", "path": key}}
    return {"type": "PLATFORM_SEGMENT", "value": {"id": key, **value}}


@given(CASES)
@examples(300)
def test_the_patch_gives_exactly_what_is_wished_for(
    case: tuple[Flow, DesiredSelectors, ActivationMode],
) -> None:
    before, wanted, mode = case
    untouched = copy.deepcopy(before.transformations)
    plan = compute_patch(before, wanted, mode)
    after = after_patch(before, plan)
    assert list(after.transformations) == wished(before, wanted, mode)
    assert before.transformations == untouched
    assert list(plan.before) == list(untouched)
    assert list(plan.after) == list(after.transformations)


@given(CASES)
@examples(200)
def test_planning_again_gives_nothing(case: tuple[Flow, DesiredSelectors, ActivationMode]) -> None:
    before, wanted, mode = case
    again = compute_patch(after_patch(before, compute_patch(before, wanted, mode)), wanted, mode)
    assert again.operations == ()
    assert (again.added, again.changed, again.removed, again.settings_changed) == ((), (), (), ())
    assert str(again) == "nothing"


@given(CASES)
@examples(200)
def test_removals_come_in_descending_order_with_what_they_remove(
    case: tuple[Flow, DesiredSelectors, ActivationMode],
) -> None:
    before, wanted, mode = case
    operations = compute_patch(before, wanted, mode).operations
    assert {operation.op for operation in operations} <= {"add", "replace", "remove"}
    removals: dict[str, list[int]] = {}
    for operation in operations:
        parent, _, last = operation.path.rpartition("/")
        if operation.op == "remove":
            removals.setdefault(parent, []).append(int(last))
        elif operation.op == "add":
            assert last == "-" or last in wanted.settings
        else:
            assert parent not in removals, "a replacement after a removal would hit another selector"
            assert set(operation.value) >= {"type", "value"}
    for indices in removals.values():
        assert indices == sorted(indices, reverse=True)


@given(CASES)
@examples(200)
def test_a_plan_accounts_for_each_segment(case: tuple[Flow, DesiredSelectors, ActivationMode]) -> None:
    before, wanted, mode = case
    plan = compute_patch(before, wanted, mode)
    held = segments_of(before)
    given_ids = {segment.id for segment in wanted.segments}
    if mode is ActivationMode.REMOVE:
        assert {each.lower() for each in plan.removed} == held & given_ids
        assert (set(plan.absent), plan.added, plan.present) == (given_ids - held, (), ())
        return
    assert set(plan.added) == given_ids - held
    assert set(plan.present) | set(plan.changed) == given_ids & held
    assert not set(plan.present) & set(plan.changed)
    expected = held - given_ids if mode is ActivationMode.SYNC else set()
    assert {each.lower() for each in plan.removed} == expected


@pytest.mark.parametrize("mode", list(ActivationMode))
def test_attributes_that_are_none_are_left_alone(mode: ActivationMode) -> None:
    selectors = [{"type": "JSON_PATH", "value": {"path": "a"}}]
    general = {"segmentSelectors": {"selectors": []}, "profileSelectors": {"selectors": selectors}}
    before = flow({"name": "GeneralTransform", "params": general})
    plan = compute_patch(before, DesiredSelectors((), None), mode)
    assert (plan.operations, plan.attributes_removed) == ((), ())


@pytest.mark.parametrize(
    ("params", "name", "path"),
    [
        ({"profileSelectors": {"selectors": []}}, "mandatoryFields", "profileSelectors/mandatoryFields"),
        ({"profileSelectors": {"selectors": []}}, "primaryFields", "profileSelectors/primaryFields"),
        ({"profileSelectors": {"selectors": []}}, "profileMapping", "profileMapping"),
        ({}, "mandatoryFields", "mandatoryFields"),
        ({}, "primaryFields", "primaryFields"),
        ({}, "profileMapping", "profileMapping"),
        ({"profileSelectors": {"selectors": []}, "primaryFields": []}, "primaryFields", "primaryFields"),
    ],
)
def test_settings_go_where_the_flows_generation_keeps_them(params: JsonObject, name: str, path: str) -> None:
    general = {"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": []}, **params}}
    before = flow({"name": "Copy", "params": {}}, general)
    value: Any = {"mappingId": "m", "mappingVersion": 0} if name == "profileMapping" else ["x"]
    plan = compute_patch(before, DesiredSelectors((), None, {name: value}), ActivationMode.ADD)
    assert [operation.to_json() for operation in plan.operations] == [
        {"op": "add", "path": f"/transformations/1/params/{path}", "value": value}
    ]
    assert plan.settings_changed == (name,)
    assert str(plan) == f"set {name}"


def test_a_mapping_version_that_aep_shows_as_a_text_is_the_same() -> None:
    params = {
        "segmentSelectors": {"selectors": []},
        "profileMapping": {"mappingId": "m", "mappingVersion": "0"},
    }
    before = flow({"name": "GeneralTransform", "params": params})
    same = DesiredSelectors((), None, {"profileMapping": {"mappingId": "m", "mappingVersion": 0}})
    assert compute_patch(before, same, ActivationMode.ADD).operations == ()
    newer = DesiredSelectors((), None, {"profileMapping": {"mappingId": "m", "mappingVersion": 1}})
    assert len(compute_patch(before, newer, ActivationMode.ADD).operations) == 1


@pytest.mark.parametrize(
    ("held", "changed"),
    [
        ({"mappingId": "m", "mappingVersion": "0"}, ()),
        ({"mappingId": "m", "mappingVersion": 0, "left": "over"}, ("profileMapping",)),
        ({"mappingId": "m"}, ("profileMapping",)),
        ("m", ("profileMapping",)),
    ],
)
def test_a_setting_is_replaced_unless_it_is_exactly_as_desired(held: Any, changed: tuple[str, ...]) -> None:
    before = flow({"name": "GeneralTransform", "params": {"profileMapping": held}})
    desired = DesiredSelectors((), None, {"profileMapping": {"mappingId": "m", "mappingVersion": 0}})
    assert compute_patch(before, desired, ActivationMode.ADD).settings_changed == changed


@pytest.mark.parametrize(
    "transformations",
    [
        (),
        ({"name": "Copy", "params": {}},),
        ({"name": "GeneralTransform"},),
        ({"name": "GeneralTransform", "params": None},),
    ],
)
def test_a_flow_without_a_place_for_settings_is_refused(transformations: tuple[JsonObject, ...]) -> None:
    with pytest.raises(DriftError, match="has no transformation with"):
        compute_patch(
            flow(*transformations), DesiredSelectors((), None, {"mandatoryFields": []}), ActivationMode.ADD
        )


def test_a_changed_selector_is_replaced_as_a_whole_and_keeps_what_the_server_added() -> None:
    held = segment_selector(IDS[0].upper(), {**EXPORT, **SERVER, "name": "Men"})
    before = flow({"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": [held]}}})
    schedule = {**EXPORT["schedule"], "startTime": "23:00"}
    plan = compute_patch(
        before,
        DesiredSelectors((Segment(IDS[0], {**EXPORT, "schedule": schedule}),), None),
        ActivationMode.SYNC,
    )
    (operation,) = plan.operations
    assert (operation.op, plan.changed) == ("replace", (IDS[0],))
    expected = copy.deepcopy(held)
    expected["value"]["schedule"] = schedule
    assert operation.value == expected


@pytest.mark.parametrize(
    ("extra", "changed"), [({"server": "x"}, ()), ({"endDate": "2101-01-01"}, (IDS[0],))]
)
def test_what_the_server_added_to_a_schedule_is_no_difference_but_an_end_is(
    extra: JsonObject, changed: tuple[str, ...]
) -> None:
    held = segment_selector(IDS[0], {**EXPORT, "schedule": {**EXPORT["schedule"], **extra}})
    before = flow({"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": [held]}}})
    plan = compute_patch(before, DesiredSelectors((Segment(IDS[0], EXPORT),), None), ActivationMode.ADD)
    assert plan.changed == changed
    assert all(operation.value["value"]["schedule"] == EXPORT["schedule"] for operation in plan.operations)


def test_on_a_flow_that_exports_datasets_nothing_can_be_activated() -> None:
    import msgspec

    inherited = {"sourceConnections": [{"id": "s", "connectionSpec": {"id": specs.DATA_LAKE_EXPORT}}]}
    before = msgspec.structs.replace(flow(), inherited_attributes=inherited)
    with pytest.raises(
        DriftError, match=r"^flow \S+ \(.*\) exports datasets, so nothing can be activated on it"
    ):
        compute_patch(before, DesiredSelectors((Segment(IDS[0]),), None), ActivationMode.ADD)
