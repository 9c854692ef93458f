"""The way from this machine to AEP: proxy, names, TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.errors import FlowServiceError, NotSentError, UntrustedServerError
from airflow_provider_flowservice.client.http import FLOW_SERVICE, Host
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.connection_fields import EXTRAS, STANDARD_FIELDS, field_name
from airflow_provider_flowservice.doctor.aep import raw_request
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome
from airflow_provider_flowservice.doctor.services import EVERYTHING, Service

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http import Caller, Response
    from airflow_provider_flowservice.client.settings import Settings

#: A second attempt tells a moment's failure from one that lasts; more would only keep the user waiting.
_RETRIES = 1
#: By the field with the host: what is asked without a token. The gateway answers with an error in JSON.
_QUESTIONS = {
    "host": raw_request("GET", f"{FLOW_SERVICE}/flows", authorized=False),
    "ims_host": raw_request("GET", "/", authorized=False, host=Host.IMS),
    "collection_host": raw_request("GET", "/", authorized=False, host=Host.COLLECTION),
}
_ANOTHER_SERVER = (
    "A proxy on the way, or another server than Adobe's, has responded. Open the address in a browser on this machine,"
    " check {field} of the connection, and ask those who run the network to permit the host."
)


class Reached(Frozen, frozen=True):
    """Which servers were reached.

    :param calls: number of requests that were sent, without retries.
    :param is_enough: whether a token can be asked for, and AEP with it.
    """

    findings: tuple[Finding, ...]
    calls: int
    is_enough: bool


def examine_network(settings: Settings, caller: Caller) -> Reached:
    """Send a request without a token to each server that the operators use."""
    transport = http.RequestsTransport(msgspec.structs.replace(settings, retries=_RETRIES), caller=caller)
    needed = [name for name in _QUESTIONS if name != "ims_host" or not settings.access_token]
    findings = tuple(_examine(transport, settings, name) for name in needed)
    transport.close()
    required = [each for name, each in zip(needed, findings, strict=True) if name != "collection_host"]
    is_enough = all(each.outcome is Outcome.FINE for each in required)
    return Reached(findings, len(needed), is_enough)


def _examine(transport: http.RequestsTransport, settings: Settings, name: str) -> Finding:
    try:
        received = transport.probe(_QUESTIONS[name], without=("x-sandbox-name",))
    except FlowServiceError as error:
        return _broken(name, *_reason(error))
    if name == "host" and not _is_json(received):
        seen = f"The response (status {received.status}) is not AEP's JSON, but for example a page in HTML."
        return _broken(name, seen, _ANOTHER_SERVER.format(field=field_name(name)))
    origin = settings.gateway if name == "host" else getattr(settings, name)
    way = "through the proxy" if http.proxy_for(origin, settings) else "directly"
    tls = "its certificate is trusted" if origin.startswith("https:") else "without TLS"
    return Finding(
        area=Area.NETWORK, subject=_title(name), outcome=Outcome.FINE, seen=f"Reached {way}; {tls}."
    )


def _title(name: str) -> str:
    return (STANDARD_FIELDS | EXTRAS)[name]


def _is_json(received: Response) -> bool:
    return http.lenient_json(received.body) is not None


def _broken(name: str, seen: str, remedy: str) -> Finding:
    everything = name != "collection_host"
    return Finding(
        area=Area.NETWORK,
        subject=_title(name),
        outcome=Outcome.BROKEN,
        seen=seen,
        remedy=remedy,
        operators=EVERYTHING if everything else Service.INLETS.operators,
    )


def _reason(error: FlowServiceError) -> tuple[str, str]:
    """Return what has failed, and the remedy. The error's message has the names of hosts."""
    if isinstance(error, UntrustedServerError):
        return _untrusted(error)
    if isinstance(error, NotSentError):
        return f"No connection: {error.problem}.", error.remedy
    remedy = "Check that the host, its port and the proxy speak HTTPS, and ask those who run the network."
    if "TLS failed" in error.message:
        return "TLS has failed before a response came.", remedy
    return f"The connection was made, but no complete response came ({type(error).__name__}).", remedy


def _untrusted(error: UntrustedServerError) -> tuple[str, str]:
    if "has expired" in error.message:
        return (
            "The server's certificate has expired.",
            "Ask those who run the server or the proxy to renew it.",
        )
    if "mismatch" in error.message or "not valid for" in error.message:
        remedy = "Check the host, and ask those who run the network whether a proxy responds in its place."
        return "The server's certificate is for another host.", remedy
    remedy = (
        "If a proxy of your company opens TLS connections, ask those who run it for the file with its CA certificates,"
        f" and set it as {field_name('ca_file')} of the connection, or in REQUESTS_CA_BUNDLE."
    )
    return "The server's certificate is signed by a CA that is not trusted.", remedy
