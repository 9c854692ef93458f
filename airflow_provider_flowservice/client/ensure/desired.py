"""What a create operator desires to exist: how it is found again, how it is compared, how it is sent.

An object is one's own earlier work if name, spec and parents agree. Then its settings are compared; what AEP
adds, masks or does not show is not compared.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.converge import Versioned
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.model import Frozen

R = TypeVar("R", bound="ExistingResource")


class ExistingResource(Versioned, Protocol):
    """What every existing object has, beside a version where AEP gives it one."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def created_at(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""


class Difference(Frozen, frozen=True):
    """One setting that AEP does not hold as desired.

    :param setting: path of the setting, such as ``params.stream``.
    """

    setting: str
    found: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.setting} is {self.found!r}, wanted {self.wanted!r}"


class Desired(Frozen, Generic[R], frozen=True, kw_only=True):
    """An object that must exist once, in whichever of AEP's services.

    :param name: its name.
    :param description: for people; never compared.
    """

    #: What a person calls such an object.
    label: ClassVar[str]

    name: str
    description: str | None = None

    def title(self, found_id: str) -> str:
        """Names one of its objects for a log or an error."""
        return f"{self.label} {self.name!r} ({found_id})" if self.name else f"{self.label} {found_id}"

    @abstractmethod
    def candidates(self, sender: Sender) -> Iterable[R]:
        """The existing objects among which this one is, if it exists."""

    @abstractmethod
    def is_ours(self, found: R) -> bool:
        """Whether an object is this one: name, spec and parents agree."""

    @abstractmethod
    def differences(self, found: R) -> tuple[Difference, ...]:
        """The settings in which an object that is this one differs."""

    def unmet(self, found: R) -> tuple[Difference, ...]:
        """What an update changes and an object does not show; by default its differences."""
        return self.differences(found)

    @abstractmethod
    def create(self) -> Request[model.Created]:
        """The request that creates it."""

    @abstractmethod
    def read(self, found_id: str) -> Request[R]:
        """The request that reads it."""

    @abstractmethod
    def update(self, found: R) -> Request[Any] | None:
        """The request that changes an object to what is desired; None if there is nothing to change.

        :raises DriftError: if AEP cannot change what differs.
        """

    @abstractmethod
    def delete(self, found_id: str) -> Request[None]:
        """The request that deletes it."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values in the create that must not be shown."""
        return ()

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the objects that it refers to."""
        return ()

    def cannot_change(self, found: R, differing: Sequence[Difference], remedy: str) -> DriftError:
        """The error for differences that AEP cannot remove."""
        return DriftError(
            f"{self.label} {found.id} ({self.name!r}) exists with other settings, and AEP cannot change"
            f" them: {'; '.join(map(str, differing))}. {remedy}"
        )


def compare(path: str, desired: Any, held: Any, *, exact: bool = False) -> tuple[Difference, ...]:
    """Where a JSON value that AEP holds is not as desired.

    Objects are compared by the keys of the desired one: what is held beside them was added by the server. Lists
    must be equally long and are compared element by element. Scalars are equal as in Python, except that a bool
    is not a number; of two types they are equal as text, since AEP shows numbers and booleans as strings.

    :param path: where the value stands, for the differences; empty for a whole document.
    :param exact: whether what is held beside the desired keys is a difference as well.
    """
    parts: Iterable[tuple[str, Any, Any]]
    if isinstance(desired, Mapping) and isinstance(held, Mapping):
        prefix = f"{path}." if path else ""
        keys = [*desired, *(key for key in held if exact and key not in desired)]
        parts = ((f"{prefix}{key}", desired.get(key), held.get(key)) for key in keys)
    elif _is_list(desired) and _is_list(held) and len(desired) == len(held):
        parts = ((f"{path}[{index}]", *pair) for index, pair in enumerate(zip(desired, held, strict=True)))
    else:
        return () if _is_same(desired, held) else (Difference(path, held, desired),)
    return tuple(difference for part in parts for difference in compare(*part, exact=exact))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_same(desired: Any, held: Any) -> bool:
    if desired == held and isinstance(desired, bool) is isinstance(held, bool):
        return True
    scalars = isinstance(desired, (str, int, float)) and isinstance(held, (str, int, float))
    return scalars and type(desired) is not type(held) and str(desired).lower() == str(held).lower()
