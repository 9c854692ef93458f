"""Habits of the inlets. What is posted is malformed, or has no flow: nothing of it is ingested."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from airflow_provider_flowservice.client.model import member, objects
from airflow_provider_flowservice.client.streaming import MAX_REQUEST_BYTES
from airflow_provider_flowservice.doctor.aep import MISSING_ID, Answer
from airflow_provider_flowservice.doctor.habits.model import Consequence, Habit, Seen
from airflow_provider_flowservice.doctor.writes.bench import MALFORMED_BATCH, BenchInlet
from airflow_provider_flowservice.doctor.writes.experiments import Experiments

#: What one megabyte means, and the largest body that is tried.
_MEGABYTES = (1_000_000, 1_048_576)
_MAX_BYTES = 4 * 1_048_576


def _batch_style(experiments: Experiments) -> Seen:
    answer = experiments.bench.inlet().post_batch()
    result = next(iter(objects(answer.document, "responses")), {})
    if result.get("statusCode") is not None:
        return Seen("statusCode", "A failed message of a batch has statusCode.")
    if result.get("status") is not None:
        return Seen("status", "A failed message of a batch has status.")
    return Seen(
        None, f"The response to a batch of one malformed message has no result for it ({answer.label})."
    )


def _sync_validation(experiments: Experiments) -> Seen:
    answer = experiments.bench.inlet().post(b"{}", (("syncValidation", "true"),))
    if answer.status == 501:
        return Seen(
            "unsupported",
            "A message with syncValidation=true gets 501: leave out sync_validation of FlowServicePostToInletOperator.",
        )
    if answer.status == 400:
        return Seen("supported", "A malformed message with syncValidation=true gets 400.")
    return _unexpected("A malformed message with syncValidation=true", answer)


def _gzip(experiments: Experiments) -> Seen:
    inlet = experiments.bench.inlet()
    if (plain := inlet.post_batch()).status != 207:
        return _unexpected("A batch of one malformed message", plain)
    answer = inlet.post_batch(gzip.compress(MALFORMED_BATCH), (("Content-Encoding", "gzip"),))
    if answer.status == 207:
        return Seen("accept", "A batch with Content-Encoding gzip was read.")
    if answer.status in (400, 415):
        return Seen("refuse", f"A batch with Content-Encoding gzip was refused ({answer.label}).")
    return _unexpected("A batch with Content-Encoding gzip", answer)


def _inlet_bad_token(experiments: Experiments) -> Seen:
    inlet = experiments.bench.inlet(authenticated=True)
    answer = inlet.post_batch(headers=(("Authorization", "Bearer not-a-token"),))
    if answer.status in (401, 403):
        return Seen(str(answer.status), f"A token that is not valid gets {answer.status}.")
    return _unexpected("A token that is not valid", answer)


def _inlet_org_header(experiments: Experiments) -> Seen:
    return _header_seen(experiments.bench.inlet(authenticated=True), "x-gw-ims-org-id")


def _inlet_sandbox_header(experiments: Experiments) -> Seen:
    return _header_seen(experiments.bench.inlet(), "x-sandbox-name")


def _header_seen(inlet: BenchInlet, header: str) -> Seen:
    if (whole := inlet.post_batch()).status != 207:
        return _unexpected("A batch of one malformed message", whole)
    answer = inlet.post_batch(without=(header,))
    if answer.status == 207:
        return Seen("optional", f"A batch without {header} was read.")
    if answer.status in (400, 401, 403):
        return Seen("required", f"A batch without {header} was refused ({answer.label}).")
    return _unexpected(f"A batch without {header}", answer)


def _plain_xdm(experiments: Experiments) -> Seen:
    # No flow reads from the inlet, so the record has no dataset to go to.
    answer = experiments.bench.inlet().post(b"{}", headers=(("x-adobe-flow-id", MISSING_ID),))
    text = str(
        member(answer.document, "report", "message") or member(answer.document, "message") or ""
    ).lower()
    if answer.is_success:
        return Seen("accept", "A record without an envelope was taken.")
    if answer.status == 400 and ("xdm format" in text or "'header'" in text):
        return Seen("refuse", f"A record without an envelope is unknown XDM ({answer.label}).")
    if answer.status == 400 and "flow" in text:
        return Seen("accept", "A record without an envelope was refused for its flow alone.")
    return _unexpected("A record without an envelope", answer)


def _inlet_limit_bytes(experiments: Experiments) -> Seen:
    inlet = experiments.bench.inlet()

    def is_too_large(size: int) -> bool:
        # It is not JSON.
        return inlet.post(b"x" * size).status == 413

    largest = _largest(is_too_large)
    if largest is None:
        return Seen(None, f"A body of {_MAX_BYTES:,} bytes does not get 413, or one of a single byte does.")
    is_small = largest < MAX_REQUEST_BYTES
    return Seen(
        largest,
        f"A body of {largest:,} bytes is read, and one of {largest + 1:,} bytes gets 413.",
        Consequence(
            ("FlowServicePostToInletOperator",), f"Set its argument batch_bytes to {largest} or less."
        )
        if is_small
        else None,
    )


def _largest(is_too_large: Callable[[int], bool]) -> int | None:
    """Return the size of the largest body that is not too large."""
    read = 0
    for size in (*_MEGABYTES, _MAX_BYTES):
        if is_too_large(size):
            return _between(read, size, is_too_large) or None
        if is_too_large(size + 1):
            return size
        read = size + 1
    return None


def _between(read: int, refused: int, is_too_large: Callable[[int], bool]) -> int:
    while refused - read > 1:
        middle = (read + refused) // 2
        if is_too_large(middle):
            refused = middle
        else:
            read = middle
    return read


def _unexpected(what: str, answer: Answer) -> Seen:
    return Seen(None, f"{what} gets {answer.label}.")


HABITS: tuple[Habit[Experiments], ...] = (
    Habit(
        switch="batch_style",
        documented="statusCode without an xactionId in the pages, status beside an xactionId in Adobe's own client.",
        look=_batch_style,
    ),
    Habit(
        switch="sync_validation",
        documented="Only the region VA7 has synchronous validation; the others respond 501.",
        look=_sync_validation,
    ),
    Habit(switch="gzip", documented="Nothing about compressed requests.", look=_gzip),
    Habit(
        switch="inlet_bad_token",
        documented="401 in the tutorial, 403 in the page about batches of messages.",
        look=_inlet_bad_token,
    ),
    Habit(
        switch="inlet_org_header",
        documented="One page requires x-gw-ims-org-id, the tutorial and Adobe's own client do without.",
        look=_inlet_org_header,
    ),
    Habit(
        switch="inlet_sandbox_header",
        documented="Required in the API reference, absent from all samples.",
        look=_inlet_sandbox_header,
    ),
    Habit(
        switch="plain_xdm",
        documented="Every sample of XDM has the envelope; whether x-adobe-flow-id can replace it is open.",
        look=_plain_xdm,
    ),
    Habit(
        switch="inlet_limit_bytes",
        documented=f"1 MB, which may mean {MAX_REQUEST_BYTES:,} or {1_048_576:,} bytes.",
        look=_inlet_limit_bytes,
    ),
)
