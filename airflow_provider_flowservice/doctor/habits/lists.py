"""Habits of Flow Service's lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.http import Kind
from airflow_provider_flowservice.client.model import JsonObject, is_number, member
from airflow_provider_flowservice.doctor.aep import MISSING_ID, Aep, Answer
from airflow_provider_flowservice.doctor.habits.model import Habit, Seen
from airflow_provider_flowservice.doctor.habits.objects import (
    KINDS,
    created,
    first,
    identified,
    lacking,
    problem,
    seen_of_comma,
)

#: A spec that every AEP has, with a space in its name.
_SPEC_NAME = "Amazon Kinesis"


def _last_page_links(aep: Aep) -> Seen:
    for kind in KINDS:
        answer = aep.newest(kind)
        if problem(answer, "") is None and _next(answer) is None:
            return _seen_of_links(answer)
    found = _one(aep)
    if found is None:
        return lacking(aep, "Every list has more than one page; run the doctor again in another sandbox.")
    kind, objects = found
    answer = _filtered(aep, kind, objects[-1]["id"])
    if why := problem(answer, "list for an id"):
        return Seen(None, why)
    return _seen_of_links(answer)


def _seen_of_links(answer: Answer) -> Seen:
    if "_links" in answer.document:
        return Seen("empty", "The last page of a list has _links without next.")
    return Seen("absent", "The last page of a list has no _links.")


def _continuation_token(aep: Aep) -> Seen:
    several = _several(aep)
    if several is None:
        return lacking(aep, "No list has two objects: make a second connection, or add --with-writes.")
    answer = _oldest(aep, several[0])
    if why := problem(answer, "list, one object at a time,"):
        return Seen(None, why)
    token = http.next_token(member(answer.document, "_links"))
    if not token:
        return Seen(
            None,
            "The first of several pages has no link with a token; report this to the provider's project.",
        )
    if quote(token, safe="") != token:
        return Seen(
            "padded", "The token of the next page needs percent-encoding, as one that ends in = does."
        )
    return Seen("plain", "The token of the next page needs no percent-encoding.")


def _list_order(aep: Aep) -> Seen:
    several = _several(aep)
    if several is None or min(several[1]) == max(several[1]):
        return lacking(
            aep,
            "No list has two objects that were made at different times: make a second connection, or add"
            " --with-writes.",
        )
    kind, times = several
    answer = _oldest(aep, kind)
    if why := problem(answer, "list with orderby=createdAt"):
        return Seen(None, why)
    found = created(answer.items[:1])
    if found and found[0] <= min(times):
        return Seen("honored", "With orderby=createdAt, the oldest object comes first.")
    if found and found[0] >= max(times):
        return Seen("ignored", "With orderby=createdAt, the newest object comes first.")
    return Seen(
        None,
        "With orderby=createdAt, neither the oldest nor the newest object comes first; run the doctor again.",
    )


def _count_response(aep: Aep) -> Seen:
    answer = aep.get_flow_service("/flows", ("count", "true"))
    if not answer.is_success:
        return Seen(None, problem(answer, "count of flows") or "")
    if not is_number(member(answer.document, "count")):
        return Seen(None, "The answer to count=true has no count; report this to the provider's project.")
    if isinstance(member(answer.document, "items"), list):
        return Seen("items", "The answer to count=true has items beside the count.")
    return Seen("count", "The answer to count=true has no items.")


def _filter_quotes(aep: Aep) -> Seen:
    quoted = _specs_named(aep, f'"{_SPEC_NAME}"')
    if why := problem(quoted, "list of connection specs for a name in quotes"):
        return Seen(None, why)
    names = {each.get("name") for each in quoted.items}
    if names == {_SPEC_NAME}:
        return Seen("removed", "A filter for the name of a spec finds it with quotes around the name.")
    if not names and _SPEC_NAME in {each.get("name") for each in _specs_named(aep, _SPEC_NAME).items}:
        return Seen(
            "literal", "A filter for the name of a spec only finds it without quotes around the name."
        )
    return Seen(
        None,
        "A filter for the name of a spec does not find that spec alone; ask Adobe whether the organization has"
        " Amazon Kinesis.",
    )


def _specs_named(aep: Aep, value: str) -> Answer:
    return aep.get_flow_service("/connectionSpecs", ("property", f"name=={value}"))


def _lists_comma(aep: Aep) -> Seen:
    found = _one(aep)
    if found is None:
        return lacking(aep, "Nothing can be looked for: make a connection, or add --with-writes.")
    kind, objects = found
    wanted = objects[0]["id"]
    seen = seen_of_comma(_filtered(aep, kind, f"{wanted},{MISSING_ID}"), "id", wanted)
    if seen and seen.value == "or" and len(objects) == 1 and _filtered(aep, kind, MISSING_ID).items:
        seen = None
    if seen and seen.value in ("refuse", "literal"):
        alone = _filtered(aep, kind, wanted)
        if [each.get("id") for each in alone.items] != [wanted]:
            seen = None
    return seen or Seen(
        None, "A filter for one id does not find that object alone; report this to the provider's project."
    )


def _filtered(aep: Aep, kind: Kind[Any], values: str) -> Answer:
    return aep.get_flow_service(f"/{kind.path}", ("property", f"id=={values}"))


def _default_page_size(aep: Aep) -> Seen:
    kinds = (http.FLOWS, http.RUNS, http.TARGET_CONNECTIONS, http.CONNECTIONS)
    answers = []
    for kind in kinds:
        answer = aep.get_flow_service(f"/{kind.path}")
        answers.append((kind, answer))
        if answer.is_success and answer.items and _next(answer) is not None:
            return Seen(len(answer.items), f"A list without limit has {len(answer.items)} objects per page.")
    for kind, answer in answers:
        if why := problem(answer, f"list of {kind.label}s"):
            return Seen(None, why)
    most = max(len(answer.items) for _, answer in answers)
    return Seen(
        None,
        f"No list has a second page, and the longest has {most} objects: run the doctor again when there are more.",
    )


def _next(answer: Answer) -> Any:
    """Return what refers to the page after one; None on the last page."""
    following = member(answer.document, "_links", "next")
    return following.get("href") if isinstance(following, dict) else following


def _one(aep: Aep) -> tuple[Kind[Any], Sequence[JsonObject]] | None:
    """Return the objects of the first kind that has any."""
    return first(aep, lambda kind, objects: (kind, objects) if objects else None)


def _several(aep: Aep) -> tuple[Kind[Any], list[float]] | None:
    """Return the first kind with two objects of different ages or, failing that, with two; and when they were made."""

    def of_different_ages(
        kind: Kind[Any], objects: Sequence[JsonObject]
    ) -> tuple[Kind[Any], list[float]] | None:
        times = created(objects)
        return (kind, times) if len(set(times)) > 1 else None

    def two(kind: Kind[Any], objects: Sequence[JsonObject]) -> tuple[Kind[Any], list[float]] | None:
        return (kind, created(objects) or [0]) if len(objects) > 1 else None

    return first(aep, of_different_ages) or first(aep, two)


def _oldest(aep: Aep, kind: Kind[Any]) -> Answer:
    """Ask for one object of a kind, the oldest."""
    return aep.get_flow_service(f"/{kind.path}", ("limit", "1"), ("orderby", "createdAt"))


def _etag_quotes(aep: Aep) -> Seen:
    etags = (each.get("etag") for kind in KINDS for each in identified(aep, kind))
    etag = next((each for each in etags if isinstance(each, str) and each), None)
    if etag is None:
        return lacking(aep, "Nothing has an etag: make a connection, or add --with-writes.")
    if len(etag) > 1 and etag.startswith('"') and etag.endswith('"'):
        return Seen("inside", "The etag of an object has double quotes inside.")
    if '"' in etag:
        return Seen(
            None,
            "The etag of an object has double quotes in other places; report this to the provider's project.",
        )
    return Seen("none", "The etag of an object has no double quotes inside.")


HABITS: tuple[Habit[Aep], ...] = (
    Habit(
        switch="etag_quotes",
        documented="Both: the reference has double quotes inside, a sample of the destination tutorials has none.",
        look=_etag_quotes,
    ),
    Habit(
        switch="last_page_links",
        documented="Both: the last page has an empty _links, or none.",
        look=_last_page_links,
    ),
    Habit(
        switch="continuation_token",
        documented="The token is opaque. Adobe's own Python client cuts the link at =, so it works without one.",
        look=_continuation_token,
    ),
    Habit(
        switch="list_order",
        documented="orderby takes field names with - for descending order; the newest come first by default.",
        look=_list_order,
    ),
    Habit(
        switch="count_response", documented="count=true returns the count and no items.", look=_count_response
    ),
    Habit(
        switch="filter_quotes",
        documented="One guide has double quotes around a name in a filter, the others have none.",
        look=_filter_quotes,
    ),
    Habit(switch="lists_comma", documented="Values that are separated by commas mean OR.", look=_lists_comma),
    Habit(switch="default_page_size", documented="Nothing but the maximum, 100.", look=_default_page_size),
)
