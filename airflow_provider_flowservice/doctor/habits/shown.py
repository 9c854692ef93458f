"""Habits of what AEP shows of flows and connections, and what it leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.model import AuthSpec, JsonObject, looks_secret, member, objects
from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.habits.model import Habit, Seen
from airflow_provider_flowservice.doctor.habits.objects import identified, is_usable, lacking, read

#: How many objects are read one by one at most, each with another spec than the others.
_MOST = 3
#: What stands in the place of a credential: nothing but signs, one letter again and again, or a word in brackets.
_MASK = re.compile(r"[\W_]*|([xX•])\1+|.*\*{3}.*|(?i:<.*>|\{.*\}|.*(masked|redacted|hidden).*)", re.DOTALL)


def _list_selectors(aep: Aep) -> Seen:
    flows = identified(aep, http.FLOWS)
    if any(_selectors(flow) for flow in flows):
        return Seen("shown", "The list of flows has their selectors.")
    for flow in _one_of_each_spec(flows, "flowSpec"):
        if whole := _transformations(read(aep, http.FLOWS, flow)):
            if _transformations(flow) == whole:
                return Seen("shown", "The list of flows has the same transformations as a read by id.")
            return Seen("omitted", "A read by id has transformations that the list of flows does not have.")
    return lacking(
        aep,
        "No flow has a transformation: make a flow to a destination, or add --with-writes.",
        (http.FLOWS,),
    )


def _inherited_attributes(aep: Aep) -> Seen:
    flows = identified(aep, http.FLOWS)
    if not flows:
        return lacking(
            aep, "The sandbox does not have any flows: make one, or add --with-writes.", (http.FLOWS,)
        )
    if any(flow.get("inheritedAttributes") for flow in flows):
        return Seen("shown", "The list of flows has their inheritedAttributes.")
    if read(aep, http.FLOWS, flows[0]).get("inheritedAttributes"):
        return Seen(
            None,
            "A read by id has inheritedAttributes and the list of flows does not, for which the switch has no value.",
        )
    return Seen("omitted", "Flows have no inheritedAttributes.")


def _mask_secrets(aep: Aep) -> Seen:
    connections = identified(aep, http.CONNECTIONS)
    # Lists may leave out what a read by id shows.
    if not any(map(_auth_params, connections)):
        connections = [
            {**each, **read(aep, http.CONNECTIONS, each)}
            for each in _one_of_each_spec(connections, "connectionSpec")
        ]
    with_params = sorted(filter(_auth_params, connections), key=_has_credential, reverse=True)
    shown = False
    for connection in _one_of_each_spec(with_params, "connectionSpec"):
        params = _auth_params(connection)
        spec = _auth_spec(aep, connection)
        required = spec.required if spec else frozenset()
        names = [name for name in {*params, *required} if _is_secret(name, spec)]
        if any(_is_masked(params.get(name)) for name in names):
            return Seen(True, "A credential of a connection is masked, or left out.")
        shown |= any(isinstance(params.get(name), str) for name in names)
    if shown:
        return Seen(False, "The credentials of a connection are shown.")
    return lacking(
        aep,
        "No connection has a credential: make one to a destination such as Amazon Kinesis, or add --with-writes.",
        (http.CONNECTIONS,),
    )


def _one_of_each_spec(found: list[JsonObject], field: str) -> Iterator[JsonObject]:
    by_spec: dict[Any, JsonObject] = {}
    for each in found:
        by_spec.setdefault(str(member(each, field, "id")), each)
    yield from list(by_spec.values())[:_MOST]


def _transformations(flow: JsonObject) -> list[JsonObject]:
    return objects(flow, "transformations")


def _selectors(flow: JsonObject) -> list[JsonObject]:
    fields = ("segmentSelectors", "profileSelectors")
    return [
        selector
        for transformation in _transformations(flow)
        for field in fields
        for selector in objects(transformation, "params", field, "selectors")
    ]


def _auth_params(connection: JsonObject) -> JsonObject:
    params = member(connection, "auth", "params")
    return params if isinstance(params, dict) else {}


def _has_credential(connection: JsonObject) -> bool:
    return any(map(looks_secret, _auth_params(connection)))


def _auth_spec(aep: Aep, connection: JsonObject) -> AuthSpec | None:
    """Return what the spec of a connection says about its credentials; None if it does not say anything."""
    spec_id = member(connection, "connectionSpec", "id")
    if not is_usable(spec_id):
        return None
    items = aep.get_flow_service(f"/connectionSpecs/{quote(spec_id, safe='')}").items
    name = member(connection, "auth", "specName")
    found = (
        next((each for each in objects(items[0], "authSpec") if each.get("name") == name), None)
        if items
        else None
    )
    try:
        return msgspec.convert(found, AuthSpec) if found else None
    except msgspec.ValidationError:
        return None


def _is_secret(name: str, spec: AuthSpec | None) -> bool:
    return spec.is_secret(name) if spec else looks_secret(name)


def _is_masked(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(_MASK.fullmatch(value)))


HABITS: tuple[Habit[Aep], ...] = (
    Habit(
        switch="list_selectors",
        documented="Nothing: the samples with selectors are reads by id.",
        look=_list_selectors,
    ),
    Habit(
        switch="inherited_attributes",
        documented="The API reference has inheritedAttributes; users report that parts of it have disappeared.",
        look=_inherited_attributes,
    ),
    Habit(
        switch="mask_secrets",
        documented="Connections show a part of their credentials; the samples have placeholders.",
        look=_mask_secrets,
    ),
)
