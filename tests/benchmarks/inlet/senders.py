"""What is measured: our operator, and other ways to post the same records.

A sender prepares a job, which is not measured, and returns what is. What only it needs is imported when it prepares,
except by the operator: a worker that is idle has not imported that either.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from tests.benchmarks.inlet.records import INLET_ID, batches, bodies
from tests.support.tasks import TaskInstance, TaskStateStore, run

_TIMEOUT = 60
_HEADERS = {"Content-Type": "application/json"}
_WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open(os.getenv("BODY"), "rb"):read("*a")
"""


@dataclass(frozen=True)
class Job:
    """What a sender has to do.

    :param server: URL of the server.
    :param path: file of the records.
    :param batch: records per request; 1 uses the endpoint for single messages.
    :param connections: number of connections, for senders that use several.
    :param seconds: duration, for a sender that repeats one request.
    :param options: arguments of the operator.
    :param store_seconds: how long Airflow's task state store takes for each call.
    """

    server: str
    path: Path
    batch: int
    connections: int
    seconds: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)
    store_seconds: float = 0.01

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{self.server}/collection/{'' if self.batch == 1 else 'batch/'}{INLET_ID}"


Prepare = Callable[[Job], Callable[[], object]]


@dataclass(frozen=True)
class Sender:
    """A way to post records.

    :param is_parallel: whether it has several requests in flight.
    :param has_end: whether it posts each record of the file once; otherwise it goes on for some seconds.
    :param missing: why it cannot be measured here.
    """

    name: str
    prepare: Prepare
    is_parallel: bool = False
    has_end: bool = True
    missing: str = ""


class SlowStore(TaskStateStore):
    """A task state store that takes its time, as one does that asks Airflow's API server."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def get(self, key: str, default: Any = None) -> Any:
        time.sleep(self._seconds)  # noqa: TID251 (real time is what is measured)
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        time.sleep(self._seconds)  # noqa: TID251
        super().set(key, value)

    def delete(self, key: str) -> None:
        time.sleep(self._seconds)  # noqa: TID251
        super().delete(key)


def operator(job: Job) -> Callable[[], object]:
    """Post with our operator, from the file on disk to the last confirmation."""
    task = posting_task(job)
    context = {"ti": TaskInstance(), "task_state_store": SlowStore(job.store_seconds)}
    return lambda: run(task, **context)


def posting_task(job: Job) -> FlowServicePostToInletOperator:
    """Return a task that posts the file, and let the Airflow connection lead to the server."""
    extra = {
        "org_id": "BENCH@AdobeOrg",
        "sandbox": "bench",
        "ims_host": job.server,
        "collection_host": job.server,
    }
    os.environ["AIRFLOW_CONN_FLOWSERVICE_DEFAULT"] = json.dumps(
        {"conn_type": "flowservice", "host": job.server, "login": "id", "password": "secret", "extra": extra}
    )
    return FlowServicePostToInletOperator(
        task_id="post",
        inlet_url=f"{job.server}/collection/{INLET_ID}",
        path=f"file://{job.path}",
        settle_seconds=0,
        **job.options,
    )


def aiohttp_loop(job: Job) -> Callable[[], object]:
    """Post prepared requests from one event loop."""
    import aiohttp

    prepared = iter(bodies(job.path, job.batch))

    async def work(session: aiohttp.ClientSession) -> None:
        for body in prepared:
            async with session.post(job.url, data=body, headers=_HEADERS) as response:
                response.raise_for_status()
                await response.read()

    async def post_all() -> None:
        connector = aiohttp.TCPConnector(limit=job.connections)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(work(session) for _ in range(job.connections)))

    return lambda: asyncio.run(post_all())


def requests_loop(job: Job) -> Callable[[], object]:
    """Post one prepared request after the other over one session."""
    import requests

    prepared = bodies(job.path, job.batch)

    def post_all() -> None:
        with requests.Session() as session:
            for body in prepared:
                session.post(job.url, data=body, headers=_HEADERS, timeout=_TIMEOUT).raise_for_status()

    return post_all


def call_per_record(job: Job) -> Callable[[], object]:
    """Post each record as ``HttpOperator`` does: a new session for each call, and the response as text."""
    import requests

    prepared = bodies(job.path, 1)

    def post_all() -> None:
        for body in prepared:
            session = requests.Session()
            session.headers.update(_HEADERS)
            request = session.prepare_request(requests.Request("POST", job.url, data=body))
            settings = session.merge_environment_settings(request.url, {}, False, None, None)
            response = session.send(request, timeout=_TIMEOUT, allow_redirects=True, **settings)
            response.raise_for_status()
            _ = response.text

    return post_all


def aepp(job: Job) -> Callable[[], object]:
    """Post with Adobe's client ``aepp``, which takes records as objects."""
    library: Any = import_module("aepp")
    library.configure(
        org_id="BENCH@AdobeOrg", client_id="id", secret="secret", scopes="openid", sandbox="bench"
    )
    config = library.config.config_object
    # With a token that does not expire, it asks for none.
    config.update({"token": "token", "date_limit": float("inf"), "connectionType": "oauthV2"})
    client = import_module("aepp.ingestion").DataIngestion(config=config, header=library.config.header)
    client.endpoint_streaming = job.server
    prepared = [[json.loads(line) for line in batch] for batch in batches(job.path, job.batch)]

    def post_all() -> None:
        for batch in prepared:
            if job.batch == 1:
                client.streamMessage(inletId=INLET_ID, data=batch[0])
            else:
                client.streamMessages(inletId=INLET_ID, data=batch)

    return post_all


def wrk(job: Job) -> Callable[[], object]:
    """Post the first request again and again with ``wrk``."""
    body, script = job.path.with_suffix(".body"), job.path.with_suffix(".lua")
    body.write_bytes(bodies(job.path, job.batch)[0])
    script.write_text(_WRK_SCRIPT)
    options = ["-t1", f"-c{job.connections}", f"-d{job.seconds}s", "-s", str(script)]
    environment = {**os.environ, "BODY": str(body)}
    return lambda: subprocess.run(["wrk", *options, job.url], env=environment, check=True)


def plain_sockets(job: Job) -> Callable[[], object]:
    """Write prepared HTTP to sockets, which costs so little that the server is what is measured."""
    target = job.url.removeprefix(job.server)
    head = f"POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: "
    prepared = [b"%s%d\r\n\r\n%s" % (head.encode(), len(body), body) for body in bodies(job.path, job.batch)]
    host, _, port = job.server.removeprefix("http://").rpartition(":")

    def post_all() -> None:
        sockets = [socket.create_connection((host, int(port)), _TIMEOUT) for _ in range(job.connections)]
        for begin in range(0, len(prepared), len(sockets)):
            used = list(zip(sockets, prepared[begin : begin + len(sockets)], strict=False))
            for connection, request in used:
                connection.sendall(request)
            for connection, _ in used:
                _read_response(connection)
        for connection in sockets:
            connection.close()

    return post_all


def _read_response(connection: socket.socket) -> None:
    received = connection.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    left = int(head.rpartition(b"content-length: ")[2]) - len(body)
    while left > 0:
        left -= len(connection.recv(1 << 16))


OPERATOR = Sender("operator", operator, is_parallel=True)
LOOP = Sender("aiohttp loop", aiohttp_loop, is_parallel=True)
REQUESTS = Sender("requests loop", requests_loop)
PER_RECORD = Sender("call per record", call_per_record)
AEPP = Sender("aepp", aepp, missing="" if find_spec("aepp") else "aepp is not installed")
WRK = Sender(
    "wrk", wrk, is_parallel=True, has_end=False, missing="" if shutil.which("wrk") else "wrk is not installed"
)
SOCKETS = Sender("plain sockets", plain_sockets, is_parallel=True)
ALL = (OPERATOR, LOOP, REQUESTS, PER_RECORD, AEPP, WRK, SOCKETS)
