from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_flowservice.client.activation.mismatch import MAX_NAMED, Keys, Mismatch, mismatch
from airflow_provider_flowservice.client.model import Flow, SpecRef

FIRST = "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
SECOND = "7841ba61-23c1-4bb3-a495-00d695fe1e93"


def flow(segments: Sequence[str] = (), attributes: Sequence[str] = (), **extra: Any) -> Flow:
    params = {
        "segmentSelectors": {"selectors": [{"value": {"id": each}} for each in segments]},
        "profileSelectors": {"selectors": [{"value": {"path": each}} for each in attributes]},
    }
    transformation = {"name": "GeneralTransform", "params": {**params, **extra}}
    return Flow(id="f", flow_spec=SpecRef(id="s"), transformations=(transformation,))


def test_what_is_missing_is_named() -> None:
    found = mismatch(flow([FIRST]), [SECOND, FIRST.upper()], ["a"])
    assert found == Mismatch(missing_segments=Keys.of([SECOND]), missing_attributes=Keys.of(["a"]))
    assert str(found) == f"lacks segments {SECOND} and profile attributes a"
    assert not mismatch(flow([FIRST, SECOND], ["a", "b"]), [FIRST.upper()], ["a"])


def test_an_attribute_in_another_case_is_another_one() -> None:
    found = mismatch(flow([], ["person.Name"]), [], ["person.name"], exact=True)
    assert str(found) == "lacks profile attributes person.name; also has profile attributes person.Name"


def test_what_is_still_there_is_named() -> None:
    found = mismatch(flow([FIRST, SECOND]), [SECOND], None, absent=[FIRST.upper()])
    assert str(found) == f"still has segments {FIRST}"
    assert not mismatch(flow([SECOND]), [SECOND], None, absent=[FIRST])
    assert not mismatch(flow(), [], None, absent=[FIRST])


def test_what_else_is_there_is_named_if_nothing_else_should_be() -> None:
    held = flow([FIRST, SECOND], ["a", "b"])
    assert not mismatch(held, [FIRST], ["a"])
    found = mismatch(held, [FIRST.upper()], ["a"], exact=True)
    assert str(found) == f"also has segments {SECOND} and profile attributes b"
    assert str(mismatch(held, [FIRST], None, exact=True)) == f"also has segments {SECOND}"
    assert str(mismatch(held, [SECOND, FIRST], [], exact=True)) == "also has profile attributes a, b"
    assert not mismatch(held, [SECOND, FIRST], ["b", "a"], exact=True)
    assert not mismatch(flow(), [], [], exact=True)


@pytest.mark.parametrize("odd", [{"value": {}}, {"value": {"id": 5}}, {}, None, "x"])
def test_a_selector_that_cannot_be_read_is_something_else(odd: Any) -> None:
    held = flow(segmentSelectors={"selectors": [{"value": {"id": FIRST}}, odd]})
    assert not mismatch(held, [FIRST], None)
    assert str(mismatch(held, [FIRST], None, exact=True)) == "also has segments (one that cannot be read)"
    assert str(mismatch(held, [], None, absent=[SECOND])) == "still has segments (one that cannot be read)"


def test_a_flow_that_selects_a_segment_twice_has_it_once() -> None:
    assert not mismatch(flow([FIRST, FIRST]), [FIRST], None, exact=True)
    assert str(mismatch(flow([FIRST, FIRST]), [], None, absent=[FIRST])) == f"still has segments {FIRST}"


def test_it_stays_small_however_much_differs() -> None:
    many = [f"{number:05d}{'x' * 1000}" for number in range(10_000)]
    found = mismatch(flow(many, many), ["a", "b"], many[:1], absent=many, exact=True)
    assert len(json.dumps(found.to_json())) < 20_000
    assert str(found.unwanted_segments).endswith("..., ... (10000 in all)")
    assert str(found.unwanted_segments).count(", ") == MAX_NAMED
    assert found.other_attributes.count == 9_999
    few = Keys.of(map(str, range(MAX_NAMED)))
    assert str(few) == ", ".join(map(str, range(MAX_NAMED)))


def test_what_aep_calls_a_selector_stays_on_one_line() -> None:
    assert str(mismatch(flow([], ["a\nb\x1b"]), [], [], exact=True)) == "also has profile attributes a b"


def test_it_survives_json() -> None:
    found = mismatch(flow([FIRST], ["b"]), [SECOND], ["a"], absent=[FIRST], exact=True)
    assert all(getattr(found, name) for name in found.__struct_fields__)
    assert Mismatch.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert Mismatch.from_json({}) == Mismatch()
