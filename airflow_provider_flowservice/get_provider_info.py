"""The provider's metadata for Airflow, which reads it in all of its processes: it imports no package but this one."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.connection_fields import EXTRAS, STANDARD_FIELDS


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
        "asset-uris": [
            {
                "schemes": ["flowservice"],
                "handler": f"{package}.assets.sanitize_uri",
                "to_openlineage_converter": f"{package}.openlineage.asset_dataset",
            }
        ],
        "extra-links": [f"{package}.links.FlowServiceLink"],
        # Airflow 3.2 and newer read it; older versions pass over it.
        "cli": [f"{package}.cli.get_cli_commands"],
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
                    # Not the port, which is optional: if it is hidden, Test of Airflow 3.3.2 always fails.
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": dict(STANDARD_FIELDS),
                    "placeholders": {"host": "https://platform.adobe.io", "port": "443"},
                },
                "conn-fields": _conn_fields(),
            }
        ],
    }


def _conn_fields() -> dict[str, Any]:
    network, token, retries = "Network", "Token", "Retries"
    fields = [
        # A type that is not nullable makes a field required.
        _field("org_id", "Ends with @AdobeOrg.", type="string"),
        _field("sandbox", "Required here or on each operator. There is no default."),
        _field("ims_host", "Adobe's identity service; ims-na1.adobelogin.com if empty.", section=network),
        _field("collection_host", "Streaming inlets; dcs.adobedc.net if empty.", section=network),
        _field("connect_timeout", "Seconds; 10 if empty.", kind="number", section=network),
        _field("read_timeout", "Seconds; 60 if empty.", kind="number", section=network),
        _field("proxy", "Proxy URL; if empty, the proxy of the environment.", section=network),
        _field("ca_file", "PEM file of your CA; if empty, the file of the environment.", section=network),
        _field(
            "access_token", "An existing token, instead of a client secret.", format="password", section=token
        ),
        _field("scopes", "Comma-separated IMS scopes; if empty, those that AEP requires.", section=token),
        _field(
            "token_cache",
            "Set to file to share tokens among the tasks on a machine; requires a Fernet key.",
            section=token,
        ),
        _field("retries", "Maximum retries of a request; 4 if empty.", kind="integer", section=retries),
        _field(
            "retry_budget",
            "Maximum seconds for a request with all retries; 300 if empty.",
            kind="number",
            section=retries,
        ),
    ]
    return dict(fields)


def _field(name: str, description: str, *, kind: str = "string", **schema: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a field of the form, and the field, which may be left empty unless ``schema`` has a type."""
    return name, {
        "label": EXTRAS[name],
        "description": description,
        "schema": {"type": [kind, "null"], **schema},
    }
