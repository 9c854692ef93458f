"""What Flow Service checks before it stores a resource: on create, and again after a patch.

Documented: unknown specs, a missing spec version (422), wrong auth spec names, ``state`` in a create, wrong
mappings. That parents must exist and fit is documented only as a rule; the codes and the wording of these
errors are guesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.emulator.catalog.store import DatasetStore
from airflow_provider_flowservice.emulator.flow.catalogue import (
    CONNECTION_SPECS,
    DATA_LAKE,
    FLOW_SPECS,
    LANDING_ZONES,
)
from airflow_provider_flowservice.emulator.flow.errors import (
    FlowCode,
    FlowError,
    InvalidSpecIdError,
    MissingFieldError,
    invalid,
    not_found,
)
from airflow_provider_flowservice.emulator.flow.mappings import check_mappings, schema_id_of
from airflow_provider_flowservice.emulator.flow.origin import Origin, origin_of
from airflow_provider_flowservice.emulator.flow.schedules import (
    check_audience_schedule,
    check_dataset_schedule,
    check_dates,
    check_source_schedule,
)
from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, SEGMENTS, selector_list
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec, FlowSpec, Role
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.flow.types import TYPES
from airflow_provider_flowservice.emulator.json_body import check_shape
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.world import Sandbox

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

SERVER_FIELDS = frozenset(
    {
        "id",
        "createdAt",
        "updatedAt",
        "createdBy",
        "updatedBy",
        "createdClient",
        "updatedClient",
        "sandboxId",
        "sandboxName",
        "imsOrgId",
        "state",
        "version",
        "etag",
        "inheritedAttributes",
        "typeInfo",
        "runs",
        "lastOperation",
        "lastRunDetails",
    }
)
_IGNORED_FIELDS = frozenset({"baseConnection", "providerId"})
#: The properties of files and their documented values; None stands for any single character.
_DATA_PROPERTIES = {
    "columnDelimiter": None,
    "encoding": ("UTF-8", "ISO-8859-1"),
    "compressionType": ("bzip2", "gzip", "deflate", "zipDeflate", "tarGzip", "tar"),
}
_SPEC_VERSIONS = frozenset({"1.0", "1"})


def accepted_body(body: Any, *, ignore_legacy: bool) -> dict[str, Any]:
    """Return the part of a create's body that is stored.

    :param ignore_legacy: ignore ``baseConnection``, which old tutorials print, instead of refusing it.
    :raises FlowError: if the body is empty, is not an object, or sets ``state``.
    """
    if not body:
        raise FlowError(FlowCode.EMPTY_BODY, "The request body is empty.")
    check_shape(body, dict, invalid)
    if "state" in body:
        raise FlowError(FlowCode.STATE_IN_CREATE, "The field state cannot be set by a create request.")
    if "baseConnection" in body and not ignore_legacy:
        raise invalid("The field baseConnection is unknown; use baseConnectionId.")
    return {name: value for name, value in body.items() if name not in SERVER_FIELDS | _IGNORED_FIELDS}


def check_resource(kind: Kind, body: dict[str, Any], sandbox: Sandbox, *, draft: bool) -> None:
    """Check a whole resource.

    :param draft: whether it is a draft, which may refer to other drafts.
    :raises FlowError: for the first thing that is wrong.
    :raises MissingFieldError: 422 if a field is missing.
    """
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise MissingFieldError("'name' is required")
    check_shape(body, TYPES[kind], invalid)
    if kind is Kind.FLOWS:
        _check_flow(body, sandbox, draft)
    else:
        _check_connection(kind, body, sandbox, draft)


def exports_files(body: dict[str, Any], sandbox: Sandbox) -> bool:
    """Return whether a flow exports audiences to files, and so needs a schedule for each of them."""
    if origin_of(body, sandbox) is not Origin.PROFILES:
        return False
    store = FlowStore.of(sandbox)
    targets = (store.find(Kind.TARGET_CONNECTIONS, each) for each in body["targetConnectionIds"])
    return any(each and _spec_of(each).takes_files for each in targets)


def _check_connection(kind: Kind, body: dict[str, Any], sandbox: Sandbox, draft: bool) -> None:
    spec = _connection_spec(body, sandbox)
    if draft and not spec.drafts:
        raise FlowError(
            FlowCode.DRAFT_NOT_SUPPORTED, f"Connection spec {spec.id} does not support draft mode."
        )
    if kind is Kind.CONNECTIONS:
        _check_auth(body, spec)
        return
    _check_base(body.get("baseConnectionId"), spec, FlowStore.of(sandbox), draft)
    if kind is Kind.TARGET_CONNECTIONS:
        _check_target(body, spec, sandbox)
    else:
        _check_data(body.get("data"))


def _spec_of(connection: Resource) -> ConnectionSpec:
    return CONNECTION_SPECS[connection.body["connectionSpec"]["id"]]


def _connection_spec(body: dict[str, Any], sandbox: Sandbox) -> ConnectionSpec:
    reference = _spec_reference(body, "connectionSpec")
    if reference.get("version") is None:
        raise MissingFieldError("connectionSpec.version 'version' is required for spec info")
    spec = CONNECTION_SPECS.find(reference["id"], sandbox.world.switches)
    if spec is None or str(reference["version"]) not in _SPEC_VERSIONS:
        raise InvalidSpecIdError
    return spec


def _check_auth(body: dict[str, Any], spec: ConnectionSpec) -> None:
    # It takes as long to import as the rest of the emulator.
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]

    auth = body.get("auth")
    if auth is None and (spec.is_partners or not spec.auth):
        return
    if not isinstance(auth, dict):
        raise FlowError(FlowCode.AUTH_SPEC_INVALID, f"auth is required for connection spec {spec.id}.")
    auth_spec = spec.auth_spec(auth.get("specName"))
    if auth_spec is None:
        raise FlowError(
            FlowCode.AUTH_SPEC_INVALID,
            f"The auth spec name {auth.get('specName')} is not found in the connection spec {spec.id}.",
        )
    error = next(Draft7Validator(auth_spec.schema()).iter_errors(auth.get("params")), None)
    if error is not None:
        raise FlowError(FlowCode.AUTH_SPEC_INVALID, _explain(error))


def _explain(error: ValidationError) -> str:
    """Return which rule is broken, and where, without the value, which may be a secret."""
    where = ".".join(("auth", "params", *map(str, error.path)))
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{where}.{missing} is required."
    if error.validator == "anyOf" and all("required" in option for option in error.validator_value):
        names = " or ".join(option["required"][0] for option in error.validator_value)
        return f"{where} must have {names}."
    return f"{where} does not have the {error.validator} {error.validator_value}."


def _check_base(base_id: object, spec: ConnectionSpec, store: FlowStore, draft: bool) -> None:
    if base_id is None:
        if spec.role is Role.PLATFORM or spec.id in LANDING_ZONES:
            return
        raise invalid(f"baseConnectionId is required for connection spec {spec.id}.")
    base = store.find(Kind.CONNECTIONS, base_id)
    if base is None:
        raise not_found(Kind.CONNECTIONS.value, str(base_id))
    if base.body["connectionSpec"]["id"] != spec.id:
        raise invalid(f"The base connection {base.id} has another connection spec than {spec.id}.")
    _check_published(base, draft)


def _check_data(data: Any) -> None:
    """Check how files are to be read. Old pages of Adobe have the delimiter in ``data``, not in its properties."""
    if data is None:
        return
    places = {"data": data, "data.properties": data.get("properties", {})}
    for where, name in ((where, name) for where in places for name in _DATA_PROPERTIES):
        value = places[where].get(name)
        allowed = _DATA_PROPERTIES[name]
        if value is not None and (len(value) != 1 if allowed is None else value not in allowed):
            expected = f"one of {', '.join(allowed)}" if allowed else "a single character"
            raise invalid(f"{where}.{name} must be {expected}.")


def _check_target(body: dict[str, Any], spec: ConnectionSpec, sandbox: Sandbox) -> None:
    params = body.get("params") or {}
    missing = next((name for name in spec.target_params if not params.get(name)), None)
    if missing:
        raise invalid(f"params.{missing} is required for connection spec {spec.id}.")
    if wrong := next((name for name in spec.target_params if not isinstance(params[name], str)), None):
        raise invalid(f"params.{wrong} must be a string.")
    if spec.id != DATA_LAKE:
        return
    if SchemaStore.of(sandbox).find(schema_id_of(body)) is None:
        raise invalid(f"data.schema.id {schema_id_of(body)} is not a schema of this sandbox.")
    if DatasetStore.of(sandbox).find(params["dataSetId"]) is None:
        raise invalid(f"params.dataSetId {params['dataSetId']} is not a dataset of this sandbox.")


def _check_flow(body: dict[str, Any], sandbox: Sandbox, draft: bool) -> None:
    spec = FLOW_SPECS.find(_spec_reference(body, "flowSpec")["id"], sandbox.world.switches)
    if spec is None:
        raise InvalidSpecIdError
    if draft and not spec.drafts:
        raise FlowError(FlowCode.DRAFT_NOT_SUPPORTED, f"Flow spec {spec.id} does not support draft mode.")
    store = FlowStore.of(sandbox)
    sources = _ends(body, "sourceConnectionIds", Kind.SOURCE_CONNECTIONS, store)
    targets = _ends(body, "targetConnectionIds", Kind.TARGET_CONNECTIONS, store)
    _check_ends(sources, targets, spec)
    for end in (*sources, *targets):
        _check_published(end, draft)
    _check_transformations(body.get("transformations", []), spec)
    _check_schedules(body, spec, sandbox)
    check_mappings(body.get("transformations", []), targets, sandbox)


def _ends(body: dict[str, Any], field: str, kind: Kind, store: FlowStore) -> list[Resource]:
    ids = body.get(field)
    if not ids:
        raise invalid(f"{field} must be a list of ids that is not empty.")
    ends = [(end_id, store.find(kind, end_id)) for end_id in ids]
    missing = next((end_id for end_id, end in ends if end is None), None)
    if missing is not None:
        raise not_found(kind.value, str(missing))
    return [end for _, end in ends if end is not None]


def _check_ends(sources: list[Resource], targets: list[Resource], spec: FlowSpec) -> None:
    """Check that the flow spec connects these; the error names the ones that do."""
    source_specs, target_specs = [_spec_of(each) for each in sources], [_spec_of(each) for each in targets]
    if spec.connects(source_specs, target_specs):
        return
    fitting = [each for each in FLOW_SPECS.values() if each.connects(source_specs, target_specs)]
    ends = (
        " and ".join(f"{each.name} ({each.id})" for each in specs) for specs in (source_specs, target_specs)
    )
    instead = " or ".join(f"{each.id} ({each.name})" for each in fitting)
    raise invalid(
        f"The flow spec {spec.id} ({spec.name}) does not connect {' to '.join(ends)}."
        + (f" Use the flow spec {instead}." if fitting else " No flow spec does.")
    )


def _check_transformations(transformations: list[dict[str, Any]], spec: FlowSpec) -> None:
    for entry in transformations:
        if "params" not in entry:
            raise invalid("Each transformation must have a name and params.")
        if entry.get("name") not in spec.transformations:
            raise invalid(
                f"The flow spec {spec.id} does not accept a transformation named {entry.get('name')}."
            )
        for field in (SEGMENTS, ATTRIBUTES):
            _check_selectors(field, entry["params"].get(field))


def _check_selectors(field: str, group: dict[str, Any] | None) -> None:
    if group is None:
        return
    for selector in group.get("selectors", ()):
        if not selector.keys() >= {"type", "value"}:
            raise invalid(f"{field}.selectors must be a list of selectors, each with a type and a value.")
        if schedule := selector["value"].get("schedule"):
            check_dates(schedule)


def _check_schedules(body: dict[str, Any], spec: FlowSpec, sandbox: Sandbox) -> None:
    schedule, switches = body.get("scheduleParams"), sandbox.world.switches
    if origin_of(body, sandbox) is Origin.DATASETS or (isinstance(schedule, dict) and "timeUnit" in schedule):
        check_dataset_schedule(schedule, switches)
    elif spec.scheduled and schedule:
        check_source_schedule(schedule)
    if exports_files(body, sandbox):
        for selector in selector_list(body, SEGMENTS) or []:
            check_audience_schedule(selector["value"], switches)


def _spec_reference(body: dict[str, Any], field: str) -> dict[str, Any]:
    """Return the ``{"id", "version"}`` in a field."""
    reference = body.get(field)
    if not isinstance(reference, dict) or not isinstance(reference.get("id"), str):
        raise InvalidSpecIdError
    return reference


def _check_published(parent: Resource, draft: bool) -> None:
    """Only a draft may refer to a draft; otherwise the parent must be published first."""
    if parent.state is State.DRAFT and not draft:
        raise FlowError(
            FlowCode.PUBLISH_ORDER,
            f"The {parent.kind.value} resource {parent.id} is a draft and must be published first.",
            kind=parent.kind.value,
            resource_id=parent.id,
        )
