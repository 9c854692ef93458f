"""Looking for flows and their runs: by name, kind, state and time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import takewhile

from airflow_provider_flowservice.client.errors import InvalidInputError, NameNotFoundError
from airflow_provider_flowservice.client.flows.runs import NEWEST_FIRST, of_flow
from airflow_provider_flowservice.client.flows.specs import FlowSource, find_spec, read_source
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import (
    could_be,
    could_be_any,
    could_be_none,
    iterate,
    pages,
)
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.model import Flow, FlowKind, FlowRun, FlowState, RunState, is_uuid
from airflow_provider_flowservice.client.text import did_you_mean, plain_text
from airflow_provider_flowservice.client.times import epoch_seconds
from airflow_provider_flowservice.client.values import enum_member, listed, optional_enum_member

#: A time: see :func:`~airflow_provider_flowservice.client.times.epoch_seconds`.
Time = datetime | str | float


def with_transformations(sender: Sender, flow: Flow) -> Flow:
    """Return a flow from a list as a read by its id shows it.

    Calls: ``GET /flows/{id}`` if the list has left out its transformations, and with them the selectors.

    :raises NotFoundError: if it was deleted since.
    """
    return flow if flow.shows_transformations else sender.send(request.get(request.FLOWS, flow.id))


def iterate_flows(
    sender: Sender,
    name: str | None = None,
    state: FlowState | str | None = None,
    kind: FlowKind | str | None = None,
) -> Iterator[Flow]:
    """Yield the flows that have a name, a state and a kind; None allows any.

    Name and state narrow the list down in AEP and are compared again here. The kind is only compared here: AEP's filter
    would leave out a flow whose kind it does not show.

    Calls: ``GET /flows`` for each 100 flows and, if AEP does not show the kind of a flow or what its source connection
    reads from, ``GET /sourceConnections/{id}``.

    :raises InvalidInputError: if an argument is invalid.
    :raises InvalidResponseError: if a flow that cannot be read could have the name.
    """
    if name is not None:
        _check_name(name)
    wanted_state = optional_enum_member("state", state, FlowState)
    wanted_kind = optional_enum_member("kind", kind, FlowKind)
    filters = [request.equals("name", name)] if name is not None and request.is_plain(name) else []
    filters += [request.equals("state", wanted_state)] if wanted_state else []
    needed = could_be_none if name is None else could_be(name)
    return (
        flow
        for flow in iterate(sender, request.FLOWS, filters=filters, needed=needed)
        if name in (None, flow.name)
        and wanted_state in (None, flow.state)
        and (wanted_kind is None or _kind_of(sender, flow) is wanted_kind)
    )


def _kind_of(sender: Sender, flow: Flow) -> FlowKind:
    """Return the kind of a flow, from its source connections if AEP does not show it with the flow."""
    if flow.kind:
        return flow.kind
    shown = flow.source_spec_ids
    source = FlowSource.of(*shown) if shown else read_source(sender, flow.source_connection_ids)
    return FlowKind.SOURCE if source is FlowSource.SYSTEM else FlowKind.DESTINATION


def find_flow(
    sender: Sender, name: str, flow_spec: str | None = None, state: FlowState | str | None = None
) -> Flow:
    """Return the flow that has a name.

    AEP may list a new flow only some seconds after it was created. This does not wait for it.

    Calls: one ``GET /flows``; ``GET /flowSpecs`` if ``flow_spec`` is a name; ``GET /flows/{id}`` if the list does not
    show the transformations; and, if no flow has the name, ``GET /flows`` for each 100 flows to find similar names.

    :param flow_spec: name or id of the flow spec that it must have.
    :param state: state that it must have.
    :raises NameNotFoundError: if no flow has the name (the message lists similar ones), or none of those that have it
        has the flow spec and the state.
    :raises InvalidInputError: if several flows are found (the message lists them, the oldest first), an argument is
        invalid, or the flow spec is unknown.
    :raises InvalidResponseError: if a flow that cannot be read could have the name.
    """
    _check_name(name)
    wanted_state = optional_enum_member("state", state, FlowState)
    spec_id = flow_spec
    if flow_spec is not None and not is_uuid(flow_spec):
        spec_id = find_spec(sender, request.FLOW_SPECS, flow_spec).id
    named = sorted(iterate_flows(sender, name), key=lambda flow: (flow.created_at, flow.id))
    found = [
        flow
        for flow in named
        if (spec_id is None or flow.flow_spec.id.lower() == spec_id.lower())
        and wanted_state in (None, flow.state)
    ]
    if len(found) == 1:
        return with_transformations(sender, found[0])
    if found:
        problem = f"{len(found)} flows are named {name!r}: {_listed(found)}"
        remedy = "Use the id of one of them, or give flow_spec or state if that tells them apart."
        raise InvalidInputError("name", problem, remedy)
    if named:
        required = [f"flow spec {flow_spec!r}"] if flow_spec is not None else []
        required += [f"state {wanted_state.value}"] if wanted_state else []
        problem = f"no flow named {name!r} has {' and '.join(required)}"
        raise NameNotFoundError("name", problem, f"These have the name: {_listed(named)}.")
    names = (flow.name for flow in iterate(sender, request.FLOWS))
    remedy = did_you_mean(name, names) or "Check the name and the sandbox, or use the id."
    raise NameNotFoundError("name", f"AEP has no flow {name!r}", remedy)


def iterate_runs(
    sender: Sender,
    flow_id: str | None = None,
    since: Time | None = None,
    states: Iterable[RunState | str] = (),
) -> Iterator[FlowRun]:
    """Yield runs with their counts and errors, the newest first.

    Calls: ``GET /runs`` for each 100 runs, up to the first one that is too old. AEP could select by the time at which
    a run started, but would then leave out those of which it does not know it.

    :param flow_id: id of their flow; None for the runs of all flows.
    :param since: earliest time at which they were created: a datetime with a time zone, an ISO 8601 string with a time
        zone, or seconds since 1970-01-01 UTC. None for no limit. A run of which AEP does not show the time is not left
        out.
    :param states: their states; empty for any. They are compared here, because AEP spells them in several ways.
    :raises InvalidInputError: if an argument is invalid.
    :raises InvalidResponseError: if a run cannot be read: it could be one that failed.
    """
    wanted = {enum_member("states", state, RunState) for state in listed("states", states)}
    earliest = 0 if since is None else epoch_seconds("since", since) * 1000
    filters = () if flow_id is None else of_flow(flow_id)
    newest_first = iterate(sender, request.RUNS, filters=filters, order_by=NEWEST_FIRST, needed=could_be_any)
    # Without a time, a run may be a new one, wherever AEP puts it in the list.
    recent = takewhile(lambda run: not run.created_at or run.created_at >= earliest, newest_first)
    return (run for run in recent if not wanted or run.state in wanted)


def last_run(sender: Sender, flow_id: str) -> FlowRun | None:
    """Return the run of a flow that was created last, whatever its state; None if there is none (``GET /runs``).

    A file destination may have several runs for one time of its schedule, of which this is only one.

    :raises InvalidResponseError: if it cannot be read.
    """
    one_by_one = pages(
        sender,
        f"{request.RUNS.label}s",
        lambda token: request.page(
            request.RUNS, filters=of_flow(flow_id), order_by=NEWEST_FIRST, limit=1, continuation_token=token
        ),
        could_be_any,
    )
    return next(one_by_one, None)


def _listed(flows: Iterable[Flow]) -> str:
    """Return ids, specs and states of flows, for a message."""
    return ", ".join(
        plain_text(f"{flow.id} (flow spec {flow.flow_spec.id}, {flow.state or 'without state'})")
        for flow in flows
    )


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise InvalidInputError("name", f"{name!r} is not a name", "Give the name that AEP shows.")
