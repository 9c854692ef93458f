"""The page in the browser, and the small portions of data that it loads as they are needed: ``/_emulator/page``."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import inspect
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from airflow_provider_flowservice import __version__
from airflow_provider_flowservice.emulator.collection.store import find_inlet
from airflow_provider_flowservice.emulator.control_api.guard import ControlError, check_origin
from airflow_provider_flowservice.emulator.control_api.shelves import COLLECTIONS, SEARCHED, Collection
from airflow_provider_flowservice.emulator.control_api.views import ascii_response
from airflow_provider_flowservice.emulator.edge import CONTROL_PREFIX, CurrentEdge
from airflow_provider_flowservice.emulator.exchange import Exchange
from airflow_provider_flowservice.emulator.faults.base import Fault
from airflow_provider_flowservice.emulator.faults.queue import FAULTS
from airflow_provider_flowservice.emulator.flow.render import Renderer
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.emulator.world import CurrentWorld, Sandbox, World

router = APIRouter(dependencies=[Depends(check_origin)])

MAX_LIMIT = 50
# What an inlet received may be large: a page of it ends here.
_MESSAGES_BYTES = 500_000
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@router.get("/")
@router.get(CONTROL_PREFIX)
async def page() -> Response:
    """The page."""
    content, policy = _document()
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


@lru_cache(maxsize=1)
def _document() -> tuple[bytes, str]:
    """Return the page, and the policy under which nothing but its own script and style has any effect."""
    text = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    sources = {kind: f"'sha256-{_digest(inline)}'" for kind, inline in _INLINE.findall(text)}
    policy = (
        f"default-src 'none'; script-src {sources['script']}; style-src {sources['style']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text.encode(), policy


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@router.get(f"{CONTROL_PREFIX}/page/overview")
async def overview(request: Request, world: CurrentWorld, edge: CurrentEdge) -> Response:
    """Version, sandboxes, clock, number of faults, and how many resources a sandbox has (``?sandbox=``)."""
    sandbox = _sandbox(request, world)
    return ascii_response(
        {
            "version": __version__,
            "sandbox": sandbox.name,
            "sandboxes": sorted(world.sandboxes),
            "now": world.clock.now(),
            "ahead": world.clock.ahead,
            "faults": len(edge.faults.pending()),
            "lastRequest": edge.journal.last,
            "counts": {name: each.count(sandbox) for name, each in COLLECTIONS.items()},
        }
    )


@router.get(f"{CONTROL_PREFIX}/page/requests")
async def requests(request: Request, edge: CurrentEdge) -> Response:
    """A part of the journal, most recent first, without bodies.

    ``?search=`` must be in the method, path, query, status, fault or caller; ``?before=`` and ``?after=`` are numbers.
    ``next`` is the value of ``before`` that continues, or None; a page of a search may be empty before it ends.
    """
    after = _number(request, "after", 0)
    before = _number(request, "before", edge.journal.last + 1)
    limit, search = _limit(request), request.query_params.get("search", "").casefold()
    items, following = [], None
    for exchange in islice(edge.journal.newest(before), SEARCHED):
        if exchange.number <= after:
            following = None
            break
        following = exchange.number
        if search in _line(exchange).casefold():
            items.append(exchange.summary())
            if len(items) == limit:
                break
    is_last = following is None or next(edge.journal.newest(following), None) is None
    return ascii_response({"items": items, "next": None if is_last else following, "last": edge.journal.last})


def _line(exchange: Exchange) -> str:
    query = f"?{exchange.query}" if exchange.query else ""
    more = (str(exchange.status), exchange.fault or "", *exchange.caller.values())
    return " ".join((exchange.method, exchange.path + query, *more))


@router.get(f"{CONTROL_PREFIX}/page/requests/{{number}}")
async def one_request(number: str, edge: CurrentEdge) -> Response:
    """One request of the journal with its response."""
    found = edge.journal.find(int(number)) if _is_number(number) else None
    if found is None:
        raise ControlError(404, f"the journal does not have request {number!r} (any more)")
    return ascii_response(found.detail())


@router.get(f"{CONTROL_PREFIX}/page/inlets/{{inlet_id}}")
async def inlet(inlet_id: str, request: Request, world: CurrentWorld) -> Response:
    """A part of what an inlet received, most recent first."""
    found = find_inlet(world, inlet_id)
    if found is None:
        raise ControlError(404, f"unknown inlet {inlet_id!r}")
    messages, offset = found[1].messages, _number(request, "offset", 0)
    items, size = [], 0
    for message in islice(reversed(messages), offset, offset + _limit(request)):
        items.append(message.as_json())
        size += len(json.dumps(message.record))
        if size > _MESSAGES_BYTES:
            break
    position = offset + len(items)
    return ascii_response(
        {
            "sandbox": found[0].name,
            "connection": found[1].connection.id,
            "items": items,
            "total": len(messages),
            "next": position if position < len(messages) else None,
        }
    )


@router.get(f"{CONTROL_PREFIX}/page/switches")
async def switches(world: CurrentWorld) -> Response:
    """Every switch with its value, its default and what is known of it."""
    return ascii_response(
        [
            {
                "name": each.name,
                "value": getattr(world.switches, each.name),
                "default": each.default,
                **each.metadata,
            }
            for each in dataclasses.fields(Switches)
        ]
    )


@router.get(f"{CONTROL_PREFIX}/page/faults")
async def faults(edge: CurrentEdge) -> Response:
    """The faults that are pending, and all kinds with their parameters."""
    kinds = [
        {
            "kind": kind,
            "doc": (inspect.getdoc(each) or "").partition("\n")[0],
            "parameters": list(_parameters(each)),
        }
        for kind, each in FAULTS.items()
    ]
    return ascii_response({"pending": edge.faults.pending(), "kinds": kinds})


def _parameters(kind: type[Fault]) -> Iterator[dict[str, Any]]:
    for each in dataclasses.fields(kind):  # type: ignore[arg-type]
        yield {"name": each.name, "required": _is_missing(each.default) and _is_missing(each.default_factory)}


def _is_missing(default: object) -> bool:
    return default is dataclasses.MISSING


@router.get(f"{CONTROL_PREFIX}/page/{{collection}}")
async def items(collection: str, request: Request, world: CurrentWorld) -> Response:
    """A part of a collection: ``?sandbox=``, ``?offset=``, ``?limit=`` and ``?search=``."""
    shelf, sandbox = _collection(collection), _sandbox(request, world)
    search = request.query_params.get("search", "")
    return ascii_response(
        shelf.page(_renderer(sandbox, request), _number(request, "offset", 0), _limit(request), search)
    )


@router.get(f"{CONTROL_PREFIX}/page/{{collection}}/{{item_id:path}}")
async def item(collection: str, item_id: str, request: Request, world: CurrentWorld) -> Response:
    """One resource, in whichever sandbox it is; ``?sandbox=`` is the first one that is searched."""
    shelf, first = _collection(collection), _sandbox(request, world)
    for sandbox in dict.fromkeys((first, *world.sandboxes.values())):
        found = shelf.find(sandbox, item_id)
        if found is not None:
            renderer = _renderer(sandbox, request)
            return ascii_response(
                {
                    **shelf.detail(renderer, found),
                    "kind": collection,
                    "sandbox": sandbox.name,
                    "body": shelf.body(renderer, found),
                }
            )
    raise ControlError(404, f"no sandbox has {item_id!r} among its {collection}")


def _collection(name: str) -> Collection:
    if name not in COLLECTIONS:
        raise ControlError(
            404, f"unknown collection {name!r}; it must be one of {', '.join(COLLECTIONS)}, inlets, requests"
        )
    return COLLECTIONS[name]


def _sandbox(request: Request, world: World) -> Sandbox:
    """Return the sandbox that is asked for; the built-in one if it was forgotten meanwhile."""
    name = request.query_params.get("sandbox", "")
    return world.sandboxes.get(name) or world.sandboxes[world.settings.sandbox]


def _renderer(sandbox: Sandbox, request: Request) -> Renderer:
    return Renderer(sandbox, str(request.base_url).rstrip("/"), mask=True, current=True)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _is_number(text):
        raise ControlError(400, f"{name} must be a whole number that is not negative, not {text!r}")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 15


def _limit(request: Request) -> int:
    limit = _number(request, "limit", MAX_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise ControlError(400, f"limit must be from 1 to {MAX_LIMIT}, not {limit}")
    return limit
