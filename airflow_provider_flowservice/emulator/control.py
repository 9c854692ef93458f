"""A small client of the emulator's own endpoints, for tests and demos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response

_TIMEOUT_SECONDS = 40


@dataclass(frozen=True)
class EmulatorCredential:
    """What a client needs to call the emulator."""

    client_id: str
    client_secret: str
    org_id: str
    sandbox: str


class EmulatorControl:
    """Inspects and controls an emulator, in this process or another.

    :param url: where the emulator listens.
    :param verify: as in ``requests``: the path of a CA file, or False, for an emulator behind HTTPS.
    """

    def __init__(self, url: str, verify: bool | str = True) -> None:
        self.url = url.rstrip("/")
        self._verify = verify

    def health(self) -> dict[str, Any]:
        """Return status, version, credential, the sandboxes, and ids and names of the seeded segments."""
        return dict(self._json("GET", "/health"))

    @property
    def credential(self) -> EmulatorCredential:
        """The built-in credential and the name of the built-in sandbox."""
        return EmulatorCredential(**self.health()["credential"])

    @property
    def segments(self) -> list[str]:
        """Ids of the seeded segments."""
        return [segment["id"] for segment in self.health()["segments"]]

    @property
    def segments_by_name(self) -> dict[str, str]:
        """Ids of the seeded segments by their names."""
        return {segment["name"]: segment["id"] for segment in self.health()["segments"]}

    @property
    def sandboxes(self) -> list[str]:
        """Names of the sandboxes."""
        return list(self.health()["sandboxes"])

    def requests(
        self, method: str | None = None, path: str | None = None, status: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the journal, oldest first.

        :param method: only requests with this method.
        :param path: only requests whose path contains this string.
        :param status: only requests with this response status.
        """
        return [
            entry
            for entry in self._json("GET", "/requests")
            if (method is None or entry["method"] == method.upper())
            and (path is None or path in entry["path"])
            and (status is None or entry["status"] == status)
        ]

    def clear_requests(self) -> None:
        """Clear the journal."""
        self._call("DELETE", "/requests")

    def state(self, sandbox: str | None = None) -> dict[str, Any]:
        """Return what a sandbox holds, by collection.

        :param sandbox: its name; the built-in one by default.
        """
        return dict(self._json("GET", "/state", params={"sandbox": sandbox} if sandbox else None))

    def reset(self) -> None:
        """Forget everything (resources, tokens, journal, faults), and set the clock and the switches back."""
        self._call("POST", "/reset")

    def open_sandbox(self, name: str) -> None:
        """Add a sandbox."""
        self._call("POST", "/sandboxes", json={"name": name})

    def now(self) -> float:
        """Return the emulator's time, in seconds since the epoch."""
        return float(self._json("GET", "/clock")["now"])

    def advance(self, seconds: float) -> None:
        """Advance the emulator's clock."""
        self._call("POST", "/clock", json={"advance": seconds})

    def inject(self, *rules: dict[str, Any]) -> None:
        """Add faults.

        :param rules: each ``{"match": {"method", "path"}, "after": k, "times": n, "fault": {"kind": ...}}``.
        :raises requests.HTTPError: if a rule is invalid; the message says why.
        """
        self._call("POST", "/faults", json=list(rules))

    def faults_left(self) -> list[dict[str, Any]]:
        """Return the faults that are still pending."""
        return list(self._json("GET", "/faults"))

    def clear_faults(self) -> None:
        """Drop all faults."""
        self._call("DELETE", "/faults")

    def switches(self) -> dict[str, Any]:
        """Return every switch and its value."""
        return dict(self._json("GET", "/switches"))

    def set_switches(self, **values: object) -> None:
        """Set switches by name.

        :raises requests.HTTPError: if a switch or value is unknown; the message says why.
        """
        self._call("POST", "/switches", json=values)

    def exports(self, flow_id: str, sandbox: str | None = None) -> list[dict[str, Any]]:
        """Return the payloads that an activated flow exports.

        :param sandbox: where to look for the flow; in all by default.
        """
        params = {"sandbox": sandbox} if sandbox else None
        return list(self._json("GET", f"/flows/{flow_id}/exports", params=params))

    def deliveries(self, flow_id: str, wait: float = 0) -> list[dict[str, Any]]:
        """Return what a flow has sent to a stream, an event hub or files, oldest first.

        :param wait: seconds to wait at most for what is being sent; up to 30.
        """
        found = self._json("GET", f"/exports/{flow_id}", params={"wait": str(wait)})
        return list(found["deliveries"])

    def messages(self, inlet_id: str) -> list[dict[str, Any]]:
        """Return what an inlet received, oldest first: message, mapped, flowId, xactionId, dropped, reason."""
        return list(self._json("GET", f"/inlets/{inlet_id}/messages"))

    def _json(self, method: str, path: str, params: dict[str, str] | None = None) -> Any:
        return self._call(method, path, params=params).json()

    def _call(
        self, method: str, path: str, params: dict[str, str] | None = None, json: Any = None
    ) -> Response:
        # The emulator has no other use for it.
        from requests import HTTPError, Session

        with Session() as session:
            # A proxy in the environment is meant for the client under test, not for this one.
            session.trust_env = False
            response = session.request(
                method,
                f"{self.url}/_emulator{path}",
                params=params,
                json=json,
                # Required of every change, also of one without a body.
                headers={"Content-Type": "application/json"},
                verify=self._verify,
                timeout=_TIMEOUT_SECONDS,
            )
        if response.status_code >= 400:
            raise HTTPError(f"{method} {path}: {response.text}", response=response)
        return response
