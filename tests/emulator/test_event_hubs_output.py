"""What flows to Event Hubs export arrives at an event hub, here a receiver that checks signatures by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests

from airflow_provider_flowservice.emulator.clock import EmulatorClock
from airflow_provider_flowservice.emulator.outputs import exporter
from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_IDS
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.emulator.conftest import Api, add_attribute, add_segment, serving
from tests.support.receiver import Received, Receiver, receiver

EVENT_HUBS = {"id": "bf9f5905-92b7-48bf-bf20-455bc6b60a4e", "version": "1.0"}
KEY_NAME, KEY = "RootManageSharedAccessKey", "Ky+/=secret&key"
HUB = "profile events"
ONE, TWO = SEEDED_SEGMENT_IDS[:2]
WAIT = 20


@pytest.fixture
def hub() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def api(hub: Receiver) -> Iterator[Api]:
    with serving(event_hubs_endpoint=f"{hub.url}/") as api:
        yield api


def flow(api: Api, key: str = KEY) -> dict[str, str]:
    """A flow to an event hub."""
    params = {"sasKeyName": KEY_NAME, "sasKey": key, "namespace": "acme"}
    auth = {"specName": "Azure EventHub authentication credentials", "params": params}
    base = api.create("/connections", {"name": "hubs", "connectionSpec": EVENT_HUBS, "auth": auth})
    target = {
        "name": "hub",
        "baseConnectionId": base["id"],
        "connectionSpec": EVENT_HUBS,
        "data": {"format": "json"},
        "params": {"eventHubName": HUB},
    }
    target_id = api.create("/targetConnections", target)["id"]
    return api.create("/flows", {**api.flow_body(), "targetConnectionIds": [target_id]})


def activate(api: Api, made: dict[str, str], *segments: str) -> None:
    etag = api.item(f"/flows/{made['id']}")["etag"]
    operations = [add_segment(each) for each in segments]
    assert api.patch(f"/flows/{made['id']}", etag, *operations).status_code == 200


def events(request: Received) -> list[Any]:
    return [json.loads(each["Body"]) for each in json.loads(request.body)]


def check_signature(request: Received, hub: Receiver, key: str = KEY) -> None:
    """Check a shared access signature as Microsoft describes it: over the encoded resource and the expiry."""
    scheme, _, token = request.headers["authorization"].partition(" ")
    assert scheme == "SharedAccessSignature"
    raw = dict(part.split("=", 1) for part in token.split("&"))
    assert list(raw) == ["sr", "sig", "se", "skn"]
    assert not {":", "/", "+", " "} & set(raw["sr"] + raw["sig"])
    resource = urlsplit(unquote(raw["sr"]))
    assert f"{resource.scheme}://{resource.netloc}" == hub.url
    path = urlsplit(request.target).path
    assert unquote(path) == f"{unquote(resource.path)}/messages" == f"/{HUB}/messages"
    signed = hmac.new(key.encode("utf-8"), (raw["sr"] + "\n" + raw["se"]).encode("utf-8"), hashlib.sha256)
    assert base64.b64decode(unquote(raw["sig"]), validate=True) == signed.digest()
    assert 0 < int(raw["se"]) - EmulatorClock().now() < 3600
    assert raw["skn"] == KEY_NAME


def test_an_activated_flow_posts_its_profiles_in_a_signed_batch(api: Api, hub: Receiver) -> None:
    made = flow(api)
    activated = [add_segment(ONE), add_segment(TWO), add_attribute("personalEmail.address")]
    api.patch(f"/flows/{made['id']}", made["etag"], *activated)
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    (request,) = hub.requests
    check_signature(request, hub)
    assert request.headers["content-type"] == "application/vnd.microsoft.servicebus.json"
    query = dict(parse_qsl(urlsplit(request.target).query))
    assert query == {"timeout": "60", "api-version": "2014-01"}
    assert events(request) == api.control.exports(made["id"])
    assert (delivery["output"], delivery["state"], delivery["attempts"]) == ("event-hubs", "delivered", 1)
    assert delivery["written"] == delivery["records"] == len(events(request)) > 0
    assert delivery["bytes"] == sum(len(each["Body"]) for each in json.loads(request.body))


def test_the_token_is_of_real_time_however_far_the_emulator_is_ahead(api: Api, hub: Receiver) -> None:
    made = flow(api)
    api.control.advance(30 * 24 * 3600)
    api.log_in()
    activate(api, made, ONE)
    api.control.deliveries(made["id"], wait=WAIT)
    check_signature(hub.requests[0], hub)


def test_a_rotated_key_is_used_from_then_on(api: Api, hub: Receiver) -> None:
    made = flow(api)
    activate(api, made, ONE)
    api.control.deliveries(made["id"], wait=WAIT)
    base = next(each for each in api.control.state()["connections"] if each["name"] == "hubs")
    change = {"op": "replace", "path": "/auth/params/sasKey", "value": "another"}
    assert api.patch(f"/connections/{base['id']}", base["etag"], change).status_code == 200
    activate(api, made, TWO)
    api.control.deliveries(made["id"], wait=WAIT)
    check_signature(hub.requests[1], hub, "another")


def test_only_the_members_of_what_becomes_active_are_sent(api: Api, hub: Receiver) -> None:
    made = flow(api)
    assert api.control.deliveries(made["id"], wait=WAIT) == []
    for segment in (ONE, TWO):
        activate(api, made, segment)
        api.control.deliveries(made["id"], wait=WAIT)
    first, second = map(events, hub.requests)
    assert all(set(each["segmentMembership"]["ups"]) == {ONE} for each in first)
    assert all(TWO in each["segmentMembership"]["ups"] for each in second)
    # An attribute activates nothing, and what is activated twice is active already.
    etag = api.item(f"/flows/{made['id']}")["etag"]
    api.patch(f"/flows/{made['id']}", etag, add_attribute("person.name.firstName"))
    api.call("POST", f"/flows/{made['id']}/action?op=disable")
    assert len(api.control.deliveries(made["id"], wait=WAIT)) == 2
    api.call("POST", f"/flows/{made['id']}/action?op=enable")
    assert len(api.control.deliveries(made["id"], wait=WAIT)) == 3
    assert events(hub.requests[2]) == api.control.exports(made["id"])


def test_what_is_drafted_is_sent_when_it_is_published(api: Api, hub: Receiver) -> None:
    body = api.item(f"/flows/{flow(api)['id']}")
    kept = {name: body[name] for name in ("name", "flowSpec", "sourceConnectionIds", "targetConnectionIds")}
    selectors = {"selectors": [add_segment(ONE)["value"]]}
    params = {"segmentSelectors": selectors, "profileSelectors": {"selectors": []}}
    draft = {**kept, "transformations": [{"name": "GeneralTransform", "params": params}]}
    made = api.create("/flows?mode=draft", draft)
    assert api.control.deliveries(made["id"], wait=WAIT) == []
    api.call("POST", f"/flows/{made['id']}/action?op=publish")
    assert [each["state"] for each in api.control.deliveries(made["id"], wait=WAIT)] == ["delivered"]
    complete = api.create("/flows", draft)
    assert [each["state"] for each in api.control.deliveries(complete["id"], wait=WAIT)] == ["delivered"]


def test_each_hourly_run_sends_all_and_says_so(api: Api, hub: Receiver) -> None:
    made = flow(api)
    activate(api, made, ONE)
    (first,) = api.control.deliveries(made["id"], wait=WAIT)
    api.control.advance(2 * 3600 + 100)
    deliveries = api.control.deliveries(made["id"], wait=WAIT)
    runs = api.get("/runs", property=f"flowId=={made['id']}").json()["items"]
    assert [each["runId"] for each in deliveries] == [None, *(run["id"] for run in reversed(runs))]
    assert [events(each) for each in hub.requests] == [api.control.exports(made["id"])] * 3
    latest, earlier = (run["metrics"] for run in runs)
    # The first of the runs also accounts for what was sent since the activation.
    for metrics, times in ((earlier, 2), (latest, 1)):
        assert metrics["statusSummary"]["status"] == "success"
        assert metrics["recordSummary"]["inputRecordCount"] == times * first["records"]
        assert metrics["recordSummary"]["outputRecordCount"] == times * first["records"]
        assert metrics["sizeSummary"]["outputBytes"] == times * first["bytes"]
        assert metrics["fileSummary"]["outputFileCount"] == 0


@pytest.mark.parametrize(
    ("outcome", "sent"), [("failed", 0), ("partialSuccess", -1), ("success-with-errors", -1)]
)
def test_a_run_sends_less_if_its_outcome_is_to_be_another(
    api: Api, hub: Receiver, outcome: str, sent: int
) -> None:
    made = flow(api)
    activate(api, made, ONE)
    (first,) = api.control.deliveries(made["id"], wait=WAIT)
    api.control.set_switches(run_outcome=outcome)
    api.control.advance(3600 + 100)
    deliveries = api.control.deliveries(made["id"], wait=WAIT)
    (run,) = api.get("/runs", property=f"flowId=={made['id']}").json()["items"]
    summary = run["metrics"]["recordSummary"]
    assert len(deliveries) == len(hub.requests) == (2 if sent else 1)
    if sent:
        assert len(events(hub.requests[1])) == first["records"] + sent
        assert summary["outputRecordCount"] == 2 * first["records"] + sent
        assert summary["failedRecordCount"] == 1
    expected = "success" if outcome == "success-with-errors" else outcome
    assert run["metrics"]["statusSummary"]["status"] == expected
    assert len(run["metrics"]["statusSummary"]["errors"]) == 1


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_tried_again(api: Api, hub: Receiver, status: int) -> None:
    answers = iter([status, status])
    hub.answer = lambda _: (next(answers, 201), b"")
    made = flow(api)
    activate(api, made, ONE)
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    assert (delivery["state"], delivery["attempts"], delivery["error"]) == ("delivered", 3, None)
    assert len({each.body for each in hub.requests}) == 1
    assert delivery["written"] == delivery["records"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (404, 1), (307, 1), (503, 4)])
def test_what_stays_refused_is_shown(
    api: Api, hub: Receiver, caplog: pytest.LogCaptureFixture, status: int, attempts: int
) -> None:
    hub.answer = lambda request: (status, request.headers["authorization"].encode())
    made = flow(api)
    activate(api, made, ONE)
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    assert (delivery["state"], delivery["attempts"], delivery["written"]) == ("failed", attempts, 0)
    assert delivery["error"] == f"POST {hub.url}/profile%20events/messages: status {status}"
    assert len(hub.requests) == attempts
    api.control.advance(3600 + 100)
    api.control.deliveries(made["id"], wait=WAIT)
    (run,) = api.get("/runs", property=f"flowId=={made['id']}").json()["items"]
    assert run["metrics"]["statusSummary"]["status"] == "failed"
    told = [each["message"] for each in run["metrics"]["statusSummary"]["errors"]]
    # One of the activation and one of the run.
    assert told == [delivery["error"]] * 2
    assert run["metrics"]["recordSummary"]["failedRecordCount"] == 2 * delivery["records"]
    assert f"Flow {made['id']}: event-hubs: {delivery['error']}" in caplog.text
    page = requests.get(f"{api.url}/_emulator/page/flows/{made['id']}", timeout=10)
    assert page.json()["deliveries"] == api.control.deliveries(made["id"])[::-1]
    signature = hub.requests[0].headers["authorization"].split("&sig=")[1].split("&")[0]
    shown = requests.get(f"{api.url}/_emulator/exports/{made['id']}", timeout=10).text
    for secret in (KEY, signature):
        assert secret not in caplog.text + shown + page.text


def test_a_run_ends_when_everything_has_arrived_and_nobody_waits_for_it(api: Api, hub: Receiver) -> None:
    made = flow(api)
    activate(api, made, ONE)
    api.control.deliveries(made["id"], wait=WAIT)
    hub.next()
    hub.hold()
    api.control.advance(3600 + 100)
    hub.next()
    # The emulator answers, although the event hub does not.
    (run,) = api.get("/runs", property=f"flowId=={made['id']}").json()["items"]
    assert run["metrics"]["statusSummary"]["status"] == "inProgress"
    assert [each["state"] for each in api.control.deliveries(made["id"])] == ["delivered", "pending"]
    hub.release()
    api.control.deliveries(made["id"], wait=WAIT)
    assert api.item(f"/runs/{run['id']}")["metrics"]["statusSummary"]["status"] == "success"


def test_runs_are_sent_when_they_are_due_although_nobody_looks(api: Api, hub: Receiver) -> None:
    made = flow(api)
    activate(api, made, ONE)
    hub.next()
    api.control.advance(3600 + 1)
    assert events(hub.next()) == events(hub.requests[0])


class Heard(logging.Handler):
    """Knows when a logger says something."""

    def __init__(self, logger: str, text: str) -> None:
        super().__init__()
        self.text, self.event, self.messages = text, threading.Event(), list[str]()
        self._logger = logging.getLogger(logger)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        if self.text in self.messages[-1]:
            self.event.set()

    def __enter__(self) -> Heard:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)


def stopping(hub: Receiver) -> tuple[threading.Thread, list[str]]:
    """A thread that stops an emulator, and the flows that it has not sent yet, the first of which is on its way."""
    server = EmulatorServer(event_hubs_endpoint=hub.url, log_level="info")
    server.start()
    api = Api(server.url, server.control)
    api.log_in()
    flows = [flow(api) for _ in range(2)]
    hub.hold()
    for made in flows:
        activate(api, made, ONE)
    hub.next()
    api.session.close()
    return threading.Thread(target=server.stop), [each["id"] for each in flows]


def test_what_is_exported_at_the_end_is_not_lost(hub: Receiver) -> None:
    end, _ = stopping(hub)
    with Heard("uvicorn.error", "Waiting for application shutdown") as heard:
        end.start()
        assert heard.event.wait(WAIT)
    hub.release()
    end.join()
    assert len(hub.requests) == 2


def test_what_cannot_be_sent_at_the_end_is_told(hub: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "_DRAIN_SECONDS", 0.01)
    end, flows = stopping(hub)
    with Heard(exporter.__name__, flows[1]) as heard:
        end.start()
        assert heard.event.wait(WAIT)
    hub.release()
    end.join()
    assert [
        f"Flow {each}: event-hubs: not sent at the end: no answer yet" for each in flows
    ] == heard.messages
    assert len(hub.requests) == 1


@pytest.mark.parametrize("is_sent", [True, False], ids=["with the output", "without an output"])
def test_a_run_that_was_cut_off_goes_on_after_a_restart(
    hub: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_sent: bool
) -> None:
    file = tmp_path / "state.json"
    with EmulatorServer(event_hubs_endpoint=hub.url, state_file=file) as server:
        api = Api(server.url, server.control)
        api.log_in()
        made = flow(api)
        activate(api, made, ONE)
        api.control.deliveries(made["id"], wait=WAIT)
        hub.next()
        hub.hold()
        api.control.advance(3600 + 100)
        hub.next()
        monkeypatch.setattr(exporter, "_DRAIN_SECONDS", 0.01)
        with Heard(exporter.__name__, made["id"]) as heard:
            end = threading.Thread(target=server.stop)
            end.start()
            assert heard.event.wait(WAIT)
    hub.release()
    end.join()
    with EmulatorServer(event_hubs_endpoint=hub.url if is_sent else None, state_file=file) as server:
        api = Api(server.url, server.control)
        api.log_in()
        assert len(api.control.deliveries(made["id"], wait=WAIT)) == is_sent
        (run,) = api.get("/runs", property=f"flowId=={made['id']}").json()["items"]
        assert run["metrics"]["statusSummary"]["status"] == "success"
        api.session.close()
    assert len(hub.requests) == 2 + is_sent


def test_a_reset_drops_what_is_not_sent_yet(api: Api, hub: Receiver) -> None:
    hub.hold()
    for made in [flow(api) for _ in range(3)]:
        activate(api, made, ONE)
    hub.next()
    api.control.reset()
    hub.release()
    api.log_in()
    made = flow(api)
    activate(api, made, ONE)
    assert [each["state"] for each in api.control.deliveries(made["id"], wait=WAIT)] == ["delivered"]
    assert len(hub.requests) == 2


def test_a_proxy_of_the_environment_gets_nothing(
    api: Api, hub: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        made = flow(api)
        activate(api, made, ONE)
        assert [each["state"] for each in api.control.deliveries(made["id"], wait=WAIT)] == ["delivered"]
        assert (len(proxy.requests), len(hub.requests)) == (0, 1)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:80",
        "ftp://127.0.0.1",
        "http://",
        "http://me:secret@127.0.0.1",
        "http://127.0.0.1?x=1",
        "http://127.0.0.1:port",
        "http://[::1",
    ],
)
def test_an_endpoint_must_be_a_plain_url(url: str) -> None:
    with pytest.raises(ValueError, match="event_hubs_endpoint must be a URL such as") as caught:
        EmulatorServer(event_hubs_endpoint=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wait", ["-1", "31", "soon", "nan"])
def test_one_can_wait_for_half_a_minute_at_most(api: Api, wait: str) -> None:
    made = flow(api)
    refused = requests.get(f"{api.url}/_emulator/exports/{made['id']}", params={"wait": wait}, timeout=10)
    assert refused.status_code == 400
    assert f"up to 30, not '{wait}'" in refused.text
