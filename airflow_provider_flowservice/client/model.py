"""AEP's resources as frozen records, with the fields that the provider uses.

Records are msgspec structs: decoded and type-checked straight from the response's bytes; fields that AEP adds
are ignored.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from typing_extensions import Self

T = TypeVar("T")
JsonObject = dict[str, Any]


class Frozen(msgspec.Struct, frozen=True):
    """Base of all immutable values. Structs are defined 20 times as fast as dataclasses, which every DAG file pays for.

    A subclass names in ``hidden`` the fields that must not show in its representation, such as secrets.
    """

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.hidden
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def to_json(self) -> JsonObject:
        """The value as JSON."""
        return msgspec.json.decode(msgspec.json.encode(self), type=JsonObject)

    @classmethod
    def from_json(cls, document: JsonObject) -> Self:
        """Read what :meth:`to_json` wrote."""
        return msgspec.convert(document, cls)


class Record(Frozen, frozen=True, kw_only=True, rename="camel"):
    """Base of what AEP returns: camelCase on the wire."""


class SpecRef(Record, frozen=True, kw_only=True):
    """Which connection spec or flow spec a resource follows.

    :param id: UUID of the spec.
    :param version: spec version, ``"1.0"``; old resources carry the number 1.
    """

    id: str
    version: str | float = "1.0"


class AuthSpec(Record, frozen=True, kw_only=True):
    """One way to authenticate that a connection spec offers.

    :param name: what ``auth.specName`` must be.
    :param spec: JSON schema of ``auth.params``.
    """

    name: str
    spec: JsonObject = {}

    @property
    def properties(self) -> dict[str, JsonObject]:
        """Parameter name to its JSON schema."""
        properties = self.spec.get("properties")
        return properties if isinstance(properties, dict) else {}

    @property
    def required(self) -> frozenset[str]:
        """Names of the parameters that must be given."""
        required = self.spec.get("required")
        return frozenset(required if isinstance(required, list) else ())

    def is_secret(self, parameter: str) -> bool:
        """Whether the spec marks a parameter as a credential, or its name says so."""
        schema = self.properties.get(parameter)
        marked = isinstance(schema, dict) and schema.get("format") == "password"
        return marked or looks_secret(parameter)


class ConnectionSpec(Record, frozen=True, kw_only=True):
    """An entry of AEP's catalogue of systems (``/connectionSpecs``)."""

    id: str
    name: str = ""
    version: str | float = "1.0"
    auth_spec: tuple[AuthSpec, ...] = ()
    attributes: JsonObject = {}


class FlowSpec(Record, frozen=True, kw_only=True):
    """A kind of dataflow (``/flowSpecs``)."""

    id: str
    name: str = ""
    version: str | float = "1.0"
    attributes: JsonObject = {}


class Auth(Record, frozen=True, kw_only=True):
    """The part of a base connection's authentication that AEP shows."""

    spec_name: str = ""
    params: JsonObject = {}


class Resource(Record, frozen=True, kw_only=True):
    """What connections and flows have in common.

    :param created_at: milliseconds since 1970-01-01 UTC.
    :param updated_at: milliseconds since 1970-01-01 UTC.
    :param etag: version for ``If-Match``, as AEP gave it.
    """

    id: str
    name: str = ""
    description: str | None = None
    state: str | None = None
    created_at: int = 0
    updated_at: int = 0
    etag: str | None = None


class BaseConnection(Resource, frozen=True, kw_only=True):
    """Credentials for a system (``/connections``)."""

    connection_spec: SpecRef
    auth: Auth | None = None


class SourceConnection(Resource, frozen=True, kw_only=True):
    """Where a flow reads (``/sourceConnections``)."""

    connection_spec: SpecRef
    base_connection_id: str | None = None
    data: JsonObject | None = None
    params: JsonObject | None = None


class TargetConnection(SourceConnection, frozen=True, kw_only=True):
    """Where a flow writes (``/targetConnections``)."""


class FlowState(str, Enum):
    """States that the provider tells apart.

    AEP shows others as well, such as ``updating`` or ``disabling``, and may add more. A resource's state is
    therefore a string that is compared with these.
    """

    ENABLED = "enabled"
    DISABLED = "disabled"
    DRAFT = "draft"


class SelectorKind(str, Enum):
    """What a flow's ``GeneralTransform`` selects."""

    SEGMENT = "segmentSelectors"
    ATTRIBUTE = "profileSelectors"

    def fold(self, key: str) -> str:
        """The key in the form in which two are compared: UUIDs are the same in either case, paths are not."""
        return key.lower() if self is SelectorKind.SEGMENT else key


class Selector(Record, frozen=True, kw_only=True):
    """One segment or profile attribute that a flow sends.

    :param kind: which kind of list it stands in.
    :param key: segment id, or path of the attribute.
    :param index: of the transformation that holds it.
    :param position: in that transformation's list.
    :param document: as the flow holds it.
    """

    kind: SelectorKind
    key: str
    index: int
    position: int
    document: JsonObject

    @property
    def folded(self) -> str:
        """The key in the form in which two are compared."""
        return self.kind.fold(self.key)


class Flow(Resource, frozen=True, kw_only=True):
    """A dataflow (``/flows``).

    :param transformations: as AEP holds them; patches are computed against this document, and what is malformed
        in it is passed over.
    """

    flow_spec: SpecRef
    source_connection_ids: tuple[str, ...] = ()
    target_connection_ids: tuple[str, ...] = ()
    transformations: tuple[Any, ...] = ()
    schedule_params: JsonObject | None = None

    def selector_lists(self, kind: SelectorKind) -> Iterator[tuple[int, list[Any]]]:
        """The lists of selectors of one kind, with the indices of the transformations that hold them."""
        for index, transformation in enumerate(self.transformations):
            selectors = member(transformation, "params", kind.value, "selectors")
            if isinstance(selectors, list):
                yield index, selectors

    def selectors(self, kind: SelectorKind) -> Iterator[Selector]:
        """The selectors of one kind in all transformations, in the order in which the flow holds them."""
        name = "id" if kind is SelectorKind.SEGMENT else "path"
        for index, selectors in self.selector_lists(kind):
            for position, document in enumerate(selectors):
                key = member(document, "value", name)
                if key and isinstance(key, str):
                    yield Selector(kind=kind, key=key, index=index, position=position, document=document)


def member(document: Any, *names: str) -> Any:
    """What stands at a path in a JSON document; None if there is nothing, or no object on the way."""
    for name in names:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


class RunState(str, Enum):
    """State of a flow run, with AEP's many spellings folded into one."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partialSuccess"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the run will not change any more."""
        return self is not RunState.RUNNING

    @classmethod
    def from_text(cls, text: str | None) -> RunState:
        """Read AEP's status, whatever its case; an unknown one counts as still running."""
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
    """One run of a flow (``/runs``)."""

    id: str
    flow_id: str = ""
    created_at: int = 0
    updated_at: int = 0
    metrics: JsonObject = {}
    params: JsonObject | None = None

    @property
    def state(self) -> RunState:
        """The run's state."""
        summary = self.metrics.get("statusSummary")
        status = summary.get("status") if isinstance(summary, dict) else None
        return RunState.from_text(status if isinstance(status, str) else None)


class Created(Record, frozen=True, kw_only=True):
    """The response to a create or a change: the id and the new version."""

    id: str
    etag: str | None = None


class Page(Record, Generic[T], frozen=True, kw_only=True):
    """A page of a list.

    :param next_cursor: what the request for the next page needs, None on the last one. Only the list that gave it
        knows what it means.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None


class Operation(Record, frozen=True, kw_only=True):
    """One operation of a JSON Patch (RFC 6902)."""

    op: str
    path: str
    value: Any = None


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID, as ids of specs are and their names are not."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


_SECRET_PART = re.compile("secret|password|passphrase|token|credential|privatekey|sshkey|accesskey")
_SECRET_NAME = re.compile("sastoken|sasuri|connectionstring|accesskeyid|pwd|signature|authorization|.*key")


def looks_secret(parameter: str) -> bool:
    """Whether a parameter's name is that of a credential, such as ``secretKey`` or ``sasKey``."""
    folded = parameter.replace("_", "").replace("-", "").lower()
    return bool(_SECRET_NAME.fullmatch(folded) or _SECRET_PART.search(folded))
