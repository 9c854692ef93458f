"""What works: the settings, the way to AEP, the token, the gateway, the sandbox, and the permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.log import mask_secret

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.doctor.access.gateway import examine_gateway
from airflow_provider_flowservice.doctor.access.network import examine_network
from airflow_provider_flowservice.doctor.access.permissions import examine_permissions
from airflow_provider_flowservice.doctor.access.settings import examine_settings
from airflow_provider_flowservice.doctor.access.token import FreshToken, examine_token
from airflow_provider_flowservice.doctor.aep import Aep, impatient
from airflow_provider_flowservice.doctor.findings import Finding, Progress

if TYPE_CHECKING:
    from airflow_provider_flowservice.doctor.privacy import Veil
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook


class Access(Frozen, frozen=True):
    """What a user needs before anything else works.

    :param findings: what was found.
    :param calls: number of HTTP requests that were sent, without those that ``aep`` counts.
    :param aep: the AEP that can be examined further; None if no request to it can succeed.
    """

    findings: tuple[Finding, ...]
    calls: int = 0
    aep: Aep | None = None


def examine_access(hook: FlowServiceHook, progress: Progress, veil: Veil) -> Access:
    """Check what a user needs before anything else works.

    :param veil: is told the values that no report may show.
    """
    progress("Settings")
    findings, settings = examine_settings(hook, veil)
    if settings is None:
        return Access(tuple(findings))
    settings = impatient(settings)
    progress("Network")
    reached = examine_network(settings, hook.caller)
    findings += reached.findings
    calls = reached.calls
    if not reached.is_enough:
        return Access(tuple(findings), calls)
    progress("Token")

    def on_token(token: str) -> None:
        mask_secret(token)
        veil.hide([token])

    fresh = FreshToken()
    transport = http.RequestsTransport(settings, on_token=on_token, token_store=fresh, caller=hook.caller)
    more, has_token = examine_token(settings, transport, fresh)
    findings += more
    calls += not settings.access_token
    if not has_token:
        return Access(tuple(findings), calls)
    aep = Aep(settings, transport, token_lifetime=fresh.lifetime)
    progress("Gateway")
    more, is_open = examine_gateway(aep)
    findings += more
    if not is_open:
        return Access(tuple(findings), calls + aep.calls)
    findings += examine_permissions(aep, progress)
    return Access(tuple(findings), calls, aep)
