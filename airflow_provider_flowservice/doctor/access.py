"""What works: the settings, the way to AEP, the token, the sandbox, and the permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.findings import Finding

if TYPE_CHECKING:
    from airflow_provider_flowservice.doctor.progress import Progress
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook


def examine_access(hook: FlowServiceHook, progress: Progress) -> tuple[list[Finding], Aep | None]:
    """Check what a user needs before anything else works.

    :returns: what was found, and the AEP that can be examined further; None if no request can succeed.
    """
    progress("Settings")
    transport = http.RequestsTransport(hook.settings, caller=hook.caller)
    return [], Aep(hook.settings, transport)
