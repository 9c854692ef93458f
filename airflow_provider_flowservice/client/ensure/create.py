"""Creates that give one object however often they run.

A create looks for its own earlier work before it sends anything, looks again when an answer was lost, and
takes back its own twin when another worker was faster.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.ensure.desired import Desired, ExistingResource
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    NotFoundError,
    PreconditionError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http.retry import delay_after
from airflow_provider_flowservice.client.http.sender import Sender

log = logging.getLogger(__name__)
R = TypeVar("R", bound=ExistingResource)

#: How often a create is sent when its answer is lost each time and nothing was made.
ATTEMPTS = 4
#: Seconds to wait before each look for an object that AEP's lists may show late.
LOOKS = (1.0, 2.0, 4.0, 8.0)


class IfExists(str, Enum):
    """What a create does when its object is there already."""

    REUSE = "reuse"
    UPDATE = "update"
    FAIL = "fail"
    CREATE = "create"


@dataclass(frozen=True)
class EnsureResult(Generic[R]):
    """The one object.

    :param created: whether this call made it.
    :param resource: the object as AEP holds it; None where only the answer to its create is known.
    """

    id: str
    etag: str | None
    created: bool
    resource: R | None = None


class SavedState(Protocol):
    """What an attempt leaves for the next one."""

    def load(self) -> dict[str, Any] | None:
        """The note of an earlier attempt, or None."""

    def save(self, note: dict[str, Any]) -> None:
        """Replace the note."""


def ensure(
    sender: Sender,
    desired: Desired[R],
    if_exists: IfExists = IfExists.REUSE,
    saved: SavedState | None = None,
) -> EnsureResult[R]:
    """Make sure that an object exists once, and say which it is.

    :param if_exists: what to do about one that is there already.
    :param saved: lets a further attempt take what an interrupted one made, whatever ``if_exists`` says.
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
    if saved is not None:
        saved.save({"known": known_ids})
    try:
        created = _create(sender, desired, set(known_ids))
    except FlowServiceError as error:
        if saved is not None and not is_ambiguous(error):
            # Nothing was made, so another attempt must not take for its own what it finds.
            saved.save({})
        raise
    # What was found after a lost answer may be another worker's, and is not ours to delete.
    if if_exists is not IfExists.CREATE and created.resource is None:
        created = _without_twin(sender, desired, created)
    if saved is not None:
        saved.save({"id": created.id})
    return created


def _resume(sender: Sender, desired: Desired[R], saved: SavedState | None) -> EnsureResult[R] | None:
    """What an interrupted attempt of this task made, if it made something."""
    note = saved.load() if saved is not None else None
    if not note:
        return None
    if "id" in note:
        try:
            found = sender.send(desired.read(note["id"]))
        except NotFoundError:
            return None
        if desired.differences(found):
            return None
        log.info("%s %s was made by an earlier attempt", desired.label, found.id)
        return EnsureResult(found.id, found.etag, created=True, resource=found)
    return _look_for_lost(sender, desired, set(note.get("known", ())))


def _matches(sender: Sender, desired: Desired[R]) -> list[R]:
    """What is ours, oldest first."""
    return sorted(filter(desired.is_ours, desired.candidates(sender)), key=_age)


def _age(resource: ExistingResource) -> tuple[int, str]:
    return resource.created_at, resource.id


def find_existing(sender: Sender, desired: Desired[R], if_exists: IfExists) -> R | None:
    """The one that is there already and serves; None if there is none or another is asked for.

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
            " Delete it, choose another name, or say if_exists='reuse'."
        )
    _refuse_ambiguity(desired, known)
    differences = desired.differences(oldest)
    if differences and if_exists is IfExists.REUSE:
        raise DriftError(
            f"{label} {oldest.id} ({desired.name!r}) exists with other settings:"
            f" {'; '.join(map(str, differences))}. Say if_exists='update' to change it, or rename yours."
        )
    return oldest


def _take_existing(
    sender: Sender, desired: Desired[R], known: list[R], if_exists: IfExists
) -> EnsureResult[R]:
    oldest = _choose(desired, known, if_exists)
    if if_exists is IfExists.UPDATE:
        return _update(sender, desired, oldest)
    if desired.secrets:
        log.info(
            "%s %s is reused; whether its credentials are the same cannot be seen", desired.label, oldest.id
        )
    else:
        log.info("%s %s is reused", desired.label, oldest.id)
    return EnsureResult(oldest.id, oldest.etag, created=False, resource=oldest)


def _refuse_ambiguity(desired: Desired[R], known: list[R]) -> None:
    """Several equal ones are twins, and the oldest serves; about different ones nobody can guess."""
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
        "%d equal %ss are called %r (%s); the oldest is used",
        len(known),
        desired.label,
        desired.name,
        ids,
    )


def _update(sender: Sender, desired: Desired[R], found: R) -> EnsureResult[R]:
    """Change what differs; after a conflict or a lost answer, read again and compute again."""
    for attempt in range(1, ATTEMPTS + 1):
        update = desired.update(found)
        if update is None:
            return EnsureResult(found.id, found.etag, created=False, resource=found)
        try:
            sender.send(update)
        except FlowServiceError as error:
            passes = isinstance(error, PreconditionError) or is_ambiguous(error)
            if not passes or attempt == ATTEMPTS:
                raise
            log.info("The change of %s %s is computed again: %s", desired.label, found.id, error)
            clock.current().sleep(delay_after(error, attempt))
            found = sender.send(desired.read(found.id))
        else:
            return _changed(sender, desired, found)
    raise AssertionError("the last attempt returns or raises")


def _changed(sender: Sender, desired: Desired[R], found: R) -> EnsureResult[R]:
    """Read back: some changes are answered with success and change nothing."""
    after = sender.send(desired.read(found.id))
    if differences := desired.differences(after):
        raise DriftError(
            f"{desired.label} {found.id}: AEP answered success to the change, but"
            f" {'; '.join(map(str, differences))}."
        )
    log.info("%s %s is updated", desired.label, found.id)
    return EnsureResult(after.id, after.etag, created=False, resource=after)


def _create(sender: Sender, desired: Desired[R], known: set[str]) -> EnsureResult[R]:
    """Send the create; after a lost answer look whether it had its effect before sending it again."""
    request = desired.create()
    for _ in range(ATTEMPTS):
        try:
            created = sender.send(request)
        except FlowServiceError as error:
            if not is_ambiguous(error):
                raise
            log.warning("The answer to creating %s %r was lost: %s", desired.label, desired.name, error)
            lost = error
        else:
            log.info("%s %s is created (%r)", desired.label, created.id, desired.name)
            return EnsureResult(created.id, created.etag, created=True)
        found = _look_for_lost(sender, desired, known)
        if found is not None:
            return found
    raise lost


def _look_for_lost(sender: Sender, desired: Desired[R], known: set[str]) -> EnsureResult[R] | None:
    """The object that an unanswered create may have made; lists can lag behind, so it looks several times.

    :param known: ids that were there before the create.
    """
    for delay in LOOKS:
        clock.current().sleep(delay)
        fresh = [
            found
            for found in _matches(sender, desired)
            if found.id not in known and not desired.differences(found)
        ]
        if fresh:
            log.info("%s %s was made all the same and is taken", desired.label, fresh[0].id)
            return EnsureResult(fresh[0].id, fresh[0].etag, created=True, resource=fresh[0])
    return None


def _without_twin(sender: Sender, desired: Desired[R], ours: EnsureResult[R]) -> EnsureResult[R]:
    """Take back the object just made if an older equal one turns up: another worker was faster.

    Only what this call made is ever deleted, before its id was handed out; AEP refuses where somebody refers to it.
    Both workers order the twins alike, so one remains. While the list does not show the new object it may not
    show its twin either, so it is read again.
    """
    for delay in (*LOOKS, None):
        equal = [found for found in _matches(sender, desired) if not desired.differences(found)]
        itself = next((found for found in equal if found.id == ours.id), None)
        if itself is not None or delay is None:
            break
        clock.current().sleep(delay)
    if itself is None or equal[0].id == ours.id:
        return replace(ours, resource=itself)
    oldest = equal[0]
    log.warning(
        "Another worker made %s %s (%r) at the same time; the twin %s made here is deleted",
        desired.label,
        oldest.id,
        desired.name,
        ours.id,
    )
    try:
        sender.send(desired.delete(ours.id))
    except BadRequestError as in_use:
        log.warning("Twin %s is left alone, somebody has found and used it: %s", ours.id, in_use)
    return EnsureResult(oldest.id, oldest.etag, created=False, resource=oldest)
