from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    InvalidInputError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.client.streaming.batches import Batcher, Limits
from airflow_provider_flowservice.client.streaming.delivery import ATTEMPTS
from airflow_provider_flowservice.client.streaming.posting import Note, PostSummary
from airflow_provider_flowservice.client.streaming.records import (
    CsvLayout,
    InputRecord,
    UnreadableRecord,
    in_blocks,
)
from airflow_provider_flowservice.client.streaming.settled import SettledRecords
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.shop import Shop
from tests.support.streaming import as_records, numbers, people

BUSY = {"statusCode": 503, "message": "try later"}


def test_records_arrive_in_order_and_as_they_are(shop: Shop) -> None:
    sent = people(7, price=1.50, deep={"ü": [1, None, True]})
    summary = shop.post(as_records(sent), batch_size=3)
    assert [entry["message"] for entry in shop.kept] == sent
    assert {entry["flowId"] for entry in shop.kept} == {shop.source.flow_id}
    assert shop.sizes == [3, 3, 1]
    assert summary == PostSummary(
        settled=7,
        accepted=7,
        first_xaction_id=shop.kept[0]["xactionId"],
        last_xaction_id=shop.kept[-1]["xactionId"],
    )
    assert shop.failures == []


def test_nothing_to_send_sends_nothing(shop: Shop) -> None:
    assert shop.post([]) == PostSummary()
    assert shop.posts == []


def test_posts_name_the_sandbox(shop: Shop) -> None:
    shop.control.set_switches(inlet_sandbox_header="required")
    assert shop.post(as_records(people(1))).accepted == 1
    assert shop.post(as_records(people(1)), batch_size=1).accepted == 1
    assert [each["headers"]["x-sandbox-name"] for each in shop.posts] == [shop.control.credential.sandbox] * 2
    assert all("authorization" not in each["headers"] for each in shop.posts)


def test_single_messages_go_to_their_own_endpoint(shop: Shop) -> None:
    summary = shop.post(as_records(people(3)), batch_size=1)
    assert (summary.accepted, numbers(shop.kept)) == (3, [0, 1, 2])
    assert [entry["path"] for entry in shop.posts] == [shop.source.paths[0]] * 3
    assert [entry["query"] for entry in shop.posts] == [{}] * 3


def test_plain_records_are_wrapped_for_an_xdm_inlet(xdm_shop: Shop, control: EmulatorControl) -> None:
    org_id = control.credential.org_id
    entity = {"_id": "1", "person": {"name": {"firstName": "Ada"}}}
    summary = xdm_shop.post(as_records([entity]), envelope=xdm_shop.source.envelope(org_id), flow_id=None)
    (kept,) = xdm_shop.kept
    assert (summary.accepted, kept["flowId"]) == (1, xdm_shop.source.flow_id)
    header = kept["message"]["header"]
    assert header["datasetId"] == xdm_shop.source.dataset_id
    assert header["imsOrgId"] == org_id
    assert header["schemaRef"]["id"] == xdm_shop.source.schema_id
    assert kept["message"]["body"]["xdmEntity"] == entity


def test_a_raw_record_is_not_sent_to_an_xdm_inlet(xdm_shop: Shop, control: EmulatorControl) -> None:
    envelope = xdm_shop.source.envelope(control.credential.org_id)
    message = json.loads(envelope.wrap(b'{"_id": "1"}'))
    summary = xdm_shop.post(as_records([{"n": 1}, message]), flow_id=None)
    assert (summary.accepted, summary.rejected) == (1, 1)
    ((place, status, text),) = xdm_shop.problems
    assert (place, status) == ("line 1", None)
    assert "not an XDM message" in text
    assert "schema_id and dataset_id" in text
    assert [entry["message"] for entry in xdm_shop.kept] == [message]


@pytest.mark.parametrize("style", ["status", "statusCode"])
def test_each_element_is_read_in_either_style(shop: Shop, control: EmulatorControl, style: str) -> None:
    control.set_switches(batch_style=style)
    # Data that is no object is refused by the emulator; the client would not send it by itself.
    records = [
        *as_records(people(2)),
        InputRecord(2, b"[2]", 3),
        *as_records(people(4))[3:],
        InputRecord(4, b"5", 5),
    ]
    summary = shop.post(records)
    assert (summary.accepted, summary.rejected, summary.unknown, summary.settled) == (3, 2, 0, 5)
    assert numbers(shop.kept) == [0, 1, 3]
    assert [(place, status) for place, status, _ in shop.problems] == [("line 3", 400), ("line 5", 400)]
    assert all("Message is not a JSON object" in message for _, _, message in shop.problems)
    assert summary.last_xaction_id == shop.kept[-1]["xactionId"]
    assert shop.sizes == [5]


@pytest.mark.parametrize("style", ["status", "statusCode"])
def test_a_batch_of_which_all_fails_has_no_acceptance(
    shop: Shop, control: EmulatorControl, style: str
) -> None:
    control.set_switches(batch_style=style)
    summary = shop.post(as_records(people(3)), flow_id="71c5f1a4-0000-4000-8000-000000000000")
    assert (summary.accepted, summary.rejected, summary.settled) == (0, 3, 3)
    assert (summary.first_xaction_id, summary.last_xaction_id) == (None, None)
    assert [place for place, _, _ in shop.problems] == ["line 1", "line 2", "line 3"]
    assert all("is unknown" in message for _, _, message in shop.problems)
    assert (shop.sizes, shop.kept) == ([3], [])


def test_a_transaction_id_does_not_mean_success(shop: Shop) -> None:
    shop.answer({"xactionId": "9-0", "status": 400, "message": "no"}, {"xactionId": "9-1"})
    summary = shop.post(as_records(people(2)))
    assert (summary.accepted, summary.rejected, summary.first_xaction_id) == (1, 1, "9-1")
    assert shop.problems == [("line 1", 400, "no")]


def test_a_record_without_a_verdict_is_unknown_and_not_sent_again(shop: Shop) -> None:
    shop.answer({"xactionId": "9-0"})
    summary = shop.post(as_records(people(3)))
    assert (summary.accepted, summary.rejected, summary.unknown, summary.failures) == (1, 0, 2, 2)
    assert shop.problems == [(f"line {n}", None, "the response contains no result for it") for n in (2, 3)]
    assert shop.sizes == [3]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_the_inlet_is_too_busy_for_is_sent_again_alone(
    shop: Shop, virtual_clock: VirtualClock, status: int
) -> None:
    busy = {"statusCode": status, "message": "try later"}
    shop.answer({"xactionId": "9-0"}, busy, {"statusCode": 400, "message": "no"}, busy)
    summary = shop.post(as_records(people(4)))
    assert (summary.accepted, summary.rejected, summary.maybe_duplicated, summary.settled) == (3, 1, 0, 4)
    assert numbers(shop.kept) == [1, 3]
    assert shop.sizes == [4, 2]
    assert shop.problems == [("line 3", 400, "no")]
    assert len(virtual_clock.sleeps) >= 1


def test_what_the_inlet_stays_too_busy_for_is_refused_in_the_end(shop: Shop) -> None:
    shop.answer({"xactionId": "9-0"}, BUSY)
    shop.answer(BUSY, times=ATTEMPTS - 1)
    summary = shop.post(as_records(people(3)), batch_size=2)
    assert (summary.accepted, summary.rejected, summary.settled) == (2, 1, 3)
    assert shop.problems == [("line 2", 503, "try later")]
    assert shop.sizes == [2, *[1] * (ATTEMPTS - 1), 1]


@pytest.mark.parametrize("kind", ["reset_after", "truncate"])
def test_a_batch_whose_answer_is_lost_is_sent_again_and_counted(shop: Shop, kind: str) -> None:
    shop.lose(kind)
    summary = shop.post(as_records(people(3)), batch_size=2)
    assert numbers(shop.kept) == [0, 1, 0, 1, 2]
    assert (summary.accepted, summary.maybe_duplicated, summary.failures) == (3, 2, 0)


@pytest.mark.parametrize("kind", ["reset_after", "reset"])
def test_a_message_whose_answer_is_lost_is_sent_again_and_counted(shop: Shop, kind: str) -> None:
    shop.lose(kind, path=0)
    summary = shop.post(as_records(people(2)), batch_size=1)
    assert numbers(shop.kept) == ([0, 0, 1] if kind == "reset_after" else [0, 1])
    assert (summary.accepted, summary.maybe_duplicated) == (2, 1)


def test_a_success_that_cannot_be_read_is_a_lost_answer(shop: Shop) -> None:
    shop.lose("status", status=207, body="<html>")
    summary = shop.post(as_records(people(2)))
    assert (summary.accepted, summary.maybe_duplicated) == (2, 2)


def test_a_server_that_asks_to_wait_is_obeyed(shop: Shop, virtual_clock: VirtualClock) -> None:
    shop.lose("status", status=503, headers={"Retry-After": "20"})
    assert shop.post(as_records(people(2))).accepted == 2
    assert any(20 <= slept < 22 for slept in virtual_clock.sleeps)


def test_answers_that_stay_lost_end_with_the_error_and_an_honest_count(shop: Shop) -> None:
    shop.lose("reset_after", after=1, times=ATTEMPTS)
    with pytest.raises(Exception, match="no complete response"):
        shop.post(as_records(people(5)), batch_size=2)
    assert (shop.summary.accepted, shop.summary.unknown, shop.summary.settled) == (2, 2, 2)
    assert shop.sizes == [2] * (1 + ATTEMPTS)


def test_too_many_requests_are_waited_out_and_nothing_is_doubled(
    shop: Shop, virtual_clock: VirtualClock
) -> None:
    shop.lose("rate_limit", times=2, retry_after=7)
    summary = shop.post(as_records(people(2)))
    assert (summary.accepted, summary.maybe_duplicated, numbers(shop.kept)) == (2, 0, [0, 1])
    assert [7 <= slept < 9 for slept in virtual_clock.sleeps].count(True) == 2


def test_too_many_requests_without_end_are_an_error(shop: Shop) -> None:
    shop.lose("rate_limit", times=100)
    with pytest.raises(RateLimitError):
        shop.post(as_records(people(2)))
    assert shop.kept == []


def test_a_batch_that_is_too_large_is_halved(shop: Shop, control: EmulatorControl) -> None:
    control.set_switches(inlet_limit_bytes=250)
    summary = shop.post(as_records(people(16)))
    assert (summary.accepted, summary.settled) == (16, 16)
    assert numbers(shop.kept) == list(range(16))
    assert [size for size, entry in zip(shop.sizes, shop.posts, strict=True) if entry["status"] == 413] == [
        16,
        8,
        8,
    ]


def test_a_batch_that_is_halved_after_its_answer_was_lost_is_counted(shop: Shop) -> None:
    shop.lose("reset_after")
    shop.lose("status", status=413)
    summary = shop.post(as_records(people(4)))
    assert numbers(shop.kept) == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (summary.accepted, summary.maybe_duplicated) == (4, 4)


def test_a_refusal_after_a_lost_answer_leaves_unknown_what_has_arrived(shop: Shop) -> None:
    shop.lose("reset_after")
    shop.lose("status", status=400)
    with pytest.raises(BadRequestError):
        shop.post(as_records(people(4)))
    assert (len(shop.kept), shop.summary.accepted, shop.summary.unknown) == (4, 0, 4)


def test_a_message_that_is_too_large_for_the_inlet_does_not_keep_back_the_others(
    shop: Shop, control: EmulatorControl
) -> None:
    control.set_switches(inlet_limit_bytes=500)
    messages = people(4)
    messages[1]["note"] = "x" * 500
    summary = shop.post(as_records(messages))
    assert (summary.accepted, summary.rejected) == (3, 1)
    assert numbers(shop.kept) == [0, 2, 3]
    ((place, status, message),) = shop.problems
    assert (place, status) == ("line 2", 413)
    assert "larger than 1 MB" in message


def test_a_record_over_the_limit_is_rejected_unsent_and_the_rest_is_sent(shop: Shop) -> None:
    messages = people(4)
    messages[2]["note"] = "x" * 1_000_000
    summary = shop.post(as_records(messages))
    assert (summary.accepted, summary.rejected, summary.settled) == (3, 1, 4)
    assert numbers(shop.kept) == [0, 1, 3]
    ((place, status, message),) = shop.problems
    assert (place, status) == ("line 3", None)
    assert "the limit for a request is 1000000" in message
    assert shop.sizes == [3]


def test_the_largest_record_that_fits_is_sent_alone(shop: Shop) -> None:
    messages = people(3)
    room = inlet.MAX_REQUEST_BYTES - inlet.batch_overhead(1)
    messages[1]["note"] = ""
    messages[1]["note"] = "x" * (room - len(json.dumps(messages[1])))
    summary = shop.post(as_records(messages))
    assert (summary.accepted, summary.rejected) == (3, 0)
    assert [entry["size"] for entry in shop.posts][1] == inlet.MAX_REQUEST_BYTES
    assert shop.sizes == [1, 1, 1]


def test_no_batch_exceeds_the_bytes_of_a_request_or_the_batch_size(shop: Shop) -> None:
    sent = people(60, note="ü" * 20_000)
    summary = shop.post(as_records(sent), batch_size=9)
    assert summary.accepted == 60
    assert numbers(shop.kept) == list(range(60))
    sizes = [entry["size"] for entry in shop.posts]
    assert max(sizes) <= inlet.MAX_REQUEST_BYTES
    assert max(shop.sizes) <= 9
    # As full as can be: one more message would not have fitted.
    one = len(json.dumps(sent[0]).encode())
    assert all(size + one > inlet.MAX_REQUEST_BYTES for size in sizes[:-1])


class Reading:
    """An input that knows how much of it was read beyond each request when that went out."""

    def __init__(self, count: int) -> None:
        self.read = 0
        self._count = count

    def __iter__(self) -> Iterator[InputRecord]:
        for position in range(self._count):
            self.read += 1
            yield InputRecord(position, b'{"n": %d}' % position)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_input_is_read_as_far_ahead_as_there_are_requests_at_once(shop: Shop, concurrency: int) -> None:
    reading = Reading(10_000)
    shop.lose("status", status=404, times=20)
    with pytest.raises(NotFoundError):
        shop.post(reading, batch_size=100, concurrency=concurrency)
    # An input in memory is read in blocks of 1,000 records.
    assert reading.read <= 100 * (2 * concurrency + 1) + 1000


def test_an_input_whose_post_fails_is_not_read_to_its_end(shop: Shop) -> None:
    reading = Reading(1_000_000)
    shop.lose("status", status=404, after=1)
    with pytest.raises(NotFoundError):
        shop.post(reading, batch_size=10)
    assert reading.read <= 10 * 4 + 1000
    assert (shop.summary.accepted, shop.summary.settled) == (10, 10)


def test_an_attempt_that_goes_on_counts_what_its_predecessor_may_have_sent(shop: Shop) -> None:
    earlier = PostSummary(settled=4, accepted=3, rejected=1, first_xaction_id="1:0", last_xaction_id="1:3")
    summary = shop.post(as_records(people(9))[4:], batch_size=2, note=Note(earlier, sending_below=7))
    assert numbers(shop.kept) == [4, 5, 6, 7, 8]
    assert summary == PostSummary(
        settled=9,
        accepted=8,
        rejected=1,
        maybe_duplicated=3,
        first_xaction_id="1:0",
        last_xaction_id=shop.kept[-1]["xactionId"],
    )


def test_unreadable_records_are_refused_in_their_place(shop: Shop) -> None:
    first, _, last = as_records(people(3))
    summary = shop.post([first, UnreadableRecord(1, b"{", 2, "is not JSON"), last])
    assert (summary.accepted, summary.rejected, summary.settled) == (2, 1, 3)
    assert shop.problems == [("line 2", None, "is not JSON")]


def unreadable(count: int, size: int = 1) -> list[UnreadableRecord]:
    return [UnreadableRecord(n, b"{" * size, n + 1, "is not JSON") for n in range(count)]


@pytest.mark.parametrize(("size", "cuts"), [(1, [100, 200, 250]), (4_000_000, [3, 6, 9, 10])])
def test_what_is_known_of_unreadable_records_is_settled_before_it_is_much(
    shop: Shop, size: int, cuts: list[int]
) -> None:
    count = cuts[-1]
    summary = shop.post(unreadable(count, size), batch_size=100)
    assert (summary.rejected, summary.settled, shop.posts) == (count, count, [])
    assert batch_ends(unreadable(count, size), 100) == cuts


def batch_ends(records: list[UnreadableRecord], size: int) -> list[int]:
    """Where an input is divided."""
    settled = SettledRecords(0)
    limits = Limits(size, inlet.MAX_REQUEST_BYTES)
    return [batch.end for batch in Batcher(in_blocks(records), settled, limits, only_xdm=False)]


def test_the_header_that_a_letter_repeats_counts_too() -> None:
    layout = CsvLayout(columns=("c" * 6_000_000,), delimiter=",")
    rows = [msgspec.structs.replace(row, csv=layout) for row in unreadable(5)]
    assert batch_ends(rows, 100) == [2, 4, 5]


def test_unreadable_records_before_the_input_breaks_off_are_settled(shop: Shop) -> None:
    def breaking() -> Iterator[UnreadableRecord]:
        yield from unreadable(2)
        raise InvalidInputError("path", "breaks off", "Put it right.")

    with pytest.raises(InvalidInputError, match="breaks off"):
        shop.post(breaking())
    assert (shop.summary.rejected, shop.notes[-1].settled.settled) == (2, 2)


def test_a_failure_has_its_index_in_this_input_and_the_position_in_the_first_one(shop: Shop) -> None:
    records = [UnreadableRecord(70, b"{", 71, "is not JSON"), *as_records(people(1))]
    shop.post(records, note=Note(PostSummary(settled=3), sending_below=4))
    (failure,) = shop.failures
    assert (failure.index, failure.place) == (3, "line 71")
    assert (shop.summary.settled, shop.summary.maybe_duplicated) == (5, 0)


def test_what_was_read_before_the_input_breaks_off_is_sent(shop: Shop) -> None:
    def breaking() -> Iterator[InputRecord]:
        yield from as_records(people(5))
        raise InvalidInputError("path", "breaks off", "Put it right.")

    with pytest.raises(InvalidInputError, match="breaks off"):
        shop.post(breaking(), batch_size=3)
    assert numbers(shop.kept) == [0, 1, 2, 3, 4]
    assert (shop.summary.accepted, shop.summary.settled) == (5, 5)


def test_a_place_without_a_line_is_the_position(shop: Shop) -> None:
    shop.post([InputRecord(0, b"1"), InputRecord(1, b'{"n": 1}')])
    assert [place for place, _, _ in shop.problems] == ["record 0"]


@pytest.mark.parametrize("reading", ["refuse", "accept"])
@pytest.mark.parametrize("batch_size", [1, 500])
def test_aep_decides_about_plain_xdm_with_a_flow(
    xdm_shop: Shop, control: EmulatorControl, reading: str, batch_size: int
) -> None:
    control.set_switches(plain_xdm=reading)
    summary = xdm_shop.post(as_records([{"_id": "1"}, {"_id": "2"}]), batch_size=batch_size)
    if reading == "accept":
        assert (summary.accepted, summary.rejected) == (2, 0)
        assert [entry["message"] for entry in xdm_shop.kept] == [{"_id": "1"}, {"_id": "2"}]
    else:
        assert (summary.accepted, summary.rejected) == (0, 2)
        assert all("Message has unknown xdm format" in message for *_, message in xdm_shop.problems)


def test_a_501_without_validation_is_the_servers_failure(shop: Shop) -> None:
    shop.lose("status", status=501, times=ATTEMPTS)
    with pytest.raises(ServerError):
        shop.post(as_records(people(1)))


def test_a_batch_that_is_refused_as_a_whole_is_an_error(shop: Shop) -> None:
    shop.lose("status", status=400, body={"message": "no batch"})
    with pytest.raises(BadRequestError, match="no batch"):
        shop.post(as_records(people(1)))
    assert (shop.summary.rejected, shop.failures) == (0, [])


def test_what_is_refused_behind_the_last_message_is_settled_with_it(shop: Shop) -> None:
    """Otherwise a further attempt would refuse and count it again."""
    records = [*as_records(people(2)), UnreadableRecord(2, b"{", 3, "is not JSON")]
    summary = shop.post(records)
    assert (summary.settled, summary.rejected, shop.sizes) == (3, 1, [2])
