"""How an emulator is configured: :class:`Settings` for its whole life, :class:`Switches` while it runs.

There is one switch for each place where Adobe's documents contradict each other or leave something open.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec

#: More than the value of any switch can mean.
_MAX_NUMBER = 1_000_000_000
PRODUCTION_SANDBOX = "prod"

_NAMESPACE = uuid.UUID("5f0f6d9b-9d0c-4f4f-8f38-54a3a8a0f5c1")


def stable_uuid(name: str) -> str:
    """Return a UUID that is the same in every run, for what the emulator is seeded with."""
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

    :param sandbox: name of the built-in development sandbox; ``prod`` always exists too.
    :param credential: the only caller.
    :param allowed_hosts: names under which the emulator is served besides those of loopback.
    :param kinesis_endpoint: URL to which flows to Amazon Kinesis really send what they export; None to send nothing.
    :param event_hubs_endpoint: the same for Azure Event Hubs.
    :param export_dir: folder into which flows to file destinations really write; None to write nothing.
    :param switches: values by name of the switches that differ from the defaults, at the start and after a reset.
    """

    sandbox: str = "dev"
    credential: Credential = Credential()
    allowed_hosts: tuple[str, ...] = ()
    kinesis_endpoint: str | None = None
    event_hubs_endpoint: str | None = None
    export_dir: str | os.PathLike[str] | None = None
    switches: Mapping[str, object] = field(default_factory=dict)


def _choice(default: str, *others: str, doc: str, decided_by_test: bool = False) -> Any:
    choices = (default, *others)
    return field(
        default=default, metadata={"choices": choices, "doc": doc, "decided_by_test": decided_by_test}
    )


def _flag(default: bool, doc: str, *, decided_by_test: bool = False) -> Any:
    return field(default=default, metadata={"doc": doc, "decided_by_test": decided_by_test})


def _number(default: int, doc: str, minimum: int = 0, *, decided_by_test: bool = False) -> Any:
    return field(
        default=default, metadata={"doc": doc, "minimum": minimum, "decided_by_test": decided_by_test}
    )


@dataclass(frozen=True)
class Switches:
    """How the emulator behaves where AEP's behavior is not certain; the metadata documents each switch.

    Most switches are habits of AEP: an AEP has one of the values, whichever it is. The others have the metadata
    ``decided_by_test``: a test decides them, because they differ from flow to flow, or cannot be seen from outside.
    """

    patch_response: str = _choice(
        "200", "202", doc="PATCH returns 200 with id and etag, or 202 without a body"
    )
    delete_response: str = _choice(
        "by-role",
        "202",
        "204",
        doc="DELETE returns 202 for destinations and 204 for sources, or always the same status",
    )
    error_shape: str = _choice(
        "new", "old", doc="Flow Service errors have type and report, or errorMessage alone"
    )
    error_code_type: str = _choice("string", "integer", doc="type of error_code in the gateway's errors")
    missing_token: str = _choice(
        "403",
        "401",
        doc="status for a request without a token: 403, as in the guides, or 401, as for a token that is not valid",
    )
    missing_sandbox: str = _choice(
        "prod", "refuse", doc="without x-sandbox-name: prod is used, or 400 FLOW-2105-400"
    )
    unknown_sandbox: str = _choice(
        "refuse", "open", doc="a sandbox that does not exist: 404, or it is opened"
    )
    request_id: str = _choice(
        "echoed", "own", doc="the request id in responses: the caller's x-request-id, or one of AEP's own"
    )
    etag_quotes: str = _choice(
        "inside",
        "none",
        doc="etag and version have double quotes inside, or not, as in a sample of the tutorials; If-Match must be"
        " sent in double quotes either way",
    )
    mask_secrets: bool = _flag(True, "GET of a connection masks the credentials")
    last_page_links: str = _choice("empty", "absent", doc="the last page has an empty _links, or none")
    continuation_token: str = _choice(
        "plain",
        "padded",
        doc="the token of the next page needs no percent-encoding, or ends in =, at which Adobe's own client cuts it"
        " off",
    )
    list_order: str = _choice(
        "honored",
        "ignored",
        doc="orderby of a list decides the order, or the newest come first, whatever is asked",
    )
    list_selectors: str = _choice(
        "shown",
        "omitted",
        doc="flows in lists have their transformations, with the selectors, or not; a read by id always shows them",
    )
    count_response: str = _choice(
        "count", "items", doc="count=true returns the count alone, or beside the items of the first page"
    )
    filter_quotes: str = _choice(
        "removed",
        "literal",
        doc="double quotes around a value in a filter: removed, as one guide needs it, or a part of the value",
    )
    lists_comma: str = _choice(
        "or",
        "refuse",
        "literal",
        doc="a comma in a filter of a list other than runs: means OR, as documented, or 400, or is a part of the"
        " value",
    )
    default_page_size: int = _number(20, "items per page if the caller sends no limit", minimum=1)
    token_lifetime: int = _number(86399, "seconds until a new access token expires", minimum=1)
    duplicate_names: str = _choice(
        "accept",
        "refuse",
        doc="a second connection or flow with the name of another one: created, as nothing says that names are unique,"
        " or 409",
    )
    draft_state: str = _choice(
        "draft",
        "initializing",
        doc="state of a draft, which Adobe does not show: draft, or a name from the list of errors",
    )
    inherited_attributes: str = _choice(
        "shown", "omitted", doc="flows have inheritedAttributes, as in the API reference, or not"
    )
    silent_patch: bool = _flag(False, "PATCH of a flow succeeds, but its content stays as it is")
    fields_in_create: str = _choice(
        "kept",
        "ignored",
        doc="profileMapping, mandatoryFields and primaryFields in the create of a flow: kept, or ignored, since Adobe's"
        " API reference says to leave them empty there and to patch them afterwards",
    )
    legacy_base_connection: str = _choice(
        "refuse", "ignore", doc="field baseConnection instead of baseConnectionId: 400, or ignored"
    )
    unknown_specs: str = _choice(
        "refuse",
        "accept",
        doc="the id of a spec that is not in the catalogue: 400, or it is taken for that of a partner's destination",
    )
    dataset_24_hours: str = _choice(
        "accept", "refuse", doc="datasets can be exported every 24 hours, or every 12 at most"
    )
    chained_frequency: str = _choice(
        "refuse", "accept", doc="frequency CHAINED of an audience, which is in one sample and in no list"
    )
    file_name_macros: str = _choice(
        "required",
        "optional",
        doc="file names must contain the destination (as %DESTINATION_NAME% or %DESTINATION%) and %SEGMENT_ID%, or need"
        " not",
    )

    scheduled_runs: bool = _flag(
        True, "flows run by themselves, according to their schedules", decided_by_test=True
    )
    run_outcome: str = _choice(
        "success",
        "failed",
        "partialSuccess",
        "success-with-errors",
        doc="how runs end that start from now on",
        decided_by_test=True,
    )
    run_seconds: int = _number(
        60, "duration of runs, and of segment jobs, that start from now on", decided_by_test=True
    )
    runs_comma: str = _choice(
        "or",
        "refuse",
        "literal",
        doc="a comma in a filter of runs: means OR, as documented for lists in general, or 400, or is a part of the"
        " value",
    )
    run_status_names: str = _choice(
        "payload", "openapi", doc="inProgress and success, or Processing and Success"
    )
    finalization_seconds: int = _number(
        0, "seconds after which the etag of a patched resource changes once more"
    )
    change_delay_seconds: int = _number(
        0,
        "seconds until a change of a Flow Service resource shows in reads, and a new resource in lists; the"
        " change itself, and its response, take place at once, and deletions show at once (AEP is reported to"
        " need about 8)",
    )
    settling_seconds: int = _number(
        300,
        "messages within this time of a flow's last change are accepted and dropped",
        decided_by_test=True,
    )
    batch_style: str = _choice(
        "statusCode",
        "status",
        doc="a failed message of a batch has statusCode and no xactionId, or status and an xactionId",
    )
    sync_validation: str = _choice("supported", "unsupported", doc="synchronous validation, or 501")
    union_without_identity: str = _choice(
        "accept",
        "refuse",
        doc="a schema without a primary identity is enabled for Profile, as in the streaming tutorials, or 400",
    )
    schema_desc_form: str = _choice(
        "descriptors",
        "descriptions",
        doc="Accept with -desc: the descriptors of a schema are included, as in the guides, or titles are left out, as"
        " in the API reference",
    )
    limit_without_orderby: str = _choice(
        "accept",
        "refuse",
        doc="Schema Registry with limit or start and without orderby: taken as Adobe's own client sends it, or 400, as"
        " in the guides",
    )
    mapping_set_paging: str = _choice(
        "optional",
        "required",
        doc="a list of mapping sets without start or limit: has their defaults, as Adobe's own client expects, or 400,"
        " as in the API reference",
    )
    profile_without_union: str = _choice(
        "refuse", "accept", doc="a dataset is enabled for Profile whose schema is not: 400, or it is"
    )
    gzip: str = _choice("refuse", "accept", doc="a body with Content-Encoding gzip: 415, or decompressed")
    inlet_bad_token: str = _choice(
        "401", "403", doc="status for an invalid or expired token at an authenticated inlet"
    )
    inlet_org_header: str = _choice("optional", "required", doc="x-gw-ims-org-id at an authenticated inlet")
    inlet_sandbox_header: str = _choice(
        "optional",
        "required",
        doc="x-sandbox-name at an inlet; if required, it must name the inlet's sandbox",
    )
    plain_xdm: str = _choice(
        "refuse", "accept", doc="an XDM record without envelope, and with x-adobe-flow-id: 400, or taken"
    )
    inlet_limit_bytes: int = _number(
        1_000_000, "a larger body gets 413 (1 MB, in its smaller meaning)", minimum=1
    )

    @classmethod
    def habits(cls) -> dict[str, object]:
        """Return the defaults, by name, of the switches for what AEP does, and not of those that a test decides."""
        return {item.name: item.default for item in fields(cls) if not item.metadata["decided_by_test"]}

    def changed(self, changes: Mapping[str, object]) -> Switches:
        """Return a copy with some switches set.

        :param changes: new values by name.
        :raises ValueError: if a name is unknown, or a value has the wrong type or is not among the choices.
        """
        known = {item.name: item for item in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"unknown switch {name!r}; it must be one of {', '.join(sorted(known))}")
            _check(name, value, type(known[name].default), known[name].metadata)
        return replace(self, **changes)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        """Return every switch and its value."""
        return asdict(self)


def _check(name: str, value: object, kind: type, metadata: Mapping[str, Any]) -> None:
    if type(value) is not kind:
        raise ValueError(f"switch {name!r} must be of type {kind.__name__}, not {value!r}")
    choices = metadata.get("choices")
    if choices and value not in choices:
        raise ValueError(f"switch {name!r} must be one of {', '.join(choices)}, not {value!r}")
    if isinstance(value, int) and value > _MAX_NUMBER:
        raise ValueError(f"switch {name!r} must be at most {_MAX_NUMBER:,}, not {value}")
    minimum = metadata.get("minimum")
    if minimum is not None and isinstance(value, int) and value < minimum:
        raise ValueError(f"switch {name!r} must be at least {minimum}, not {value}")


class _SwitchesFile(msgspec.Struct, frozen=True):
    switches: dict[str, Any]


def read_switches(path: Path) -> dict[str, object]:
    """Read the switches of a JSON file: ``{"switches": {"list_order": "ignored"}}``. Other keys are ignored.

    :raises OSError: if it cannot be read.
    :raises ValueError: if it is not such a file, or a name or a value is wrong; it names the file and the remedy.
    """
    try:
        switches = msgspec.json.decode(path.read_bytes(), type=_SwitchesFile).switches
        Switches().changed(switches)
    except msgspec.MsgspecError as error:
        raise ValueError(
            f'switches file {path}: {error}; it must be JSON such as {{"switches": {{"list_order": "ignored"}}}}'
        ) from error
    except ValueError as error:
        raise ValueError(f"switches file {path}: {error}; correct or remove the entry") from error
    return switches
