"""Creates that give one object however often they run.

A create looks for its own earlier work before it sends anything, looks again when a response was lost, and
deletes its own twin when another worker was faster.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec

from airflow_provider_flowservice.client.converge import converge, look
from airflow_provider_flowservice.client.ensure.desired import Desired, ExistingResource
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    NotFoundError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.model import Frozen

log = logging.getLogger(__name__)
R = TypeVar("R", bound=ExistingResource)

#: How often a create is sent when its response is lost each time and nothing was created. Few, because each
#: is followed by looks that last a quarter of a minute, and Airflow's retries come on top.
ATTEMPTS = 4


class IfExists(str, Enum):
    """What a create does when its object is there already."""

    REUSE = "reuse"
    UPDATE = "update"
    FAIL = "fail"
    CREATE = "create"


class EnsureResult(Frozen, Generic[R], frozen=True):
    """The one object.

    :param created: whether this call created it.
    :param resource: the object as AEP holds it; None if only the response to its create is known.
    """

    id: str
    etag: str | None
    created: bool
    resource: R | None = None


class SavedState:
    """What an attempt saves for the next one. This one keeps nothing."""

    def load(self) -> dict[str, Any] | None:
        """The state that an earlier attempt saved, or None."""
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state."""


NOTHING_SAVED = SavedState()


def ensure(
    sender: Sender,
    desired: Desired[R],
    if_exists: IfExists = IfExists.REUSE,
    saved: SavedState = NOTHING_SAVED,
) -> EnsureResult[R]:
    """Make sure that an object exists once, and say which it is.

    :param if_exists: what to do about one that exists already.
    :param saved: lets a further attempt take what an interrupted one created, whatever ``if_exists`` says.
    :raises DriftError: if one exists with other settings, or several do.
    :raises FlowServiceError: if AEP fails.
    """
    resumed = _resume(sender, desired, saved)
    if resumed is not None:
        return resumed
    known = _matches(sender, desired)
    if known and if_exists is not IfExists.CREATE:
        return _take_existing(sender, desired, known, if_exists)
    known_ids = sorted(found.id for found in known)
    saved.save({"known": known_ids})
    try:
        created = _create(sender, desired, set(known_ids))
    except FlowServiceError as error:
        if not is_ambiguous(error):
            # Nothing was created, so another attempt must not take for its own what it finds.
            saved.save({})
        raise
    # What was found after a lost response may be another worker's, and is not ours to delete.
    if if_exists is not IfExists.CREATE and created.resource is None:
        created = _without_twin(sender, desired, created)
    saved.save({"id": created.id})
    return created


def _resume(sender: Sender, desired: Desired[R], saved: SavedState) -> EnsureResult[R] | None:
    """What an interrupted attempt of this task created, if it created something."""
    note = saved.load()
    if not note:
        return None
    if "id" in note:
        try:
            found = sender.send(desired.read(note["id"]))
        except NotFoundError:
            return None
        if desired.differences(found):
            return None
        log.info("Reusing %s, which an earlier attempt created", desired.title(found.id))
        return EnsureResult(found.id, found.etag, created=True, resource=found)
    return _look_for_lost(sender, desired, set(note.get("known", ())))


def _matches(sender: Sender, desired: Desired[R]) -> list[R]:
    """What is ours, oldest first."""
    return sorted(filter(desired.is_ours, desired.candidates(sender)), key=_age)


def _equal(sender: Sender, desired: Desired[R]) -> list[R]:
    """What is ours with the settings desired, oldest first."""
    return [found for found in _matches(sender, desired) if not desired.differences(found)]


def _age(resource: ExistingResource) -> tuple[int, str]:
    return resource.created_at, resource.id


def find_existing(sender: Sender, desired: Desired[R], if_exists: IfExists) -> R | None:
    """The one that exists already and can be used; None if there is none or another is asked for.

    :raises DriftError: if one exists with other settings, or several do, or none may exist.
    """
    known = _matches(sender, desired)
    if not known or if_exists is IfExists.CREATE:
        return None
    return _choose(desired, known, if_exists)


def _choose(desired: Desired[R], known: list[R], if_exists: IfExists) -> R:
    label, oldest = desired.label, known[0]
    if if_exists is IfExists.FAIL:
        raise DriftError(
            f"{label} {desired.name!r} exists already: {', '.join(r.id for r in known)}."
            " Delete it, choose another name, or set if_exists='reuse'."
        )
    _reject_ambiguity(desired, known)
    differences = desired.differences(oldest)
    if differences and if_exists is IfExists.REUSE:
        raise DriftError(
            f"{label} {oldest.id} ({desired.name!r}) exists with other settings:"
            f" {'; '.join(map(str, differences))}. Set if_exists='update' to change it, or rename yours."
        )
    return oldest


def _take_existing(
    sender: Sender, desired: Desired[R], known: list[R], if_exists: IfExists
) -> EnsureResult[R]:
    oldest = _choose(desired, known, if_exists)
    title = desired.title(oldest.id)
    if if_exists is IfExists.UPDATE:
        read = desired.read(oldest.id)
        oldest = converge(sender, read, desired.update, desired.unmet, what=title, found=oldest).resource
    elif desired.secrets:
        log.info("Reusing %s; whether its credentials are the same cannot be seen", title)
    else:
        log.info("Reusing %s", title)
    return EnsureResult(oldest.id, oldest.etag, created=False, resource=oldest)


def _reject_ambiguity(desired: Desired[R], known: list[R]) -> None:
    """Of several equal ones the oldest is used; which of different ones is meant, nobody can guess."""
    if len(known) < 2:
        return
    ids = ", ".join(resource.id for resource in known)
    differing = {r.id: desired.differences(r) for r in known}
    if any(differing.values()):
        details = " ".join(f"{i}: {'; '.join(map(str, d)) or 'as wanted'}." for i, d in differing.items())
        raise DriftError(
            f"{len(known)} {desired.label}s are called {desired.name!r} and differ. {details}"
            " Delete those that are not meant, or choose another name."
        )
    log.warning(
        "%d equal %ss are called %r (%s); using the oldest", len(known), desired.label, desired.name, ids
    )


def _create(sender: Sender, desired: Desired[R], known: set[str]) -> EnsureResult[R]:
    """Send the create; after a lost response look whether it took effect before sending it again."""
    request = desired.create()
    for _ in range(ATTEMPTS):
        try:
            created = sender.send(request)
        except FlowServiceError as error:
            if not is_ambiguous(error):
                raise
            log.warning("The response to creating %s %r was lost: %s", desired.label, desired.name, error)
            lost = error
        else:
            log.info("Created %s", desired.title(created.id))
            return EnsureResult(created.id, created.etag, created=True)
        found = _look_for_lost(sender, desired, known)
        if found is not None:
            return found
    raise lost


def _look_for_lost(sender: Sender, desired: Desired[R], known: set[str]) -> EnsureResult[R] | None:
    """The object that a create without a response may have created; lists may show it late.

    :param known: ids that were there before the create.
    """
    fresh = look(lambda: [found for found in _equal(sender, desired) if found.id not in known], until=bool)
    if not fresh:
        return None
    title = desired.title(fresh[0].id)
    log.info("%s was created although the response was lost; reusing it", title)
    return EnsureResult(fresh[0].id, fresh[0].etag, created=True, resource=fresh[0])


def _without_twin(sender: Sender, desired: Desired[R], ours: EnsureResult[R]) -> EnsureResult[R]:
    """Delete the object just created if an older equal one turns up: another worker was faster.

    Only what this call created is ever deleted, before its id was handed out; AEP refuses if somebody refers to
    it. Both workers order the twins alike, so one remains. While lists do not show the new object they may not
    show its twin either, so they are read again.
    """
    equal = look(lambda: _equal(sender, desired), until=lambda known: ours.id in {each.id for each in known})
    itself = next((found for found in equal if found.id == ours.id), None)
    if itself is None or equal[0].id == ours.id:
        return msgspec.structs.replace(ours, resource=itself)
    oldest = equal[0]
    title = desired.title(oldest.id)
    log.warning(
        "Another worker created %s at the same time; deleting the duplicate %s created here", title, ours.id
    )
    try:
        sender.send(desired.delete(ours.id))
    except BadRequestError as in_use:
        log.warning("Twin %s is left alone, somebody has found and used it: %s", ours.id, in_use)
    return EnsureResult(oldest.id, oldest.etag, created=False, resource=oldest)
