"""The provider's metadata for Airflow. Reading it does not import any other module of the package."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return connection type, links and modules in the format of Airflow's ``provider_info`` schema."""
    package = "airflow_provider_flowservice"
    name = "Adobe Experience Platform Flow Service"
    return {
        "package-name": "airflow-provider-flowservice",
        "name": name,
        "description": "Adobe Experience Platform dataflows: connections, flows, activation, streaming.",
        "integrations": [
            {
                "integration-name": name,
                "external-doc-url": "https://developer.adobe.com/experience-platform-apis/",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": name, "python-modules": [f"{package}.hooks.flow_service"]}],
        "operators": [
            {
                "integration-name": name,
                "python-modules": [
                    f"{package}.operators.{module}"
                    for module in (
                        "activation",
                        "connections",
                        "data_prep",
                        "datasets",
                        "flows",
                        "inlet",
                        "runs",
                        "schemas",
                    )
                ],
            }
        ],
        "sensors": [{"integration-name": name, "python-modules": [f"{package}.sensors.flows"]}],
        "triggers": [
            {
                "integration-name": name,
                "python-modules": [f"{package}.triggers.base", f"{package}.triggers.events"],
            }
        ],
        "asset-uris": [{"schemes": ["flowservice"], "handler": f"{package}.assets.sanitize_uri"}],
        "extra-links": [f"{package}.links.FlowServiceLink"],
        "config": {
            "flowservice": {
                "description": "Adobe Experience Platform Flow Service.",
                "options": {
                    "allowed_hosts": {
                        "description": (
                            "Host names, separated by commas, that connections of type flowservice and inlet URLs"
                            " may have. A connection with another host, ims_host or collection_host is rejected"
                            " before anything is sent. If empty, every host is allowed."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "platform.adobe.io,ims-na1.adobelogin.com,dcs.adobedc.net",
                        "default": "",
                    }
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "flowservice",
                "hook-class-name": f"{package}.hooks.flow_service.FlowServiceHook",
                "hook-name": name,
                "ui-field-behaviour": {
                    "hidden-fields": ["port", "schema", "extra"],
                    "relabeling": {"host": "API gateway", "login": "Client ID", "password": "Client secret"},
                    "placeholders": {"host": "https://platform.adobe.io"},
                },
                "conn-fields": _conn_fields(),
            }
        ],
    }


def _conn_fields() -> dict[str, Any]:
    return {
        "org_id": _field("Organization ID", "Ends with @AdobeOrg."),
        "sandbox": _field("Sandbox", "Required here or on each operator. There is no default."),
        "access_token": _field(
            "Access token", "An existing token, instead of a client secret.", format="password"
        ),
        "scopes": _field("Scopes", "Comma-separated IMS scopes; if empty, those that AEP requires."),
        "ims_host": _field("IMS host", "Adobe's identity service; ims-na1.adobelogin.com if empty."),
        "collection_host": _field("Collection host", "Streaming inlets; dcs.adobedc.net if empty."),
        "connect_timeout": _field("Connect timeout", "Seconds; 10 if empty.", kind="number"),
        "read_timeout": _field("Read timeout", "Seconds; 60 if empty.", kind="number"),
        "retries": _field("Retries", "Maximum retries of a request; 4 if empty.", kind="integer"),
        "retry_budget": _field(
            "Retry budget", "Maximum seconds for a request with all retries; 300 if empty.", kind="number"
        ),
        "proxy": _field("Proxy", "Proxy URL; if empty, the proxy of the environment."),
        "token_cache": _field(
            "Token cache", "Set to file to share tokens among the tasks on a machine; requires a Fernet key."
        ),
        "ca_file": _field("CA file", "PEM file of your CA; if empty, the file of the environment."),
    }


def _field(label: str, description: str, *, kind: str = "string", **schema: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}
