"""Ids of well-known connection and flow specs, the lookup of others, and the transformations that new flows require.

Specs that a user gives by name are looked up at run time. The ids are for specs that the provider handles specially.
"""

from __future__ import annotations

import copy
import difflib
from typing import TypeVar

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
from airflow_provider_flowservice.client.text import plain_text

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
AZURE_DATA_LAKE_FLOW = "17be2013-2549-41ce-96e7-a70363bec293"
DATA_LANDING_ZONE = "10440537-2a7b-4583-ac39-ed38d4b848e8"
DATA_LANDING_ZONE_FLOW = "cd2fc47e-e838-4f38-a581-8fff2f99b63a"
GOOGLE_CLOUD_STORAGE = "c5d93acb-ea8b-4b14-8f53-02138444ae99"
GOOGLE_CLOUD_STORAGE_FLOW = "585c15c4-6cbf-4126-8f87-e26bff78b657"
SFTP = "36965a81-b1c6-401b-99f8-22508f1e6a26"
SFTP_FLOW = "fd36aaa4-bf2b-43fb-9387-43785eeeb799"
SFTP_DATASET_FLOW = "354d6aad-4754-46e4-a576-1b384561c440"
FILE_DESTINATION_FLOWS = frozenset(
    {
        AMAZON_S3_FLOW,
        AZURE_BLOB_FLOW,
        AZURE_DATA_LAKE_FLOW,
        DATA_LANDING_ZONE_FLOW,
        GOOGLE_CLOUD_STORAGE_FLOW,
        SFTP_FLOW,
    }
)
#: Flow specs for dataset exports, whose ``scheduleParams`` have a different format.
DATASET_EXPORT_FLOWS = frozenset({AMAZON_S3_DATASET_FLOW, AZURE_BLOB_DATASET_FLOW, SFTP_DATASET_FLOW})
DESTINATION_FLOWS = FILE_DESTINATION_FLOWS | DATASET_EXPORT_FLOWS | {PROFILE_DESTINATION_FLOW}
#: Flow specs of HTTP API sources: for XDM records, and for raw records with a mapping set.
HTTP_API_FLOW = "d8a6f005-7eaf-4153-983e-e8574508b877"
HTTP_API_FLOW_WITH_MAPPING = "c1a19761-d2c7-4702-b9fa-fe91f0613e81"

#: Connections with these specs belong to source flows. AEP does not apply later changes of them to the flow.
SOURCE_ONLY = frozenset({UNIFIED_PROFILE_SERVICE, DATA_LAKE, DATA_LAKE_EXPORT, HTTP_API})

#: Without these empty lists nothing can be activated on a flow: a JSON Patch requires the parents of its path to exist.
EMPTY_GENERAL_TRANSFORM: JsonObject = {
    "name": "GeneralTransform",
    "params": {kind.value: {"selectors": []} for kind in (SelectorKind.ATTRIBUTE, SelectorKind.SEGMENT)},
}
#: The same for newer flows to file destinations, whose attributes come from a mapping set.
EMPTY_FILE_TRANSFORM: JsonObject = {
    "name": "GeneralTransform",
    "params": {
        "mandatoryFields": [],
        "primaryFields": [],
        "profileMapping": {},
        SelectorKind.SEGMENT.value: {"selectors": []},
    },
}


def empty_flow(flow_id: str) -> Flow:
    """Return the flow that a placeholder id represents: a new flow without selectors."""
    return Flow(
        id=flow_id,
        flow_spec=SpecRef(id=PROFILE_DESTINATION_FLOW),
        transformations=(copy.deepcopy(EMPTY_GENERAL_TRANSFORM),),
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
    names = sorted({plain_text(spec.name) for spec in iterate(sender, kind)})
    # Below the default cutoff of 0.6, because names of specs often differ from those in AEP's user interface.
    near = difflib.get_close_matches(name_or_id, names, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Choose one of: {', '.join(names)}."
    raise InvalidInputError(argument, f"AEP has no {kind.label} {name_or_id!r}", hint)
