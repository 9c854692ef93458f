"""Creates that give one object however often they run.

A create looks for its own earlier work before it sends anything, looks again when an answer was lost, and
takes back its own twin when another worker was faster.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from airflow_provider_flowservice.client import clock, model, request
from airflow_provider_flowservice.client.desired import Desired
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError, is_ambiguous
from airflow_provider_flowservice.client.listing import iterate
from airflow_provider_flowservice.client.retry import backoff
from airflow_provider_flowservice.client.transport import Sender

log = logging.getLogger(__name__)
R = TypeVar("R", bound=model.Resource)

#: How often a create is sent when its answer is lost each time and nothing was made.
ATTEMPTS = 4


class IfExists(str, Enum):
    """What a create does when its object is there already."""

    REUSE = "reuse"
    UPDATE = "update"
    FAIL = "fail"
    CREATE = "create"


@dataclass(frozen=True)
class Ensured:
    """The one object.

    :param created: whether this call made it.
    """

    id: str
    etag: str | None
    created: bool


def ensure(sender: Sender, desired: Desired[R], if_exists: IfExists = IfExists.REUSE) -> Ensured:
    """Make sure that a resource exists once, and say which it is.

    :param if_exists: what to do about one that is there already.
    :raises DriftError: if one exists with other settings, or several do.
    :raises FlowServiceError: if AEP fails.
    """
    known = _matches(sender, desired)
    if known and if_exists is not IfExists.CREATE:
        return _take_existing(sender, desired, known, if_exists)
    created = _create(sender, desired, known={resource.id for resource in known})
    if if_exists is IfExists.CREATE:
        return created
    return _without_twin(sender, desired, created)


def _matches(sender: Sender, desired: Desired[R]) -> list[R]:
    """What is ours, oldest first."""
    found = iterate(sender, desired.kind, filters=desired.filters)
    return sorted(filter(desired.is_ours, found), key=_age)


def _age(resource: model.Resource) -> tuple[int, str]:
    return resource.created_at, resource.id


def _take_existing(sender: Sender, desired: Desired[R], known: list[R], if_exists: IfExists) -> Ensured:
    label, oldest = desired.kind.label, known[0]
    if if_exists is IfExists.FAIL:
        raise DriftError(
            f"{label} {desired.name!r} exists already: {', '.join(r.id for r in known)}."
            " Delete it, choose another name, or say if_exists='reuse'."
        )
    _refuse_ambiguity(desired, known)
    if if_exists is IfExists.UPDATE:
        return _update(sender, desired, oldest)
    if differences := desired.differences(oldest):
        raise DriftError(
            f"{label} {oldest.id} ({desired.name!r}) exists with other settings:"
            f" {'; '.join(map(str, differences))}. Say if_exists='update' to change it, or rename yours."
        )
    if desired.secrets:
        log.info("%s %s is reused; whether its credentials are the same cannot be seen", label, oldest.id)
    else:
        log.info("%s %s is reused", label, oldest.id)
    return Ensured(oldest.id, oldest.etag, created=False)


def _refuse_ambiguity(desired: Desired[R], known: list[R]) -> None:
    """Several equal ones are twins, and the oldest serves; about different ones nobody can guess."""
    if len(known) < 2:
        return
    ids = ", ".join(resource.id for resource in known)
    differing = {r.id: desired.differences(r) for r in known}
    if any(differing.values()):
        details = " ".join(f"{i}: {'; '.join(map(str, d)) or 'as wanted'}." for i, d in differing.items())
        raise DriftError(
            f"{len(known)} {desired.kind.label}s are called {desired.name!r} and differ. {details}"
            " Delete those that are not meant, or choose another name."
        )
    log.warning(
        "%d equal %ss are called %r (%s); the oldest is used",
        len(known),
        desired.kind.label,
        desired.name,
        ids,
    )


def _update(sender: Sender, desired: Desired[R], found: R) -> Ensured:
    operations = desired.updates(found)
    if not operations:
        return Ensured(found.id, found.etag, created=False)
    sender.send(request.patch(desired.kind, found.id, found.etag or "", operations, secrets=desired.secrets))
    after = sender.send(request.get(desired.kind, found.id))
    if differences := desired.differences(after):
        raise DriftError(
            f"{desired.kind.label} {found.id}: AEP answered success to the change, but"
            f" {'; '.join(map(str, differences))}."
        )
    log.info("%s %s is updated", desired.kind.label, found.id)
    return Ensured(after.id, after.etag, created=False)


def _create(sender: Sender, desired: Desired[R], known: set[str]) -> Ensured:
    """Send the create; after a lost answer look whether it had its effect before sending it again."""
    send_create = request.create(desired.kind, desired.body, secrets=desired.secrets)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            created = sender.send(send_create)
        except FlowServiceError as error:
            if not is_ambiguous(error):
                raise
            log.warning("The answer to creating %s %r was lost: %s", desired.kind.label, desired.name, error)
            lost = error
        else:
            log.info("%s %s is created (%r)", desired.kind.label, created.id, desired.name)
            return Ensured(created.id, created.etag, created=True)
        clock.current().sleep(backoff(attempt, random.random()))  # noqa: S311
        fresh = [resource for resource in _matches(sender, desired) if resource.id not in known]
        if fresh:
            log.info("%s %s was made all the same and is taken", desired.kind.label, fresh[0].id)
            return Ensured(fresh[0].id, fresh[0].etag, created=True)
    raise lost


def _without_twin(sender: Sender, desired: Desired[R], ours: Ensured) -> Ensured:
    """Take back the object just made if an older equal one turns up: another worker was faster.

    Only what this call made is ever deleted, before its id is known to anybody, so nothing can refer to it.
    Both workers order the twins alike, so one remains.
    """
    equal = [r for r in _matches(sender, desired) if not desired.differences(r)]
    if not equal or equal[0].id == ours.id or all(r.id != ours.id for r in equal):
        return ours
    oldest = equal[0]
    log.warning(
        "Another worker made %s %s (%r) at the same time; the twin %s made here is deleted",
        desired.kind.label,
        oldest.id,
        desired.name,
        ours.id,
    )
    sender.send(request.delete(desired.kind, ours.id))
    return Ensured(oldest.id, oldest.etag, created=False)
