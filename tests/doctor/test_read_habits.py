"""What reads show of how an AEP behaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest

from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.findings import Outcome, SwitchValue
from airflow_provider_flowservice.doctor.habits import READ_HABITS
from airflow_provider_flowservice.doctor.habits.model import examine_habit
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.doctor.conftest import fill, values_found
from tests.emulator.conftest import Streaming
from tests.support.faults import fault

Connect = Callable[[EmulatorControl], Aep]
DEFAULTS = {habit.switch: getattr(Switches, habit.switch) for habit in READ_HABITS}


def look(switch: str, aep: Aep) -> SwitchValue | None:
    """What the check of one switch finds."""
    (habit,) = (each for each in READ_HABITS if each.switch == switch)
    return examine_habit(habit, aep).value


def other_values() -> Iterator[tuple[str, object]]:
    """Every switch with each value that is not its default, or another number."""
    for switch in fields(Switches):
        if switch.name not in DEFAULTS:
            continue
        if choices := switch.metadata.get("choices"):
            yield from ((switch.name, value) for value in choices[1:])
        else:
            yield switch.name, (not switch.default if switch.type == "bool" else 7)


def test_each_habit_is_one_of_aep() -> None:
    assert len(READ_HABITS) == len(DEFAULTS)
    assert DEFAULTS.items() <= Switches.habits().items()


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


@pytest.mark.parametrize("form", ["descriptors", "descriptions"])
def test_a_schema_with_a_primary_identity_is_not_evidence(
    with_identity: EmulatorControl, connect: Connect, form: str
) -> None:
    with_identity.set_switches(schema_desc_form=form)
    found = values_found(connect(with_identity))
    assert (found["union_without_identity"], found["schema_desc_form"]) == (None, form)


def test_descriptors_on_several_pages_are_not_evidence(populated: EmulatorControl, connect: Connect) -> None:
    path = "/data/foundation/schemaregistry/tenant/descriptors"
    populated.inject(fault("status", path=path, status=200, body={"_page": {"next": "x"}}))
    assert values_found(connect(populated))["union_without_identity"] is None


def test_another_emulator_with_what_was_found_behaves_in_the_same_way(
    populated: EmulatorControl, second: EmulatorControl, connect: Connect
) -> None:
    others = {name: value for name, value in other_values() if name != "union_without_identity"}
    populated.set_switches(**others)
    found = values_found(connect(populated))
    assert found == {**DEFAULTS, **others}
    second.set_switches(**found)
    assert values_found(connect(second)) == found


def test_only_reads_are_sent(populated: EmulatorControl, connect: Connect) -> None:
    aep = connect(populated)
    values_found(aep)
    sent = [(entry["method"], entry["path"]) for entry in populated.requests()]
    assert sent[0] == ("POST", "/ims/token/v3")
    assert {method for method, _ in sent[1:]} == {"GET"}
    assert len(sent) - 1 == aep.calls == 19


@pytest.mark.parametrize("refuses", [False, True])
def test_no_value_of_a_user_is_shown(populated: EmulatorControl, connect: Connect, refuses: bool) -> None:
    if refuses:
        populated.inject(
            _everything("status", status=403, body={"errorMessage": populated.credential.org_id})
        )
    aep = connect(populated)
    said = " ".join(examine_habit(habit, aep).seen for habit in READ_HABITS)
    credential, held = populated.credential, populated.state()
    hidden = {credential.client_id, credential.client_secret, credential.org_id, f" {credential.sandbox} "}
    hidden |= {
        each[field] for kind in ("flows", "connections") for each in held[kind] for field in ("id", "name")
    }
    assert len(hidden) > 40
    assert not [each for each in hidden if each in said]
    assert "secret-1" not in said
    assert "AKIA" not in said


#: What cannot be seen without an object, and what the report then asks for.
IN_AN_EMPTY_SANDBOX = {
    "etag_quotes": "make a connection",
    "continuation_token": "make a second connection",
    "list_order": "make a second connection",
    "lists_comma": "make a connection",
    "default_page_size": "run the doctor again when there are more",
    "list_selectors": "make a flow",
    "inherited_attributes": "make one, or add --with-writes",
    "mask_secrets": "make one to a destination",
    "runs_comma": "after the first run",
    "run_status_names": "after the first run",
    "union_without_identity": "that can be reset",
}


def test_an_empty_sandbox_shows_less(empty: EmulatorControl, connect: Connect) -> None:
    aep = connect(empty)
    findings = [examine_habit(habit, aep) for habit in READ_HABITS]
    unknown = {each.switch: each.seen for each in findings if each.value is None}
    assert unknown.keys() == IN_AN_EMPTY_SANDBOX.keys()
    assert all(IN_AN_EMPTY_SANDBOX[switch] in seen for switch, seen in unknown.items())
    shown = {each.switch: each.value for each in findings if each.switch not in unknown}
    assert shown.items() <= DEFAULTS.items()


def test_what_the_doctor_never_tries_does_not_count_as_undetermined(
    empty: EmulatorControl, connect: Connect
) -> None:
    aep = connect(empty)
    found = [examine_habit(habit, aep) for habit in READ_HABITS]
    skipped = [habit.switch for habit in found if habit.outcome is Outcome.SKIPPED]
    assert skipped == ["union_without_identity"]


def test_a_few_objects_are_enough_for_most(few: EmulatorControl, connect: Connect) -> None:
    found = values_found(connect(few))
    unknown = {switch for switch, value in found.items() if value is None}
    assert unknown == {"default_page_size", "runs_comma", "run_status_names", "union_without_identity"}
    assert {switch: value for switch, value in found.items() if value is not None}.items() <= DEFAULTS.items()


@pytest.mark.parametrize(("switch", "value"), [each for each in other_values() if each[0] == "lists_comma"])
def test_one_object_is_enough_for_a_comma(
    one: EmulatorControl, connect: Connect, switch: str, value: object
) -> None:
    for each in ("or", value):
        one.set_switches(**{switch: each})
        assert values_found(connect(one))[switch] == each


@pytest.mark.parametrize("with_filter", [{"status": 400}, {"status": 200, "body": {"items": []}}])
@pytest.mark.parametrize(("switch", "path"), [("lists_comma", "flows"), ("runs_comma", "runs")])
def test_a_filter_that_does_not_work_says_nothing_of_a_comma(
    populated: EmulatorControl, connect: Connect, switch: str, path: str, with_filter: dict[str, object]
) -> None:
    populated.inject(fault("status", "GET", path, after=1, times=100, **with_filter))
    assert look(switch, connect(populated)) is None


def test_a_filter_that_is_ignored_says_nothing_of_a_comma(one: EmulatorControl, connect: Connect) -> None:
    (only,) = one.state()["connections"]
    listed = {"items": [{"id": only["id"]}], "_links": {}}
    one.inject(fault("status", "GET", "connections", times=100, status=200, body=listed))
    assert look("lists_comma", connect(one)) is None


def test_a_filter_that_is_ignored_says_nothing_of_a_comma_in_runs(
    populated: EmulatorControl, connect: Connect
) -> None:
    newest = max(populated.state()["runs"], key=lambda run: run["createdAt"])
    populated.inject(fault("status", "GET", "runs", after=1, times=100, status=200, body={"items": [newest]}))
    assert look("runs_comma", connect(populated)) is None


def test_a_filter_that_is_ignored_says_nothing_of_quotes(empty: EmulatorControl, connect: Connect) -> None:
    specs = {"items": [{"name": "Amazon Kinesis"}, {"name": "Amazon S3"}]}
    empty.inject(fault("status", "GET", "connectionSpecs", times=100, status=200, body=specs))
    assert look("filter_quotes", connect(empty)) is None


def test_another_order_is_neither_that_which_was_asked_for_nor_the_default(
    populated: EmulatorControl, connect: Connect
) -> None:
    flows = sorted(populated.state()["flows"], key=lambda flow: flow["createdAt"])
    body = {"items": [flows[len(flows) // 2]]}
    populated.inject(fault("status", "GET", "flows", after=1, status=200, body=body))
    assert look("list_order", connect(populated)) is None


@pytest.mark.parametrize("masks", [True, False])
def test_credentials_that_a_list_leaves_out_are_read_by_id(
    one: EmulatorControl, connect: Connect, masks: bool
) -> None:
    (connection,) = one.state()["connections"]
    del connection["auth"]
    one.set_switches(mask_secrets=masks)
    one.inject(fault("status", "GET", "connections", status=200, body={"items": [connection]}))
    assert look("mask_secrets", connect(one)) is masks


def test_a_connection_with_a_credential_is_looked_at_first(few: EmulatorControl, connect: Connect) -> None:
    fill(few, lambda api: Streaming(api).base_id)
    few.clear_requests()
    assert look("mask_secrets", connect(few))
    assert len(few.requests("GET", "/connectionSpecs/")) == 1


def test_a_schema_with_descriptors_is_looked_at(with_identity: EmulatorControl, connect: Connect) -> None:
    aep = connect(with_identity)
    assert look("schema_desc_form", aep) == "descriptors"
    (read,) = with_identity.requests("GET", "/tenant/schemas/")
    looked_at = aep.get(read["path"], (), (("Accept", "application/vnd.adobe.xed+json; version=1"),))
    assert looked_at.document["title"] == "Customers"


def test_lists_of_many_pages(many: EmulatorControl, connect: Connect) -> None:
    assert values_found(connect(many)) == {**DEFAULTS, "union_without_identity": None}
    many.set_switches(last_page_links="absent")
    assert values_found(connect(many))["last_page_links"] == "absent"


def test_a_given_token_has_no_lifetime(empty: EmulatorControl, connect: Connect) -> None:
    aep = connect(empty)
    aep.token_lifetime = None
    assert values_found(aep)["token_lifetime"] is None


@pytest.mark.parametrize(
    ("service", "unseen"),
    [
        ("/data/foundation/conversion/*", {"mapping_set_paging"}),
        (
            "/data/foundation/schemaregistry/*",
            {"union_without_identity", "schema_desc_form", "limit_without_orderby"},
        ),
        ("/data/foundation/flowservice/runs*", {"runs_comma", "run_status_names"}),
        ("/data/foundation/flowservice/connections", {"mask_secrets"}),
    ],
)
def test_a_service_that_refuses_hides_its_own_habits_alone(
    populated: EmulatorControl, connect: Connect, service: str, unseen: set[str]
) -> None:
    aep = connect(populated)
    populated.inject(fault("status", path=service, times=100, status=403))
    findings = {habit.switch: examine_habit(habit, aep) for habit in READ_HABITS}
    assert {switch for switch, each in findings.items() if each.value is None} == unseen
    assert all("(403); see what the report says of permissions" in findings[switch].seen for switch in unseen)


def _everything(kind: str, **parameters: object) -> dict[str, object]:
    """A fault for all requests to AEP."""
    return fault(kind, path="/data/*", times=1000, **parameters)


#: What a service, or a proxy in its place, may answer with.
HOSTILE = {
    "html": _everything("html", status=502),
    "html with 200": _everything("html", status=200),
    "a list": _everything("status", status=200, body=[]),
    "no list": _everything("status", status=200, body={"items": None, "results": None, "count": None}),
    "nothing": _everything("status", status=200, body=""),
    "forbidden": _everything("status", status=403),
    "bad request": _everything("status", status=400),
    "not found": _everything("status", status=404, body={"error_code": []}),
}


@pytest.mark.parametrize("rule", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_of_another_kind_is_not_evidence(
    populated: EmulatorControl, connect: Connect, virtual_clock: VirtualClock, rule: dict[str, object]
) -> None:
    aep = connect(populated)
    populated.inject(rule)
    found = {switch: value for switch, value in values_found(aep).items() if value is not None}
    # The emulator shows the id of the request whatever it answers.
    assert found == {"token_lifetime": 86399, "request_id": "echoed"}


def test_a_connection_that_breaks_is_not_evidence(
    populated: EmulatorControl, connect: Connect, virtual_clock: VirtualClock
) -> None:
    aep = connect(populated)
    populated.inject(_everything("reset"))
    findings = [examine_habit(habit, aep) for habit in READ_HABITS if habit.switch != "token_lifetime"]
    assert {each.seen for each in findings} == {"There was no response (ResponseLostError)."}


ODD_ITEMS = {
    "of other types": [None, 1, {}, {"id": 1}, {"id": ","}],
    "with odd values": [
        {"id": name, "createdAt": "now", "etag": 1, "metrics": 1, "connectionSpec": [], "flowId": []}
        | {"auth": {"params": {"password": []}}, "transformations": [1]}
        for name in "ab"
    ],
    "half": [
        {"id": name, "auth": {"params": []}, "metrics": {"statusSummary": {"status": 1}}} for name in "ab"
    ],
}


@pytest.mark.parametrize("links", [1, {"next": {"href": 1}}, {"next": {"href": "//[?continuationToken"}}])
@pytest.mark.parametrize("items", ODD_ITEMS.values(), ids=ODD_ITEMS)
def test_odd_items_are_not_evidence_of_what_they_do_not_have(
    populated: EmulatorControl, connect: Connect, items: list[object], links: object
) -> None:
    aep = connect(populated)
    body = {"items": items, "results": items, "data": items, "_links": links}
    populated.inject(_everything("status", status=200, body=body))
    found = values_found(aep)
    needed = (
        "etag_quotes",
        "list_order",
        "continuation_token",
        "count_response",
        "lists_comma",
        "mask_secrets",
    )
    needed += ("runs_comma", "run_status_names", "list_selectors", "schema_desc_form", "filter_quotes")
    assert {found[switch] for switch in needed} == {None}


def test_a_weak_etag_is_of_neither_form(one: EmulatorControl, connect: Connect) -> None:
    (connection,) = one.state()["connections"]
    connection["etag"] = f"W/{connection['etag']}"
    one.inject(fault("status", "GET", "connections", status=200, body={"items": [connection]}))
    assert look("etag_quotes", connect(one)) is None


@pytest.mark.parametrize(
    ("value", "is_masked"),
    [
        ("********", True),
        ("", True),
        (None, True),
        ("xxxxxx", True),
        ("AK***42", True),
        ("<hidden>", True),
        ("{SECRET}", True),
        ("[REDACTED]", True),
        ("s3cr3t/+=", False),
        ("x1", False),
    ],
)
def test_what_counts_as_masked(
    one: EmulatorControl, connect: Connect, value: object, is_masked: bool
) -> None:
    (connection,) = one.state()["connections"]
    connection["auth"] = {**connection["auth"], "params": {"accessKeyId": "AKIA", "secretKey": value}}
    one.inject(fault("status", "GET", "connections", times=100, status=200, body={"items": [connection]}))
    assert values_found(connect(one))["mask_secrets"] is is_masked
