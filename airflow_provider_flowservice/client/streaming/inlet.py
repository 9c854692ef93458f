"""Inlets for streaming ingestion: requests and responses. All functions are pure.

An inlet responds before AEP has processed the data, and responds 207 to a batch even if all records are rejected.
Therefore every element of a response is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.http import problem, response
from airflow_provider_flowservice.client.http.request import Host, Request
from airflow_provider_flowservice.client.model import BaseConnection, Frozen
from airflow_provider_flowservice.client.settings import origin_of
from airflow_provider_flowservice.client.text import header_value
from airflow_provider_flowservice.connection_fields import field_name

#: Maximum size of a request in bytes. AEP documents 1 MB without saying whether it means 10**6 or 2**20; this is safe.
MAX_REQUEST_BYTES = 1_000_000
#: Maximum number of requests per minute with synchronous validation: AEP's documented limit.
SYNC_VALIDATIONS_PER_MINUTE = 60

_XDM_CONTENT_TYPE = "application/vnd.adobe.xed-full-notext+json; version=1.0"
_BATCH_OPEN, _BATCH_CLOSE = b'{"messages":[', b"]}"
_FLOW_HEADER = "x-adobe-flow-id"
_INLET_PATH = re.compile(r"/collection/(?P<id>[^/]+)")


class Inlet(Frozen, frozen=True):
    """A streaming inlet, which records are posted to.

    :param url: its URL, as returned by AEP. It may contain what Adobe's tutorials add to it: the flow
        (``?x-adobe-flow-id=<id>``), and that records are validated (``syncValidation=true``).
    :param data_type: ``xdm`` or ``raw``; None if unknown.
    :param authenticated: whether it requires a token.
    """

    url: str
    data_type: str | None = None
    authenticated: bool = True

    @property
    def id(self) -> str:
        """The id of the inlet, from its URL."""
        match = _INLET_PATH.fullmatch(self._parts.path)
        if match is None:
            raise self._invalid()
        return match["id"]

    def flow_for(self, flow_id: str | None) -> str | None:
        """Return the id of the flow that ingests the records: the one that is given, or the one in the URL.

        :raises InvalidInputError: if they differ, or the one in the URL is invalid.
        """
        remedy = f"Give one flow id after {_FLOW_HEADER}=, or remove the parameter."
        found = {
            header_value("inlet_url", value, remedy)
            for name, value in self._query
            if name.lower() == _FLOW_HEADER
        }
        # A template without a value gives None, and Adobe's tutorials have a placeholder in braces.
        unfilled = {value for value in found if value in ("", "None") or value.startswith("{")}
        if len(found) > 1 or unfilled:
            count = "no flow id" if found == unfilled else "several flow ids"
            raise InvalidInputError("inlet_url", f"{self.url!r} has {count}", remedy)
        in_url = found.pop() if found else None
        if flow_id is not None and in_url not in (None, flow_id.strip()):
            differs = f"{flow_id!r} is not {in_url!r}, the flow in inlet_url"
            raise InvalidInputError("flow_id", differs, "Give the flow id only once.")
        return flow_id or in_url

    def checked(self, collection_host: str) -> Inlet:
        """Return the inlet, if a token may be sent to its host.

        :raises InvalidInputError: if its host differs from the connection's ``collection_host``.
        """
        host = origin_of(self._parts)
        if host != collection_host or "@" in self._parts.netloc:
            problem = f"{self.url!r} is not on {collection_host}, the only host that receives the token"
            remedy = f"Check the URL; if it is right, set {field_name('collection_host')} of the connection."
            raise InvalidInputError("inlet_url", problem, remedy)
        _ = self.id
        return self

    @property
    def validates(self) -> bool:
        """Whether its URL asks for synchronous validation, with either of the names that Adobe documents."""
        return any(
            name.lower() in ("syncvalidation", "synchronousvalidation") and value.lower() == "true"
            for name, value in self._query
        )

    @property
    def _query(self) -> list[tuple[str, str]]:
        return parse_qsl(self._parts.query, keep_blank_values=True)

    @property
    def _parts(self) -> SplitResult:
        try:
            # Pasted URLs, and those in variables, may end with a line break.
            parts = urlsplit(self.url.strip())
            _ = parts.port
        except ValueError:
            raise self._invalid() from None
        return parts

    def _invalid(self) -> InvalidInputError:
        remedy = "It must look like https://dcs.adobedc.net/collection/<id>."
        return InvalidInputError("inlet_url", f"{self.url!r} is not an inlet's URL", remedy)


def inlet_of(connection: BaseConnection) -> Inlet:
    """Return the inlet of a base connection with the spec ``HTTP API``.

    :raises DriftError: if the connection has no inlet.
    """
    params = connection.auth.params if connection.auth else {}
    url = params.get("inletUrl")
    if not isinstance(url, str):
        raise DriftError(
            f"base connection {connection.id} ({connection.name!r}) has no inlet. Use one with the spec HTTP API."
        )
    data_type = params.get("dataType")
    required = params.get("authenticationRequired")
    return Inlet(
        url=url,
        data_type=data_type if isinstance(data_type, str) else None,
        authenticated=str(required).lower() == "true",
    )


class Envelope:
    """Wraps plain records in XDM messages.

    :param schema_id: ``$id`` of the schema.
    :param dataset_id: id of the dataset that AEP adds the records to.
    :param org_id: organization id.
    :param flow_id: id of the flow, if known.
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
        """Return the message for a record that is encoded as JSON."""
        return b"".join((self._before, record, b"}}"))


class _XdmMessage(model.Record, frozen=True, kw_only=True):
    header: dict[str, msgspec.Raw]
    body: dict[str, msgspec.Raw]


def is_xdm_message(raw: bytes) -> bool:
    """Whether a record is already an XDM message."""
    try:
        msgspec.json.decode(raw, type=_XdmMessage)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


class MessageStatus(StrEnum):
    """Why a posted message is not accepted."""

    REJECTED = "rejected"
    #: For a temporary reason; it can be sent again.
    BUSY = "busy"
    #: The response does not contain a result.
    UNKNOWN = "unknown"


class Refusal(Frozen, frozen=True):
    """The result of a posted message that is not accepted.

    :param status: HTTP-like status, if the inlet returned one.
    """

    reason: MessageStatus
    status: int | None = None
    message: str | None = None


class PostResult(Frozen, frozen=True):
    """The results of the messages in a request.

    :param accepted: number of messages that are accepted.
    :param refused: the results of the others, by the index of the message in the request.
    :param first_xaction_id: transaction id of the first accepted message.
    :param last_xaction_id: transaction id of the last accepted message.
    """

    accepted: int
    refused: Mapping[int, Refusal] = {}
    first_xaction_id: str | None = None
    last_xaction_id: str | None = None


class _Element(model.Record, frozen=True, kw_only=True):
    xaction_id: str | None = None
    status: int | str | None = None
    status_code: int | str | None = None

    @property
    def is_plainly_accepted(self) -> bool:
        return self.xaction_id is not None and self.status is None and self.status_code is None


# A response has as many as a batch has messages: they would make the garbage collector look through the whole process.
class _Accepted(model.Record, frozen=True, kw_only=True, gc=False):
    """An element of a message that is accepted; any other is invalid as such."""

    xaction_id: str
    status: None = None
    status_code: None = None


class _AcceptedBatch(model.Record, frozen=True, kw_only=True):
    responses: tuple[_Accepted, ...]


_decode_accepted = msgspec.json.Decoder(_AcceptedBatch).decode


class _RawBatchResponse(model.Record, frozen=True, kw_only=True):
    responses: tuple[msgspec.Raw, ...] = ()


def batch_overhead(count: int) -> int:
    """Return the size in bytes that a batch of ``count`` messages adds to the messages themselves."""
    return len(_BATCH_OPEN) + len(_BATCH_CLOSE) + max(count - 1, 0)


class Endpoints:
    """The endpoints of an inlet.

    :param inlet: the inlet.
    :param flow_id: id of the flow that ingests the records, if known.
    :param sync_validation: validate single messages against the schema.
    """

    def __init__(self, inlet: Inlet, flow_id: str | None, *, sync_validation: bool = False) -> None:
        self._authenticated = inlet.authenticated
        self._batch, self._single = f"/collection/batch/{inlet.id}", f"/collection/{inlet.id}"
        #: The paths of both.
        self.paths = frozenset({self._batch, self._single})
        self._headers = ((_FLOW_HEADER, flow_id),) if flow_id else ()
        self._params = (("syncValidation", "true"),) if sync_validation else ()

    def batch(self, messages: Sequence[bytes]) -> Request[PostResult]:
        """Return the request that posts messages: ``POST /collection/batch/{inlet}``."""
        return Request(
            "POST",
            self._batch,
            lambda received: _batch_result(received, messages),
            content=b"".join((_BATCH_OPEN, b",".join(messages), _BATCH_CLOSE)),
            headers=self._headers,
            host=Host.COLLECTION,
            idempotent=False,
            authorized=self._authenticated,
        )

    def single(self, message: bytes) -> Request[PostResult]:
        """Return the request that posts one message: ``POST /collection/{inlet}``."""
        return Request(
            "POST",
            self._single,
            lambda received: _single_result(received, message),
            params=self._params,
            content=message,
            headers=self._headers,
            host=Host.COLLECTION,
            idempotent=False,
            authorized=self._authenticated,
        )


def _single_result(received: response.Response, message: bytes) -> PostResult:
    element = response.decode(received, _Element)
    if (refusal := _refusal(received, element, received.body, message)) is not None:
        return PostResult(0, {0: refusal})
    return PostResult(1, {}, element.xaction_id, element.xaction_id)


def _batch_result(received: response.Response, messages: Sequence[bytes]) -> PostResult:
    # Nearly all batches are accepted as a whole, and that is found out much faster than what each element is.
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        accepted = _decode_accepted(received.body).responses
        if accepted and len(accepted) == len(messages):
            return PostResult(len(accepted), {}, accepted[0].xaction_id, accepted[-1].xaction_id)
    return _mixed_result(received, messages)


def _mixed_result(received: response.Response, messages: Sequence[bytes]) -> PostResult:
    """Evaluate each element. An invalid one does not affect the others, which must not be sent again because of it."""
    raws = response.decode(received, _RawBatchResponse).responses
    missing = Refusal(MessageStatus.UNKNOWN, message="the response contains no result for it")
    refused = dict.fromkeys(range(len(raws), len(messages)), missing)
    accepted: list[str | None] = []
    for index, (raw, message) in enumerate(zip(raws, messages, strict=False)):
        try:
            element = msgspec.json.decode(raw, type=_Element)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            invalid = Refusal(MessageStatus.UNKNOWN, message="its result in the response is invalid")
            refused[index] = invalid
            continue
        if (refusal := _refusal(received, element, raw, message)) is None:
            accepted.append(element.xaction_id)
        else:
            refused[index] = refusal
    first, last = (accepted[0], accepted[-1]) if accepted else (None, None)
    return PostResult(len(accepted), refused, first, last)


def _refusal(
    received: response.Response, element: _Element, raw: bytes | msgspec.Raw, sent: bytes
) -> Refusal | None:
    """Evaluate an element. AEP uses two formats, and in one of them failures have a transaction id, too.

    :param raw: the element, which has the format of an error if the message is not accepted.
    :param sent: the message.
    :returns: None if the message is accepted.
    """
    if element.is_plainly_accepted:
        return None
    stated = element.status if element.status is not None else element.status_code
    text = str(stated)
    # A status has three digits; Python refuses to read numbers of thousands.
    status = int(text[:9]) if text.isdecimal() else None
    if status is not None and status >= 400:
        reason = MessageStatus.BUSY if status == 429 or status >= 500 else MessageStatus.REJECTED
    elif element.xaction_id is not None:
        return None
    else:
        reason = MessageStatus.UNKNOWN
    said = problem.read(response.lenient_json(raw), secrets=received.secrets, record=sent)
    return Refusal(reason, status, ": ".join(filter(None, (said.code, said.text))) or None)
