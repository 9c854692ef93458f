"""Amazon Kinesis: exported profiles become records of a data stream, with boto3."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from airflow_provider_flowservice.emulator.activation.exports import payloads_of
from airflow_provider_flowservice.emulator.flow.catalogue import KINESIS
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec
from airflow_provider_flowservice.emulator.masking import MASK
from airflow_provider_flowservice.emulator.outputs.delivery import Export, OutputError, Parcel

_CONNECT_SECONDS, _READ_SECONDS = 3, 5
# What PutRecords takes at once.
_MAX_RECORDS = 500
_MAX_CLIENTS = 32
_THROTTLED = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
    }
)


class KinesisOutput:
    """Sends what Kinesis flows export to one endpoint.

    Stream and region are those of the target connection, the access key is that of its base connection;
    ``connectionUrl`` there is not used, so that nothing but the endpoint is ever called. The partition key is the
    first identity of a profile, which is a guess.

    :param endpoint: its URL.
    :raises ValueError: if boto3 is not installed.
    """

    name = "kinesis"

    def __init__(self, endpoint: str) -> None:
        if find_spec("boto3") is None:
            raise ValueError(
                "kinesis_endpoint needs boto3: pip install 'airflow-provider-flowservice[emulator-streams]'"
            )
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str, str], Any] = {}

    def takes(self, spec: ConnectionSpec) -> bool:
        """Return whether a target connection is one to Kinesis."""
        return spec.id == KINESIS

    def parcel(self, export: Export) -> Parcel:
        """Return the records of an export."""
        region = str(export.params["region"])
        key, secret = export.credential("accessKeyId"), export.credential("secretKey")
        payloads = payloads_of(export.flow.body, export.segments)[export.withheld :]
        client = self._client(region, key, secret)
        return _Records(client, str(export.params["stream"]), secret, [_record(each) for each in payloads])

    def _client(self, region: str, key: str, secret: str) -> Any:
        """Return a client of the stream's account, which is kept because making one takes a while."""
        # Importing boto3 takes a third of a second, so only flows to Kinesis do it.
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        wanted = (region, key, secret)
        if wanted not in self._clients:
            # Nothing goes through a proxy of the environment, and the one who calls decides what is tried again.
            config = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"total_max_attempts": 1},
                proxies={},
            )
            if len(self._clients) >= _MAX_CLIENTS:
                self._clients.clear()
            try:
                session = Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
                client = session.client("kinesis", endpoint_url=self._endpoint, config=config)
            except (BotoCoreError, ValueError) as error:
                raise OutputError(_described(error, secret), permanent=True) from None
            self._clients[wanted] = client
        return self._clients[wanted]


@dataclass(frozen=True)
class _Record:
    key: str
    data: bytes

    def entry(self) -> dict[str, Any]:
        return {"PartitionKey": self.key, "Data": self.data}


class _Records(Parcel):
    """Records for one stream."""

    def __init__(self, client: Any, stream: str, secret: str, records: list[_Record]) -> None:
        super().__init__()
        self._client = client
        self._stream = stream
        self._secret = secret
        self._left = records

    def send(self) -> None:
        """Put the records that have not been taken yet."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            codes = self._put_all()
        except ClientError as error:
            raise OutputError(_described(error, self._secret), permanent=not _may_pass(error)) from None
        except BotoCoreError as error:
            raise OutputError(_described(error, self._secret)) from None
        if self._left:
            raise OutputError(f"{len(self._left)} records were refused: {', '.join(sorted(codes))}")

    def _put_all(self) -> set[str]:
        """Put each record once, and keep what is refused; return the reasons."""
        codes: set[str] = set()
        waiting, self._left = self._left, []
        try:
            while waiting:
                batch = waiting[:_MAX_RECORDS]
                entries = [each.entry() for each in batch]
                answer = self._client.put_records(StreamName=self._stream, Records=entries)
                waiting = waiting[len(batch) :]
                for record, result in zip(batch, answer["Records"], strict=True):
                    if code := result.get("ErrorCode"):
                        self._left.append(record)
                        codes.add(str(code))
                    else:
                        self.taken.records += 1
                        self.taken.size += len(record.data)
        finally:
            self._left += waiting
        return codes


def _record(payload: dict[str, Any]) -> _Record:
    identities = payload["identityMap"]
    (first, *_) = next(iter(identities.values()))
    return _Record(str(first["id"]), json.dumps(payload).encode())


def _may_pass(error: Any) -> bool:
    """Return whether an answer of the service may be another one later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or error.response.get("Error", {}).get("Code") in _THROTTLED


def _described(error: Exception, secret: str) -> str:
    """Return what an error says. What answers may repeat what it was sent."""
    return f"{type(error).__name__}: {error}".replace(secret, MASK)
