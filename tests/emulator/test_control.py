from __future__ import annotations

import pytest
import requests

from airflow_provider_flowservice import __version__
from airflow_provider_flowservice.emulator.exchange import Exchange, Journal
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import World
from tests.emulator.conftest import SECRET, Api


def test_health_gives_a_credential_that_works(api: Api) -> None:
    health = api.control.health()
    assert (health["status"], health["version"]) == ("ok", __version__)
    assert set(health["credential"]) == {"client_id", "client_secret", "org_id", "sandbox"}
    assert api.ask_for_token().status_code == 200


def test_the_journal_tells_what_arrived(api: Api) -> None:
    api.call("POST", "/connections?mode=draft", json={"name": "x"}, headers={"x-request-id": "r1"})
    (entry,) = api.control.requests()
    assert entry["method"] == "POST"
    assert entry["path"] == "/data/foundation/flowservice/connections"
    assert entry["query"] == {"mode": "draft"}
    assert entry["headers"]["x-request-id"] == "r1"
    assert entry["body"] == {"name": "x"}
    assert entry["status"] == 400
    assert entry["time"] == pytest.approx(api.control.now(), abs=10)
    assert entry["fault"] is None


def test_the_journal_can_be_narrowed_and_cleared(api: Api) -> None:
    made = api.flow()
    api.get("/flows/none")
    assert len(api.control.requests("post", "/connections")) == 2
    assert [entry["status"] for entry in api.control.requests(status=404)] == [404]
    assert api.control.requests("GET", made["id"]) == []
    api.control.clear_requests()
    assert api.control.requests() == []


def test_no_secret_gets_into_the_journal_or_the_state(api: Api) -> None:
    made = api.kinesis_base()
    rotate = {"op": "replace", "path": "/auth/params/secretKey", "value": "second-secret"}
    api.patch(f"/connections/{made['id']}", made["etag"], rotate)
    api.ask_for_token()
    token = str(api.session.headers["Authorization"]).removeprefix("Bearer ")
    for text in (str(api.control.requests()), str(api.control.state())):
        for secret in (SECRET, "second-secret", api.credential.client_secret, token):
            assert secret not in text
    assert api.control.requests("PATCH")[0]["headers"]["authorization"] == "Bearer ********"
    form = api.control.requests("POST", "/ims")[0]["body"]
    assert form["client_id"] == api.credential.client_id
    assert form["client_secret"] == "********"


def test_the_journal_is_a_ring_with_bounded_memory() -> None:
    journal = Journal(capacity=3, body_budget=10)
    for number in range(5):
        journal.record(Exchange("POST", f"/{number}", "", [], b"12345678"[:4], 0.0))
    entries = journal.entries()
    assert [entry["path"] for entry in entries] == ["/2", "/3", "/4"]
    assert [entry["body"] for entry in entries] == ["<4 bytes, no longer kept>", 1234, 1234]


def test_state_has_every_collection_and_reset_empties_it(api: Api) -> None:
    api.flow()
    state = api.control.state()
    assert {name: len(items) for name, items in state.items()} == {
        "connections": 2,
        "sourceConnections": 1,
        "targetConnections": 1,
        "flows": 1,
        "runs": 0,
        "messages": 0,
    }
    api.control.set_switches(patch_response="202")
    api.control.advance(1000)
    api.control.inject({"fault": {"kind": "reset"}})
    api.control.reset()
    assert not any(api.control.state().values())
    assert api.control.requests() == []
    assert api.control.faults_left() == []
    assert api.control.switches()["patch_response"] == "200"
    assert api.get("/flows").status_code == 401


def test_reset_cancels_timers() -> None:
    world, happened = World(Settings()), []
    world.timers.add(0, lambda: happened.append("early"))
    world.timers.run_due()
    world.timers.add(0, lambda: happened.append("late"))
    world.reset()
    world.timers.run_due()
    assert happened == ["early"]


def test_the_clock_moves_on_and_never_back(api: Api) -> None:
    before = api.control.now()
    api.control.advance(300)
    assert api.control.now() - before == pytest.approx(300, abs=5)
    with pytest.raises(requests.HTTPError, match="must not be negative"):
        api.control.advance(-1)
    with pytest.raises(requests.HTTPError, match="nor more than"):
        api.control.advance(1e300)
    made = api.profile_base()
    assert api.item(f"/connections/{made['id']}")["createdAt"] / 1000 - before == pytest.approx(300, abs=5)


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"nonsense": 1}, "unknown switch"),
        ({"patch_response": "500"}, "must be one of 200, 202"),
        ({"mask_secrets": "yes"}, "must be of type bool"),
        ({"default_page_size": 0}, "must be at least 1"),
    ],
)
def test_a_wrong_switch_is_explained(api: Api, switch: dict[str, object], message: str) -> None:
    with pytest.raises(requests.HTTPError, match=message):
        api.control.set_switches(**switch)


def test_an_unknown_sandbox_or_flow_is_explained(api: Api) -> None:
    with pytest.raises(requests.HTTPError, match="must be one of dev, prod"):
        api.control.state("none")
    with pytest.raises(requests.HTTPError, match="unknown flow 'none'"):
        api.control.exports("none")
