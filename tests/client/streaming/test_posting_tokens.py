from __future__ import annotations

import pytest

from airflow_provider_flowservice.client.errors import AuthenticationError, ServerError
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.client.conftest import Opener
from tests.support.faults import fault
from tests.support.shop import Shop
from tests.support.streaming import as_records, numbers, open_source, people


@pytest.fixture
def guarded(open_to_emulator: Opener, control: EmulatorControl) -> Shop:
    """An inlet that asks for a token."""
    client = open_to_emulator()
    return Shop(client, control, open_source(client, authenticated=True))


def test_a_token_goes_with_records_for_an_authenticated_inlet(guarded: Shop) -> None:
    assert guarded.post(as_records(people(2)), batch_size=1).accepted == 2
    for entry in guarded.posts:
        assert entry["headers"]["authorization"].startswith("Bearer ")
        assert entry["headers"]["x-gw-ims-org-id"] == guarded.control.credential.org_id
        assert "x-api-key" not in entry["headers"]
        assert entry["headers"]["x-adobe-flow-id"] == guarded.source.flow_id


def test_the_organisation_header_satisfies_an_inlet_that_demands_it(guarded: Shop) -> None:
    guarded.control.set_switches(inlet_org_header="required")
    assert guarded.post(as_records(people(2))).accepted == 2


def test_no_token_is_fetched_or_sent_for_an_open_inlet(shop: Shop, open_to_emulator: Opener) -> None:
    auth.forget_all()
    summary = shop.post(as_records(people(2)), client=open_to_emulator())
    assert summary.accepted == 2
    (entry,) = shop.control.requests()
    assert "authorization" not in entry["headers"]
    assert "x-gw-ims-org-id" not in entry["headers"]


@pytest.mark.parametrize("status", ["401", "403"])
@pytest.mark.parametrize("batch_size", [1, 10])
def test_an_expired_token_is_renewed_once(guarded: Shop, status: str, batch_size: int) -> None:
    guarded.control.set_switches(inlet_bad_token=status)
    guarded.lose("expire_token", path=int(batch_size > 1))
    summary = guarded.post(as_records(people(2)), batch_size=batch_size)
    assert (summary.accepted, summary.maybe_duplicated, numbers(guarded.kept)) == (2, 0, [0, 1])
    assert guarded.posts[0]["status"] == int(status)
    assert len(guarded.control.requests(path="/ims/")) == 1


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_token_that_is_refused_again_is_an_error(guarded: Shop, status: str) -> None:
    guarded.control.set_switches(inlet_bad_token=status)
    guarded.lose("expire_token", times=2)
    with pytest.raises(AuthenticationError, match="Ims service token is invalid"):
        guarded.post(as_records(people(2)))
    assert len(guarded.control.requests(path="/ims/")) == 1
    assert len(guarded.posts) == 2
    assert guarded.kept == []


def test_what_was_not_sent_for_want_of_a_token_is_neither_unknown_nor_duplicated(guarded: Shop) -> None:
    auth.forget_all()
    guarded.control.inject(fault("status", "POST", "/ims/token/v3", status=503, times=6))
    summary = guarded.post(as_records(people(2)))
    assert (summary.accepted, summary.maybe_duplicated, numbers(guarded.kept)) == (2, 0, [0, 1])
    auth.forget_all()
    guarded.control.inject(fault("status", "POST", "/ims/token/v3", status=503, times=100))
    with pytest.raises(ServerError):
        guarded.post(as_records(people(2)))
    assert (guarded.summary.accepted, guarded.summary.unknown) == (0, 0)
