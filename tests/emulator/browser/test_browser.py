"""The emulator's page in a real browser."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.flow.seeding import seed_streaming_flows
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.world import World
from tests.emulator.browser.conftest import Opener
from tests.emulator.conftest import SETTLED, Api, Streaming, add_audience, add_segment
from tests.emulator.test_runs import ADHOC, VERSION_2

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror='window.owned = 1'>"
VIEWS = (
    "flows",
    "runs",
    "connections",
    "sourceConnections",
    "targetConnections",
    "schemas",
    "datasets",
    "mappingSets",
    "segments",
    "requests",
    "control",
)
TASK = {"x-airflow-dag-id": HOSTILE, "x-airflow-run-id": "manual__1", "x-airflow-task-id": "create_flow"}


@pytest.fixture
def addresses(api: Api) -> list[str]:
    """Addresses of every view and of one object of each kind, all of which have hostile names."""
    streaming = Streaming(api, "raw", mapped=True)
    schema_id = api.schema(HOSTILE)
    flow = api.flow(HOSTILE)
    patched = api.patch(f"/flows/{flow['id']}", flow["etag"], *map(add_segment, api.control.segments[:3]))
    assert patched.ok
    for _ in range(2):
        sent = streaming.send(
            {"first": HOSTILE, "mail": "a@example.com"}, **{"x-adobe-flow-id": streaming.flow_id}
        )
        assert sent.ok, sent.text
        api.control.advance(SETTLED)
    api.control.inject({"match": {"path": HOSTILE}, "fault": {"kind": "status", "status": 503}})
    start = str(int(api.control.now()))
    assert api.batch_flow(startTime=start, frequency="hour", interval=1).ok
    api.control.advance(2 * 3600)
    run = api.get("/runs").json()["items"][0]
    api.call("POST", f"/flows/{HOSTILE}", data=HOSTILE, headers=TASK)
    return [
        *VIEWS,
        f"flows/{flow['id']}",
        f"flows/{streaming.flow_id}",
        f"runs/{run['id']}",
        f"connections/{streaming.base_id}",
        f"inlets/{streaming.inlet_id}",
        f"schemas/{schema_id.replace('/', '%2F')}",
        f"datasets/{streaming.dataset_id}",
        f"segments/{api.control.segments[0]}",
    ]


@pytest.fixture(scope="session")
def busy() -> Iterator[EmulatorServer]:
    def prepare(world: World) -> None:
        seed_streaming_flows(world.sandboxes["dev"], 120, 2)

    with EmulatorServer(prepare=prepare) as server:
        yield server


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 400])
def test_every_view_fits_and_runs_nothing_that_it_shows(
    open_page: Opener, addresses: list[str], tmp_path: Path, width: int, scheme: str
) -> None:
    place = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    page = open_page("flows", viewport={"width": width, "height": 900}, color_scheme=scheme)
    backgrounds = set()
    for index, address in enumerate(addresses):
        page.goto(re.sub("#.*", f"#/{address}", page.url))
        page.reload()
        page.wait_for_selector("main .card")
        page.screenshot(
            path=place / f"{index:02}-{address.partition('/')[0]}-{width}-{scheme}.png", full_page=True
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert page.evaluate("window.owned") is None, address
        assert page.locator("[role=alert]").count() == 0, address
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backgrounds == {"rgb(244, 245, 247)" if scheme == "light" else "rgb(20, 23, 27)"}


def test_names_are_shown_as_they_are(open_page: Opener, addresses: list[str]) -> None:
    page = open_page(addresses[len(VIEWS)])
    assert page.locator("main h1").inner_text() == HOSTILE
    assert page.locator("main img").count() == 0
    page.get_by_role("link", name="Schemas").click()
    page.locator("h1", has_text="Schemas").wait_for()
    page.get_by_role("link", name=HOSTILE).wait_for()


def test_a_card_leads_to_each_of_its_parts_and_back(open_page: Opener, addresses: list[str]) -> None:
    page = open_page("flows")
    card = page.locator("article", has_text="Amazon Kinesis")
    card.wait_for()
    assert card.locator(".drawing > li .role").all_inner_texts() == [
        "BASE",
        "SOURCE",
        "FLOW",
        "TARGET",
        "BASE OF THE TARGET",
    ]
    card.get_by_role("link", name="Men over 50", exact=True).click()
    page.locator("main h1", has_text="Men over 50").wait_for()
    page.go_back()
    page.locator("article").first.wait_for()


def test_a_search_has_an_address_and_needs_no_mouse(open_page: Opener, busy: EmulatorServer) -> None:
    page = open_page("flows", busy.url)
    page.locator("article").nth(49).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("flow 117")
    page.keyboard.press("Enter")
    page.locator("main", has_text="1 match among 120").wait_for()
    assert page.url.endswith("#/flows?search=flow+117")
    page.get_by_role("link", name="flow 117").first.focus()
    page.keyboard.press("Enter")
    page.locator("main", has_text="Requests about it").wait_for()
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_list_is_loaded_in_portions(open_page: Opener, busy: EmulatorServer) -> None:
    page = open_page("flows", busy.url)
    more = page.get_by_role("button", name="Show more")
    for count in (50, 100, 120):
        page.locator("main", has_text=f"{count} of 120").wait_for()
        assert page.locator("article").count() == count
        if count < 120:
            more.click()
    assert more.is_hidden()


def test_requests_appear_as_they_arrive(open_page: Opener, api: Api) -> None:
    page = open_page("requests")
    page.get_by_text("No requests yet.").wait_for()
    api.call("GET", "/flows?limit=3", headers=TASK)
    row = page.locator("tbody tr", has_text="create_flow")
    row.wait_for()
    row.get_by_role("link").click()
    page.get_by_role("heading", name="Response").wait_for()
    assert json.loads(page.locator("section", has_text="Response").locator("pre").inner_text())["items"] == []
    assert HOSTILE in page.inner_text("main")


def test_clock_switches_faults_and_reset_have_forms(open_page: Opener, api: Api) -> None:
    api.profile_base()
    page = open_page("control")
    main = page.locator("main")
    before = api.control.now()
    main.get_by_role("button", name="+ 1 hour").click()
    main.get_by_text("3,600 seconds further").wait_for()
    assert api.control.now() - before >= 3600
    habits, others = (
        main.get_by_role("heading", name=title, exact=True).locator("+ div")
        for title in ("Switches", "Switches that a test decides")
    )
    assert habits.get_by_label("list_order").input_value() == "honored"
    assert others.get_by_role("row").count() == 1 + 4
    others.get_by_label("run_outcome").select_option("failed")
    main.get_by_text('run_outcome is "failed"').wait_for()
    main.get_by_label("mask_secrets").click()
    main.get_by_text("mask_secrets is false").wait_for()
    assert (api.control.switches()["run_outcome"], api.control.switches()["mask_secrets"]) == (
        "failed",
        False,
    )
    main.get_by_label("Kind").select_option("status")
    main.get_by_label("status", exact=True).fill("99")
    main.get_by_role("button", name="Add the fault").click()
    main.get_by_text("status must be a number from 200 to 599").wait_for()
    (complaint,) = open_page.complaints
    assert "400" in complaint
    open_page.complaints.clear()
    main.get_by_label("status", exact=True).fill("503")
    main.get_by_label("Times").fill("2")
    main.get_by_role("button", name="Add the fault").click()
    main.get_by_text("The fault waits for a request.").wait_for()
    (fault,) = api.control.faults_left()
    assert (fault["times"], fault["fault"]["status"]) == (2, 503)
    main.get_by_label("New sandbox").fill("extra")
    main.get_by_role("button", name="Add", exact=True).click()
    main.get_by_text("The sandbox exists.").wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    main.get_by_role("button", name="Forget everything").click()
    main.get_by_text("No faults are pending.").wait_for()
    assert not any(api.control.state().values())
    assert api.control.sandboxes == ["dev", "prod"]


def test_a_page_of_another_origin_neither_reads_nor_changes_anything(
    browser: Any, emulator_server: EmulatorServer, api: Api
) -> None:
    steal = """async (url) => {
        const found = [];
        for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"])
            for (const path of ["clock", "switches", "sandboxes", "reset"]) {
                const body = path === "clock" ? '{"advance": 600}' : '{"name": "foreign"}';
                const options = { method: "POST", headers: { "Content-Type": type }, body };
                await fetch(url + "/_emulator/" + path, options).then((r) => found.push(r.status), () => 0);
            }
        await fetch(url + "/_emulator/health").then(async (r) => found.push(await r.text()), () => 0);
        return found;
    }"""
    before = api.control.now()
    page = browser.new_page()
    page.route("http://foreign.test/", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    page.goto("http://foreign.test/")
    assert page.evaluate(steal, emulator_server.url) == []
    rebound = page.goto(emulator_server.url.replace("127.0.0.1", "rebound.test") + "/_emulator/health")
    assert rebound.status == 421
    assert api.credential.client_secret not in page.content()
    assert set(page.evaluate(steal, "")) <= {421} | {page.inner_text("body")}
    page.close()
    assert api.control.now() - before < 600
    assert api.control.sandboxes == ["dev", "prod"]


def test_what_was_sent_is_shown_with_its_flow(open_page: Opener, tmp_path: Path) -> None:
    with EmulatorServer(export_dir=tmp_path) as server:
        api = Api(server.url, server.control)
        api.log_in()
        made, segment = api.file_flow(), server.control.segments[0]
        assert api.patch(f"/flows/{made['id']}", made["etag"], add_audience(segment)).ok
        assert api.call("POST", ADHOC, json={"activationInfo": {made["id"]: [segment]}}, headers=VERSION_2).ok
        (delivery,) = server.control.deliveries(made["id"], wait=20)
        page = open_page(f"flows/{made['id']}", server.url)
        card = page.locator("section", has_text="Sent to a stream or into files")
        cells = card.locator("tbody td").all_text_contents()
        written = str(delivery["written"])
        assert cells == ["files", delivery["time"], "delivered", written, written, delivery["files"][0]]
        api.session.close()
