"""What a create operator wants to exist: how it is found again, how it is compared, how it is sent.

A resource is one's own earlier work when name, spec and parents agree. Then its settings are compared; what
AEP adds, masks or does not show is not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.sender import Sender

R = TypeVar("R", bound="ExistingResource")


class ExistingResource(Protocol):
    """What every existing object has."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def created_at(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""

    @property
    def etag(self) -> str | None:
        """Its version, where it has one."""


@dataclass(frozen=True)
class Difference:
    """One setting that AEP holds otherwise than it is wanted.

    :param setting: path of the setting, such as ``params.stream``.
    """

    setting: str
    found: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.setting} is {self.found!r}, wanted {self.wanted!r}"


@dataclass(frozen=True, kw_only=True)
class Desired(ABC, Generic[R]):
    """An object that shall exist once, in whichever of AEP's services.

    :param name: its name.
    :param description: for people; never compared.
    """

    name: str
    description: str | None = None

    @property
    @abstractmethod
    def label(self) -> str:
        """What a person calls such an object."""

    @abstractmethod
    def candidates(self, sender: Sender) -> Iterable[R]:
        """The existing objects among which this one is, if it exists."""

    @abstractmethod
    def is_ours(self, found: R) -> bool:
        """Whether an object is this one: name, spec and parents agree."""

    @abstractmethod
    def differences(self, found: R) -> tuple[Difference, ...]:
        """The settings in which an object that is this one differs."""

    @abstractmethod
    def create(self) -> Request[model.Created]:
        """The request that makes it."""

    @abstractmethod
    def read(self, found_id: str) -> Request[R]:
        """The request that reads it."""

    @abstractmethod
    def update(self, found: R) -> Request[Any] | None:
        """The request that makes an object agree; None when it does.

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
        """Ids of what it hangs on."""
        return ()

    def cannot_change(self, found: R, differing: Sequence[Difference], remedy: str) -> DriftError:
        """The error for differences that AEP cannot remove."""
        return DriftError(
            f"{self.label} {found.id} ({self.name!r}) exists with other settings, and AEP cannot change"
            f" them: {'; '.join(map(str, differing))}. {remedy}"
        )


def compare(prefix: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The wanted settings that are found otherwise; what is found beside them was added by the server."""
    differences: list[Difference] = []
    for key, value in wanted.items():
        path, held = f"{prefix}.{key}", found.get(key)
        if isinstance(value, Mapping) and isinstance(held, Mapping):
            differences.extend(compare(path, value, held))
        elif value != held:
            differences.append(Difference(path, held, value))
    return tuple(differences)
