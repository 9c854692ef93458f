"""Ids of well-known connection and flow specs, the lookup of others, and the transformations that new flows require.

Specs that a user gives by name are looked up at run time. The ids are for specs that the provider handles specially.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any, TypeVar

from airflow_provider_flowservice.client.ensure import is_planned, planned_id
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import could_be, iterate
from airflow_provider_flowservice.client.http.request import Kind, Sender
from airflow_provider_flowservice.client.model import (
    ConnectionSpec,
    Flow,
    FlowSpec,
    JsonObject,
    SelectorKind,
    SpecRef,
    is_uuid,
)
from airflow_provider_flowservice.client.text import did_you_mean, plain_text

SPEC = TypeVar("SPEC", ConnectionSpec, FlowSpec)

#: The profile store, which flows to destinations read from.
UNIFIED_PROFILE_SERVICE = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
#: The data lake, which flows from sources write to.
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
#: The data lake, which dataset exports read from.
DATA_LAKE_EXPORT = "23598e46-f560-407b-88d5-ea6207e49db0"
AMAZON_KINESIS = "86043421-563b-46ec-8e6c-e23184711bf6"
AZURE_EVENT_HUBS = "bf9f5905-92b7-48bf-bf20-455bc6b60a4e"
HTTP_API = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"

#: Flow spec of profile-based destinations: streaming destinations and the older file destinations.
PROFILE_DESTINATION_FLOW = "71471eba-b620-49e4-90fd-23f1fa0174d8"
#: File destinations: connection spec, flow spec for segments, and flow spec for datasets.
AMAZON_S3 = "4fce964d-3f37-408f-9778-e597338a21ee"
AMAZON_S3_FLOW = "1a0514a6-33d4-4c7f-aff8-594799c47549"
AMAZON_S3_DATASET_FLOW = "269ba276-16fc-47db-92b0-c1049a3c131f"
AZURE_BLOB = "6d6b59bf-fb58-4107-9064-4d246c0e5bb2"
AZURE_BLOB_FLOW = "752d422f-b16f-4f0d-b1c6-26e448e3b388"
AZURE_BLOB_DATASET_FLOW = "95bd8965-fc8a-4119-b9c3-944c2c2df6d2"
AZURE_DATA_LAKE = "be2c3209-53bc-47e7-ab25-145db8b873e1"
AZURE_DATA_LAKE_FLOW = "db060570-a155-418a-a6d3-b4d97698e5dc"
AZURE_DATA_LAKE_DATASET_FLOW = "17be2013-2549-41ce-96e7-a70363bec293"
DATA_LANDING_ZONE = "10440537-2a7b-4583-ac39-ed38d4b848e8"
DATA_LANDING_ZONE_FLOW = "7e635b9f-e59b-4546-8ba8-fce6496693c8"
DATA_LANDING_ZONE_DATASET_FLOW = "cd2fc47e-e838-4f38-a581-8fff2f99b63a"
GOOGLE_CLOUD_STORAGE = "c5d93acb-ea8b-4b14-8f53-02138444ae99"
GOOGLE_CLOUD_STORAGE_FLOW = "976d663b-80b4-4193-be6b-2d0487516623"
GOOGLE_CLOUD_STORAGE_DATASET_FLOW = "585c15c4-6cbf-4126-8f87-e26bff78b657"
SFTP = "36965a81-b1c6-401b-99f8-22508f1e6a26"
SFTP_FLOW = "fd36aaa4-bf2b-43fb-9387-43785eeeb799"
SFTP_DATASET_FLOW = "354d6aad-4754-46e4-a576-1b384561c440"
#: The flow spec for segments of each file destination, by its connection spec.
FILE_FLOWS = {
    AMAZON_S3: AMAZON_S3_FLOW,
    AZURE_BLOB: AZURE_BLOB_FLOW,
    AZURE_DATA_LAKE: AZURE_DATA_LAKE_FLOW,
    DATA_LANDING_ZONE: DATA_LANDING_ZONE_FLOW,
    GOOGLE_CLOUD_STORAGE: GOOGLE_CLOUD_STORAGE_FLOW,
    SFTP: SFTP_FLOW,
}
#: Flow specs of HTTP API sources: for XDM records, and for raw records with a mapping set.
HTTP_API_FLOW = "d8a6f005-7eaf-4153-983e-e8574508b877"
HTTP_API_FLOW_WITH_MAPPING = "c1a19761-d2c7-4702-b9fa-fe91f0613e81"

#: Connections with these specs belong to source flows. AEP does not apply later changes of them to the flow.
SOURCE_ONLY = frozenset({UNIFIED_PROFILE_SERVICE, DATA_LAKE, DATA_LAKE_EXPORT, HTTP_API})

#: The transformation of a flow from the profile store.
TRANSFORM = "GeneralTransform"
#: The parameters of a flow from the profile store while nothing is activated on it.
_EMPTY_PARAMS: dict[str, Any] = {
    SelectorKind.ATTRIBUTE.value: {"selectors": []},
    SelectorKind.SEGMENT.value: {"selectors": []},
    "mandatoryFields": [],
    "primaryFields": [],
    "profileMapping": {},
}
_SELECTORS = frozenset(kind.value for kind in SelectorKind)


class FlowSource(StrEnum):
    """Where a flow reads from. This decides what it needs, whichever destination it writes to."""

    #: The profile store: segments and profile attributes are activated on the flow.
    PROFILES = "profile store"
    #: The data lake: the flow exports datasets on its own schedule.
    DATASETS = "data lake"
    #: An external system: the flow is a source flow.
    SYSTEM = "external system"

    @classmethod
    def of(cls, *connection_spec_ids: str) -> FlowSource:
        """Return the kind of source that the connection specs of the source connections stand for."""
        known = {UNIFIED_PROFILE_SERVICE: cls.PROFILES, DATA_LAKE_EXPORT: cls.DATASETS}
        return next((known[each] for each in connection_spec_ids if each in known), cls.SYSTEM)


def read_source(sender: Sender, source_connection_ids: Iterable[str]) -> FlowSource | None:
    """Return what the source connections of a flow read from (``GET /sourceConnections/{id}``).

    :returns: None if it is unknown: for placeholders of a dry run that do not contain the connection spec.
    """
    found: FlowSource | None = FlowSource.SYSTEM
    for source_connection_id in source_connection_ids:
        source = _read_one_source(sender, source_connection_id)
        if source in (FlowSource.PROFILES, FlowSource.DATASETS):
            return source
        found = found and source
    return found


def _read_one_source(sender: Sender, source_connection_id: str) -> FlowSource | None:
    """Return what a source connection reads from. Placeholders are not sent."""
    if not is_planned(source_connection_id):
        found = sender.send(request.get(request.SOURCE_CONNECTIONS, source_connection_id))
        return FlowSource.of(found.connection_spec.id)
    prefix = planned_id(request.SOURCE_CONNECTIONS.label, "")
    spec_id, _, _ = source_connection_id.removeprefix(prefix).partition(":")
    return FlowSource.of(spec_id) if is_uuid(spec_id) else None


def empty_transformation(params: Collection[str] = _SELECTORS) -> JsonObject:
    """Return a transformation with empty lists, without which nothing can be activated on a flow.

    A JSON Patch requires the parents of its path to exist.

    :param params: names of its parameters.
    """
    empty = {name: copy.deepcopy(value) for name, value in _EMPTY_PARAMS.items() if name in params}
    return {"name": TRANSFORM, "params": empty}


def required_transformation(sender: Sender, flow_spec_id: str) -> JsonObject:
    """Return the transformation that a new flow from the profile store requires.

    A destination takes attributes as selectors or from a mapping set, which only its flow spec tells
    (``GET /flowSpecs/{id}``). If the flow spec does not, the transformation has a place for both.
    """
    if flow_spec_id == PROFILE_DESTINATION_FLOW:
        return empty_transformation()
    spec = sender.send(request.get(request.FLOW_SPECS, flow_spec_id))
    described = spec.transformation_params(TRANSFORM)
    return empty_transformation(described if SelectorKind.SEGMENT.value in described else _EMPTY_PARAMS)


def empty_flow(flow_id: str) -> Flow:
    """Return the flow that a placeholder id represents: a new flow without selectors."""
    return Flow(
        id=flow_id, flow_spec=SpecRef(id=PROFILE_DESTINATION_FLOW), transformations=(empty_transformation(),)
    )


def find_spec(sender: Sender, kind: Kind[SPEC], name_or_id: str) -> SPEC:
    """Look up a spec by name or id (``GET /connectionSpecs``, ``GET /flowSpecs``).

    :param kind: ``CONNECTION_SPECS`` or ``FLOW_SPECS``.
    :raises InvalidInputError: if the name is unknown (the message lists similar names) or ambiguous.
    """
    if is_uuid(name_or_id):
        return sender.send(request.get(kind, name_or_id))
    argument = kind.label.replace(" ", "_")
    filters = (request.equals("name", name_or_id),) if request.is_plain(name_or_id) else ()
    candidates = iterate(sender, kind, filters=filters, needed=could_be(name_or_id))
    found = [spec for spec in candidates if spec.name == name_or_id]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(spec.id for spec in found)
        raise InvalidInputError(argument, f"{len(found)} are named {name_or_id!r}", f"Give an id: {ids}.")
    names = sorted({spec.name for spec in iterate(sender, kind)})
    hint = did_you_mean(name_or_id, names) or f"Choose one of: {', '.join(map(plain_text, names))}."
    raise InvalidInputError(argument, f"AEP has no {kind.label} {name_or_id!r}", hint)
