"""A thread with an event loop, in which several workers deliver batches.

The task's main thread reads the input, talks to Airflow, and waits here. An exception that a signal raises there, as
Airflow's timeout does, must not be raised in a callback of an event loop, which would swallow it; a call to Airflow
must not block the loop; and a task that itself runs in an event loop cannot start another one in the same thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from types import TracebackType
from typing import Self

import msgspec

from airflow_provider_flowservice.client.streaming.batches import Batch
from airflow_provider_flowservice.client.streaming.delivery import Courier, Delivered, Transport

#: How long the thread may take to end, in seconds. It only has to close its connections.
_END_SECONDS = 10.0

#: Has a function called in the main thread, and waits for that.
InMain = Callable[[Callable[[], object]], None]


class _Call(msgspec.Struct):
    """A function that the main thread must call."""

    function: Callable[[], object]
    called: threading.Event


class _Ended(msgspec.Struct):
    """The thread has ended.

    :param error: why, if it has failed.
    """

    error: BaseException | None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop. Airflow's API server brings a faster one than Python's."""
    try:
        import uvloop
    except ImportError:
        return None
    major, minor = map(int, version("uvloop").split(".")[:2])
    # Older ones leave a socket open if its connecting is cancelled.
    return uvloop.new_event_loop if (major, minor) >= (0, 23) else None


class Background:
    """Delivers batches in the background. Only the thread that has made it may call its methods.

    :param connect: opens a transport, in the event loop. Its argument has a function called in the main thread.
    :param courier: delivers a batch.
    :param workers: number of batches that are delivered at once.
    """

    def __init__(self, connect: Callable[[InMain], Transport], courier: Courier, workers: int) -> None:
        self._connect = connect
        self._courier = courier
        self._workers = workers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="flowservice-delivery", daemon=True)
        self._has_begun = threading.Event()
        self._results: queue.SimpleQueue[list[Delivered] | _Call | _Ended] = queue.SimpleQueue()
        #: Number of batches that were submitted and not yet returned.
        self.open = 0
        #: Batches that no worker has taken yet. This thread adds to them, and the workers take them.
        self._ready: deque[Batch] = deque()
        # The following belong to the event loop.
        #: The requests of batches that were taken which no worker has begun yet.
        self._requests: deque[tuple[Delivered, Sequence[int]]] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._finished: list[Delivered] = []
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the thread. What is still being delivered is abandoned."""
        self._in_loop(lambda: self._stop())
        while self._thread.is_alive():
            try:
                item = self._results.get(timeout=_END_SECONDS)
            except queue.Empty:
                return
            if isinstance(item, _Call):
                self._call(item)
            elif isinstance(item, _Ended):
                self._thread.join()

    def submit(self, batch: Batch) -> None:
        """Have a batch delivered."""
        self.open += 1
        self._ready.append(batch)
        # To wake the event loop costs as much as to send a small message. Workers that are busy look for more anyway.
        if self._idle:
            self._in_loop(self._wake)

    @property
    def has_results(self) -> bool:
        """Whether :meth:`take` has something to return, or to do."""
        return not self._results.empty()

    def take(self, *, wait: float | None) -> list[Delivered]:
        """Return what has been delivered.

        :param wait: maximum number of seconds to wait for something; None does not wait.
        :raises BaseException: what has ended the thread, if that has failed.
        """
        found: list[Delivered] = []
        while True:
            try:
                item = self._results.get(block=wait is not None and not found, timeout=wait)
            except queue.Empty:
                return found
            if isinstance(item, _Call):
                self._call(item)
            elif isinstance(item, _Ended):
                # Nothing else follows, whoever asks for it next.
                self._results.put(item)
                raise item.error or RuntimeError("the delivery has ended before its time")
            else:
                self.open -= len(item)
                found += item

    @staticmethod
    def _call(item: _Call) -> None:
        try:
            item.function()
        finally:
            item.called.set()

    def _in_loop(self, function: Callable[[], object]) -> None:
        self._has_begun.wait()
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop is closed: the thread has ended, and take() says why.
                self._loop.call_soon_threadsafe(function)

    # --- in the thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._deliver())
        except BaseException as problem:  # noqa: BLE001 (the main thread raises it)
            error = problem
        finally:
            self._has_begun.set()
            self._results.put(_Ended(error))

    async def _deliver(self) -> None:
        self._loop = asyncio.get_running_loop()
        stopped = self._loop.create_future()

        def stop() -> None:
            if not stopped.done():
                stopped.set_result(None)

        self._stop = stop
        transport = self._connect(self._in_main)
        try:
            workers = [asyncio.create_task(self._work(transport)) for _ in range(self._workers)]
            self._has_begun.set()
            # A worker ends only if it fails. The main thread must not wait for the batch that it had.
            ended, _ = await asyncio.wait([stopped, *workers], return_when=asyncio.FIRST_COMPLETED)
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            for each in ended:
                each.result()
        finally:
            await transport.close()

    async def _work(self, transport: Transport) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not (self._requests or self._ready):
                waiting = loop.create_future()
                self._idle.append(waiting)
                # A batch that is submitted from here on wakes a worker. One that came just before must not wait.
                if self._ready:
                    self._wake()
                await waiting
            if not self._requests:
                self._take_batch()
            delivered, offsets = self._requests.popleft()
            # After an error, what was not sent yet is not sent any more.
            if self._error:
                delivered.error = self._error
            else:
                await self._courier.deliver(transport, delivered, offsets)
                self._error = self._error or delivered.error
            delivered.open -= 1
            if not delivered.open:
                self._finish(delivered, loop)

    def _take_batch(self) -> None:
        batch = self._ready.popleft()
        requests = self._courier.requests(batch)
        delivered = Delivered(batch, open=len(requests))
        self._requests.extend((delivered, offsets) for offsets in requests)
        self._wake()

    def _wake(self) -> None:
        for _ in range(min(len(self._requests) + len(self._ready), len(self._idle))):
            self._idle.popleft().set_result(None)

    def _finish(self, delivered: Delivered, loop: asyncio.AbstractEventLoop) -> None:
        """Hand a result to the main thread, together with those of the same turn of the loop: waking it is not free."""
        self._finished.append(delivered)
        if len(self._finished) == 1:
            loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        finished, self._finished = self._finished, []
        self._results.put(finished)

    def _in_main(self, function: Callable[[], object]) -> None:
        call = _Call(function, threading.Event())
        self._results.put(call)
        call.called.wait()
