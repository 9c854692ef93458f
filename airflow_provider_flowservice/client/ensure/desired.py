"""Desired objects: how they are found, compared and sent.

An existing object matches the desired one if name, spec and parents are the same. Its settings are then compared,
except those that AEP adds, masks or does not return.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.converge import Versioned
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.model import Frozen, is_uuid, looks_secret, without_secrets
from airflow_provider_flowservice.client.text import plain_text, titled

R = TypeVar("R", bound="ExistingResource")
P = TypeVar("P", bound=Versioned)
#: The names in a path such as ``auth.params[0].password``.
_NAMES = re.compile(r"[^.\[\]]+")
#: The end of a path to an id or an element of a list of ids, such as ``flowSpec.id`` or ``sourceConnectionIds[0]``.
_ID = re.compile(r"(\bid|Id|Ids\[\d+\])$")


class ExistingResource(Versioned, Protocol):
    """The properties of every existing object; not all of them have a version."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str | None:
        """Its name; None if AEP does not show it."""

    @property
    def created_at(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""


class Difference(Frozen, frozen=True):
    """A setting whose value in AEP is not the desired one.

    As a string, it shows both values for a message, unless the name of the setting suggests a credential.

    :param setting: path of the setting, for example ``params.stream``.
    """

    setting: str
    found: Any
    desired: Any

    def __str__(self) -> str:
        if any(map(looks_secret, _NAMES.findall(self.setting))):
            return f"{self.setting} is another one than expected (credentials are not shown)"
        found, desired = (plain_text(repr(without_secrets(v))) for v in (self.found, self.desired))
        return f"{self.setting} is {found}, expected {desired}"


class Part(Frozen, Generic[P], frozen=True, kw_only=True):
    """A part of an object with requests of its own, such as the identity of a schema.

    It is brought to its desired state once the object exists.

    :param read: the request that reads it.
    :param absent: how it is read before the object exists, for the dry run.
    :param differences: returns what differs from the desired state.
    :param update: returns the request that changes it to the desired state; None if there is nothing to change.
    """

    read: Request[P]
    absent: P
    differences: Callable[[P], tuple[Difference, ...]]
    update: Callable[[P], Request[Any] | None]


class Desired(Frozen, Generic[R], frozen=True, kw_only=True):
    """An object that must exist exactly once, in any of AEP's services.

    :param name: its name.
    :param description: description for users; not compared.
    """

    #: Name of the type of object in messages, for example ``flow``.
    label: ClassVar[str]
    #: Whether an update changes the name, too.
    is_renamed: ClassVar[bool] = True

    name: str
    description: str | None = None

    def title(self, found_id: str) -> str:
        """Return label, name and id of an object for log and error messages."""
        return titled(self.label, self.name, found_id)

    @abstractmethod
    def candidates(self, sender: Sender) -> Iterable[R]:
        """Return existing objects that include this one, if it exists."""

    def matches(self, found: R) -> bool:
        """Whether an existing object is this one: its name, spec and parents are the same."""
        return found.name == self.name and not self.fixed_differences(found)

    def name_differences(self, found: R) -> tuple[Difference, ...]:
        """Return the name of an object if it differs from the desired one."""
        return () if found.name == self.name else (Difference("name", found.name, self.name),)

    @abstractmethod
    def fixed_differences(self, found: R) -> tuple[Difference, ...]:
        """Return spec and parents of an object where they differ from the desired ones: no update changes them."""

    @abstractmethod
    def differences(self, found: R) -> tuple[Difference, ...]:
        """Return the settings of a matching object that differ from the desired ones."""

    def not_applied(self, found: R) -> tuple[Difference, ...]:
        """Return the changes of an update that an object does not show; by default, name and other differences."""
        return (*self.name_differences(found), *self.differences(found))

    def is_as_created(self, found: R) -> bool:
        """Whether a matching object is what the create leads to, even if AEP has left out settings of it."""
        return not self.differences(found)

    def completed(self, sender: Sender) -> Self:
        """Return the object with the settings that its create requires and that depend on others in AEP."""
        return self

    @abstractmethod
    def create(self) -> Request[model.Created]:
        """Return the request that creates the object."""

    @abstractmethod
    def read(self, found_id: str) -> Request[R]:
        """Return the request that reads the object."""

    @abstractmethod
    def update(self, found: R) -> Request[Any] | None:
        """Return the request that changes an object to the desired state; None if there is nothing to change.

        :raises DriftError: if AEP cannot change a setting that differs.
        """

    @abstractmethod
    def delete(self, found_id: str) -> Request[None]:
        """Return the request that deletes the object."""

    def check(self, sender: Sender) -> None:
        """Check the objects that this one refers to, before anything is sent; by default, nothing is checked.

        :raises DriftError: if one of them does not fit.
        """

    def parts(self, found_id: str) -> tuple[Part[Any], ...]:
        """Return the parts that have requests of their own, in the order in which they are changed."""
        return ()

    @property
    def needs_confirmation(self) -> bool:
        """Whether AEP may leave out settings of a create, so that they are sent again if it does not show them."""
        return False

    @property
    def planned_name(self) -> str:
        """The name in the placeholder id that stands for the object in a dry run."""
        return self.name

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values in the create request that must not appear in logs and errors."""
        return ()

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the objects that this one refers to."""
        return ()

    def differs(self, found_id: str, differing: Sequence[Difference], instead: str) -> DriftError:
        """Return the error for differences that an update can change.

        :param instead: the end of the sentence that says what to do, unless it is to be changed.
        """
        return DriftError(
            f"{self.label} {found_id} ({self.name!r}) exists with other settings:"
            f" {'; '.join(map(str, differing))}. Set if_exists='update' to change it, or {instead}."
        )

    def cannot_change(self, found: R, differing: Sequence[Difference], remedy: str) -> DriftError:
        """Return the error for differences that AEP cannot change."""
        return DriftError(
            f"{self.label} {found.id} ({self.name!r}) exists with other settings, and AEP cannot change"
            f" them: {'; '.join(map(str, differing))}. {remedy}"
        )


def compare(path: str, desired: Any, held: Any, *, exact: bool = False) -> tuple[Difference, ...]:
    """Compare a JSON value in AEP with the desired one, and return the differences.

    Only the keys of the desired object are compared, because the server adds others. Lists must have the same length
    and are compared element by element. Scalars are compared as in Python, except that a bool is not a number. Scalars
    of different types are compared as strings, because AEP returns numbers and booleans as strings. AEP's ids are the
    same in upper and lower case.

    :param path: path of the value, for the differences; empty for a whole document.
    :param exact: whether additional keys in AEP are differences as well.
    """
    parts: Iterable[tuple[str, Any, Any]]
    if isinstance(desired, Mapping) and isinstance(held, Mapping):
        prefix = f"{path}." if path else ""
        keys = [*desired, *(key for key in held if exact and key not in desired)]
        parts = ((f"{prefix}{key}", desired.get(key), held.get(key)) for key in keys)
    elif _is_list(desired) and _is_list(held) and len(desired) == len(held):
        parts = ((f"{path}[{index}]", *pair) for index, pair in enumerate(zip(desired, held, strict=True)))
    else:
        same = _is_same(desired, held) or (_ID.search(path) and _is_same_uuid(desired, held))
        return () if same else (Difference(path, held, desired),)
    return tuple(difference for part in parts for difference in compare(*part, exact=exact))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_same(desired: Any, held: Any) -> bool:
    if desired == held and isinstance(desired, bool) is isinstance(held, bool):
        return True
    scalars = isinstance(desired, (str, int, float)) and isinstance(held, (str, int, float))
    return scalars and type(desired) is not type(held) and str(desired).lower() == str(held).lower()


def _is_same_uuid(desired: Any, held: Any) -> bool:
    are_texts = isinstance(desired, str) and isinstance(held, str)
    return are_texts and desired.lower() == held.lower() and is_uuid(desired)
