from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.activation.segments import Segment, SegmentName, read_segments
from airflow_provider_flowservice.client.errors import InvalidInputError
from tests.support.files import exported

FIRST = "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
SECOND = "7841ba61-23c1-4bb3-a495-00d695fe1e93"
EXTERNAL = {"id": "extaud9001", "systemSegmentId": FIRST, "namespace": "aamSegments"}


def test_a_segment_says_in_aeps_words_how_it_is_exported() -> None:
    wanted = exported(FIRST)
    (segment,) = read_segments([wanted])
    assert isinstance(segment, Segment)
    assert segment.to_selector() == {"type": "PLATFORM_SEGMENT", "value": wanted}
    assert segment.uuid == FIRST


@pytest.mark.parametrize("whole", [False, True])
def test_a_selector_copied_from_a_flow_is_taken_without_what_aep_added(whole: bool) -> None:
    copied = {**exported(FIRST), "name": "Bikers", "createTime": "1671648240", "updateTime": "1671648240"}
    (segment,) = read_segments([{"type": "PLATFORM_SEGMENT", "value": copied} if whole else copied])
    assert isinstance(segment, Segment)
    assert segment.to_selector()["value"] == {**exported(FIRST), "name": "Bikers"}


def test_the_spelling_of_the_openapi_file_is_another_name_of_the_same_field() -> None:
    wanted = exported(FIRST)
    other = {key: value for key, value in wanted.items() if key != "filenameTemplate"}
    other["fileNameTemplate"] = wanted["filenameTemplate"]
    assert read_segments([other]) == read_segments([wanted])


def test_what_is_none_counts_as_left_out() -> None:
    assert read_segments([{"id": FIRST, "name": None, "schedule": None}]) == (Segment(FIRST),)


def test_an_external_audience_keeps_its_own_id_and_has_aeps_too() -> None:
    (segment,) = read_segments([{**EXTERNAL, "systemSegmentId": FIRST.upper()}])
    assert segment == Segment("extaud9001", {"systemSegmentId": FIRST, "namespace": "aamSegments"})
    assert isinstance(segment, Segment)
    assert segment.uuid == FIRST
    assert segment.to_selector()["value"] == EXTERNAL


def test_a_name_alone_is_to_be_looked_up_and_keeps_the_rest() -> None:
    (wanted,) = read_segments([{"name": "Men", "description": "over 50"}])
    assert wanted == SegmentName("Men", {"name": "Men", "description": "over 50"})
    assert read_segments([{"name": "Men", "id": FIRST}]) == (Segment(FIRST, {"name": "Men"}),)


def test_each_counts_once_and_a_name_is_no_id() -> None:
    read = read_segments([FIRST, {"name": FIRST}, {"id": FIRST.upper()}, {"name": FIRST}, SECOND])
    assert read == (Segment(FIRST), SegmentName(FIRST, {"name": FIRST}), Segment(SECOND))


def test_what_is_given_is_left_as_it_is() -> None:
    wanted = exported(FIRST.upper())
    before = {**wanted}
    read_segments([wanted])
    assert wanted == before


@pytest.mark.parametrize(
    ("segment", "field", "problem"),
    [
        ({**EXTERNAL, "systemSegmentId": "x"}, "segments[1].systemSegmentId", "'x' is not a segment id"),
        ({**EXTERNAL, "namespace": ""}, "segments[1]", "has a systemSegmentId but lacks id or namespace"),
        ({**EXTERNAL, "id": None}, "segments[1]", "has a systemSegmentId but lacks id or namespace"),
        ({**EXTERNAL, "id": 9001}, "segments[1]", "has a systemSegmentId but lacks id or namespace"),
        ({"name": ["x"]}, "segments[1]", "the name ['x'] is not a string"),
        ({"name": ""}, "segments[1]", "None is not a segment id"),
        ({"id": FIRST, "frequency": "DAILY"}, "segments[1]", "has the unknown key 'frequency'"),
        (exported(FIRST, frequency="HOURLY"), "segments[1].schedule.frequency", "'HOURLY' is not supported"),
        ({"name": "Men", "exportMode": "x"}, "segments[1].exportMode", "'x' is not supported"),
    ],
)
def test_what_is_wrong_is_refused_by_its_place(segment: Any, field: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_segments([SECOND, segment])
    assert caught.value.field == field
    assert problem in caught.value.problem
