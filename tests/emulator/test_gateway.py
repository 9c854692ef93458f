from __future__ import annotations

import pytest
import requests

from tests.emulator.conftest import Api, code_of


def test_a_token_is_good_for_the_advertised_seconds_and_no_longer(api: Api) -> None:
    lifetime = api.ask_for_token().json()["expires_in"]
    api.log_in()
    api.control.advance(lifetime - 60)
    assert api.get("/flows").status_code == 200
    api.control.advance(61)
    expired = api.get("/flows")
    assert expired.status_code == 401
    assert expired.json() == {"error_code": "401013", "message": "Oauth token is not valid"}


def test_each_login_gives_another_token_and_the_old_one_stays_good(api: Api) -> None:
    old = api.session.headers["Authorization"]
    api.log_in()
    assert api.session.headers["Authorization"] != old
    api.session.headers["Authorization"] = old
    assert api.get("/flows").status_code == 200


def test_token_parameters_may_stand_in_the_query(api: Api) -> None:
    params = {
        "grant_type": "client_credentials",
        "client_id": api.credential.client_id,
        "client_secret": api.credential.client_secret,
        "scope": "openid",
    }
    assert requests.post(f"{api.url}/ims/token/v2", params=params, timeout=10).status_code == 200
    assert api.credential.client_secret not in str(api.control.requests())


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 400, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": ""}, 400, "invalid_scope"),
    ],
)
def test_a_wrong_login_is_refused(api: Api, changes: dict[str, str], status: int, error: str) -> None:
    response = api.ask_for_token(**changes)
    assert (response.status_code, response.json()["error"]) == (status, error)


def test_the_jwt_exchange_counts_milliseconds(api: Api) -> None:
    fields = {
        "client_id": api.credential.client_id,
        "client_secret": api.credential.client_secret,
        "jwt_token": "header.claims.signature",
    }
    parts = {name: (None, value) for name, value in fields.items()}
    response = requests.post(f"{api.url}/ims/exchange/jwt", files=parts, timeout=10)
    assert response.status_code == 200, response.text
    assert response.json()["expires_in"] == 86_399_000
    api.session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
    assert api.get("/flows").status_code == 200
    assert api.credential.client_secret not in str(api.control.requests())


@pytest.mark.parametrize(
    ("header", "value", "status", "code"),
    [
        ("Authorization", None, 403, "403010"),
        ("Authorization", "Bearer ", 403, "403010"),
        ("Authorization", "Bearer made-up", 401, "401013"),
        ("x-api-key", None, 403, "403000"),
        ("x-api-key", "other", 403, "403003"),
        ("x-gw-ims-org-id", None, 400, "400003"),
        ("x-gw-ims-org-id", "no org", 403, "403027"),
        ("x-gw-ims-org-id", "OTHER@AdobeOrg", 403, "403025"),
    ],
)
def test_the_gateway_refuses_before_the_service_looks(
    api: Api, header: str, value: str | None, status: int, code: str
) -> None:
    del api.session.headers[header]
    headers = {} if value is None else {header: value}
    for path in ("/flows", "/data/core/ups/audiences"):
        response = api.call("GET", path, headers=headers)
        assert (response.status_code, response.json()["error_code"]) == (status, code)


def test_the_error_code_can_be_a_number(api: Api) -> None:
    api.control.set_switches(error_code_type="integer")
    del api.session.headers["Authorization"]
    assert api.get("/flows").json()["error_code"] == 403010


def test_sandboxes_do_not_see_each_other(api: Api) -> None:
    made = api.profile_base()
    api.control.open_sandbox("stage")
    for other in ("prod", "stage"):
        headers = {"x-sandbox-name": other}
        assert api.call("GET", "/connections", headers=headers).json()["items"] == []
        assert api.call("GET", f"/connections/{made['id']}", headers=headers).status_code == 404
    assert api.item(f"/connections/{made['id']}")["sandboxName"] == "dev"


def test_no_sandbox_means_prod_or_is_refused(api: Api) -> None:
    del api.session.headers["x-sandbox-name"]
    made = api.profile_base()
    assert [item["id"] for item in api.control.state("prod")["connections"]] == [made["id"]]
    assert api.control.state()["connections"] == []
    api.control.set_switches(missing_sandbox="refuse")
    refused = api.get("/connections")
    assert (refused.status_code, code_of(refused)) == (400, "FLOW-2105-400")


@pytest.mark.parametrize(
    ("name", "status", "code"), [("gone", 404, "FLOW-2100-404"), ("*", 403, "FLOW-2111-403")]
)
def test_an_unknown_sandbox_is_refused(api: Api, name: str, status: int, code: str) -> None:
    response = api.call("GET", "/flows", headers={"x-sandbox-name": name})
    assert (response.status_code, code_of(response)) == (status, code)


def test_the_request_id_is_echoed(api: Api) -> None:
    response = api.call("GET", "/flows/none", headers={"x-request-id": "abc"})
    assert response.headers["x-request-id"] == "abc"
    assert response.json()["report"]["request-id"] == "abc"


def test_a_body_must_be_json_and_say_so(api: Api) -> None:
    response = api.call("POST", "/connections", data="{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 400
    assert response.json()["title"] == "BadRequestError"
    broken = api.call("POST", "/connections", data="{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400


def test_an_unknown_path_is_a_404_with_a_message(api: Api) -> None:
    assert api.get("/data/foundation/nothing").json() == {"message": "Not Found"}
    assert api.get("/widgets").status_code == 404


@pytest.mark.parametrize(("name", "kind"), [("prod", "production"), ("dev", "development")])
def test_a_sandbox_has_a_type(api: Api, name: str, kind: str) -> None:
    path = "/data/foundation/sandbox-management/sandboxes"
    sandbox = api.get(f"{path}/{name}").json()
    assert (sandbox["name"], sandbox["type"], sandbox["isDefault"]) == (name, kind, name == "prod")
    assert api.get(f"{path}/none").status_code == 404
