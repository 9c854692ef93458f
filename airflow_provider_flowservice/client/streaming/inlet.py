"""Streaming ingestion: an inlet, what is sent to it, and what it responds. Pure.

An inlet responds before AEP has looked at the data, and responds 207 to a batch even when all of it fails, so
every element of a response is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.request import Host, Request
from airflow_provider_flowservice.client.model import BaseConnection, Frozen
from airflow_provider_flowservice.client.settings import origin_of

#: Bytes that one request may have. AEP says 1 MB and not which; this is the smaller reading.
MAX_REQUEST_BYTES = 1_000_000
#: Requests a minute that an inlet takes with synchronous validation.
SYNC_VALIDATIONS_PER_MINUTE = 60

_XDM_CONTENT_TYPE = "application/vnd.adobe.xed-full-notext+json; version=1.0"
_BATCH_OPEN, _BATCH_CLOSE = b'{"messages":[', b"]}"
_INLET_PATH = re.compile(r"/collection/(?P<id>[^/]+)")


class Inlet(Frozen, frozen=True):
    """Where records go.

    :param url: as AEP gave it.
    :param data_type: ``xdm`` or ``raw``; None if it is not known.
    :param authenticated: whether a token must go with the records.
    """

    url: str
    data_type: str | None = None
    authenticated: bool = True

    @property
    def id(self) -> str:
        """The inlet's id."""
        match = _INLET_PATH.fullmatch(urlsplit(self.url).path)
        if match is None:
            raise InvalidInputError(
                "inlet_url",
                f"{self.url!r} is not an inlet's URL",
                "It looks like https://dcs.adobedc.net/collection/<id>.",
            )
        return match["id"]

    def checked(self, collection_host: str) -> Inlet:
        """The inlet, if a token may go to its host.

        :raises InvalidInputError: if it is on another host than the connection's ``collection_host``.
        """
        host = origin_of(urlsplit(self.url))
        if host != collection_host or "@" in urlsplit(self.url).netloc:
            raise InvalidInputError(
                "inlet_url",
                f"{self.url!r} is not on {collection_host}, and no token goes elsewhere",
                "Check the URL; if it is right, set extra 'collection_host' of the connection.",
            )
        _ = self.id
        return self


def inlet_of(connection: BaseConnection) -> Inlet:
    """The inlet that a base connection of spec ``HTTP API`` opened.

    :raises DriftError: if it opened none.
    """
    params = connection.auth.params if connection.auth else {}
    url = params.get("inletUrl")
    if not isinstance(url, str):
        raise DriftError(
            f"base connection {connection.id} ({connection.name!r}) has no inlet: it is not of spec HTTP API"
        )
    data_type = params.get("dataType")
    required = params.get("authenticationRequired")
    return Inlet(
        url=url,
        data_type=data_type if isinstance(data_type, str) else None,
        authenticated=str(required).lower() == "true",
    )


class Envelope:
    """Wraps plain records into XDM messages.

    :param schema_id: ``$id`` of the schema.
    :param dataset_id: where the records land.
    :param org_id: organisation id.
    :param flow_id: the flow, where it is known.
    """

    def __init__(self, *, schema_id: str, dataset_id: str, org_id: str, flow_id: str | None) -> None:
        reference = {"id": schema_id, "contentType": _XDM_CONTENT_TYPE}
        header = {"schemaRef": reference, "imsOrgId": org_id, "datasetId": dataset_id}
        if flow_id:
            header["flowId"] = flow_id
        self._before = b"".join(
            (
                b'{"header":',
                msgspec.json.encode(header),
                b',"body":{"xdmMeta":',
                msgspec.json.encode({"schemaRef": reference}),
                b',"xdmEntity":',
            )
        )

    def wrap(self, record: bytes) -> bytes:
        """The message for a record's JSON text."""
        return b"".join((self._before, record, b"}}"))


class _XdmMessage(model.Record, frozen=True, kw_only=True):
    header: dict[str, msgspec.Raw]
    body: dict[str, msgspec.Raw]


def is_xdm_message(raw: bytes) -> bool:
    """Whether a record is an XDM message already."""
    try:
        msgspec.json.decode(raw, type=_XdmMessage)
    except msgspec.MsgspecError:
        return False
    return True


class MessageStatus(str, Enum):
    """What became of a message."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    #: Not accepted for a temporary reason; it can be sent again.
    BUSY = "busy"
    #: The response does not say.
    UNKNOWN = "unknown"


class MessageResult(Frozen, frozen=True):
    """What an inlet says of one message.

    :param status: HTTP-like status, where it gave one.
    """

    fate: MessageStatus
    xaction_id: str | None = None
    status: int | None = None
    message: str | None = None


class _Element(model.Record, frozen=True, kw_only=True):
    xaction_id: str | None = None
    status: int | str | None = None
    status_code: int | str | None = None
    message: str | None = None


class _BatchResponse(model.Record, frozen=True, kw_only=True):
    responses: tuple[msgspec.Raw, ...] = ()


def batch_overhead(count: int) -> int:
    """Bytes that a batch of ``count`` messages adds to the messages' own."""
    return len(_BATCH_OPEN) + len(_BATCH_CLOSE) + max(count - 1, 0)


def post_batch(
    inlet: Inlet, messages: Sequence[bytes], flow_id: str | None
) -> Request[tuple[MessageResult, ...]]:
    """Send messages: ``POST /collection/batch/{inlet}``. The response has a result for each, in order."""
    return Request(
        "POST",
        f"/collection/batch/{inlet.id}",
        lambda received: _results(received, len(messages)),
        content=b"".join((_BATCH_OPEN, b",".join(messages), _BATCH_CLOSE)),
        headers=_headers(flow_id),
        host=Host.COLLECTION,
        idempotent=False,
        authorized=inlet.authenticated,
    )


def post_single(
    inlet: Inlet, message: bytes, flow_id: str | None, *, sync_validation: bool
) -> Request[tuple[MessageResult, ...]]:
    """Send one message: ``POST /collection/{inlet}``."""
    return Request(
        "POST",
        f"/collection/{inlet.id}",
        _receipt,
        params=(("syncValidation", "true"),) if sync_validation else (),
        content=message,
        headers=_headers(flow_id),
        host=Host.COLLECTION,
        idempotent=False,
        authorized=inlet.authenticated,
    )


def _headers(flow_id: str | None) -> tuple[tuple[str, str], ...]:
    return (("x-adobe-flow-id", flow_id),) if flow_id else ()


def _receipt(received: response.Response) -> tuple[MessageResult, ...]:
    return (_result(response.decode(received, _Element)),)


def _results(received: response.Response, count: int) -> tuple[MessageResult, ...]:
    elements = response.decode(received, _BatchResponse).responses[:count]
    missing = (MessageResult(MessageStatus.UNKNOWN, message="the response has no element for it"),) * (
        count - len(elements)
    )
    return (*map(_read_element, elements), *missing)


def _read_element(element: msgspec.Raw) -> MessageResult:
    try:
        return _result(msgspec.json.decode(element, type=_Element))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # One odd element says nothing about the others, which must not be sent again because of it.
        return MessageResult(MessageStatus.UNKNOWN, message="its element of the response cannot be read")


def _result(element: _Element) -> MessageResult:
    """Read one element. Adobe has two styles, and in one of them a failure carries a transaction id too."""
    stated = element.status if element.status is not None else element.status_code
    status = int(str(stated)) if str(stated).isdecimal() else None
    if status is not None and status >= 400:
        fate = MessageStatus.BUSY if status == 429 or status >= 500 else MessageStatus.REJECTED
    elif element.xaction_id is not None:
        fate = MessageStatus.ACCEPTED
    else:
        fate = MessageStatus.UNKNOWN
    return MessageResult(fate, element.xaction_id, status, element.message)
