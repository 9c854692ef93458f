from __future__ import annotations

import uuid

import pytest

from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_IDS
from tests.emulator.conftest import Api, add_attribute, add_segment

UPS = "/data/core/ups"


def test_the_seeded_segments_are_the_same_everywhere(api: Api) -> None:
    assert api.control.segments == list(SEEDED_SEGMENT_IDS)
    assert len({uuid.UUID(each) for each in SEEDED_SEGMENT_IDS}) >= 12
    segments = api.get(f"{UPS}/segment/definitions").json()["segments"]
    assert {each["id"] for each in segments} == set(SEEDED_SEGMENT_IDS)


def test_definitions_page_by_start(api: Api) -> None:
    whole = api.get(f"{UPS}/segment/definitions").json()
    total = len(SEEDED_SEGMENT_IDS)
    assert whole["page"]["totalCount"] == total
    assert whole["link"] == {}
    found = []
    for start in range(0, total, 5):
        page = api.get(f"{UPS}/segment/definitions", start=start, limit=5, sort="name:asc").json()
        assert page["page"]["pageSize"] == len(page["segments"]) <= 5
        found += [each["name"] for each in page["segments"]]
    assert found == sorted(each["name"] for each in whole["segments"])


def test_audiences_page_by_a_link_that_starts_with_an_at_sign(api: Api) -> None:
    path, found = "/audiences?limit=5", []
    while path:
        page = api.call("GET", UPS + path).json()
        found += [each["audienceId"] for each in page["children"]]
        assert page["_page"]["totalCount"] == len(SEEDED_SEGMENT_IDS)
        path = page["_links"].get("next", {}).get("href", "")
        assert path == "" or path.startswith("@/audiences?")
        path = path.lstrip("@")
    assert sorted(found) == sorted(SEEDED_SEGMENT_IDS)


def test_audiences_are_found_by_id_and_by_a_part_of_the_name(api: Api) -> None:
    wanted = SEEDED_SEGMENT_IDS[3]
    (found,) = api.get(f"{UPS}/audiences", property=f"audienceId=={wanted}").json()["children"]
    assert found["id"] == wanted
    names = [each["name"] for each in api.get(f"{UPS}/audiences", name="over 50").json()["children"]]
    assert sorted(names) == ["Men over 50", "Women over 50"]
    assert api.get(f"{UPS}/audiences", property="size>3").status_code == 400


def test_segments_can_be_made_read_and_deleted(api: Api) -> None:
    body = {
        "name": "Mine",
        "expression": {"type": "PQL", "format": "pql/text", "value": "true"},
        "schema": {"name": "_xdm.context.profile"},
    }
    made = api.call("POST", f"{UPS}/segment/definitions", json=body)
    assert made.status_code == 200
    assert api.call("POST", f"{UPS}/segment/definitions", json=body).status_code == 422
    path = f"{UPS}/segment/definitions/{made.json()['id']}"
    assert api.get(path).json()["name"] == "Mine"
    assert api.call("DELETE", path).status_code == 200
    missing = api.get(path)
    assert missing.status_code == 404
    assert missing.json()["type"].startswith("https://ns.adobe.com/aep/errors/UPAPI-")


@pytest.mark.parametrize("params", [{"limit": "0"}, {"start": "-1"}, {"limit": "many"}])
def test_a_bad_page_is_refused(api: Api, params: dict[str, str]) -> None:
    assert api.get(f"{UPS}/segment/definitions", **params).status_code == 400


def test_an_activated_flow_exports_its_profiles(api: Api) -> None:
    flow = api.flow()
    assert api.control.exports(flow["id"]) == []
    one, two = SEEDED_SEGMENT_IDS[:2]
    operations = [
        add_segment(one),
        add_segment(two),
        *map(add_attribute, ("person.name.firstName", "personalEmail.address")),
    ]
    api.patch(f"/flows/{flow['id']}", flow["etag"], *operations)
    payloads = api.control.exports(flow["id"])
    assert payloads
    for payload in payloads:
        assert payload["person"]["name"]["firstName"]
        assert set(payload["person"]["name"]) == {"firstName"}
        assert "@" in payload["personalEmail"]["address"]
        memberships = payload["segmentMembership"]["ups"]
        assert memberships
        assert set(memberships) <= {one, two}
        for each in memberships.values():
            assert each["status"] in ("realized", "existing", "exited")
            assert each["lastQualificationTime"].endswith("Z")
        assert payload["identityMap"]["ecid"][0]["id"].isdecimal()
    qualified = {segment for payload in payloads for segment in payload["segmentMembership"]["ups"]}
    assert qualified == {one, two}


def test_any_segment_has_members_and_a_disabled_flow_exports_nothing(api: Api) -> None:
    flow = api.flow()
    api.patch(f"/flows/{flow['id']}", flow["etag"], add_segment(str(uuid.uuid4())))
    assert api.control.exports(flow["id"])
    api.call("POST", f"/flows/{flow['id']}/action?op=disable")
    assert api.control.exports(flow["id"]) == []
