"""Habits of Schema Registry and Data Prep."""

from __future__ import annotations

from urllib.parse import quote

from airflow_provider_flowservice.client.datasets import DATA_PREP, SCHEMA_REGISTRY
from airflow_provider_flowservice.client.model import JsonObject, member, objects
from airflow_provider_flowservice.doctor.aep import Aep, Answer
from airflow_provider_flowservice.doctor.habits.model import Habit, Seen
from airflow_provider_flowservice.doctor.habits.objects import problem, remedy

SCHEMAS = f"{SCHEMA_REGISTRY}/tenant/schemas"
_MAPPING_SETS = f"{DATA_PREP}/mappingSets"
#: A class that every organization has.
_GLOBAL_CLASS = "https://ns.adobe.com/xdm/context/profile"
_IDENTITY = "xdm:descriptorIdentity"


def _union_without_identity(aep: Aep) -> Seen:
    listed, descriptors = _schemas(aep), _descriptors(aep)
    if why := problem(listed, "list of schemas", "results"):
        return Seen(None, why)
    if not descriptors.is_success or not isinstance(descriptors.document, dict):
        return Seen(
            None, f"The list of descriptors cannot be read ({descriptors.label}); {remedy(descriptors)}."
        )
    if any(member(descriptors.document, *path) for path in (("_page", "next"), ("_links", "next"))):
        return Seen(
            None,
            "The list of descriptors has several pages; run the doctor again in a sandbox with fewer schemas.",
        )
    identities = [
        each for each in objects(descriptors.document, _IDENTITY) if each.get("xdm:isPrimary") is True
    ]
    with_identity = {each.get("xdm:sourceSchema") for each in identities}
    if any(_is_enabled(each) and each.get("$id") not in with_identity for each in _listed(listed)):
        return Seen("accept", "A schema is enabled for Profile that has no primary identity.")
    return Seen(
        None,
        "No schema without a primary identity is enabled for Profile. Trying it would leave a schema that cannot be"
        " removed; enable one in a sandbox that can be reset.",
        is_out_of_reach=True,
    )


def _is_enabled(schema: JsonObject) -> bool:
    """Whether a schema is enabled for Profile, and not with an identity map, which holds its primary identity."""
    tags, parts = schema.get("meta:immutableTags"), (schema.get("allOf"), schema.get("meta:extends"))
    has_identity_map = "identitymap" in str(parts).lower()
    return isinstance(tags, list) and "union" in tags and not has_identity_map


def _listed(listed: Answer) -> list[JsonObject]:
    """Return the schemas of a list."""
    return [each for each in objects(listed.document, "results") if isinstance(each.get("$id"), str)]


def _schemas(aep: Aep) -> Answer:
    params = (("orderby", "title"), ("limit", "300"))
    return aep.get(SCHEMAS, params, (("Accept", "application/vnd.adobe.xed+json"),))


def _descriptors(aep: Aep) -> Answer:
    return aep.get(
        f"{SCHEMA_REGISTRY}/tenant/descriptors", (), (("Accept", "application/vnd.adobe.xdm+json"),)
    )


def _schema_desc_form(aep: Aep) -> Seen:
    schema_ids = [each["$id"] for each in _listed(_schemas(aep))]
    # Without descriptors, a schema may look the same in either form.
    groups = _descriptors(aep).document
    described = {
        each.get("xdm:sourceSchema")
        for group in (groups if isinstance(groups, dict) else {})
        for each in objects(groups, group)
    }
    path = f"{SCHEMA_REGISTRY}/global/classes/{quote(_GLOBAL_CLASS, safe='')}"
    if schema_ids:
        chosen = next((each for each in schema_ids if each in described), schema_ids[0])
        path = f"{SCHEMAS}/{quote(chosen, safe='')}"
    answer = aep.get(path, (), (("Accept", "application/vnd.adobe.xed-full-desc+json; version=1"),))
    if not answer.is_success or member(answer.document, "$id") is None:
        return Seen(None, f"A schema cannot be read with its descriptors ({answer.label}); {remedy(answer)}.")
    if "meta:descriptors" in answer.document:
        return Seen("descriptors", "A schema that is read with -desc has its descriptors.")
    if "title" not in answer.document:
        return Seen("descriptions", "A schema that is read with -desc has no title.")
    return Seen(
        None,
        "A schema that is read with -desc has a title and no descriptors: make a schema with an identity.",
    )


def _limit_without_orderby(aep: Aep) -> Seen:
    answer = aep.get(SCHEMAS, (("limit", "1"),), (("Accept", "application/vnd.adobe.xed-id+json"),))
    what = "list of schemas with limit and without orderby"
    if (why := problem(answer, what, "results")) is None:
        return Seen("accept", f"A {what} is returned.")
    refused = answer.status == 400 and _schemas(aep).is_success
    return Seen("refuse", f"A {what} is refused ({answer.label}).") if refused else Seen(None, why)


def _mapping_set_paging(aep: Aep) -> Seen:
    answer = aep.get(_MAPPING_SETS)
    what = "list of mapping sets without start and limit"
    if (why := problem(answer, what, "data")) is None:
        return Seen("optional", f"A {what} is returned.")
    refused = answer.status == 400 and aep.get(_MAPPING_SETS, (("limit", "1"), ("start", "0"))).is_success
    return Seen("required", f"A {what} is refused ({answer.label}).") if refused else Seen(None, why)


HABITS: tuple[Habit[Aep], ...] = (
    Habit(
        switch="union_without_identity",
        documented="The guides ask for a primary identity first; the streaming tutorials do without.",
        look=_union_without_identity,
    ),
    Habit(
        switch="schema_desc_form",
        documented="Both: -desc adds descriptors in the guides, and leaves out titles in the API reference.",
        look=_schema_desc_form,
    ),
    Habit(
        switch="limit_without_orderby",
        documented="orderby is mandatory with start and limit; Adobe's own Python client leaves it out.",
        look=_limit_without_orderby,
    ),
    Habit(
        switch="mapping_set_paging",
        documented="start and limit are required in the API reference; Adobe's own Python client sends no start.",
        look=_mapping_set_paging,
    ),
)
