"""What Airflow asks the package about itself. A plain dict: reading it imports nothing."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The provider's connection type, links and modules, as Airflow's ``provider_info`` schema has them."""
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
                        "schemas",
                    )
                ],
            }
        ],
        "sensors": [{"integration-name": name, "python-modules": [f"{package}.sensors.flows"]}],
        "triggers": [{"integration-name": name, "python-modules": [f"{package}.triggers.base"]}],
        "extra-links": [f"{package}.links.FlowServiceLink"],
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
        "org_id": _field("Organisation ID", "Ends with @AdobeOrg."),
        "sandbox": _field("Sandbox", "Needed here or on each operator; prod must be written out."),
        "access_token": _field(
            "Access token", "A ready token, instead of a client secret.", format="password"
        ),
        "scopes": _field("Scopes", "Comma separated IMS scopes; empty takes those that AEP needs."),
        "ims_host": _field("IMS host", "Adobe's identity service; empty takes ims-na1.adobelogin.com."),
        "collection_host": _field("Collection host", "Streaming inlets; empty takes dcs.adobedc.net."),
        "connect_timeout": _field("Connect timeout", "Seconds; 10 if empty.", kind="number"),
        "read_timeout": _field("Read timeout", "Seconds; 60 if empty.", kind="number"),
        "retries": _field("Retries", "How often one request is sent again; 4 if empty.", kind="integer"),
        "retry_budget": _field(
            "Retry budget", "Seconds that one request may take in all; 300 if empty.", kind="number"
        ),
        "proxy": _field("Proxy", "Proxy URL; empty takes the environment's."),
        "token_cache": _field(
            "Token cache", "Write file to share tokens among the tasks of one machine; needs a Fernet key."
        ),
        "ca_file": _field("CA file", "PEM file of your own CA; empty takes the environment's."),
    }


def _field(label: str, description: str, *, kind: str = "string", **schema: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}
