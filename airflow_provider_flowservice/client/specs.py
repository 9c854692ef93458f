"""Well-known ids of AEP's catalogue.

A spec given by name is looked up at run time; these are for what the provider must tell apart by itself.
"""

from __future__ import annotations

#: The profile store, where flows to destinations read.
UNIFIED_PROFILE_SERVICE = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
#: The data lake, where flows from sources write.
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
#: The data lake, where dataset exports read.
DATA_LAKE_EXPORT = "23598e46-f560-407b-88d5-ea6207e49db0"
AMAZON_KINESIS = "86043421-563b-46ec-8e6c-e23184711bf6"
AZURE_EVENT_HUBS = "bf9f5905-92b7-48bf-bf20-455bc6b60a4e"
HTTP_API = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"

#: Flow spec of profile based destinations: streaming ones and the older file ones.
PROFILE_DESTINATION_FLOW = "71471eba-b620-49e4-90fd-23f1fa0174d8"
#: Flow specs of HTTP API sources: for XDM records, and for raw ones that are mapped.
HTTP_API_FLOW = "d8a6f005-7eaf-4153-983e-e8574508b877"
HTTP_API_FLOW_WITH_MAPPING = "c1a19761-d2c7-4702-b9fa-fe91f0613e81"

#: Connections of these are parts of source flows: AEP does not carry a later change into the flow.
SOURCE_ONLY = frozenset({UNIFIED_PROFILE_SERVICE, DATA_LAKE, DATA_LAKE_EXPORT, HTTP_API})
