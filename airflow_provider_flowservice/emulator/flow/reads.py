"""Reads of Flow Service: lists, and single resources and specs.

They are asked for far more often than anything else, and FastAPI's routing and dependencies cost more than they do.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_flowservice.emulator.errors import ApiError, PlatformError
from airflow_provider_flowservice.emulator.flow import runs
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.errors import not_found
from airflow_provider_flowservice.emulator.flow.finding import list_resources
from airflow_provider_flowservice.emulator.flow.listing import Selection, list_response
from airflow_provider_flowservice.emulator.flow.queries import MAX_LIMIT, ListQuery
from airflow_provider_flowservice.emulator.flow.render import renderer_for
from airflow_provider_flowservice.emulator.flow.specs import Catalogue
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.gateway import Call, admit, refusal
from airflow_provider_flowservice.emulator.world import World

BASE_PATH = "/data/foundation/flowservice"
_READ = re.compile(rf"{BASE_PATH}/(?P<collection>[^/]+)(/(?P<item_id>[^/]+))?")
CATALOGUES: dict[str, Catalogue[Any]] = {"connectionSpecs": CONNECTION_SPECS, "flowSpecs": FLOW_SPECS}


class FlowReads:
    """ASGI middleware that serves these reads, and lets the application serve everything else."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = _READ.fullmatch(scope["path"]) if scope.get("method") == "GET" else None
        if found is None:
            await self._app(scope, receive, send)
        else:
            response = self._respond(Request(scope), found["collection"], found["item_id"])
            await response(scope, receive, send)

    def _respond(self, request: Request, collection: str, item_id: str | None) -> Response:
        try:
            call = admit(request, self._world)
            return list_items(call, collection) if item_id is None else get_item(call, collection, item_id)
        except ApiError as error:
            return refusal(error, request, self._world)


def list_items(call: Call, collection: str) -> Response:
    """List a collection, most recent first. Specs are listed on one page unless a limit is given."""
    switches = call.world.switches
    query = ListQuery.parse(call.request.query_params, switches)
    path = f"/{collection}"
    if collection not in CATALOGUES:
        kind = kind_of(collection)
        if kind is Kind.RUNS:
            runs.start_scheduled_runs(call.sandbox)
        return json_response(list_resources(renderer_for(call), kind, path, query))
    items = [spec.as_json() for spec in CATALOGUES[collection].values()]
    if "limit" not in call.request.query_params:
        query = query.with_limit(max(len(items), MAX_LIMIT))
    return json_response(list_response(path, items, query, Selection.parse(query, switches), switches))


def get_item(call: Call, collection: str, item_id: str) -> Response:
    """Read one resource or spec, wrapped in a list of items."""
    if collection in CATALOGUES:
        spec = CATALOGUES[collection].find(item_id, call.world.switches)
        if spec is None:
            raise not_found(collection, item_id)
        return json_response({"items": [spec.as_json()]})
    resource = FlowStore.of(call.sandbox).get(kind_of(collection), item_id)
    return json_response({"items": [renderer_for(call).text(resource)]})


def kind_of(collection: str) -> Kind:
    """Return the kind of the resources in a collection.

    :raises PlatformError: 404 if there is no such collection.
    """
    try:
        return Kind(collection)
    except ValueError:
        raise PlatformError(404, "NotFoundError", f"There is no collection {collection}.") from None


def json_response(content: object) -> Response:
    """Return a response with a body that is large, or often asked for."""
    return Response(msgspec.json.encode(content), media_type="application/json")
