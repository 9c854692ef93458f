"""What the checks of habits have in common: which objects there are, and why nothing can be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.http import Kind
from airflow_provider_flowservice.client.model import JsonObject, is_number, member
from airflow_provider_flowservice.doctor.aep import Aep, Answer
from airflow_provider_flowservice.doctor.habits.model import Seen

T = TypeVar("T")

#: The kinds of objects that the switches about lists are about.
KINDS: tuple[Kind[Any], ...] = (
    http.FLOWS,
    http.CONNECTIONS,
    http.SOURCE_CONNECTIONS,
    http.TARGET_CONNECTIONS,
)


def identified(aep: Aep, kind: Kind[Any]) -> list[JsonObject]:
    """Return up to 100 objects of a kind with ids that can be used in filters, the newest first."""
    by_id = {each["id"]: each for each in aep.recent(kind) if is_usable(each.get("id"))}
    return list(by_id.values())


def first(
    aep: Aep,
    choose: Callable[[Kind[Any], Sequence[JsonObject]], T | None],
    kinds: Iterable[Kind[Any]] = KINDS,
) -> T | None:
    """Return what is chosen from the objects of the first kind that has it."""
    for kind in kinds:
        if (chosen := choose(kind, identified(aep, kind))) is not None:
            return chosen
    return None


def lacking(aep: Aep, why: str, kinds: Iterable[Kind[Any]] = KINDS) -> Seen:
    """Return that something is not there, or else that it cannot be seen, because a list cannot be read."""
    problems = (problem(aep.newest(kind), f"list of {kind.label}s") for kind in kinds)
    return Seen(None, next(filter(None, problems), why))


def problem(answer: Answer, what: str, *members: str) -> str | None:
    """Return why an answer does not have what is looked for; None if it has.

    :param members: path of the list that it must have; that of Flow Service by default.
    """
    if not answer.is_success:
        return f"The {what} cannot be read ({answer.label}); {remedy(answer)}."
    if not isinstance(member(answer.document, *(members or ("items",))), list):
        return (
            f"The {what} does not have the form that Adobe documents; report this to the provider's project."
        )
    return None


def remedy(answer: Answer) -> str:
    """Return what to do about a failure, as the end of a sentence."""
    if answer.status in (401, 403, 404):
        return "see what the report says of permissions"
    return "run the doctor again, and report it to the provider's project if it stays so"


def read(aep: Aep, kind: Kind[Any], found: JsonObject) -> JsonObject:
    """Return an object as a read by its id shows it; empty if it cannot be read."""
    items = aep.get_flow_service(f"/{kind.path}/{quote(found['id'], safe='')}").items
    return items[0] if items else {}


def seen_of_comma(answer: Answer, field: str, value: str) -> Seen | None:
    """Read the list for a filter with two values, of which only the first is that of any object.

    :param field: that of the filter.
    :returns: what the comma means; None if the filter may have been ignored.
    """
    if answer.status == 400:
        return Seen("refuse", f"A filter with a comma is refused ({answer.label}).")
    if why := problem(answer, "list for a filter with a comma"):
        return Seen(None, why)
    if not answer.items:
        return Seen("literal", "A filter with two values finds nothing, although an object has one of them.")
    if all(each.get(field) == value for each in answer.items):
        return Seen("or", "A filter with two values finds what has either of them.")
    return None


def created(found: Iterable[JsonObject]) -> list[float]:
    """Return when objects were created, as far as AEP shows it."""
    return [each["createdAt"] for each in found if is_number(each.get("createdAt"))]


def is_usable(found_id: object) -> bool:
    """Whether an id can be used in a filter."""
    return isinstance(found_id, str) and http.is_plain(found_id)
