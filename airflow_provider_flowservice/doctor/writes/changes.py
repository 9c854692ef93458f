"""How AEP carries out a change: when it shows, whether AEP changes the object once more, and when lists show it."""

from __future__ import annotations

from airflow_provider_flowservice.client import clock, http
from airflow_provider_flowservice.client.model import Frozen, Operation, is_number, member
from airflow_provider_flowservice.doctor.aep import Answer
from airflow_provider_flowservice.doctor.writes.objects import ListRefusedError, Shown
from airflow_provider_flowservice.doctor.writes.workshop import DESCRIPTION, Made, NotMadeError, Workshop

#: How long AEP is watched, in seconds.
WATCHED = 60
#: How many seconds without a change are enough, if AEP says that it has ended the change, and if it does not say.
_QUIET, _QUIET_UNTOLD = 10, 20
_PAUSE = 1.0
_CHANGED = f"{DESCRIPTION} Changed."
#: While AEP completes what it has made, the version of an object can change between read and change.
_ATTEMPTS = 3


class Change(Frozen, frozen=True):
    """What came of a change.

    :param answer: AEP's response to the PATCH.
    :param stale: AEP's response to another PATCH, with the version from before.
    :param visible_after: seconds until reads showed the change, or at least its version; None if they did not.
    :param is_silent: whether the content stayed as it was.
    :param finalized_after: seconds until the version changed once more; 0 if it did not, None if that was not seen
        although AEP had not ended the change.
    """

    answer: Answer
    stale: Answer | None = None
    visible_after: int | None = None
    is_silent: bool = False
    finalized_after: int | None = 0


def change(workshop: Workshop, made: Made) -> Change:
    """Change the description of an object, and watch what comes of it.

    :raises NotMadeError: if AEP does not show the object.
    :raises FlowServiceError: if there is no response.
    """
    for _ in range(_ATTEMPTS):
        before = workshop.read(made)
        answer = _patch(workshop, made, before, _CHANGED)
        if answer.status != 412:
            break
        clock.current().sleep(_PAUSE)
    if not answer.is_success:
        return Change(answer)
    watched = _watch(workshop, made, before, answer)
    stale = _patch(workshop, made, before, DESCRIPTION)
    return Change(answer, stale, *watched)


def _watch(
    workshop: Workshop, made: Made, before: Shown, answer: Answer
) -> tuple[int | None, bool, int | None]:
    """Read an object until nothing more happens to it."""
    start = clock.current().monotonic()
    version = member(answer.document, "etag")
    visible: int | None = None
    shown, is_silent, finalized, last = before, True, 0, 0
    while True:
        elapsed = int(clock.current().monotonic() - start)
        # A read that fails says nothing.
        shown = made.shelf.item(made.shelf.read(workshop.aep, made.id)) or shown
        etag = shown.document.get("etag")
        is_silent = shown.document.get("description") != _CHANGED
        if visible is None and (etag != before.document.get("etag") or not is_silent):
            visible = last = elapsed
            if etag != version:
                # All may show at once. AEP says how long it took, and the response what is not the end yet.
                finalized = max(_told(shown), 0 if version is None else 1)
                version = etag
        elif visible is not None and etag != version:
            version, finalized, last = etag, elapsed, elapsed
        is_ended = _is_ended(shown)
        quiet = _QUIET_UNTOLD if is_ended is None else _QUIET
        if visible is not None and is_ended is not False and elapsed - last >= quiet:
            return visible, is_silent, finalized
        if elapsed >= WATCHED:
            return visible, is_silent, None if is_ended is False else finalized
        clock.current().sleep(_PAUSE)


def _is_ended(shown: Shown) -> bool | None:
    """Return whether AEP says that it has ended the change; None if it does not say."""
    value = member(shown.document, "lastOperation", "status", "value")
    return value == "completed" if isinstance(value, str) else None


def _told(shown: Shown) -> int:
    """Return the seconds between beginning and end of a change, as AEP says."""
    times = [member(shown.document, "lastOperation", name) for name in ("started", "updated")]
    started, updated = (each if is_number(each) else 0 for each in times)
    return int((updated - started) / 1000)


def listed_after(workshop: Workshop, made: Made) -> int | None:
    """Return the seconds until a list shows an object that was just made; None if it does not within a minute.

    :raises NotMadeError: if AEP does not list objects of its kind.
    :raises FlowServiceError: if there is no response.
    """
    start = clock.current().monotonic()
    while (elapsed := int(clock.current().monotonic() - start)) <= WATCHED:
        try:
            listed = made.shelf.newest(workshop.aep)
        except ListRefusedError as error:
            raise NotMadeError(f"{error}.") from error
        if any(shown.id == made.id for shown in listed):
            return elapsed
        clock.current().sleep(_PAUSE)
    return None


def gone_after(workshop: Workshop, made: Made) -> int | None:
    """Return the seconds until a read of a deleted object is a 404; None if it is not within a minute.

    :raises FlowServiceError: if there is no response.
    """
    start = clock.current().monotonic()
    while (elapsed := int(clock.current().monotonic() - start)) <= WATCHED:
        if made.shelf.read(workshop.aep, made.id).status == 404:
            return elapsed
        clock.current().sleep(_PAUSE)
    return None


def _patch(workshop: Workshop, made: Made, version: Shown, description: str) -> Answer:
    operation = Operation(op="replace", path="/description", value=description)
    etag = str(version.document.get("etag"))
    return workshop.aep.send(http.patch(made.shelf.kind, made.id, etag, [operation]))
