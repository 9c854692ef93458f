"""What is changed in a printed file is changed in AEP, and nothing else is."""

from __future__ import annotations

import pytest

from airflow_provider_flowservice.client.datasets import mapping_sets
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.print_dag.printed import Printed, changed
from tests.print_dag.test_unusual import (
    Builder,
    from_files,
    to_files,
    to_files_with_a_mapping_set,
    with_the_mapping_last,
)
from tests.support.aep import make_flow

SELECTORS = "flows[0].transformations[0].params.segmentSelectors.selectors"


def active(hook: FlowServiceHook, control: EmulatorControl) -> str:
    flow_id = make_flow(hook, description="as it was")
    hook.activate_segments(flow_id, control.segments[:3], ["person.name.firstName", "person.name.lastName"])
    return flow_id


@pytest.mark.parametrize(
    ("build", "old", "new", "expected", "writes"),
    [
        (active, '"stream": "events"', '"stream": "other"', ["targetConnections[0].params.stream"], 1),
        (active, '"as it was"', '"as it is"', ["flows[0].description"], 1),
        (active, ' name="flow",', ' name="renamed",', ["flows[0].name"], 1),
        (active, 'name="profiles"', 'name="renamed"', ["sourceConnections[0].name"], 1),
        (active, 'name="profile store"', 'name="renamed"', ["connections[0].name"], 1),
        (
            active,
            '"person.name.lastName"',
            '"person.birthDate"',
            ["flows[0].transformations[0].params.profileSelectors.selectors[1].value.path"],
            1,
        ),
        (from_files, '"interval": 3', '"interval": 6', ["flows[0].scheduleParams.interval"], 1),
        (
            to_files,
            '"startTime": "11:30"',
            '"startTime": "12:30"',
            [f"{SELECTORS}[1].value.schedule.startTime"],
            1,
        ),
        (
            to_files_with_a_mapping_set,
            '"source": "personalEmail.address"',
            '"source": "workEmail.address"',
            ["flows[0].transformations[0].params.profileMapping.mappingVersion"],
            2,
        ),
        (
            with_the_mapping_last,
            '"source": "first"',
            '"source": "given"',
            ["flows[0].transformations[1].params.mappingVersion"],
            2,
        ),
    ],
)
def test_one_change_in_the_file_is_one_change_in_aep(
    printed: Printed,
    control: EmulatorControl,
    hook: FlowServiceHook,
    build: Builder,
    old: str,
    new: str,
    expected: list[str],
    writes: int,
) -> None:
    flow_id = build(hook, control)
    printed.print(flow_id)
    before = control.state()
    printed.edit(printed.path(flow_id), old, new)
    ran = printed.run_flow(flow_id)
    assert ran.succeeded, ran.errors
    assert changed(before, control.state()) == expected
    assert len(ran.sent) == writes, ran.sent
    if '"source"' in new:
        # The state does not show mapping sets.
        (mapping_set,) = mapping_sets.iterate(hook)
        assert f'"source": "{mapping_set.fields[0].source}"' == new
        assert mapping_set.version == 1


def segments_of(control: EmulatorControl) -> list[str]:
    (flow,) = control.state()["flows"]
    selectors = flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    return [each["value"]["id"] for each in selectors]


def test_a_segment_that_is_added_or_removed_in_the_file_is_in_aep(
    printed: Printed, control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow_id = active(hook, control)
    printed.print(flow_id)
    before = control.state()
    first, second, third, fourth = control.segments[:4]
    file = printed.path(flow_id)
    printed.edit(file, f'"{second}"', f'"{fourth}"')
    ran = printed.run_flow(flow_id)
    assert ran.succeeded, ran.errors
    assert segments_of(control) == [first, third, fourth]
    assert {each.partition(".selectors[")[0] for each in changed(before, control.state())} == {
        "flows[0].transformations[0].params.segmentSelectors"
    }
    assert len(ran.sent) == 1


def test_a_flow_that_was_enabled_by_hand_is_disabled_again(
    printed: Printed, control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow_id = active(hook, control)
    hook.set_flow_state(flow_id, "disabled")
    printed.print(flow_id)
    before = control.state()
    hook.set_flow_state(flow_id, "enabled")
    ran = printed.run_flow(flow_id)
    assert ran.succeeded, ran.errors
    assert changed(before, control.state()) == []
    assert len(ran.sent) == 1


def test_what_others_have_changed_is_named(
    printed: Printed, control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow_id = active(hook, control)
    printed.print(flow_id)
    file = printed.path(flow_id)
    printed.edit(file, 'auth={"region": "us-east-1"}', 'auth={"region": "eu-west-1"}')
    ran = printed.run_flow(flow_id)
    assert [str(each) for each in ran.errors if "auth.params.region is 'us-east-1'" in str(each)]
    assert ran.sent == []
