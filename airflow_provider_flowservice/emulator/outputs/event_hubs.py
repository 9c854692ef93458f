"""Azure Event Hubs: exported profiles become events of an event hub, over its HTTPS API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from airflow_provider_flowservice.emulator.activation.exports import payloads_of
from airflow_provider_flowservice.emulator.flow.catalogue import EVENT_HUBS
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec
from airflow_provider_flowservice.emulator.outputs.delivery import Export, OutputError, Parcel

_CONNECT_SECONDS, _READ_SECONDS = 3, 5
_TOKEN_SECONDS = 300
# What the smallest tier takes at once is 256 KB.
_MAX_BYTES = 200_000
_RETRIED = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class EventHubsOutput:
    """Sends what Event Hubs flows export to one endpoint, in batches.

    The event hub is that of the target connection, the key that of its base connection. The endpoint stands for the
    namespace there.

    :param endpoint: its URL, such as ``https://NAMESPACE.servicebus.windows.net``.
    :param real_time: returns the real time, by which tokens expire, in seconds since the epoch.
    """

    name = "event-hubs"

    def __init__(self, endpoint: str, real_time: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._real_time = real_time

    def takes(self, spec: ConnectionSpec) -> bool:
        """Return whether a target connection is one to Event Hubs."""
        return spec.id == EVENT_HUBS

    def parcel(self, export: Export) -> Parcel:
        """Return the events of an export."""
        hub = f"{self._endpoint}/{quote(str(export.params['eventHubName']), safe='')}"
        key_name, key = export.credential("sasKeyName"), export.credential("sasKey")

        def token() -> str:
            return _token(hub, key_name, key, int(self._real_time()) + _TOKEN_SECONDS)

        payloads = payloads_of(export.flow.body, export.segments)[export.withheld :]
        return _Events(f"{hub}/messages", token, [json.dumps(each) for each in payloads])


class _Events(Parcel):
    """Events for one event hub."""

    def __init__(self, url: str, token: Callable[[], str], events: list[str]) -> None:
        super().__init__()
        self._url = url
        self._token = token
        self._left = events

    def send(self) -> None:
        """Post batch after batch."""
        import requests

        with requests.Session() as session:
            # A proxy in the environment is not meant for what was named as the endpoint.
            session.trust_env = False
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
            while self._left:
                batch = _batch(self._left)
                try:
                    status = self._post(session, batch)
                except requests.RequestException as error:
                    raise OutputError(f"{type(error).__name__}: {error}") from None
                if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                    permanent = status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _RETRIED
                    raise OutputError(f"POST {self._url}: status {status}", permanent=permanent)
                self._left = self._left[len(batch) :]
                self.taken.records += len(batch)
                self.taken.size += sum(len(each.encode()) for each in batch)

    def _post(self, session: Any, batch: list[str]) -> int:
        """Post a batch; return the status of the response, whose body may repeat the token."""
        response = session.post(
            self._url,
            params={"timeout": 60, "api-version": "2014-01"},
            data=json.dumps([{"Body": each} for each in batch]),
            headers={
                "Authorization": self._token(),
                "Content-Type": "application/vnd.microsoft.servicebus.json",
            },
            allow_redirects=False,
            stream=True,
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
        )
        response.close()
        return int(response.status_code)


def _batch(events: list[str]) -> list[str]:
    """Return the first events that fit into a request, at least one."""
    size, count = 0, 0
    for event in events:
        # Inside of a batch an event is a string: what JSON has to escape gets longer.
        size += len(json.dumps({"Body": event})) + 1
        if count and size > _MAX_BYTES:
            break
        count += 1
    return events[:count]


def _token(resource: str, key_name: str, key: str, expiry: int) -> str:
    """Return a shared access signature.

    :param resource: URL of what it gives access to.
    :param expiry: seconds since the epoch.
    """
    encoded = quote(resource, safe="")
    digest = hmac.new(key.encode(), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = quote(base64.b64encode(digest).decode(), safe="")
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}&skn={quote(key_name, safe='')}"
