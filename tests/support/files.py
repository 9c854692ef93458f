"""Destinations that take files: what each needs, and a flow to one made through the client's own requests."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_flowservice.client.datasets import DesiredMappingSet, FieldMapping, read_columns
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Sender
from tests.support.aep import make, profile_flow, profile_store, profiles

SECRET = "files+secret/of=tests"
PRIVATE_KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----"
SCHEDULE = {"frequency": "DAILY", "triggerType": "SCHEDULED", "startDate": "2100-01-01", "startTime": "10:00"}
EXPORT: dict[str, Any] = {
    "exportMode": "DAILY_FULL_EXPORT",
    "filenameTemplate": "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%",
    "schedule": SCHEDULE,
}


@dataclass(frozen=True)
class FileDestination:
    """A product that takes files.

    :param connection: the Airflow connection with the credentials, as JSON has it; None where it takes none.
    :param auth_spec: name of the way to authenticate that this connection leads to.
    :param auth_params: what AEP gets.
    """

    name: str
    spec_id: str
    flow_spec_id: str
    target_params: dict[str, str]
    connection: dict[str, Any] | None = None
    auth_spec: str | None = None
    auth_params: dict[str, Any] = field(default_factory=dict)


_AWS = {"conn_type": "aws", "login": "AKIA", "password": SECRET}
_SFTP = {"conn_type": "sftp", "host": "files.example.com", "port": 2222, "login": "aep"}
_AT_SFTP = {"domain": "files.example.com", "port": "2222", "username": "aep"}
S3 = FileDestination(
    "Amazon S3",
    specs.AMAZON_S3,
    specs.AMAZON_S3_FLOW,
    {"bucketName": "acme", "path": "out"},
    _AWS,
    "Access Key",
    {"s3AccessKey": "AKIA", "s3SecretKey": SECRET},
)
DATA_LANDING_ZONE = FileDestination(
    "Data Landing Zone", specs.DATA_LANDING_ZONE, specs.DATA_LANDING_ZONE_FLOW, {"path": "out"}
)
FILE_DESTINATIONS = (
    S3,
    FileDestination(
        "Azure Blob Storage",
        specs.AZURE_BLOB,
        specs.AZURE_BLOB_FLOW,
        {"container": "acme", "path": "out"},
        {"conn_type": "wasb", "password": "account key", "extra": {"connection_string": SECRET}},
        "ConnectionString",
        {"connectionString": SECRET},
    ),
    FileDestination(
        "Azure Data Lake Gen2",
        specs.AZURE_DATA_LAKE,
        specs.AZURE_DATA_LAKE_FLOW,
        {"path": "out"},
        {
            "conn_type": "adls",
            "host": "acmelake",
            "login": "client",
            "password": SECRET,
            "extra": {"tenant_id": "acme-tenant"},
        },
        "Azure Service Principal",
        {
            "url": "https://acmelake.dfs.core.windows.net",
            "servicePrincipalId": "client",
            "servicePrincipalKey": SECRET,
            "tenant": "acme-tenant",
        },
    ),
    DATA_LANDING_ZONE,
    FileDestination(
        "Google Cloud Storage",
        specs.GOOGLE_CLOUD_STORAGE,
        specs.GOOGLE_CLOUD_STORAGE_FLOW,
        {"bucketName": "acme", "path": "out"},
        {"conn_type": "generic", "login": "GOOG1", "password": SECRET},
        "Google Cloud Storage authentication credentials",
        {"accessKeyId": "GOOG1", "secretAccessKey": SECRET},
    ),
    FileDestination(
        "SFTP",
        specs.SFTP,
        specs.SFTP_FLOW,
        {"remotePath": "/out"},
        {**_SFTP, "password": SECRET},
        "SFTP with Password",
        {**_AT_SFTP, "password": SECRET},
    ),
    FileDestination(
        "SFTP",
        specs.SFTP,
        specs.SFTP_FLOW,
        {"remotePath": "/out"},
        {**_SFTP, "extra": {"private_key": PRIVATE_KEY}},
        "SFTP with SSH Key",
        {**_AT_SFTP, "sshKey": base64.b64encode(PRIVATE_KEY.encode()).decode()},
    ),
)


def columns(**changes: Any) -> DesiredMappingSet:
    """A mapping set with two columns."""
    arguments: dict[str, Any] = {
        "name": "columns",
        "columns": read_columns(["email", "first_name"]),
        "mappings": (
            FieldMapping("personalEmail.address", "email"),
            FieldMapping("person.name.firstName", "first_name"),
        ),
    }
    return DesiredMappingSet(**{**arguments, **changes})


def make_columns(sender: Sender, **changes: Any) -> dict[str, Any]:
    """Make that mapping set; what a flow refers to it with."""
    made = sender.send(columns(**changes).create())
    return {"mappingId": made.id, "mappingVersion": int(made.etag or "")}


def make_file_flow(sender: Sender, name: str = "files") -> str:
    """A flow that exports audiences to files in Amazon S3."""
    source_id, target_id = make_file_ends(sender, name)
    flow = profile_flow(source_id, target_id, name)
    return make(sender, msgspec.structs.replace(flow, spec_id=S3.flow_spec_id))


def make_file_ends(sender: Sender, name: str = "files") -> tuple[str, str]:
    """A source connection of the profile store, and a target connection to Amazon S3."""
    spec = {"id": S3.spec_id, "version": "1.0"}
    auth = {"specName": S3.auth_spec, "params": S3.auth_params}
    base = {"name": name, "connectionSpec": spec, "auth": auth}
    base_id = sender.send(request.create(request.CONNECTIONS, base)).id
    target = {"name": name, "connectionSpec": spec, "baseConnectionId": base_id, "params": S3.target_params}
    target_id = sender.send(request.create(request.TARGET_CONNECTIONS, target)).id
    return make(sender, profiles(make(sender, profile_store()))), target_id


def exported(segment_id: str, **schedule: Any) -> dict[str, Any]:
    """A segment as a user gives it for a file destination; ``schedule`` goes over the usual one."""
    return {"id": segment_id, **EXPORT, "schedule": {**SCHEDULE, **schedule}}
