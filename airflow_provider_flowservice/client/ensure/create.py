"""Idempotent creation: a create results in one object, no matter how often it runs.

A create searches for an existing object before it sends anything, searches again if the response was lost, and deletes
the duplicate that it has created if another worker was faster.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from airflow_provider_flowservice.client.converge import converge, look
from airflow_provider_flowservice.client.ensure.desired import Desired, ExistingResource, Part
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    InvalidInputError,
    NotFoundError,
    is_ambiguous,
    retyped,
)
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.text import titled

log = logging.getLogger(__name__)
R = TypeVar("R", bound=ExistingResource)

#: Maximum number of times that a create is sent if its response is lost and no object is found. Each attempt is
#: followed by a search of up to 15.5 s, so four attempts already take a minute; Airflow's retries follow.
ATTEMPTS = 4


class IfExists(StrEnum):
    """What a create does if the object already exists."""

    REUSE = "reuse"
    UPDATE = "update"
    FAIL = "fail"
    CREATE = "create"


class EnsureResult(Frozen, Generic[R], frozen=True):
    """The result of a create.

    :param created: whether this call created it.
    :param resource: the object as read from AEP; None if only the response to the create is known.
    """

    id: str
    etag: str | None
    created: bool
    resource: R | None = None


class SavedState:
    """State that an attempt saves for the next one. This implementation saves nothing."""

    def load(self) -> dict[str, Any] | None:
        """Return the state that an earlier attempt saved, or None."""
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state."""


NOTHING_SAVED = SavedState()


def ensure(
    sender: Sender,
    desired: Desired[R],
    if_exists: IfExists = IfExists.REUSE,
    saved: SavedState = NOTHING_SAVED,
    adopt_id: str | None = None,
) -> EnsureResult[R]:
    """Make sure that an object exists exactly once, and return it.

    :param if_exists: what to do if the object already exists.
    :param saved: lets an attempt use the object that an interrupted one created, regardless of ``if_exists``.
    :param adopt_id: id of the object, which is then neither searched for nor created.
    :raises InvalidInputError: if ``adopt_id`` contradicts ``if_exists``, or is not an id.
    :raises NotFoundError: if no object has the id ``adopt_id``.
    :raises DriftError: if the object exists with other settings, or several different ones exist.
    :raises FlowServiceError: if a request fails.
    """
    if adopt_id is None:
        desired.check(sender)
        ensured = _ensure_itself(sender, desired, if_exists, saved)
    else:
        check_adoption(if_exists)
        desired.check(sender)
        ensured = _use(sender, desired, _read_adopted(sender, desired, adopt_id, if_exists), if_exists)
    may_change = ensured.created or if_exists is IfExists.UPDATE
    changed = [
        _ensure_part(sender, desired, ensured.id, part, may_change, instead_of_update(adopt_id))
        for part in desired.parts(ensured.id)
    ]
    # A change of a part may have changed the object.
    return msgspec.structs.replace(ensured, resource=None) if any(changed) else ensured


def _ensure_itself(
    sender: Sender, desired: Desired[R], if_exists: IfExists, saved: SavedState
) -> EnsureResult[R]:
    resumed = _resume(sender, desired, saved)
    if resumed is not None:
        return _confirm(sender, desired, resumed)
    known = _matching(sender, desired)
    if known and if_exists is not IfExists.CREATE:
        return _use(sender, desired, _choose(desired, known, if_exists), if_exists)
    desired = desired.completed(sender)
    known_ids = sorted(found.id for found in known)
    saved.save({"known": known_ids})
    try:
        created = _create(sender, desired, set(known_ids))
    except FlowServiceError as error:
        if not is_ambiguous(error):
            # Nothing was created, so the next attempt must not treat an object that it finds as created by this task.
            saved.save({})
        raise
    # An object found after a lost response may have been created by another worker and must not be deleted.
    if if_exists is not IfExists.CREATE and created.resource is None:
        created = _without_duplicate(sender, desired, created)
    saved.save({"id": created.id})
    return _confirm(sender, desired, created)


def _confirm(sender: Sender, desired: Desired[R], created: EnsureResult[R]) -> EnsureResult[R]:
    """Send what AEP has left out of a create."""
    if not desired.needs_confirmation:
        return created
    read, title = desired.read(created.id), desired.title(created.id)
    shown = converge(
        sender, read, desired.update, desired.not_applied, what=title, found=created.resource
    ).resource
    return msgspec.structs.replace(created, etag=shown.etag, resource=shown)


def _ensure_part(
    sender: Sender, desired: Desired[R], found_id: str, part: Part[Any], may_change: bool, instead: str
) -> bool:
    """Bring a part of an object to its desired state.

    :param may_change: whether it may be changed: the object was created by this task or is to be updated. Otherwise, it
        is waited for, because the task that has created the object may not have completed it yet.
    :param instead: what to do about differences, unless it is to be changed.
    :returns: whether it was changed.
    """
    title = desired.title(found_id)
    if may_change:
        return converge(sender, part.read, part.update, part.differences, what=title).changed
    if left := look(lambda: part.differences(sender.send(part.read)), until=lambda left: not left):
        raise desired.differs(found_id, left, instead)
    return False


def _resume(sender: Sender, desired: Desired[R], saved: SavedState) -> EnsureResult[R] | None:
    """Return the object that an interrupted attempt of this task created, if any."""
    note = saved.load()
    if not note:
        return None
    if "id" in note:
        try:
            found = sender.send(desired.read(note["id"]))
        except NotFoundError:
            return None
        if not desired.is_as_created(found):
            return None
        log.info("Reusing %s, created by an earlier attempt", desired.title(found.id))
        return EnsureResult(found.id, found.etag, created=True, resource=found)
    return _look_for_lost(sender, desired, set(note.get("known", ())))


def _matching(sender: Sender, desired: Desired[R]) -> list[R]:
    """Return the objects with this name, spec and parents, oldest first."""
    return sorted(filter(desired.matches, desired.candidates(sender)), key=_age)


def _equal(sender: Sender, desired: Desired[R]) -> list[R]:
    """Return the objects that the create may have led to, oldest first."""
    return [found for found in _matching(sender, desired) if desired.is_as_created(found)]


def _age(resource: ExistingResource) -> tuple[int, str]:
    return resource.created_at, resource.id


def find_existing(
    sender: Sender, desired: Desired[R], if_exists: IfExists, adopt_id: str | None = None
) -> R | None:
    """Return the existing object to use; None if there is none or ``if_exists`` requests another one.

    :param adopt_id: id of the object, if it is known.
    :raises NotFoundError: if no object has the id ``adopt_id``.
    :raises DriftError: if it exists with other settings or although it must not, or several different ones exist.
    """
    if adopt_id is not None:
        return _read_adopted(sender, desired, adopt_id, if_exists)
    known = _matching(sender, desired)
    if not known or if_exists is IfExists.CREATE:
        return None
    return _choose(desired, known, if_exists)


def _choose(desired: Desired[R], known: list[R], if_exists: IfExists) -> R:
    label, oldest = desired.label, known[0]
    if if_exists is IfExists.FAIL:
        raise DriftError(
            f"{label} {desired.name!r} already exists: {', '.join(r.id for r in known)}."
            " Delete it, choose another name, or set if_exists='reuse'."
        )
    _reject_ambiguity(desired, known)
    differences = desired.differences(oldest)
    if differences and if_exists is IfExists.REUSE:
        raise desired.differs(oldest.id, differences, instead_of_update(None))
    return oldest


def check_adoption(if_exists: IfExists | str) -> None:
    """Check that an object with a given id may be used.

    :param if_exists: as it is given; a template is not checked.
    :raises InvalidInputError: if it rules out that an existing object is used.
    """
    if if_exists in (IfExists.FAIL, IfExists.CREATE):
        raise InvalidInputError(
            "adopt_id",
            f"is given together with if_exists={str(if_exists)!r}, which never uses an existing resource",
            "Remove one of them, or set if_exists to 'reuse' or 'update'.",
        )


def instead_of_update(adopt_id: str | None) -> str:
    """Return what to do about an object that differs, unless it is to be changed; the end of a sentence."""
    return "choose another name" if adopt_id is None else "change the arguments to what AEP has"


def _read_adopted(sender: Sender, desired: Desired[R], adopt_id: str, if_exists: IfExists) -> R:
    """Read the object to adopt, and reject it if it cannot be brought to the desired state."""
    try:
        found = sender.send(desired.read(adopt_id))
    except NotFoundError as error:
        problem = f"adopt_id: AEP has no {desired.label} {adopt_id!r} in this sandbox"
        remedy = "Correct the id or the sandbox, or remove adopt_id to create a new one."
        raise retyped(error, NotFoundError, f"{problem}. {remedy}") from None
    renamed = desired.name_differences(found)
    if fixed := (*desired.fixed_differences(found), *(() if desired.is_renamed else renamed)):
        raise DriftError(
            f"adopt_id: {titled(desired.label, found.name, found.id)} has other settings, which cannot be changed:"
            f" {'; '.join(map(str, fixed))}. Correct adopt_id, or {instead_of_update(adopt_id)}, or remove adopt_id"
            " to create a new one."
        )
    differing = (*renamed, *desired.differences(found))
    if differing and if_exists is IfExists.REUSE:
        raise desired.differs(found.id, differing, instead_of_update(adopt_id))
    if if_exists is IfExists.UPDATE:
        try:
            desired.update(found)
        except DriftError as error:
            raise DriftError(f"{error.message} For a new one, remove adopt_id.") from None
    return found


def _use(sender: Sender, desired: Desired[R], found: R, if_exists: IfExists) -> EnsureResult[R]:
    """Bring an existing object to the desired state if it is to be updated, and return it."""
    title = desired.title(found.id)
    if if_exists is IfExists.UPDATE:
        read = desired.read(found.id)
        updated = converge(sender, read, desired.update, desired.not_applied, what=title, found=found)
        found = updated.resource
        if not updated.changed:
            log.info("Reusing %s, which has the desired settings already", title)
    elif desired.secrets:
        log.info("Reusing %s; AEP does not show whether its credentials are the same", title)
    else:
        log.info("Reusing %s", title)
    return EnsureResult(found.id, found.etag, created=False, resource=found)


def _reject_ambiguity(desired: Desired[R], known: list[R]) -> None:
    """Accept several equal objects, of which the oldest is used; reject objects that differ."""
    if len(known) < 2:
        return
    ids = ", ".join(resource.id for resource in known)
    differing = {r.id: desired.differences(r) for r in known}
    if any(differing.values()):
        details = " ".join(f"{i}: {'; '.join(map(str, d)) or 'as desired'}." for i, d in differing.items())
        raise DriftError(
            f"{len(known)} {desired.label}s are named {desired.name!r} and differ. {details}"
            " Delete the ones that you do not need, or choose another name."
        )
    log.warning(
        "%d equal %ss are named %r (%s); using the oldest", len(known), desired.label, desired.name, ids
    )


def _create(sender: Sender, desired: Desired[R], known: set[str]) -> EnsureResult[R]:
    """Send the create; after a lost response, check whether it took effect before sending it again."""
    request = desired.create()
    for _ in range(ATTEMPTS):
        try:
            created = sender.send(request)
        except FlowServiceError as error:
            if not is_ambiguous(error):
                raise
            log.warning("No response to the creation of %s %r: %s", desired.label, desired.name, error)
            lost = error
        else:
            log.info("Created %s", desired.title(created.id))
            return EnsureResult(created.id, created.etag, created=True)
        found = _look_for_lost(sender, desired, known)
        if found is not None:
            return found
    raise lost


def _look_for_lost(sender: Sender, desired: Desired[R], known: set[str]) -> EnsureResult[R] | None:
    """Search for an object created by a request whose response was lost; lists may show it late.

    :param known: ids of the objects that existed before the create.
    """
    fresh = look(lambda: [found for found in _equal(sender, desired) if found.id not in known], until=bool)
    if not fresh:
        return None
    title = desired.title(fresh[0].id)
    log.info("Reusing %s, created although the response was lost", title)
    return EnsureResult(fresh[0].id, fresh[0].etag, created=True, resource=fresh[0])


def _without_duplicate(sender: Sender, desired: Desired[R], ours: EnsureResult[R]) -> EnsureResult[R]:
    """Delete the object just created if an older equal one appears because another worker was faster.

    Only an object that this call created is ever deleted, before its id is returned; AEP rejects the deletion if
    another object refers to it. All workers sort the duplicates in the same order, so exactly one remains. A list that
    does not show the new object yet may lack an older one as well, so it is read again.
    """
    equal = look(lambda: _equal(sender, desired), until=lambda known: ours.id in {each.id for each in known})
    itself = next((found for found in equal if found.id == ours.id), None)
    if itself is None or equal[0].id == ours.id:
        return msgspec.structs.replace(ours, resource=itself)
    oldest = equal[0]
    title = desired.title(oldest.id)
    log.warning(
        "Another worker created %s at the same time; deleting the duplicate %s of this task", title, ours.id
    )
    try:
        sender.send(desired.delete(ours.id))
    except BadRequestError as in_use:
        log.warning("Not deleting duplicate %s, because it is already in use: %s", ours.id, in_use)
    return EnsureResult(oldest.id, oldest.etag, created=False, resource=oldest)
