"""What is read of a busy sandbox, as the provider reads it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from airflow_provider_flowservice.emulator.control import EmulatorControl

BASE = "/data/foundation/flowservice"
#: How many flows and runs are read.
_SOME = 500
#: The largest page, and the most ids in one filter.
_PAGE = 100


class Reader:
    """A caller that is logged in."""

    def __init__(self, url: str) -> None:
        credential = EmulatorControl(url).credential
        secret = {"client_id": credential.client_id, "client_secret": credential.client_secret}
        form = {"grant_type": "client_credentials", "scope": "openid", **secret}
        token = requests.post(f"{url}/ims/token/v3", data=form, timeout=60).json()["access_token"]
        self.url = url
        self.headers = {
            "Authorization": f"Bearer {token}",
            "x-api-key": credential.client_id,
            "x-gw-ims-org-id": credential.org_id,
            "x-sandbox-name": credential.sandbox,
        }

    def some(self, collection: str) -> list[dict[str, Any]]:
        """Return some items of a collection, the newest first."""
        items: list[dict[str, Any]] = []
        href = f"/{collection}?limit={_PAGE}"
        while href and len(items) < _SOME:
            page = requests.get(self.url + BASE + href, headers=self.headers, timeout=60).json()
            items += page["items"]
            href = page["_links"].get("next", {}).get("href", "")
        return items


def reads_by_id(reader: Reader) -> dict[str, list[str]]:
    """Return targets of requests by what they read."""
    flows, runs = reader.some("flows"), reader.some("runs")
    return {
        "a flow": [f"{BASE}/flows/{flow['id']}" for flow in flows],
        "a run": [f"{BASE}/runs/{run['id']}" for run in runs],
        "a target connection": [
            f"{BASE}/targetConnections/{flow['targetConnectionIds'][0]}" for flow in flows
        ],
    }


def filtered_reads(reader: Reader) -> dict[str, list[str]]:
    """Return targets of requests by what they ask for."""
    flows = reader.some("flows")
    ids = [flow["id"] for flow in flows]
    bases = [flow["inheritedAttributes"]["targetConnections"][0]["baseConnection"]["id"] for flow in flows]
    newest = f"orderby=-createdAt&limit={_PAGE}"
    return {
        "a flow by its name": [_list("flows", "", f"name=={flow['name']}") for flow in flows],
        "flows by 100 ids": [
            _list("flows", f"limit={_PAGE}", f"id=={','.join(ids[start : start + _PAGE])}")
            for start in range(0, len(ids), _PAGE)
        ],
        "flows that are disabled": [_list("flows", "", "state==disabled")],
        "the flow of a target connection": [
            _list("flows", "limit=5", f"targetConnectionIds[]=={flow['targetConnectionIds'][0]}")
            for flow in flows
        ],
        "target connections of an account": [
            _list("targetConnections", "", f"baseConnectionId=={base}") for base in bases
        ],
        "the newest run of a flow": [
            _list("runs", "orderby=-createdAt&limit=1", f"flowId=={each}") for each in ids
        ],
        "the runs of a flow": [_list("runs", newest, f"flowId=={each}") for each in ids],
        "the failed runs of a flow": [
            _list("runs", newest, f"flowId=={each}", "metrics.statusSummary.status==failed") for each in ids
        ],
    }


def _list(collection: str, more: str, *filters: str) -> str:
    query = [f"property={quote(each, safe='')}" for each in filters]
    return f"{BASE}/{collection}?{'&'.join([*query, more] if more else query)}"
