"""Base classes of records, and the records that are not specific to one kind of object.

Records are msgspec structs, which are decoded and type-checked directly from the bytes of a response. Unknown fields
are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import msgspec

from airflow_provider_flowservice.client.model.documents import JsonObject
from airflow_provider_flowservice.client.text import plain_text

T = TypeVar("T")
#: Milliseconds since 1970-01-01 UTC. Larger numbers than JSON can hold exactly are no times, and would overflow.
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
#: An id, which enters paths, messages and logs.
Id = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]+\Z", max_length=1000)]
#: A version, which is sent back in a header: other characters than visible ASCII and spaces could not be.
Etag = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]*\Z")]


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


class Resource(Record, frozen=True, kw_only=True):
    """The fields that connections and flows have in common.

    :param created_at: milliseconds since 1970-01-01 UTC.
    :param updated_at: milliseconds since 1970-01-01 UTC.
    :param created_client: client id of the credential that created it; None if AEP does not show it.
    :param etag: version for ``If-Match``, as returned by AEP.
    """

    id: Id
    name: str = ""
    description: str | None = None
    state: str | None = None
    created_at: Milliseconds = 0
    updated_at: Milliseconds = 0
    created_client: str | None = None
    etag: Etag | None = None


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
