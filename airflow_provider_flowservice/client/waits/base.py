"""What all waits have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import Any, Self, TypeVar

import msgspec

from airflow_provider_flowservice.client.http import Request
from airflow_provider_flowservice.client.model import Frozen

R = TypeVar("R")

#: Yields requests to send and numbers of seconds to sleep. The caller sends back the parsed response of a request, or
#: throws its error into the generator.
Steps = Generator[Request[Any] | float, Any, R]


class Judgement(msgspec.Struct, frozen=True):
    """The result of a poll.

    :param done: whether the condition is met.
    :param seen: the observed state, as JSON; passed to the next poll.
    :param look_after: seconds until the condition can be met at the earliest; None if unknown.
    :param interval: seconds between two polls from now on; None for those that were asked for.
    """

    done: bool
    seen: Any = None
    look_after: float | None = None
    interval: float | None = None


class BaseWait(Frozen, frozen=True, kw_only=True, tag_field="wait", tag=True):
    """Base class of all waits. The trigger receives a wait as JSON, in which the ``wait`` member names the class."""

    @property
    @abstractmethod
    def goal(self) -> str:
        """The condition, as a clause of a sentence."""

    @abstractmethod
    def look(self, seen: Any = None) -> Steps[Judgement]:
        """Send the requests of one poll.

        :param seen: the observed state of the previous poll; None for the first one.
        :raises FlowServiceError: if the condition cannot be met any more.
        """

    @abstractmethod
    def describe(self, seen: Any) -> str:
        """Describe what is still missing, as a clause of a sentence.

        :param seen: the observed state.
        """

    @property
    def goes_on(self) -> str:
        """What goes on in AEP when nobody waits for it any more, as a clause of a sentence; empty if nothing does."""
        return ""

    def after(self, judged: Judgement) -> Self:
        """Return the wait that remains after a poll."""
        return self

    def result(self, seen: Any) -> Any:
        """Return what a sensor returns when the condition is met, as JSON.

        :param seen: the observed state.
        """
        return None
