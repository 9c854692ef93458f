"""Requests whose response is returned whatever its status."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_flowservice.client.errors import NotSentError
from airflow_provider_flowservice.client.http import RequestsTransport, lenient_json
from airflow_provider_flowservice.client.http.request import FLOWS, Request, get, page
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.clients import client_of, emulator_settings


@pytest.fixture
def transport(control: EmulatorControl) -> Iterator[RequestsTransport]:
    with client_of(control) as transport:
        yield transport


def test_a_success_is_not_parsed(transport: RequestsTransport) -> None:
    response = transport.probe(page(FLOWS, limit=1))

    assert response.status == 200
    assert lenient_json(response.body)["items"] == []


def test_an_error_is_a_response_with_its_body(transport: RequestsTransport) -> None:
    response = transport.probe(get(FLOWS, "8256cfb4-17e6-432c-a469-6aedafb16cd5"))

    assert response.status == 404
    assert "FLOW-1439-404" in lenient_json(response.body)["type"]


def test_usual_headers_can_be_left_out(transport: RequestsTransport, control: EmulatorControl) -> None:
    response = transport.probe(page(FLOWS), without=("Authorization", "x-sandbox-name"))

    sent = {name.lower() for name in control.requests()[-1]["headers"]}
    assert response.status == 403
    assert not sent & {"authorization", "x-sandbox-name"}
    assert "x-api-key" in sent


def test_a_rejected_token_is_not_renewed(transport: RequestsTransport, control: EmulatorControl) -> None:
    request = Request(
        "GET", "/data/foundation/flowservice/flows", str, headers=(("Authorization", "Bearer x"),)
    )

    assert transport.probe(request).status == 401
    assert [each["path"] for each in control.requests()].count("/ims/token/v3") == 1


def test_a_busy_aep_is_asked_again(
    transport: RequestsTransport, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    control.inject({"times": 2, "match": {"path": "*/flows"}, "fault": {"kind": "status", "status": 429}})

    assert transport.probe(page(FLOWS)).status == 200


def test_an_aep_that_stays_busy_says_so(
    transport: RequestsTransport, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    control.inject({"times": 50, "match": {"path": "*/flows"}, "fault": {"kind": "status", "status": 503}})

    assert transport.probe(page(FLOWS)).status == 503
    assert [each["path"] for each in control.requests()].count("/data/foundation/flowservice/flows") == 5


def test_no_connection_is_an_error(control: EmulatorControl, virtual_clock: VirtualClock) -> None:
    settings = emulator_settings(control.url, control.credential, host="http://127.0.0.1:1")
    transport = RequestsTransport(settings)

    with pytest.raises(NotSentError):
        transport.probe(page(FLOWS))
    transport.close()
