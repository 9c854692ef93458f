"""How a stored resource looks in a response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, UNIFIED_PROFILE
from airflow_provider_flowservice.emulator.flow.origin import is_destination_flow
from airflow_provider_flowservice.emulator.flow.runs import has_ended, run_fields
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.gateway import Call
from airflow_provider_flowservice.emulator.masking import MASK, is_secret_key
from airflow_provider_flowservice.emulator.world import Sandbox

#: What is not shown as it is stored, of any kind of resource.
_DERIVED = frozenset(
    {
        "activities",
        "auth",
        "etag",
        "inheritedAttributes",
        "lastOperation",
        "metrics",
        "outcome",
        "runs",
        "seconds",
        "sides",
        "state",
        "typeInfo",
        "version",
    }
)
#: What time changes of a run.
_FOLLOWS_CLOCK = frozenset({"activities", "metrics", "state"})
_PROFILE_FRAGMENTS = {"type": "ProfileFragments", "id": "ups"}


@dataclass(frozen=True)
class Renderer:
    """Renders resources of one sandbox as JSON.

    :param base_url: where the caller reaches this emulator; inlets are shown under it.
    :param mask: whether credentials are masked.
    :param current: whether to show the current state, and not what AEP's reads show by now.
    """

    sandbox: Sandbox
    base_url: str
    mask: bool
    current: bool = False

    def item(self, resource: Resource) -> dict[str, Any]:
        """Return the resource as GET shows it. It shares what is stored and must not be changed."""
        resource = self._version(resource)
        if resource.kind is Kind.RUNS:
            return self._run(resource)
        item = self._common(resource) | resource.body
        etag = resource.shown_etag(self.sandbox.world.switches)
        item |= {"state": self._state(resource), "version": etag, "etag": etag}
        if resource.kind is Kind.CONNECTIONS:
            self._finish_connection(item, resource.inlet_id)
        elif resource.kind is Kind.FLOWS:
            self._finish_flow(item)
            if resource.operation:
                item["lastOperation"] = resource.operation.as_json()
        else:
            self._finish_end(item)
        return item

    def part(self, resource: Resource, field: str) -> dict[str, Any]:
        """Return something that has a top-level field as :meth:`item` has it, but may differ in all others."""
        resource = self._version(resource)
        if field in resource.body and field not in _DERIVED:
            return resource.body
        if self.follows_clock(resource.kind, field):
            return self._run_fields(resource, field)
        if field == "state":
            return {"state": self._state(resource)}
        common = self._common(resource)
        return common if field in common else self.item(resource)

    def text(self, resource: Resource) -> Raw:
        """Return the resource as GET shows it, as JSON, which is kept while it cannot look different."""
        if FlowStore.of(self.sandbox).lags or not self.is_settled(resource, "state"):
            return Raw(msgspec.json.encode(self.item(resource)))
        basis = (self.sandbox.world.switches, self.mask, self.base_url if resource.inlet_id else None)
        if resource.shown is None or resource.shown[0] != basis:
            resource.shown = (basis, Raw(msgspec.json.encode(self.item(resource))))
        return resource.shown[1]

    def is_settled(self, resource: Resource, field: str) -> bool:
        """Return whether only a write can change a top-level field."""
        return not self.follows_clock(resource.kind, field) or has_ended(
            resource, self.sandbox.world.clock.now()
        )

    @staticmethod
    def follows_clock(kind: Kind, field: str) -> bool:
        """Return whether time alone can change a top-level field."""
        return kind is Kind.RUNS and field in _FOLLOWS_CLOCK

    @staticmethod
    def looks_alike(kind: Kind, field: str) -> bool:
        """Return whether each caller sees the same in a top-level field, wherever it reaches the emulator."""
        return kind is not Kind.CONNECTIONS or field != "auth"

    def _version(self, resource: Resource) -> Resource:
        return resource if self.current else FlowStore.of(self.sandbox).visible(resource)

    def _state(self, resource: Resource) -> str:
        is_draft = resource.state is State.DRAFT
        return self.sandbox.world.switches.draft_state if is_draft else resource.state.value

    def _common(self, resource: Resource) -> dict[str, Any]:
        credential = self.sandbox.world.settings.credential
        account, client = credential.technical_account, credential.client_id
        return {
            "id": resource.id,
            "createdAt": resource.created_at,
            "updatedAt": resource.updated_at,
            "createdBy": account,
            "updatedBy": resource.updated_by or account,
            "createdClient": client,
            "updatedClient": client,
            "sandboxId": self.sandbox.id,
            "sandboxName": self.sandbox.name,
            "imsOrgId": credential.org_id,
        }

    def _run(self, run: Resource) -> dict[str, Any]:
        return {
            **self._common(run),
            **self._run_fields(run),
            "etag": run.shown_etag(self.sandbox.world.switches),
        }

    def _run_fields(self, run: Resource, only: str | None = None) -> dict[str, Any]:
        world = self.sandbox.world
        return run_fields(run, world.clock.now(), world.switches.run_status_names, only=only)

    def _finish_connection(self, item: dict[str, Any], inlet_id: str | None) -> None:
        params = item.get("auth", {}).get("params")
        if params is None:
            return
        if CONNECTION_SPECS[item["connectionSpec"]["id"]].is_destination:
            params = {**params, "authorizedDate": params.get("authorizedDate", iso(item["createdAt"] / 1000))}
        if inlet_id:
            params = self._inlet_params(params, item["name"], inlet_id)
        if self.mask:
            secrets = credential_names(item)
            params = {
                name: MASK if name in secrets or is_secret_key(name) else value
                for name, value in params.items()
            }
        item["auth"] = {**item["auth"], "params": params}

    def _inlet_params(self, params: dict[str, Any], connection_name: str, inlet_id: str) -> dict[str, Any]:
        """Add what the server adds. The caller's own values win, except for the inlet's address."""
        name = params.get("name") or connection_name
        return {
            "sourceId": name,
            "name": name,
            "authenticationRequired": False,
            **params,
            "inletUrl": f"{self.base_url}/collection/{inlet_id}",
            "inletId": inlet_id,
        }

    def _finish_end(self, item: dict[str, Any]) -> None:
        if item["connectionSpec"].get("id") == UNIFIED_PROFILE:
            item["typeInfo"] = dict(_PROFILE_FRAGMENTS)
        base = self._base_of(item)
        item["inheritedAttributes"] = {"baseConnection": base} if base else {}

    def _finish_flow(self, item: dict[str, Any]) -> None:
        item.setdefault("description", "")
        item.setdefault("transformations", [])
        if self.sandbox.world.switches.inherited_attributes == "shown":
            side = "isDestinationFlow" if is_destination_flow(item, self.sandbox) else "isSourceFlow"
            item["inheritedAttributes"] = {
                "properties": {side: True},
                "sourceConnections": self._ends(Kind.SOURCE_CONNECTIONS, item["sourceConnectionIds"]),
                "targetConnections": self._ends(Kind.TARGET_CONNECTIONS, item["targetConnectionIds"]),
            }
        item["runs"] = f"/runs?property=flowId=={item['id']}"

    def _ends(self, kind: Kind, ids: list[str]) -> list[dict[str, Any]]:
        return [self._end(kind, end_id) for end_id in ids]

    def _end(self, kind: Kind, end_id: str) -> dict[str, Any]:
        end: dict[str, Any] = {"id": end_id}
        resource = FlowStore.of(self.sandbox).find(kind, end_id)
        if resource is None:
            return end
        body = self._version(resource).body
        end["connectionSpec"] = body["connectionSpec"]
        base = self._base_of(body)
        if base:
            end["baseConnection"] = base
        if end["connectionSpec"].get("id") == UNIFIED_PROFILE:
            end["typeInfo"] = dict(_PROFILE_FRAGMENTS)
        return end

    def _base_of(self, body: dict[str, Any]) -> dict[str, Any] | None:
        base = FlowStore.of(self.sandbox).find(Kind.CONNECTIONS, body.get("baseConnectionId"))
        return {"id": base.id, "connectionSpec": base.body["connectionSpec"]} if base else None


def renderer_for(call: Call) -> Renderer:
    """Return the renderer for the response to a call."""
    return Renderer(call.sandbox, call.base_url, call.world.switches.mask_secrets)


def credential_names(connection: dict[str, Any]) -> frozenset[str]:
    """Return the parameters of a base connection that its spec marks as credentials."""
    spec = CONNECTION_SPECS[connection["connectionSpec"]["id"]]
    auth_spec = spec.auth_spec(connection["auth"].get("specName"))
    return auth_spec.secrets if auth_spec else frozenset()
