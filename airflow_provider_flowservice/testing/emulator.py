"""What the fixture ``flowservice_emulator`` gives to a test."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.settings import TEST_EMULATOR_VARIABLE, Settings

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.control import EmulatorControl


class Faults:
    """Faults that the emulator injects into its responses.

    :param control: client of the emulator.
    """

    def __init__(self, control: EmulatorControl) -> None:
        self._control = control

    def add(
        self,
        kind: str,
        *,
        method: str = "*",
        path: str = "*",
        times: int = 1,
        after: int = 0,
        **parameters: Any,
    ) -> None:
        """Add a fault.

        :param kind: such as ``status``, ``delay`` or ``reset``.
        :param method: HTTP method of the requests that fail; ``*`` means all.
        :param path: path of the requests that fail, with ``*`` as a wildcard.
        :param times: how many of these requests fail.
        :param after: how many of these requests succeed first.
        :param parameters: what the kind of fault needs, such as ``status=503``.
        :raises requests.HTTPError: if the kind or a parameter is invalid; the message says why.
        """
        match = {"method": method, "path": path}
        fault = {"kind": kind, **parameters}
        self._control.inject({"match": match, "times": times, "after": after, "fault": fault})

    def pending(self) -> list[dict[str, Any]]:
        """Return the faults that have not occurred yet."""
        return self._control.faults_left()

    def clear(self) -> None:
        """Remove all faults."""
        self._control.clear_faults()


class FlowServiceEmulator:
    """An emulator to which every Airflow connection of type ``flowservice`` leads.

    :param control: client of the emulator's own endpoints; it can do all that this class does not.
    """

    def __init__(self, control: EmulatorControl) -> None:
        self.control = control
        self.url = control.url
        self.faults = Faults(control)

    @property
    def state(self) -> dict[str, Any]:
        """All resources of all sandboxes, oldest first: lists such as ``state["flows"]``, and ``messages`` by inlet."""
        merged: dict[str, Any] = {}
        for sandbox in self.control.sandboxes:
            for name, found in self.control.state(sandbox).items():
                if isinstance(found, dict):
                    merged.setdefault(name, {}).update(found)
                else:
                    merged.setdefault(name, []).extend(found)
        return merged

    @property
    def requests(self) -> list[dict[str, Any]]:
        """All requests so far, oldest first: ``method``, ``path``, ``status``, ``body`` ..."""
        return self.control.requests()

    @property
    def segments(self) -> dict[str, str]:
        """Ids of the segments that exist from the start, by their names."""
        return self.control.segments_by_name

    def airflow_connection(self, sandbox: str | None = None) -> str:
        """Return an Airflow connection to the emulator as JSON, for ``AIRFLOW_CONN_...`` or another process.

        :param sandbox: name of the sandbox; by default the emulator's own.
        """
        settings = self._settings
        extra = {
            "org_id": settings.org_id,
            "sandbox": sandbox or settings.sandbox,
            "ims_host": self.url,
            "collection_host": self.url,
        }
        return json.dumps(
            {
                "conn_type": "flowservice",
                "host": self.url,
                "login": settings.client_id,
                "password": settings.client_secret,
                "extra": extra,
            }
        )

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let every connection lead to the emulator, in this process and in its children, until the block ends."""
        before = os.environ.get(TEST_EMULATOR_VARIABLE)
        os.environ[TEST_EMULATOR_VARIABLE] = json.dumps(self._settings.to_json())
        # Tokens of an earlier test are invalid since the emulator was reset.
        http.forget_tokens()
        try:
            yield
        finally:
            http.forget_tokens()
            os.environ.pop(TEST_EMULATOR_VARIABLE, None)
            if before is not None:
                os.environ[TEST_EMULATOR_VARIABLE] = before

    @property
    def _settings(self) -> Settings:
        credential = self.control.credential
        return Settings(
            gateway=self.url,
            ims_host=self.url,
            collection_host=self.url,
            org_id=credential.org_id,
            sandbox=credential.sandbox,
            client_id=credential.client_id,
            client_secret=credential.client_secret,
        )
