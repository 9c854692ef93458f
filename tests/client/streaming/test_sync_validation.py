from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.posting import PostSummary
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.shop import Shop
from tests.support.streaming import as_records


def validated(shop: Shop, entities: list[dict[str, Any]], **changes: Any) -> PostSummary:
    envelope = shop.source.envelope(shop.control.credential.org_id)
    return shop.post(as_records(entities), envelope=envelope, sync_validation=True, **changes)


def test_synchronous_validation_reports_each_violation(xdm_shop: Shop) -> None:
    good = {"_id": "1", "person": {"name": {"firstName": "Ada"}}}
    summary = validated(xdm_shop, [good, {"_id": 2}, good], batch_size=500)
    assert (summary.accepted, summary.rejected, summary.settled) == (2, 1, 3)
    ((place, status, message),) = xdm_shop.problems
    assert (place, status) == ("line 2", 400)
    assert "Message is invalid. #/_id: expected type: String, found: Long" in message
    assert [entry["path"] for entry in xdm_shop.posts] == [xdm_shop.source.paths[0]] * 3
    assert [entry["query"] for entry in xdm_shop.posts] == [{"syncValidation": "true"}] * 3


def test_what_aep_quotes_of_a_record_is_not_in_the_message(xdm_shop: Shop) -> None:
    causes = [
        {"pointerToViolation": "#/mail", "message": "string [ada@example.com] does not match pattern a+"}
    ]
    cause = {"_streamingValidation": [{"pointerToViolation": "#", "causingExceptions": causes}]}
    body = {"title": "Invalid", "report": {"message": "refused", "cause": cause}}
    xdm_shop.lose("status", path=0, status=400, body=body)
    validated(xdm_shop, [{"mail": "ada@example.com"}])
    ((_, _, message),) = xdm_shop.problems
    assert message.endswith("HTTP 400: Invalid. refused. #/mail: string [***] does not match pattern a+")


def test_synchronous_validation_keeps_to_sixty_a_minute(xdm_shop: Shop, virtual_clock: VirtualClock) -> None:
    virtual_clock.follow(xdm_shop.control.advance)
    started = virtual_clock.monotonic()
    summary = validated(xdm_shop, [{"_id": str(n)} for n in range(65)])
    assert summary.accepted == 65
    assert xdm_shop.control.requests(status=429) == []
    assert virtual_clock.monotonic() - started == pytest.approx(64)


def test_synchronous_validation_keeps_to_a_lower_limit(xdm_shop: Shop, virtual_clock: VirtualClock) -> None:
    started = virtual_clock.monotonic()
    validated(xdm_shop, [{"_id": str(n)} for n in range(5)], requests_per_second=0.1)
    assert virtual_clock.monotonic() - started == pytest.approx(40)


def test_an_inlet_that_cannot_validate_says_so_at_once(xdm_shop: Shop) -> None:
    xdm_shop.control.set_switches(sync_validation="unsupported")
    with pytest.raises(InvalidInputError, match=r"sync_validation: .*501.*not available here.* Remove it"):
        validated(xdm_shop, [{"_id": "1"}, {"_id": "2"}])
    assert len(xdm_shop.posts) == 1
