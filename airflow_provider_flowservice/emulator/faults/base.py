"""What a fault is: it takes a request in the place of the service, which it may or may not call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from airflow_provider_flowservice.emulator.exchange import Marks, Reply
from airflow_provider_flowservice.emulator.journal import Exchange
from airflow_provider_flowservice.emulator.world import World


@dataclass
class Victim:
    """The request that a fault meets.

    :param serve: lets the service answer it.
    """

    world: World
    exchange: Exchange
    marks: Marks
    serve: Callable[[], Awaitable[Reply]]


class Fault(ABC):
    """What happens to a request. Fields of a subclass are its parameters."""

    kind: ClassVar[str]

    @abstractmethod
    async def meet(self, victim: Victim) -> Reply | None:
        """Deal with a request.

        :return: the answer; None to close the connection without one.
        """

    def as_json(self) -> dict[str, Any]:
        """Kind and parameters."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]
