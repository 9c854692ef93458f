"""How an emulator is configured: :class:`Settings` for its whole life, :class:`Switches` while it runs.

There is one switch for each place where Adobe's documents contradict each other or stay silent.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

PRODUCTION_SANDBOX = "prod"

_NAMESPACE = uuid.UUID("5f0f6d9b-9d0c-4f4f-8f38-54a3a8a0f5c1")


def stable_uuid(name: str) -> str:
    """Give a UUID that is the same in every run, for what the emulator is seeded with."""
    return str(uuid.uuid5(_NAMESPACE, name))


@dataclass(frozen=True)
class Credential:
    """The one OAuth server-to-server credential that the emulator accepts. It protects nothing."""

    client_id: str = "flowservice-emulator-client"
    client_secret: str = "p8e-emulator-client-secret"  # noqa: S105 (opens nothing but this emulator)
    org_id: str = "5C0FFEE05EED0FACADE0ADBE@AdobeOrg"
    technical_account: str = "7EC40000ACC04D0FACADE0ADBE@techacct.adobe.com"


@dataclass(frozen=True)
class Settings:
    """What is fixed for the emulator's whole life.

    :param sandbox: name of the built-in development sandbox; ``prod`` always exists beside it.
    :param credential: who may call.
    """

    sandbox: str = "dev"
    credential: Credential = Credential()


def _choice(default: str, *others: str, doc: str) -> Any:
    return field(default=default, metadata={"choices": (default, *others), "doc": doc})


def _flag(default: bool, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


def _number(default: int, doc: str, least: int = 0) -> Any:
    return field(default=default, metadata={"doc": doc, "least": least})


@dataclass(frozen=True)
class Switches:
    """How the emulator reads the contract; the metadata of each field says what it is about."""

    patch_answer: str = _choice("200", "202", doc="PATCH answers 200 with id and etag, or 202 and no body")
    delete_answer: str = _choice(
        "by-role",
        "202",
        "204",
        doc="DELETE answers 202 for destinations and 204 for sources, or always the same",
    )
    error_shape: str = _choice(
        "new", "old", doc="Flow Service errors carry type and report, or errorMessage alone"
    )
    error_code_type: str = _choice("string", "integer", doc="type of error_code in the gateway's errors")
    missing_sandbox: str = _choice(
        "prod", "refuse", doc="no x-sandbox-name: prod is meant, or 400 FLOW-2105-400"
    )
    mask_secrets: bool = _flag(True, "GET of a connection masks the credentials")
    last_page_links: str = _choice("empty", "absent", doc="the last page has an empty _links, or none")
    default_page_size: int = _number(20, "items on a page when the caller gives no limit", least=1)
    token_lifetime: int = _number(86399, "seconds until a new access token expires", least=1)
    silent_patch: bool = _flag(False, "PATCH of a flow answers success and changes nothing")
    legacy_base_connection: str = _choice(
        "refuse", "ignore", doc="field baseConnection instead of baseConnectionId: 400, or not looked at"
    )

    scheduled_runs: bool = _flag(True, "flows run by themselves, as their schedules say")
    run_outcome: str = _choice(
        "success",
        "failed",
        "partialSuccess",
        "success-with-errors",
        doc="how runs that start from now on will end",
    )
    run_seconds: int = _number(60, "how long runs that start from now on will take")
    run_status_names: str = _choice(
        "payload", "openapi", doc="inProgress and success, or Processing and Success"
    )
    finalisation_seconds: int = _number(
        0, "seconds after which the etag of a patched resource moves once more"
    )
    settling_seconds: int = _number(300, "messages within this time of a flow's update are taken and dropped")
    batch_style: str = _choice(
        "statusCode",
        "status",
        doc="a failed message of a batch has statusCode and no xactionId, or status and an xactionId",
    )
    sync_validation: str = _choice("supported", "unsupported", doc="validation on arrival, or 501")
    gzip: str = _choice("refuse", "accept", doc="a body with Content-Encoding gzip: 415, or read")
    inlet_bad_token: str = _choice("401", "403", doc="a wrong or expired token at an authenticated inlet")
    inlet_org_header: str = _choice("optional", "required", doc="x-gw-ims-org-id at an authenticated inlet")
    inlet_limit_bytes: int = _number(
        1_000_000, "a larger body gets 413 (1 MB, by the smaller meaning)", least=1
    )

    def changed(self, changes: Mapping[str, object]) -> Switches:
        """Give a copy with some switches set.

        :param changes: new values by name.
        :raises ValueError: for an unknown name, a value of the wrong type, or one that is not among the
            choices.
        """
        known = {item.name: item for item in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"there is no switch {name!r}; there are {', '.join(sorted(known))}")
            _check(name, value, type(known[name].default), known[name].metadata)
        return replace(self, **changes)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        """Every switch and its value."""
        return asdict(self)


def _check(name: str, value: object, kind: type, metadata: Mapping[str, Any]) -> None:
    if type(value) is not kind:
        raise ValueError(f"switch {name!r} takes a {kind.__name__}, not {value!r}")
    choices = metadata.get("choices")
    if choices and value not in choices:
        raise ValueError(f"switch {name!r} takes one of {', '.join(choices)}, not {value!r}")
    least = metadata.get("least")
    if least is not None and isinstance(value, int) and value < least:
        raise ValueError(f"switch {name!r} takes {least} or more, not {value}")
