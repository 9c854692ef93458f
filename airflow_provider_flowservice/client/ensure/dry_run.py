"""The dry run (``plan_only``): describes what a create or a patch would do, without doing it.

An object that does not exist yet gets a placeholder id, ``plan:<kind>:<name>``, so that tasks that depend on it can be
planned too. Placeholders are never sent to AEP.
"""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Collection, Iterable
from typing import Any, Generic, TypeVar

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure.create import (
    IfExists,
    check_adoption,
    find_existing,
    instead_of_update,
)
from airflow_provider_flowservice.client.ensure.desired import Desired, ExistingResource
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.model import Frozen, without_secrets
from airflow_provider_flowservice.client.text import visible

log = logging.getLogger(__name__)
R = TypeVar("R", bound=ExistingResource)

_PREFIX = "plan:"


class PlannedCreate(Frozen, Generic[R], frozen=True):
    """The result of the dry run of a create.

    :param id: the id of the existing object, or a placeholder.
    :param change: readable form of the requests that would be sent; None if none would be sent.
    :param found: the existing object, if any.
    """

    id: str
    change: str | None
    found: R | None = None


def planned_id(label: str, name: str) -> str:
    """Return the placeholder id of an object that does not exist yet."""
    return f"{_PREFIX}{label.replace(' ', '_')}:{name}"


def is_planned(resource_id: Any) -> bool:
    """Whether an id is a placeholder."""
    return isinstance(resource_id, str) and resource_id.startswith(_PREFIX)


def plan_create(
    sender: Sender, desired: Desired[R], if_exists: IfExists, adopt_id: str | None = None
) -> PlannedCreate[R]:
    """Search for the object as a create does, and return what it would send.

    :param adopt_id: id of the object, or its placeholder.
    :raises InvalidInputError: if the create would raise it.
    :raises NotFoundError: if no object has the id ``adopt_id``.
    :raises DriftError: if the create would raise it.
    """
    found = None
    if adopt_id is not None:
        check_adoption(if_exists)
        if is_planned(adopt_id):
            return PlannedCreate(adopt_id, None)
    has_planned_parent = any(map(is_planned, desired.parents))
    if not has_planned_parent:
        _warn_about_parents(sender, desired)
    # An object whose parent does not exist does not exist either.
    if adopt_id is not None or not has_planned_parent:
        found = find_existing(sender, desired, if_exists, adopt_id)
    if found is None:
        planned = planned_id(desired.label, desired.planned_name)
        requests = [
            desired.completed(sender).create(),
            *(part.update(part.absent) for part in desired.parts(planned)),
        ]
        return PlannedCreate(planned, _shown(requests, desired))
    parts = [(part, sender.send(part.read)) for part in desired.parts(found.id)]
    if if_exists is IfExists.UPDATE:
        requests = [desired.update(found), *(part.update(shown) for part, shown in parts)]
        return PlannedCreate(found.id, _shown(requests, desired), found)
    if differing := tuple(each for part, shown in parts for each in part.differences(shown)):
        raise desired.differs(found.id, differing, instead_of_update(adopt_id))
    return PlannedCreate(found.id, None, found)


def _warn_about_parents(sender: Sender, desired: Desired[R]) -> None:
    """Log what is wrong with the parents: an earlier task of the dry run may be the one that would change it."""
    try:
        desired.check(sender)
    except DriftError as error:
        log.warning("Unless an earlier task changes it, this would fail: %s", error)


def _shown(requests: Iterable[Request[Any] | None], desired: Desired[R]) -> str | None:
    """Return the readable form of requests; None if there are none."""
    shown = [f"{each.method} {each.path}\n{pretty(each.json, desired.secrets)}" for each in requests if each]
    return "\n".join(shown) or None


def difference(before: Any, after: Any) -> str:
    """Return the lines in which two JSON values differ, as a unified diff."""
    lines = difflib.unified_diff(
        pretty(before).splitlines(), pretty(after).splitlines(), "before", "after", lineterm="", n=2
    )
    return "\n".join(lines)


def pretty(value: Any, secrets: Collection[str] = ()) -> str:
    """Return a JSON value in readable form, with credentials masked.

    :param secrets: values to mask in addition to those whose names suggest a credential.
    """
    return visible(json.dumps(without_secrets(value, secrets), indent=2, ensure_ascii=False))


def reject_planned(field: str, resource_id: Any) -> None:
    """Reject a placeholder, which must not be sent to AEP.

    :raises DriftError: if the id is a placeholder.
    """
    if is_planned(resource_id):
        raise DriftError(
            f"{field}: {resource_id!r} is a placeholder from a plan_only task. Run that task without plan_only, or"
            " set plan_only here too."
        )


def operations_json(operations: tuple[model.Operation, ...]) -> list[model.JsonObject]:
    """Return a patch as JSON, for the return value of a task."""
    return [operation.to_json() for operation in operations]
