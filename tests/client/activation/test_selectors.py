from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client.activation.activation import RemovalLimits
from airflow_provider_flowservice.client.activation.mismatch import mismatch
from airflow_provider_flowservice.client.activation.segments import Segment, read_attributes, read_segments
from airflow_provider_flowservice.client.activation.selectors import (
    ActivationMode,
    DesiredSelectors,
    SelectorPatch,
    apply,
    compute_patch,
)
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.model import Flow, JsonObject, SelectorKind, SpecRef
from tests.support.patch import apply_additions
from tests.support.properties import examples

FIRST = "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
SECOND = "7841ba61-23c1-4bb3-a495-00d695fe1e93"


def segment_selector(segment_id: str, **value: Any) -> JsonObject:
    return {"type": "PLATFORM_SEGMENT", "value": {"id": segment_id, **value}}


def attribute_selector(path: str) -> JsonObject:
    return {"type": "JSON_PATH", "value": {"operator": "EXISTS", "path": path}}


def transformation(segments: list[JsonObject], attributes: list[JsonObject], **extra: Any) -> JsonObject:
    return {
        "name": "GeneralTransform",
        "params": {
            "segmentSelectors": {"selectors": segments},
            "profileSelectors": {"selectors": attributes},
            **extra,
        },
    }


def flow(*transformations: JsonObject) -> Flow:
    return Flow(id="f", name="my flow", flow_spec=SpecRef(id="s"), transformations=transformations)


def added(before: Flow, segments: Sequence[Segment], attributes: Sequence[str]) -> SelectorPatch:
    return compute_patch(before, DesiredSelectors(tuple(segments), tuple(attributes)), ActivationMode.ADD)


def patched(before: Flow, plan: SelectorPatch) -> Flow:
    document = apply_additions({"transformations": list(before.transformations)}, plan.operations)
    return flow(*document["transformations"])


def test_what_is_missing_is_added_at_the_end_in_the_order_given() -> None:
    before = flow(transformation([segment_selector(FIRST)], []))
    plan = added(
        before,
        [Segment(FIRST), Segment(SECOND, {"name": "Women", "description": "over 50"})],
        ["person.name", "a.b"],
    )
    assert plan.added == (SECOND,)
    assert plan.present == (FIRST,)
    assert plan.attributes_added == ("person.name", "a.b")
    root = "/transformations/0/params"
    assert [operation.to_json() for operation in plan.operations] == [
        {
            "op": "add",
            "path": f"{root}/segmentSelectors/selectors/-",
            "value": segment_selector(SECOND, name="Women", description="over 50"),
        },
        *(
            {"op": "add", "path": f"{root}/profileSelectors/selectors/-", "value": attribute_selector(path)}
            for path in ("person.name", "a.b")
        ),
    ]


def test_a_flow_that_has_everything_gets_no_patch() -> None:
    before = flow(transformation([segment_selector(FIRST.upper())], [attribute_selector("a")]))
    plan = added(before, [Segment(FIRST)], ["a"])
    assert (plan.operations, plan.added, plan.present) == ((), (), (FIRST,))


def test_the_transformation_with_the_lists_is_patched_wherever_it_stands() -> None:
    before = flow({"name": "Copy", "params": {}}, {"name": "Other"}, transformation([], []))
    plan = added(before, [Segment(FIRST)], ["a"])
    assert [operation.path for operation in plan.operations] == [
        "/transformations/2/params/segmentSelectors/selectors/-",
        "/transformations/2/params/profileSelectors/selectors/-",
    ]


def desired(*segments: str, attributes: tuple[str, ...] | None = None, **value: Any) -> DesiredSelectors:
    return DesiredSelectors(tuple(Segment(each, value) for each in segments), attributes)


def test_what_stands_in_a_second_transformation_is_neither_missing_nor_added() -> None:
    before = flow(
        transformation([], []), transformation([segment_selector(FIRST)], [attribute_selector("a")])
    )
    assert not mismatch(before, [FIRST], ["a"])
    patch = added(before, [Segment(FIRST)], ["a"])
    assert (patch.operations, patch.added, patch.present) == ((), (), (FIRST,))
    assert (patch.attributes_added, patch.attributes_removed) == ((), ())


def test_what_is_new_goes_to_the_first_list_that_there_is() -> None:
    second = {"name": "Second", "params": {"profileSelectors": {"selectors": []}}}
    before = flow({"name": "None"}, {**transformation([], []), "params": {}}, second, transformation([], []))
    paths = [operation.path for operation in added(before, [Segment(FIRST)], ["a"]).operations]
    assert paths == [
        "/transformations/3/params/segmentSelectors/selectors/-",
        "/transformations/2/params/profileSelectors/selectors/-",
    ]


def test_a_segment_in_a_second_list_is_replaced_and_removed_there() -> None:
    held = segment_selector(SECOND, filenameTemplate="old")
    before = flow(transformation([segment_selector(FIRST)], []), transformation([{"type": "?"}, held], []))
    changed = compute_patch(before, desired(SECOND, filenameTemplate="new"), ActivationMode.ADD)
    removed = compute_patch(before, desired(SECOND), ActivationMode.REMOVE)
    kept = compute_patch(before, desired(FIRST), ActivationMode.SYNC)
    path = "/transformations/1/params/segmentSelectors/selectors/1"
    assert [o.to_json() for o in changed.operations] == [
        {"op": "replace", "path": path, "value": segment_selector(SECOND, filenameTemplate="new")}
    ]
    removal = [{"op": "remove", "path": path, "value": held}]
    assert [o.to_json() for o in removed.operations] == removal
    assert [o.to_json() for o in kept.operations] == removal
    assert (changed.changed, removed.removed, kept.removed) == ((SECOND,), (SECOND,), (SECOND,))


def test_a_segment_that_two_lists_hold_is_removed_from_both() -> None:
    both = flow(transformation([segment_selector(FIRST)], []), transformation([segment_selector(FIRST)], []))
    patch = compute_patch(both, desired(FIRST), ActivationMode.REMOVE)
    assert [operation.path for operation in patch.operations] == [
        "/transformations/1/params/segmentSelectors/selectors/0",
        "/transformations/0/params/segmentSelectors/selectors/0",
    ]
    assert added(both, [Segment(FIRST)], []).operations == ()


def test_removal_limits_count_what_all_lists_hold() -> None:
    segments = [segment_selector(str(uuid.UUID(int=number))) for number in range(3)]
    before = flow(transformation([segment_selector(FIRST)], []), transformation(segments, []))
    patch = compute_patch(before, desired(FIRST), ActivationMode.SYNC)
    with pytest.raises(
        DriftError, match="3 of the 4 segments of flow f would be removed, but at most 2 may be"
    ):
        RemovalLimits().check(before, patch)
    RemovalLimits(max_removals=3).check(before, patch)


@pytest.mark.parametrize("mode", list(ActivationMode))
def test_what_is_malformed_is_passed_over_and_left_as_it_is(mode: ActivationMode) -> None:
    held = [*MALFORMED, segment_selector(FIRST), *MALFORMED]
    before = flow(*WITHOUT_LISTS, transformation(held, list(MALFORMED)), *WITHOUT_LISTS)
    assert [(s.key, s.index, s.position) for s in before.selectors(SelectorKind.SEGMENT)] == [
        (FIRST, len(WITHOUT_LISTS), len(MALFORMED))
    ]
    after = compute_patch(before, desired(SECOND, attributes=()), mode).after
    (segments,) = lists_of(flow(*after), SelectorKind.SEGMENT)
    assert [each for each in segments if each not in (segment_selector(FIRST), segment_selector(SECOND))] == [
        *MALFORMED,
        *MALFORMED,
    ]
    assert without_lists(flow(*after)) == without_lists(before)
    assert lists_of(flow(*after), SelectorKind.ATTRIBUTE) == [MALFORMED]


def test_a_flow_with_malformed_transformations_can_be_read() -> None:
    body = {"id": "f", "flowSpec": {"id": "s"}, "transformations": [*WITHOUT_LISTS, transformation([], [])]}
    read = msgspec.json.decode(json.dumps(body), type=Flow)
    assert [list(read.selectors(kind)) for kind in SelectorKind] == [[], []]


@pytest.mark.parametrize(
    "transformations",
    [
        (),
        ({"name": "GeneralTransform", "params": {}},),
        ({"name": "GeneralTransform", "params": None},),
        ({"name": "GeneralTransform", "params": {"segmentSelectors": {}}},),
        ({"name": "GeneralTransform", "params": {"segmentSelectors": {"selectors": None}}},),
        ({"name": "GeneralTransform", "params": {"profileSelectors": {"selectors": []}}},),
    ],
)
def test_a_flow_without_a_place_for_selectors_is_refused(transformations: tuple[JsonObject, ...]) -> None:
    with pytest.raises(DriftError, match=r"my flow.*segmentSelectors.*FlowServiceCreateFlowOperator"):
        added(flow(*transformations), [Segment(FIRST)], [])


SEGMENT_IDS = st.sampled_from([str(uuid.UUID(int=number)) for number in range(8)])
PATHS = st.sampled_from([f"person.field{number}" for number in range(8)])
SEGMENT_SELECTORS = st.builds(
    lambda segment_id, upper, name: segment_selector(segment_id.upper() if upper else segment_id, name=name),
    SEGMENT_IDS,
    st.booleans(),
    st.text(max_size=5),
)
#: What no selector looks like; it is passed over and left as it is.
MALFORMED: list[Any] = [
    {"type": "OTHER"},
    {"type": "OTHER", "value": None},
    {"value": {}},
    {"value": "text"},
    {"value": ["id"]},
    {"value": {"id": None, "path": None}},
    {"value": {"id": 5, "path": 5}},
    {"value": {"id": {"id": FIRST}, "path": ["a"]}},
    {"value": {"id": "", "path": ""}},
    [],
    "text",
    5,
    None,
]
#: What holds no list of selectors.
WITHOUT_LISTS: list[Any] = [
    {"name": "Copy", "params": {"a": 1}},
    {"name": "NoParams"},
    {"name": "Null", "params": None},
    {"name": "Text", "params": "text"},
    {"name": "List", "params": [{"segmentSelectors": {"selectors": []}}]},
    {"name": "Half", "params": {"segmentSelectors": {"selectors": None}, "profileSelectors": "text"}},
    {"name": "Half", "params": {"segmentSelectors": {"selectors": {}}, "profileSelectors": []}},
    {"name": ["odd"]},
    [],
    "text",
    5,
    None,
]
SELECTOR_NOISE = st.sampled_from(MALFORMED)
OTHER_TRANSFORMATIONS = st.sampled_from(WITHOUT_LISTS)
SEGMENT_LISTS = st.lists(SEGMENT_SELECTORS | SELECTOR_NOISE, max_size=6)
ATTRIBUTE_LISTS = st.lists(PATHS.map(attribute_selector) | SELECTOR_NOISE, max_size=6)
TRANSFORMATIONS = (
    st.builds(transformation, SEGMENT_LISTS, ATTRIBUTE_LISTS, mandatoryFields=st.lists(PATHS, max_size=2))
    | st.builds(
        lambda each: {"name": "One", "params": {"segmentSelectors": {"selectors": each}}}, SEGMENT_LISTS
    )
    | st.builds(
        lambda each: {"name": "One", "params": {"profileSelectors": {"selectors": each}}}, ATTRIBUTE_LISTS
    )
)
#: One transformation that takes whatever is missing, and any number of others on either side of it.
FLOWS = st.builds(
    lambda before, main, after: flow(*copy.deepcopy([*before, main, *after])),
    st.lists(TRANSFORMATIONS | OTHER_TRANSFORMATIONS, max_size=2),
    st.builds(transformation, SEGMENT_LISTS, ATTRIBUTE_LISTS, mandatoryFields=st.lists(PATHS, max_size=2)),
    st.lists(TRANSFORMATIONS | OTHER_TRANSFORMATIONS, max_size=2),
)


def lists_of(held: Flow, kind: SelectorKind) -> list[list[Any]]:
    """The lists of selectors of a kind, read without the code under test."""
    found = []
    for each in held.transformations:
        params = each.get("params") if isinstance(each, dict) else None
        holder = params.get(kind.value) if isinstance(params, dict) else None
        selectors = holder.get("selectors") if isinstance(holder, dict) else None
        found += [selectors] if isinstance(selectors, list) else []
    return found


def new_selectors(kind: SelectorKind, keys: Sequence[str]) -> list[JsonObject]:
    return [segment_selector(k) if kind is SelectorKind.SEGMENT else attribute_selector(k) for k in keys]


def without_lists(held: Flow) -> list[Any]:
    """The transformations with all their lists of selectors empty."""
    emptied = flow(*copy.deepcopy(held.transformations))
    for kind in SelectorKind:
        for each in lists_of(emptied, kind):
            each.clear()
    return list(emptied.transformations)


@given(before=FLOWS, segments=st.lists(SEGMENT_IDS, max_size=8), paths=st.lists(PATHS, max_size=8))
@examples(300)
def test_the_patch_gives_the_flow_that_is_wanted_and_then_nothing_is_left_to_do(
    before: Flow, segments: list[str], paths: list[str]
) -> None:
    untouched = copy.deepcopy(before.transformations)
    wanted = read_segments(segments)
    attributes = read_attributes(paths)
    plan = added(before, wanted, attributes)
    after = patched(before, plan)

    assert before.transformations == untouched
    assert not mismatch(after, segments, paths)
    assert added(after, wanted, attributes).operations == ()
    assert set(plan.added) | set(plan.present) == set(segments)
    for kind, new in ((SelectorKind.SEGMENT, plan.added), (SelectorKind.ATTRIBUTE, plan.attributes_added)):
        old = [selector.key for selector in before.selectors(kind)]
        assert lists_of(after, kind)[:1] == [
            [*each, *new_selectors(kind, new)] for each in lists_of(before, kind)[:1]
        ]
        assert lists_of(after, kind)[1:] == lists_of(before, kind)[1:]
        assert sorted(selector.key for selector in after.selectors(kind)) == sorted([*old, *new])
        assert not {key.lower() for key in old} & set(new)
    assert without_lists(after) == without_lists(before)


@given(before=FLOWS, segments=st.lists(SEGMENT_IDS, max_size=8), paths=st.lists(PATHS, max_size=8))
@examples(50)
def test_the_library_applies_the_patch_as_we_do_by_hand(
    before: Flow, segments: list[str], paths: list[str]
) -> None:
    plan = added(before, read_segments(segments), read_attributes(paths))
    assert apply(before, plan.operations) == list(patched(before, plan).transformations)


def test_segments_are_read_from_ids_and_mappings_each_once() -> None:
    read = read_segments(
        [FIRST, {"id": SECOND, "name": "Women", "description": "over 50"}, FIRST.upper(), {"id": FIRST}]
    )
    assert read == (Segment(FIRST), Segment(SECOND, {"name": "Women", "description": "over 50"}))


@pytest.mark.parametrize(
    ("segments", "field", "problem"),
    [
        (FIRST, "segments", "must be a list, not str"),
        (["Men over 50"], r"segments\[0\]", "'Men over 50' is not a segment id"),
        ([FIRST, ""], r"segments\[1\]", "'' is not a segment id"),
        ([{}], r"segments\[0\]", "None is not a segment id"),
        ([{"id": 5}], r"segments\[0\]", "5 is not a segment id"),
        ([{"id": FIRST, "nme": "x"}], r"segments\[0\]", "unknown key 'nme'"),
    ],
)
def test_a_segment_that_is_none_is_refused_by_its_place(segments: Any, field: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{field}: .*{problem}"):
        read_segments(segments)


@pytest.mark.parametrize("segments", [[None], [5], [["a", "b"]], None, 5])
def test_segments_of_a_wrong_type_are_refused(segments: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"^segments.*: "):
        read_segments(segments)


def test_attributes_are_read_each_once() -> None:
    assert read_attributes(["b", "a", "b"]) == ("b", "a")


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ("person.name", "profile_attributes"),
        (None, "profile_attributes"),
        (["a", " "], r"profile_attributes\[1\]"),
        ([5], r"profile_attributes\[0\]"),
        ([None], r"profile_attributes\[0\]"),
    ],
)
def test_an_attribute_that_is_none_is_refused_by_its_place(attributes: Any, field: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{field}: "):
        read_attributes(attributes)
