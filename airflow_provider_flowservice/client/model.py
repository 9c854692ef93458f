"""AEP's resources as immutable records that contain the fields used by the provider.

Records are msgspec structs, which are decoded and type-checked directly from the bytes of a response. Unknown fields
are ignored.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import msgspec

from airflow_provider_flowservice.client.text import plain_text

T = TypeVar("T")
JsonObject = dict[str, Any]
#: Milliseconds since 1970-01-01 UTC. Larger numbers than JSON can hold exactly are no times, and would overflow.
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
#: An id, which enters paths, messages and logs.
Id = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]+\Z", max_length=1000)]
#: A version, which is sent back in a header: other characters than visible ASCII and spaces could not be.
Etag = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]*\Z")]


def is_number(value: object) -> bool:
    """Whether a value is a number and not a bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Frozen(msgspec.Struct, frozen=True):
    """Base class of all immutable values.

    Defining a struct is 20 times as fast as defining a dataclass, and every parse of a DAG file pays for it. A subclass
    lists in ``hidden`` the fields that must not appear in its representation, such as secrets.
    """

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.hidden
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def to_json(self) -> JsonObject:
        """Return the value as a JSON object."""
        return msgspec.json.decode(msgspec.json.encode(self), type=JsonObject)

    @classmethod
    def from_json(cls, document: JsonObject) -> Self:
        """Create a value from the JSON object returned by :meth:`to_json`."""
        return msgspec.convert(document, cls)


class Record(Frozen, frozen=True, kw_only=True, rename="camel"):
    """Base class of the objects that AEP returns; field names are in camelCase on the wire."""


class SpecRef(Record, frozen=True, kw_only=True):
    """A reference to the connection spec or flow spec of a resource.

    :param id: UUID of the spec.
    :param version: version of the spec: ``"1.0"``, or the number 1 in old resources.
    """

    id: Id
    version: str | float = "1.0"


class ParameterSpec(Record, frozen=True, kw_only=True):
    """A JSON schema of parameters.

    :param spec: the schema.
    """

    spec: JsonObject = {}

    @property
    def properties(self) -> dict[str, JsonObject]:
        """The JSON schema of each parameter, by name; empty for a schema that is not an object."""
        properties = self.spec.get("properties")
        given = properties.items() if isinstance(properties, dict) else ()
        return {name: schema if isinstance(schema, dict) else {} for name, schema in given}

    @property
    def required(self) -> frozenset[str]:
        """Names of the required parameters."""
        required = self.spec.get("required")
        return frozenset(name for name in _list(required) if isinstance(name, str))

    def with_strings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters in which a number is a string if the schema requires one.

        Airflow's native rendering turns a string such as ``"20260101"`` into a number.
        """
        return {
            name: str(value) if is_number(value) and self._is_string(name) else value
            for name, value in params.items()
        }

    def _is_string(self, name: str) -> bool:
        schema = self.properties.get(name)
        return isinstance(schema, dict) and schema.get("type") == "string"


class AuthSpec(ParameterSpec, frozen=True, kw_only=True):
    """An authentication method of a connection spec.

    :param name: value of ``auth.specName`` that selects the method.
    :param spec: JSON schema of ``auth.params``.
    """

    name: str

    def is_secret(self, parameter: str) -> bool:
        """Whether a parameter is a credential, according to the spec or to its name."""
        schema = self.properties.get(parameter)
        return (schema or {}).get("format") == "password" or looks_secret(parameter)


class ConnectionSpec(Record, frozen=True, kw_only=True):
    """A type of system that AEP can connect to (``/connectionSpecs``)."""

    id: Id
    name: str = ""
    version: str | float = "1.0"
    auth_spec: tuple[AuthSpec, ...] = ()
    source_spec: ParameterSpec | None = None
    target_spec: ParameterSpec | None = None
    attributes: JsonObject = {}


class FlowSpec(Record, frozen=True, kw_only=True):
    """A type of dataflow (``/flowSpecs``).

    :param transformation_specs: the transformations that its flows can have, each with a name and a JSON schema;
        malformed parts are ignored.
    """

    id: Id
    name: str = ""
    version: str | float = "1.0"
    attributes: JsonObject = {}
    transformation_specs: Any = None

    def transformation_params(self, name: str) -> frozenset[str]:
        """Return the names of a transformation's parameters; empty if the flow spec does not describe them."""
        named = (each for each in _list(self.transformation_specs) if member(each, "name") == name)
        properties = member(next(named, None), "spec", "properties")
        return frozenset(properties) if isinstance(properties, dict) else frozenset()


class Auth(Record, frozen=True, kw_only=True):
    """The part of a base connection's authentication that AEP returns; credentials are masked or missing."""

    spec_name: str = ""
    params: JsonObject = {}


class Resource(Record, frozen=True, kw_only=True):
    """The fields that connections and flows have in common.

    :param created_at: milliseconds since 1970-01-01 UTC.
    :param updated_at: milliseconds since 1970-01-01 UTC.
    :param etag: version for ``If-Match``, as returned by AEP.
    :param created_client: client id of the credential that created it; None if AEP does not say.
    """

    id: Id
    name: str = ""
    description: str | None = None
    state: str | None = None
    created_client: str | None = None
    created_at: Milliseconds = 0
    updated_at: Milliseconds = 0
    etag: Etag | None = None


class BaseConnection(Resource, frozen=True, kw_only=True):
    """The credentials for a system (``/connections``)."""

    connection_spec: SpecRef
    auth: Auth | None = None


class SourceConnection(Resource, frozen=True, kw_only=True):
    """The data that a flow reads (``/sourceConnections``)."""

    connection_spec: SpecRef
    base_connection_id: str | None = None
    data: JsonObject | None = None
    params: JsonObject | None = None


class TargetConnection(SourceConnection, frozen=True, kw_only=True):
    """The place that a flow writes to (``/targetConnections``)."""


class FlowState(StrEnum):
    """The flow states that the provider distinguishes.

    AEP returns other states as well, such as ``updating`` or ``disabling``, and may add more. The state of a resource
    is therefore a string that is compared with these values.
    """

    ENABLED = "enabled"
    DISABLED = "disabled"
    DRAFT = "draft"


class SelectorKind(StrEnum):
    """The kinds of objects that a flow's ``GeneralTransform`` selects."""

    SEGMENT = "segmentSelectors"
    ATTRIBUTE = "profileSelectors"

    def fold(self, key: str) -> str:
        """Return a key in the form used for comparison: UUIDs are case-insensitive, attribute paths are not."""
        return key.lower() if self is SelectorKind.SEGMENT else key


class Selector(Record, frozen=True, kw_only=True):
    """One segment or profile attribute that a flow sends.

    :param kind: the kind of list that contains it.
    :param key: segment id, or path of the attribute.
    :param index: index of the transformation that contains it.
    :param position: index in the list of that transformation.
    :param document: the JSON object in the flow.
    """

    kind: SelectorKind
    key: str
    index: int
    position: int
    document: JsonObject

    @property
    def folded(self) -> str:
        """The key in the form used for comparison."""
        return self.kind.fold(self.key)


class Flow(Resource, frozen=True, kw_only=True):
    """A dataflow (``/flows``).

    :param transformations: as returned by AEP. Patches are computed against this document; malformed parts of it are
        ignored.
    :param inherited_attributes: what AEP shows of the flow's connections; malformed parts of it are ignored.
    """

    flow_spec: SpecRef
    source_connection_ids: tuple[str, ...] = ()
    target_connection_ids: tuple[str, ...] = ()
    transformations: tuple[Any, ...] = ()
    schedule_params: JsonObject | None = None
    inherited_attributes: Any = None

    @property
    def source_spec_ids(self) -> tuple[str, ...]:
        """Ids of the connection specs of the source connections, as far as AEP shows them."""
        sources = _list(member(self.inherited_attributes, "sourceConnections"))
        ids = (member(source, "connectionSpec", "id") for source in sources)
        return tuple(spec_id for spec_id in ids if isinstance(spec_id, str))

    def selector_lists(self, kind: SelectorKind) -> Iterator[tuple[int, list[Any]]]:
        """The selector lists of one kind, each with the index of the transformation that contains it."""
        for index, transformation in enumerate(self.transformations):
            selectors = member(transformation, "params", kind.value, "selectors")
            if isinstance(selectors, list):
                yield index, selectors

    def selectors(self, kind: SelectorKind) -> Iterator[Selector]:
        """The selectors of one kind in all transformations, in the order of the flow."""
        name = "id" if kind is SelectorKind.SEGMENT else "path"
        for index, selectors in self.selector_lists(kind):
            for position, document in enumerate(selectors):
                key = member(document, "value", name)
                if key and isinstance(key, str):
                    yield Selector(kind=kind, key=key, index=index, position=position, document=document)


def member(document: Any, *names: str) -> Any:
    """Return the value at a path in a JSON document; None if the path does not exist."""
    for name in names:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


class RunState(StrEnum):
    """State of a flow run; AEP's various spellings are mapped to one value each."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partialSuccess"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended, so that its state does not change any more."""
        return self is not RunState.RUNNING

    @classmethod
    def from_text(cls, text: str | None) -> RunState:
        """Convert AEP's status, in any case. An unknown status counts as running, so that a wait goes on."""
        folded = (text or "").replace("_", "").replace(" ", "").lower()
        return _RUN_STATES.get(folded, cls.RUNNING)


_RUN_STATES = {
    "success": RunState.SUCCESS,
    "completed": RunState.SUCCESS,
    "partialsuccess": RunState.PARTIAL,
    "failed": RunState.FAILED,
    "partialfailure": RunState.FAILED,
}


class FlowRun(Record, frozen=True, kw_only=True):
    """One run of a flow (``/runs``).

    Whether it succeeded is decided in :mod:`airflow_provider_flowservice.client.flows.outcomes`.

    :param metrics: counts, state and errors; malformed parts of it are ignored.
    :param activities: the steps of the run, each with its own metrics; malformed parts of it are ignored.
    """

    id: Id
    flow_id: str = ""
    created_at: Milliseconds = 0
    updated_at: Milliseconds = 0
    metrics: JsonObject = {}
    activities: Any = None
    params: JsonObject | None = None
    sandbox_name: Any = None

    @property
    def state(self) -> RunState:
        """The run's state."""
        status = member(self.metrics, "statusSummary", "status")
        return RunState.from_text(status if isinstance(status, str) else None)

    @property
    def segments(self) -> frozenset[str]:
        """The ids of the segments that the run exports; empty if AEP does not show them."""
        entities = (
            str(entity.get("id"))
            for side in ("sourceSummaries", "targetSummaries")
            for summary in objects(self.metrics, "recordSummary", side)
            for entity in objects(summary, "entitySummaries")
        )
        prefix = "segment:"
        return frozenset(each.removeprefix(prefix) for each in entities if each.startswith(prefix))


def objects(document: Any, *names: str) -> list[JsonObject]:
    """Return the objects in a list at a path in a JSON document, which AEP may leave out."""
    return [each for each in _list(member(document, *names)) if isinstance(each, dict)]


def _list(value: Any) -> list[Any]:
    """Return a value if it is a list, or else an empty list."""
    return value if isinstance(value, list) else []


class Created(Record, frozen=True, kw_only=True):
    """The response to a create or change request: the id and the new version."""

    id: Id
    etag: Etag | None = None


class Unreadable(Frozen, frozen=True):
    """An object in a list that does not have the structure of the others.

    :param id: its id; empty if that is not readable either.
    :param name: its name; empty if it has none, None if it is not readable either.
    :param problem: what is wrong with it.
    """

    id: str
    name: str | None
    problem: str

    def __str__(self) -> str:
        named = plain_text(self.id) or "an object without an id"
        return f"{named} ({plain_text(repr(self.name))}): {self.problem}"


class Page(Record, Generic[T], frozen=True, kw_only=True):
    """A page of a list.

    :param unreadable: what is on the page besides ``items``. Whoever would do harm by overlooking one must check them.
    :param next_cursor: argument for the request of the next page; None on the last page. Its meaning is specific to the
        list.
    """

    items: tuple[T, ...]
    unreadable: tuple[Unreadable, ...] = ()
    next_cursor: str | None = None


class Operation(Record, frozen=True, kw_only=True):
    """One operation of a JSON Patch (RFC 6902)."""

    op: str
    path: str
    value: Any = None


def is_uuid(text: str) -> bool:
    """Whether a string is a UUID. The ids of specs are UUIDs, their names are not."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


_SECRET_PART = re.compile("secret|password|passphrase|token|credential|privatekey|sshkey|accesskey")
_SECRET_NAME = re.compile("sastoken|sasuri|connectionstring|accesskeyid|pwd|signature|authorization|.*key")


def looks_secret(parameter: str) -> bool:
    """Whether the name of a parameter suggests a credential, for example ``secretKey`` or ``sasKey``."""
    folded = parameter.replace("_", "").replace("-", "").lower()
    return bool(_SECRET_NAME.fullmatch(folded) or _SECRET_PART.search(folded))


def without_secrets(value: Any, secrets: Collection[str] = ()) -> Any:
    """Return a copy of a JSON value for messages, with credentials replaced.

    :param secrets: values to replace in addition to those whose names suggest a credential.
    """
    if isinstance(value, Mapping):
        return {k: "***" if looks_secret(str(k)) else without_secrets(v, secrets) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(item, secrets) for item in value]
    return "***" if str(value) in secrets else value
