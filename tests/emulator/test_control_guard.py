"""Which requests to the emulator's own endpoints are refused, as a browser on another origin could send them."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import requests
from fastapi import Request

from airflow_provider_flowservice.emulator.control_api.guard import ControlError, check_origin
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import World
from tests.emulator.conftest import Api

CHANGES = [
    ("POST", "faults", '[{"fault": {"kind": "reset"}}]'),
    ("DELETE", "faults", ""),
    ("POST", "clock", '{"advance": 60}'),
    ("POST", "switches", '{"run_seconds": 7}'),
    ("POST", "sandboxes", '{"name": "foreign"}'),
    ("POST", "reset", ""),
    ("DELETE", "requests", ""),
]
MEDIA_TYPES = [
    None,
    "",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=json",
    "text/plain",
    "text/plain; charset=application/json",
    "text/plain, application/json",
    "application/jsonx",
    "application/json+x",
    "application/x-json",
    "application/json; charset=utf-16",
    "application/json; charset=utf-8; x=y",
]


def send(api: Api, method: str, path: str, data: str = "", **headers: str | None) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return requests.request(
        method, f"{api.url}/_emulator/{path}", data=data.encode(), headers=named, timeout=10
    )


def seen(api: Api) -> tuple[Any, ...]:
    return (
        api.control.requests(),
        api.control.faults_left(),
        api.control.switches(),
        api.control.sandboxes,
        requests.get(f"{api.url}/_emulator/clock", timeout=10).json()["ahead"],
    )


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_every_change_must_be_declared_as_json(api: Api, media_type: str | None) -> None:
    api.get("/flows")
    api.control.inject({"match": {"path": "/none"}, "fault": {"kind": "delay", "seconds": 1}})
    before = seen(api)
    for method, path, data in CHANGES:
        refused = send(api, method, path, data, content_type=media_type)
        assert refused.status_code == 415, (method, path)
        assert "Content-Type: application/json" in refused.json()["message"]
    assert seen(api) == before


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
    ],
)
def test_json_is_accepted_in_all_its_spellings(api: Api, media_type: str) -> None:
    for method, path, data in CHANGES:
        assert send(api, method, path, data, content_type=media_type).ok, (method, path)


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[",
        "http://127.0.0.1.example.com",
    ],
)
def test_another_origin_is_refused(api: Api, origin: str) -> None:
    for method, path, data in [*CHANGES, ("GET", "health", ""), ("GET", "requests", ""), ("GET", "", "")]:
        refused = send(api, method, path, data, content_type="application/json", origin=origin)
        assert refused.status_code == 403, (method, path)
        assert repr(origin) in refused.json()["message"]
        assert "access-control-allow-origin" not in refused.headers


def test_a_preflight_request_allows_nothing(api: Api) -> None:
    asked = send(api, "OPTIONS", "clock", origin="https://example.com", access_control_request_method="POST")
    assert not asked.ok
    assert "access-control-allow-origin" not in asked.headers


def test_the_own_origin_is_accepted(api: Api) -> None:
    moved = send(api, "POST", "clock", '{"advance": 1}', content_type="application/json", origin=api.url)
    assert moved.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example.com",
        "rebound.example.com:8765",
        "127.0.0.1.example.com",
        "10.0.0.1",
        "[",
        "localhost.",
    ],
)
def test_a_rebound_host_learns_and_changes_nothing(api: Api, host: str) -> None:
    for method, path, data in [*CHANGES, ("GET", "health", ""), ("GET", "", "")]:
        refused = send(
            api, method, path, data, content_type="application/json", host=host, origin=f"http://{host}"
        )
        assert refused.status_code == 421, (method, path)
        assert api.credential.client_secret not in refused.text
        assert "allowed hosts" in refused.json()["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:1", "127.1.2.3", "[::1]:8765"])
def test_every_loopback_host_is_accepted(api: Api, host: str) -> None:
    assert send(api, "GET", "health", host=host).status_code == 200


@pytest.mark.parametrize(
    ("host", "refused"),
    [("aep.test:8765", nullcontext()), ("other.test", pytest.raises(ControlError, match=r"'other\.test'"))],
)
def test_an_allowed_host_is_accepted(host: str, refused: AbstractContextManager[object]) -> None:
    scope = {"type": "http", "method": "GET", "headers": [(b"host", host.encode())]}
    with refused:
        asyncio.run(check_origin(Request(scope), World(Settings(allowed_hosts=("AEP.test",)))))
