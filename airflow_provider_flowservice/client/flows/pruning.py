"""Pruning: flows that nothing asks for any more are reported, disabled, or deleted with their connections."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec

from airflow_provider_flowservice.client.converge import converge, look
from airflow_provider_flowservice.client.ensure import (
    NOTHING_SAVED,
    SavedState,
    compare,
    is_planned,
    reject_planned,
)
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, NotFoundError
from airflow_provider_flowservice.client.flows.lifecycle import FlowResources, delete_flow
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.client.http.request import Kind, Request, Sender
from airflow_provider_flowservice.client.limits import check_removals
from airflow_provider_flowservice.client.model import Flow, FlowState, Frozen, Resource
from airflow_provider_flowservice.client.text import plain_text

log = logging.getLogger(__name__)

#: A shorter prefix is more likely an empty template than the beginning of many names.
MIN_PREFIX = 3


class PruneAction(StrEnum):
    """What happens to the flows that are not kept."""

    REPORT = "report"
    DISABLE = "disable"
    DELETE = "delete"


_DONE = {PruneAction.DISABLE: "disabled", PruneAction.DELETE: "deleted"}
#: The state that a flow must have for each action.
_TAKES = {PruneAction.DISABLE: FlowState.ENABLED, PruneAction.DELETE: FlowState.DISABLED}


def check_prefix(prefix: str) -> None:
    """Reject a prefix that too many names begin with.

    :raises InvalidInputError: if it has fewer than three characters.
    """
    if len(prefix.strip()) < MIN_PREFIX:
        problem = f"{prefix!r} has fewer than {MIN_PREFIX} characters"
        raise InvalidInputError(
            "name_prefix", problem, "Give what the names of the flows begin with, and of no others."
        )


class Pruning(Frozen, frozen=True):
    """Which flows are looked at, which of them are kept, and what happens to the others.

    :param client_id: client id of the credential; flows that another one created are not looked at.
    :param name_prefix: beginning of the names of the flows to look at, in exactly this spelling.
    :param keep: ids, in upper or lower case, and exact names of the flows to keep.
    :param action: what happens to the others.
    :param max_removals: maximum number of flows to disable or delete; None allows half of those looked at.
    :param with_connections: whether connections that this credential created, and that nothing else uses, are deleted
        together with a flow.
    """

    client_id: str
    name_prefix: str
    keep: tuple[str, ...]
    action: PruneAction = PruneAction.REPORT
    max_removals: int | None = None
    with_connections: bool = False

    def check(self, *, plan_only: bool) -> None:
        """Check the values, before anything is sent.

        :param plan_only: whether ``keep`` may contain placeholders of flows that do not exist yet.
        :raises InvalidInputError: if the prefix is too short, or ``keep`` is empty.
        :raises DriftError: if ``keep`` contains a placeholder.
        """
        check_prefix(self.name_prefix)
        if not self.keep:
            problem = "is empty, and every flow would be unexpected"
            raise InvalidInputError("keep", problem, "Give the flows that are to stay.")
        for position, entry in enumerate(self.keep):
            if not entry.strip():
                problem = f"{entry!r} is neither an id nor a name"
                raise InvalidInputError(
                    f"keep[{position}]", problem, "Give an id or a name, or leave it out."
                )
            if not plan_only:
                reject_planned(f"keep[{position}]", entry)

    def covers(self, flow: Flow) -> bool:
        """Whether a flow is looked at: by its name, and by the credential that created it."""
        return flow.created_client == self.client_id and flow.name.startswith(self.name_prefix)

    def keeps(self, flow: Flow) -> bool:
        """Whether a flow is kept."""
        return flow.name in self.keep or flow.id.lower() in map(str.lower, self.keep)

    def obstacle(self, flow: Flow) -> str | None:
        """Return why the action must leave a flow as it is; None if it may go on."""
        if not self.covers(flow):
            return (
                f"its name is {plain_text(repr(flow.name), 200)} and its creator"
                f" {plain_text(repr(flow.created_client), 200)} now"
            )
        if self.keeps(flow):
            return f"its name is {plain_text(repr(flow.name), 200)} now, which is kept"
        if self.action is PruneAction.REPORT:
            return "it is only reported"
        wanted = _TAKES[self.action]
        return None if flow.state == wanted else f"it is {plain_text(str(flow.state), 50)}, not {wanted}"


class PruneReport(Frozen, frozen=True):
    """What was found and done. All but ``unmatched`` are ids; in a dry run, of what would be disabled or deleted.

    :param kept: the flows that ``keep`` names.
    :param unexpected: the other flows with the prefix; each is also in one of the next three, unless somebody else
        deleted it meanwhile.
    :param disabled: the flows that were disabled.
    :param deleted: the flows that were deleted.
    :param left: the flows that were left as they are.
    :param deleted_connections: the connections that were deleted with their flows.
    :param left_connections: the connections of deleted flows that were left, because another resource uses them.
    :param unmatched: the entries of ``keep`` that are neither the id nor the name of any flow in the sandbox.
    """

    kept: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    deleted_connections: tuple[str, ...] = ()
    left_connections: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


class _Found(Frozen, frozen=True):
    """The flows as listed."""

    kept: tuple[Flow, ...]
    unexpected: tuple[Flow, ...]
    unmatched: tuple[str, ...]

    def affected(self, pruning: Pruning) -> tuple[Flow, ...]:
        return tuple(flow for flow in self.unexpected if not pruning.obstacle(flow))


class _Progress(Frozen, frozen=True):
    """What earlier attempts and this one have done.

    :param deleting: the flow that is being deleted. Once it is gone, AEP no longer shows which connections it had.
    """

    disabled: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    deleted_connections: tuple[str, ...] = ()
    left_connections: tuple[str, ...] = ()
    deleting: FlowResources | None = None


def prune(
    sender: Sender, pruning: Pruning, saved: SavedState = NOTHING_SAVED, *, plan_only: bool = False
) -> PruneReport:
    """Find the flows that are not kept, and report, disable or delete them.

    This takes one list request for each 100 flows in the sandbox (``GET /flows``); for each flow to disable two reads
    and an action (``POST /flows/{id}/action``); for each flow to delete one read and ``DELETE /flows/{id}``. With
    connections, two reads and a deletion are added for each connection.

    :param saved: state of an earlier, interrupted attempt, whose deletion is finished first.
    :param plan_only: whether to only log and return what would be done.
    :raises InvalidInputError: if the prefix is too short, or ``keep`` is empty.
    :raises DriftError: if flows would be disabled or deleted, and they are more than the limit, or an entry of ``keep``
        matches no flow. A dry run only logs the latter, because an earlier task of it may be the one that would create
        the flow.
    """
    pruning.check(plan_only=plan_only)
    state = None if plan_only else saved.load()
    work = _Work(sender, pruning, saved, _Progress.from_json(state) if state else _Progress())
    if work.done.deleting:
        work.resume(work.done.deleting)
    found = _find(sender, pruning, is_patient=not plan_only)
    affected = found.affected(pruning)
    _log_findings(pruning, found, affected, plan_only=plan_only)
    _check_limits(pruning, found, affected, plan_only=plan_only)
    if plan_only:
        return work.planned(found, affected)
    for flow in affected:
        work.act(flow)
    return work.report(found)


class _Work:
    """Acts on flows one by one, and saves what it has done."""

    def __init__(self, sender: Sender, pruning: Pruning, saved: SavedState, done: _Progress) -> None:
        self._sender = sender
        self._pruning = pruning
        self._saved = saved
        self._gone: set[str] = set()
        self.done = done

    def act(self, flow: Flow) -> None:
        """Disable or delete a flow, unless it has changed since it was listed."""
        try:
            if self._pruning.action is PruneAction.DISABLE:
                self._disable(flow)
            else:
                self._delete(flow)
        except NotFoundError:
            log.info("Flow %s is gone: somebody else has deleted it", _shown(flow))
            self._gone.add(flow.id)

    def resume(self, resources: FlowResources) -> None:
        """Finish the deletion of a flow that an earlier attempt began."""
        try:
            self._sender.send(request.get(request.FLOWS, resources.flow))
        except NotFoundError:
            log.info("An earlier attempt deleted flow %s; deleting its connections", resources.flow)
            self._delete_all(resources)
        else:
            # Somebody may have enabled it since, so decide again whether to delete it.
            self.done = msgspec.structs.replace(self.done, deleting=None)

    def planned(self, found: _Found, affected: Iterable[Flow]) -> PruneReport:
        """Return what would be done."""
        ids = _ids(affected)
        is_deletion = self._pruning.action is PruneAction.DELETE
        resources = [
            _resources_to_delete(self._sender, self._pruning, flow) for flow in affected if is_deletion
        ]
        connections = {connection: None for each in resources for _, connection in each.in_order}
        self.done = _Progress(
            disabled=() if is_deletion else ids,
            deleted=ids if is_deletion else (),
            deleted_connections=tuple(connections),
        )
        return self.report(found)

    def report(self, found: _Found) -> PruneReport:
        """Return what was found and done, including what earlier attempts did."""
        unexpected = tuple(dict.fromkeys((*_ids(found.unexpected), *self.done.deleted)))
        settled = {*self.done.disabled, *self.done.deleted, *self._gone}
        # A shared connection is left with the first of its flows, and may be deleted with the last.
        left_connections = dict.fromkeys(self.done.left_connections)
        return PruneReport(
            kept=_ids(found.kept),
            unexpected=unexpected,
            disabled=tuple(dict.fromkeys(self.done.disabled)),
            deleted=tuple(dict.fromkeys(self.done.deleted)),
            left=tuple(each for each in unexpected if each not in settled),
            deleted_connections=self.done.deleted_connections,
            left_connections=tuple(
                each for each in left_connections if each not in self.done.deleted_connections
            ),
            unmatched=found.unmatched,
        )

    def _disable(self, listed: Flow) -> None:
        obstacles: list[str] = []

        def remaining(flow: Flow) -> Request[Any] | None:
            if obstacle := self._pruning.obstacle(flow):
                obstacles.append(obstacle)
                return None
            return request.action(request.FLOWS, flow.id, "disable")

        changed = converge(
            self._sender,
            request.get(request.FLOWS, listed.id),
            remaining,
            lambda flow: compare("state", FlowState.DISABLED.value, flow.state),
            what=f"flow {_shown(listed)}",
        )
        if changed.changed and changed.resource.state == FlowState.DISABLED:
            self._save(disabled=(*self.done.disabled, listed.id))
        else:
            _log_left(listed, obstacles[-1])

    def _delete(self, listed: Flow) -> None:
        resources = _resources_to_delete(self._sender, self._pruning, listed)
        flow = self._sender.send(request.get(request.FLOWS, listed.id))
        obstacle = self._pruning.obstacle(flow)
        if not obstacle and _ends(flow) != _ends(listed):
            obstacle = "its connections have changed"
        if obstacle:
            _log_left(listed, obstacle)
        else:
            self._save(deleting=resources)
            self._delete_all(resources)

    def _delete_all(self, resources: FlowResources) -> None:
        result = delete_flow(self._sender, resources, with_connections=True)
        deleted = [each for each in result.deleted if each != resources.flow]
        self._save(
            deleting=None,
            deleted=(*self.done.deleted, resources.flow),
            deleted_connections=(*self.done.deleted_connections, *deleted),
            left_connections=(*self.done.left_connections, *result.left),
        )

    def _save(self, **changes: Any) -> None:
        self.done = msgspec.structs.replace(self.done, **changes)
        self._saved.save(self.done.to_json())


def _find(sender: Sender, pruning: Pruning, *, is_patient: bool) -> _Found:
    """List the flows. A list may show a new flow late: before that makes an error, it is read again."""

    def read() -> _Found:
        flows = list(iterate(sender, request.FLOWS))
        mine = [flow for flow in flows if pruning.covers(flow)]
        names, ids = {flow.name for flow in flows}, {flow.id.lower() for flow in flows}
        entries = [entry for entry in pruning.keep if not is_planned(entry)]
        return _Found(
            kept=tuple(flow for flow in mine if pruning.keeps(flow)),
            unexpected=tuple(flow for flow in mine if not pruning.keeps(flow)),
            unmatched=tuple(entry for entry in entries if entry not in names and entry.lower() not in ids),
        )

    return look(read, lambda found: not (is_patient and found.unmatched and found.affected(pruning)))


def _check_limits(pruning: Pruning, found: _Found, affected: tuple[Flow, ...], *, plan_only: bool) -> None:
    listed = ", ".join(map(_shown, affected))
    done = _DONE.get(pruning.action, "")
    if affected and found.unmatched and not plan_only:
        raise DriftError(
            f"keep: no flow has the name or id {_quoted(found.unmatched)}. An entry may be misspelled and mean one of"
            f" the flows that would be {done} ({listed}), or a flow that replaces one of them may be missing. Correct"
            " or remove the entry, or create its flow."
        )
    held = len(found.kept) + len(found.unexpected)
    what = f"flows whose names begin with {pruning.name_prefix!r}"
    check_removals(len(affected), held, pruning.max_removals, what=what, done=done, listed=listed)


def _resources_to_delete(sender: Sender, pruning: Pruning, flow: Flow) -> FlowResources:
    """Return the ids of a flow and, if they go with it, of those of its connections that this credential created."""
    if not pruning.with_connections:
        return FlowResources(flow.id, name=flow.name)

    def own(kind: Kind[Any], ids: Iterable[str]) -> Iterator[Any]:
        for connection_id in ids:
            try:
                connection = sender.send(request.get(kind, connection_id))
            except NotFoundError:
                continue
            if connection.created_client == pruning.client_id:
                yield connection
            else:
                log.info("Leaving %s %s: another credential created it", kind.label, connection_id)

    targets = list(own(request.TARGET_CONNECTIONS, flow.target_connection_ids))
    sources = list(own(request.SOURCE_CONNECTIONS, flow.source_connection_ids))
    base_ids = [end.base_connection_id for end in (*targets, *sources) if end.base_connection_id]
    bases = own(request.CONNECTIONS, dict.fromkeys(base_ids))
    return FlowResources(flow.id, _ids(targets), _ids(sources), _ids(bases), flow.name)


def _ends(flow: Flow) -> set[str]:
    return {*flow.source_connection_ids, *flow.target_connection_ids}


def _ids(resources: Iterable[Resource]) -> tuple[str, ...]:
    return tuple(each.id for each in resources)


def _shown(flow: Flow) -> str:
    return f"{plain_text(repr(flow.name), 200)} ({flow.id})"


def _quoted(entries: Iterable[str]) -> str:
    return " or ".join(plain_text(repr(entry), 200) for entry in entries)


def _log_left(flow: Flow, obstacle: str) -> None:
    log.info("Leaving flow %s: %s", _shown(flow), obstacle)


def _log_findings(pruning: Pruning, found: _Found, affected: Iterable[Flow], *, plan_only: bool) -> None:
    """Log the flows that are not kept, one on a line, and the entries of ``keep`` that match nothing."""
    ids = set(_ids(affected))
    other = "unexpected" if pruning.action is PruneAction.REPORT else "to leave"
    own = f"would be {_DONE.get(pruning.action)}" if plan_only else f"to {pruning.action.value}"
    lines = [
        f"\n  {own if flow.id in ids else other:<{18 if plan_only else 12}}"
        f"{plain_text(str(flow.state), 20):<12}{flow.id}  {plain_text(flow.name, 200)}"
        for flow in found.unexpected
    ]
    log.info(
        "Flows of this credential whose names begin with %r: %d kept, %d unexpected%s",
        pruning.name_prefix,
        len(found.kept),
        len(found.unexpected),
        "".join(lines),
    )
    if found.unmatched:
        log.warning("keep: no flow has the name or id %s; is it misspelled?", _quoted(found.unmatched))
