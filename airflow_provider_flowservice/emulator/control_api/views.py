"""What exists and what arrived: as JSON, and as the page in the browser."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from airflow_provider_flowservice.emulator.activation.exports import exported_profiles
from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.collection.store import inlets_of
from airflow_provider_flowservice.emulator.edge import Edge
from airflow_provider_flowservice.emulator.flow.render import Renderer
from airflow_provider_flowservice.emulator.flow.runs import start_scheduled_runs
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.outputs.delivery import DeliveryStore
from airflow_provider_flowservice.emulator.world import Sandbox, World

_SHOWN_REQUESTS = 200
_EXPORTED = ("payloads", "deliveries")
_STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222}"
    "table{border-collapse:collapse;margin-bottom:2em}"
    "th,td{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top}"
    "th{background:#f2f2f2}pre{margin:0;max-width:60em;overflow:auto}"
)


def state_of(sandbox: Sandbox, base_url: str) -> dict[str, Any]:
    """Return the current state of every resource of a sandbox by collection, oldest first, secrets masked.

    :param base_url: where the caller reaches the emulator.
    """
    start_scheduled_runs(sandbox)
    renderer = Renderer(sandbox, base_url, mask=True, current=True)
    state: dict[str, Any] = {
        kind.value: [renderer.item(each) for each in FlowStore.of(sandbox).all(kind)] for kind in Kind
    }
    state["messages"] = {
        inlet.id: [message.as_json() for message in inlet.messages] for inlet in inlets_of(sandbox)
    }
    return state


def exports_of(sandbox: Sandbox, flow: Resource) -> dict[str, Any]:
    """Return what a flow exports, and what of it was sent to an output, the latest last."""
    return {
        "flowId": flow.id,
        "sandbox": sandbox.name,
        "payloads": exported_profiles(flow),
        "deliveries": [each.as_json() for each in DeliveryStore.of(sandbox).of_flow(flow.id)],
    }


class Html(str):
    """A string that is HTML already. All other strings are escaped on their way to the page."""

    __slots__ = ()


def page_of(world: World, edge: Edge, base_url: str) -> str:
    """Return the whole page. It loads nothing from other hosts."""
    parts = [_tag("h1", "Flow Service emulator"), _about(world, edge)]
    for name, sandbox in sorted(world.sandboxes.items()):
        parts += [_tag("h2", f"Sandbox {name}"), *_collections(state_of(sandbox, base_url))]
        parts += _exports(sandbox)
    parts += [_tag("h2", f"Last {_SHOWN_REQUESTS} requests"), _requests(edge)]
    head = _tag(
        "head",
        Html('<meta charset="utf-8">'),
        _tag("title", "Flow Service emulator"),
        _tag("style", Html(_STYLE)),
    )
    return f"<!doctype html>{_tag('html', head, _tag('body', *parts))}"


def _tag(name: str, *children: str) -> Html:
    inner = "".join(child if isinstance(child, Html) else escape(child) for child in children)
    return Html(f"<{name}>{inner}</{name}>")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    lines = [_tag("tr", *(_tag("th", name) for name in head))]
    lines += [_tag("tr", *(_tag("td", cell) for cell in row)) for row in rows]
    return _tag("table", *lines)


def _details(value: Any) -> Html:
    return _tag("details", _tag("summary", "JSON"), _tag("pre", json.dumps(value, indent=2)))


def _about(world: World, edge: Edge) -> Html:
    credential = world.settings.credential
    faults = edge.faults.pending()
    return _table(
        ("", ""),
        (
            ("client id", credential.client_id),
            ("organization", credential.org_id),
            ("sandboxes", ", ".join(sorted(world.sandboxes))),
            ("clock", f"{iso(world.clock.now())} ({world.clock.ahead:g} seconds ahead)"),
            ("pending faults", json.dumps(faults) if faults else "none"),
            ("switches", _details(world.switches.as_json())),
        ),
    )


def _collections(state: dict[str, Any]) -> list[Html]:
    parts: list[Html] = []
    for name, items in state.items():
        if not items:
            continue
        parts.append(_tag("h3", f"{name} ({len(items)})"))
        if isinstance(items, dict):
            parts.append(
                _table(("id", "number", "content"), ((k, str(len(v)), _details(v)) for k, v in items.items()))
            )
        else:
            rows = ((i["id"], str(i.get("name", "")), str(i.get("state", "")), _details(i)) for i in items)
            parts.append(_table(("id", "name", "state", "content"), rows))
    return parts or [_tag("p", "empty")]


def _exports(sandbox: Sandbox) -> list[Html]:
    flows = FlowStore.of(sandbox).all(Kind.FLOWS)
    shown = [each for each in (exports_of(sandbox, flow) for flow in flows) if any(map(each.get, _EXPORTED))]
    rows = ((each["flowId"], *(str(len(each[name])) for name in _EXPORTED), _details(each)) for each in shown)
    head = ("flow", *_EXPORTED, "content")
    return [_tag("h3", f"exports ({len(shown)})"), _table(head, rows)] if shown else []


def _requests(edge: Edge) -> Html:
    entries = edge.journal.entries()[-_SHOWN_REQUESTS:]
    rows = (
        (
            iso(entry["time"]),
            entry["method"],
            entry["path"],
            json.dumps(entry["query"]) if entry["query"] else "",
            str(entry["status"] or "no response"),
            entry["fault"] or "",
            _details(entry["body"]) if entry["body"] is not None else "",
        )
        for entry in reversed(entries)
    )
    return _table(("time", "method", "path", "query", "status", "fault", "body"), rows)
