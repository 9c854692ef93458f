"""Decides what is exported when, and sends it without holding up the emulator.

A streaming destination gets the members of a segment as soon as it is activated: with the patch that adds it to an
enabled flow, or when its flow is created with it, enabled or published. From then on AEP exports a profile whenever it
changes. The emulator's people do not change by themselves; the hourly run of a flow stands for that, so each run
exports all members once more. A file destination gets a file for each audience that a run is for.

What a run sends is what its metrics say, together with what was sent since the run before. A run whose outcome is not
success, by the switch ``run_outcome``, sends nothing or one record less.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_flowservice.emulator.activation.exports import members_of, payloads_of
from airflow_provider_flowservice.emulator.clock import pause
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS
from airflow_provider_flowservice.emulator.flow.origin import Origin, origin_of
from airflow_provider_flowservice.emulator.flow.runs import (
    RunState,
    Sent,
    failing_records,
    start_scheduled_runs,
)
from airflow_provider_flowservice.emulator.flow.schedules import due_audiences
from airflow_provider_flowservice.emulator.flow.selectors import audience_uuids, segment_ids
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.outputs.delivery import (
    Delivery,
    DeliveryState,
    DeliveryStore,
    Export,
    Output,
    OutputError,
)
from airflow_provider_flowservice.emulator.world import Sandbox, World

log = logging.getLogger(__name__)

#: Seconds between attempts.
_PAUSES = (0.2, 0.5, 1.5)
_LOOK_SECONDS = 0.5
_DRAIN_SECONDS = 8


def outputs_of(world: World) -> list[Output]:
    """Return the outputs that the settings ask for.

    :raises ValueError: if an endpoint is not a URL, or what it needs is not installed.
    :raises OSError: if the folder for files cannot be made.
    """
    # An emulator without outputs starts without them.
    settings, outputs = world.settings, list[Output]()
    if settings.kinesis_endpoint is not None:
        from airflow_provider_flowservice.emulator.outputs.kinesis import KinesisOutput

        outputs.append(KinesisOutput(_checked_endpoint("kinesis_endpoint", settings.kinesis_endpoint)))
    if settings.event_hubs_endpoint is not None:
        from airflow_provider_flowservice.emulator.outputs.event_hubs import EventHubsOutput

        endpoint = _checked_endpoint("event_hubs_endpoint", settings.event_hubs_endpoint)
        outputs.append(EventHubsOutput(endpoint, lambda: world.clock.now() - world.clock.ahead))
    if settings.export_dir is not None:
        from airflow_provider_flowservice.emulator.outputs.files import FilesOutput

        outputs.append(FilesOutput(Path(settings.export_dir)))
    return outputs


def _checked_endpoint(name: str, url: str) -> str:
    """Return the address of an output, without a slash at its end."""
    try:
        parts = urlsplit(url)
        is_plain = parts.port != 0 and not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        is_plain = False
    if not is_plain or parts.scheme not in ("http", "https") or not parts.hostname:
        # It is not repeated, because a password may be in it.
        raise ValueError(
            f"{name} must be a URL such as http://127.0.0.1:4566, without user name, query and fragment"
        )
    return url.rstrip("/")


class Exporter:
    """Watches what Flow Service writes, and sends what is to be exported to the outputs there are.

    Everything but the sending itself happens on the emulator's event loop. Each output has a queue of its own, so that
    one that does not answer holds up no other.

    :param outputs: where to; without any, nothing is watched.
    """

    def __init__(self, world: World, outputs: Sequence[Output]) -> None:
        self._world = world
        self._outputs = outputs
        self._queues: dict[str, asyncio.Queue[Delivery]] = {each.name: asyncio.Queue() for each in outputs}
        self._unfinished: dict[int, Delivery] = {}
        self._of_runs: dict[str, list[Delivery]] = {}
        self._ended = asyncio.Condition()
        if outputs:
            world.watchers.append(self._watch)
        for sandbox in world.sandboxes.values():
            self._resume(sandbox)

    @asynccontextmanager
    async def running(self, _app: object) -> AsyncIterator[None]:
        """Send for as long as the block lasts, and what is left then at its end (the lifespan of the application)."""
        tasks = [asyncio.create_task(self._work(output)) for output in self._outputs]
        if tasks:
            tasks.append(asyncio.create_task(self._follow_clock()))
        for task in tasks:
            task.add_done_callback(_log_end)
        try:
            yield
            await self._drain()
        finally:
            for task in tasks:
                task.cancel()

    async def settled(self, sandbox: Sandbox, flow_id: str) -> None:
        """Wait until nothing of a flow is being sent."""
        store = DeliveryStore.of(sandbox)
        async with self._ended:
            await self._ended.wait_for(lambda: not store.is_pending(flow_id))

    # What is exported when

    def _watch(self, store: object, written: object, before: object | None) -> None:
        sandbox = next((each for each in self._world.sandboxes.values() if FlowStore.of(each) is store), None)
        if sandbox is None or not isinstance(written, Resource):
            return
        if written.kind is Kind.RUNS and before is None:
            self._run_started(sandbox, written)
        elif written.kind is Kind.FLOWS:
            self._flow_written(sandbox, written, before if isinstance(before, Resource) else None)

    def _flow_written(self, sandbox: Sandbox, flow: Resource, before: Resource | None) -> None:
        known = set(_active_segments(before))
        segments = tuple(each for each in _active_segments(flow) if each not in known)
        if segments:
            for output, target in self._targets(sandbox, flow, streams=True):
                self._submit(output, _export(sandbox, flow, target, segments))

    def _run_started(self, sandbox: Sandbox, run: Resource) -> None:
        flow = FlowStore.of(sandbox).find(Kind.FLOWS, run.body["flowId"])
        if flow is None or flow.state is not State.ENABLED or run.body["outcome"] == RunState.FAILED:
            return
        deliveries = []
        for streams in (True, False):
            segments = tuple(segment_ids(flow.body)) if streams else _audiences_of(run, flow)
            for output, target in self._targets(sandbox, flow, streams=streams) if segments else ():
                deliveries.append(self._submit(output, _export(sandbox, flow, target, segments, run)))
        if deliveries:
            self._of_runs[run.id] = deliveries
            FlowStore.of(sandbox).rewrite(run, Sent(pending=True).in_body(run))

    def _resume(self, sandbox: Sandbox) -> None:
        """Send once more what an emulator was still sending when it wrote its state."""
        for run in FlowStore.of(sandbox).all(Kind.RUNS):
            if (sent := Sent.by(run)) and sent.pending:
                body = {name: value for name, value in run.body.items() if name != "sent"}
                FlowStore.of(sandbox).rewrite(run, body)
                if self._outputs:
                    self._run_started(sandbox, run)

    def _targets(
        self, sandbox: Sandbox, flow: Resource, *, streams: bool
    ) -> Iterator[tuple[Output, Resource]]:
        """Yield the target connections of a flow for which there is an output.

        :param streams: those that take messages, or those that take files.
        """
        if origin_of(flow.body, sandbox) is not Origin.PROFILES:
            return
        for target_id in flow.body["targetConnectionIds"]:
            target = FlowStore.of(sandbox).find(Kind.TARGET_CONNECTIONS, target_id)
            spec = CONNECTION_SPECS[target.body["connectionSpec"]["id"]] if target else None
            if target and spec and spec.streams is streams:
                for output in self._outputs:
                    if output.takes(spec):
                        yield output, target

    # Sending

    def _submit(self, output: Output, export: Export) -> Delivery:
        delivery = Delivery(export, output.name)
        DeliveryStore.of(export.sandbox).add(delivery)
        self._unfinished[id(delivery)] = delivery
        self._queues[output.name].put_nowait(delivery)
        return delivery

    async def _work(self, output: Output) -> None:
        queue = self._queues[output.name]
        while True:
            delivery = await queue.get()
            # After a reset nobody is interested any more.
            if self._world.sandboxes.get(delivery.export.sandbox.name) is delivery.export.sandbox:
                await self._deliver(output, delivery)
                # What was refused for good must not fill the memory.
                delivery.parcel = None
                self._count(delivery)
            else:
                self._of_runs.pop(delivery.export.run_id or "", None)
            del self._unfinished[id(delivery)]
            queue.task_done()
            async with self._ended:
                self._ended.notify_all()

    async def _deliver(self, output: Output, delivery: Delivery) -> None:
        for seconds in (*_PAUSES, None):
            delivery.attempts += 1
            try:
                await asyncio.to_thread(_attempt, output, delivery)
            except OutputError as error:
                delivery.error = str(error)
                if seconds is not None and not error.permanent:
                    await pause(seconds)
                    continue
            except Exception as error:
                log.exception("An output failed in an unexpected way")
                delivery.error = f"{type(error).__name__}: {error}"
            else:
                delivery.state, delivery.error = DeliveryState.DELIVERED, None
                return
            break
        delivery.state = DeliveryState.FAILED
        log.warning("Flow %s: %s: %s", delivery.export.flow.id, output.name, delivery.error)

    def _count(self, delivery: Delivery) -> None:
        """Write into the run that a delivery belongs to what has been sent with it, if that is all."""
        sandbox, run_id = delivery.export.sandbox, delivery.export.run_id
        of_run = self._of_runs.get(run_id or "", [])
        if not of_run or any(each.state is DeliveryState.PENDING for each in of_run):
            return
        del self._of_runs[str(run_id)]
        run = FlowStore.of(sandbox).find(Kind.RUNS, run_id)
        if run is None:
            return
        earlier = DeliveryStore.of(sandbox).taken(delivery.export.flow.id)
        FlowStore.of(sandbox).rewrite(run, _accounted(run, [*earlier, *of_run]))

    async def _follow_clock(self) -> None:
        """Start the runs that are due, which nobody else does unless somebody looks at them."""
        while True:
            await pause(_LOOK_SECONDS)
            for sandbox in list(self._world.sandboxes.values()):
                start_scheduled_runs(sandbox)

    async def _drain(self) -> None:
        """Send what is still waiting, and say what could not be sent."""
        waiting = asyncio.gather(*(queue.join() for queue in self._queues.values()))
        try:
            await asyncio.wait_for(waiting, _DRAIN_SECONDS)
        except TimeoutError:
            for each in self._unfinished.values():
                reason = each.error or "no answer yet"
                log.warning("Flow %s: %s: not sent at the end: %s", each.export.flow.id, each.output, reason)


def _attempt(output: Output, delivery: Delivery) -> None:
    if delivery.parcel is None:
        delivery.parcel = output.parcel(delivery.export)
        delivery.taken = delivery.parcel.taken
    delivery.parcel.send()


def _active_segments(flow: Resource | None) -> list[str]:
    return segment_ids(flow.body) if flow and flow.state is State.ENABLED else []


def _audiences_of(run: Resource, flow: Resource) -> tuple[str, ...]:
    """Return the audiences that a run exports to files: those asked for, or due then, or else all."""
    if "segments" in run.body:
        return tuple(run.body["segments"])
    return tuple(due_audiences(flow, run.created_at / 1000) or audience_uuids(flow.body))


def _export(
    sandbox: Sandbox, flow: Resource, target: Resource, segments: tuple[str, ...], run: Resource | None = None
) -> Export:
    base = FlowStore.of(sandbox).find(Kind.CONNECTIONS, target.body.get("baseConnectionId"))
    auth: dict[str, Any] = (base.body.get("auth") or {}) if base else {}
    spec = CONNECTION_SPECS[target.body["connectionSpec"]["id"]]
    records = payloads_of(flow.body, segments) if spec.streams else [*chain(*map(members_of, segments))]
    return Export(
        sandbox,
        replace(flow),
        target.body,
        auth.get("params") or {},
        segments,
        len(records),
        run.id if run else None,
        run.created_at / 1000 if run else sandbox.world.clock.now(),
        failing_records(run, 1) if run else 0,
    )


def _accounted(run: Resource, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """Return the body of a run that says what was sent, and has another outcome if some of it was not."""
    taken = [each.taken for each in deliveries]
    written, size = sum(each.records for each in taken), sum(each.size for each in taken)
    errors = [str(each.error) for each in deliveries if each.state is DeliveryState.FAILED]
    read, files = sum(each.export.records for each in deliveries), sum(len(each.files) for each in taken)
    body = Sent(read, written, size, size, files, errors).in_body(run)
    if errors:
        body["outcome"] = (RunState.PARTIAL_SUCCESS if written else RunState.FAILED).value
    return body


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("An output has stopped", exc_info=error)
