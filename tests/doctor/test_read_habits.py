"""What reads show of how an AEP behaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest

from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.findings import Outcome
from airflow_provider_flowservice.doctor.habits import READ_HABITS
from airflow_provider_flowservice.doctor.habits.model import examine_habit
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.doctor.conftest import values_found

Connect = Callable[[EmulatorControl], Aep]
DEFAULTS = {habit.switch: getattr(Switches, habit.switch) for habit in READ_HABITS}
FLOW_SERVICE = "/data/foundation/flowservice"


def other_values() -> Iterator[tuple[str, object]]:
    """Every switch with each value that is not its default, or another number."""
    for switch in fields(Switches):
        if switch.name not in DEFAULTS:
            continue
        if choices := switch.metadata.get("choices"):
            yield from ((switch.name, value) for value in choices[1:])
        else:
            yield switch.name, (not switch.default if switch.type == "bool" else 7)


def test_the_defaults_are_found(populated: EmulatorControl, connect: Connect) -> None:
    assert values_found(connect(populated)) == DEFAULTS


@pytest.mark.parametrize(("switch", "value"), list(other_values()))
def test_exactly_the_switch_that_was_changed_is_found(
    populated: EmulatorControl, connect: Connect, switch: str, value: object
) -> None:
    populated.set_switches(**{switch: value})
    # The evidence is what was accepted before.
    expected = DEFAULTS if switch == "union_without_identity" else {**DEFAULTS, switch: value}
    assert values_found(connect(populated)) == expected


def test_no_evidence_of_a_schema_that_was_refused(empty: EmulatorControl, connect: Connect) -> None:
    empty.set_switches(union_without_identity="refuse")
    assert values_found(connect(empty))["union_without_identity"] is None


def test_another_emulator_with_what_was_found_behaves_in_the_same_way(
    populated: EmulatorControl, second: EmulatorControl, connect: Connect
) -> None:
    del_union = {name: value for name, value in other_values() if name != "union_without_identity"}
    populated.set_switches(**del_union)
    found = values_found(connect(populated))
    assert found == {**DEFAULTS, **del_union}
    second.set_switches(**found)
    assert values_found(connect(second)) == found


def test_only_reads_are_sent(populated: EmulatorControl, connect: Connect) -> None:
    aep = connect(populated)
    values_found(aep)
    sent = [(entry["method"], entry["path"]) for entry in populated.requests()]
    assert sent[0] == ("POST", "/ims/token/v3")
    assert {method for method, _ in sent[1:]} == {"GET"}
    assert len(sent) - 1 == aep.calls == 22


def test_an_empty_sandbox_shows_little(empty: EmulatorControl, connect: Connect) -> None:
    aep = connect(empty)
    findings = [examine_habit(habit, aep) for habit in READ_HABITS]
    unknown = {each.switch for each in findings if each.outcome is Outcome.UNKNOWN}
    assert unknown == set()


def test_a_given_token_has_no_lifetime(empty: EmulatorControl, connect: Connect) -> None:
    aep = connect(empty)
    aep.token_lifetime = None
    assert values_found(aep)["token_lifetime"] is None


def _everything(kind: str, **parameters: object) -> dict[str, object]:
    """A fault for all requests to AEP."""
    return {"match": {"path": "/data/*"}, "times": 1000, "fault": {"kind": kind, **parameters}}


#: What a service, or a proxy in its place, may answer with.
HOSTILE = {
    "html": _everything("html", status=502),
    "html with 200": _everything("html", status=200),
    "a list": _everything("status", status=200, body=[]),
    "no list": _everything("status", status=200, body={"items": None, "results": None, "count": None}),
    "other items": _everything(
        "status", status=200, body={"items": [None, 1, {}, {"id": 1}, {"id": ","}], "results": [1], "_links": 1}
    ),
    "odd items": _everything(
        "status",
        status=200,
        body={
            "items": [{"id": "a", "auth": {"params": {"password": []}}, "metrics": 1, "createdAt": "now"}] * 2,
            "_links": {"next": {"href": 1}},
        },
    ),
    "nothing": _everything("status", status=200, body=""),
    "forbidden": _everything("status", status=403),
    "gone": _everything("status", status=404, body={"error_code": []}),
}


@pytest.mark.parametrize("rule", HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_answered_is_no_evidence_of_anything_else(
    populated: EmulatorControl, connect: Connect, virtual_clock: VirtualClock, rule: dict[str, object]
) -> None:
    aep = connect(populated)
    populated.inject(rule)
    found = {switch: value for switch, value in values_found(aep).items() if value is not None}
    assert found == {"token_lifetime": 86399, "request_id": "echoed"}
