"""The types of the fields of connections, flows and runs.

A member that may be null is one that the emulator treats as missing then, which is a guess.
"""

from __future__ import annotations

from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, SEGMENTS
from airflow_provider_flowservice.emulator.flow.store import Kind
from airflow_provider_flowservice.emulator.json_body import Shape

_TEXT = (str, None)
#: Times and numbers of schedules are strings in AEP's own responses.
_NUMBER = (int, str, None)
_FILES = {"columnDelimiter": _TEXT, "encoding": _TEXT, "compressionType": _TEXT}
_CONNECTION = {"description": _TEXT}
_END = {
    **_CONNECTION,
    "baseConnectionId": _TEXT,
    "data": ({**_FILES, "schema": ({"id": str}, None), "properties": _FILES}, None),
    "params": (dict, None),
}
_AUDIENCE_SCHEDULE = {
    "frequency": str,
    "triggerType": _TEXT,
    "startDate": str,
    "endDate": _TEXT,
    "startTime": _TEXT,
}
#: What a file must have; older flows have it beside their attribute selectors.
_FIELDS = {
    "mandatoryFields": ([str], None),
    "primaryFields": ([{"fieldType": str, "attributePath": _TEXT, "identityNamespace": _TEXT}], None),
}
_SELECTORS = (
    {
        **_FIELDS,
        "selectors": [
            {
                "value": {
                    "id": str,
                    "systemSegmentId": _TEXT,
                    "path": str,
                    "exportMode": str,
                    "schedule": (_AUDIENCE_SCHEDULE, None),
                    "filenameTemplate": _TEXT,
                    "fileNameTemplate": _TEXT,
                }
            }
        ],
    },
    None,
)
_REFERENCE = {"mappingId": _TEXT, "mappingVersion": _NUMBER}
_FLOW = {
    "description": _TEXT,
    "sourceConnectionIds": [str],
    "targetConnectionIds": [str],
    "transformations": [
        {
            "name": str,
            "params": {
                **_REFERENCE,
                "profileMapping": (_REFERENCE, None),
                **_FIELDS,
                SEGMENTS: _SELECTORS,
                ATTRIBUTES: _SELECTORS,
            },
        }
    ],
    "scheduleParams": (
        {
            "startTime": _NUMBER,
            "endTime": _NUMBER,
            "interval": _NUMBER,
            "frequency": str,
            "timeUnit": str,
            "exportMode": str,
        },
        None,
    ),
}
RUN = {"flowId": str, "params": (dict, None)}
#: Of each kind that callers write.
TYPES: dict[Kind, Shape] = {
    Kind.CONNECTIONS: _CONNECTION,
    Kind.SOURCE_CONNECTIONS: _END,
    Kind.TARGET_CONNECTIONS: _END,
    Kind.FLOWS: _FLOW,
}
