"""What a fault is: it handles a request in place of the service, which it may or may not call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from airflow_provider_flowservice.emulator.exchange import BufferedResponse, Exchange, RequestNotes
from airflow_provider_flowservice.emulator.world import World


@dataclass
class InterceptedRequest:
    """The request that a fault intercepts.

    :param serve: lets the service handle it.
    """

    world: World
    exchange: Exchange
    notes: RequestNotes
    serve: Callable[[], Awaitable[BufferedResponse]]


class Fault(ABC):
    """What happens to a request. The fields of a subclass are its parameters."""

    kind: ClassVar[str]

    @abstractmethod
    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Handle a request.

        :return: the response, or None to close the connection without one.
        """

    def as_json(self) -> dict[str, Any]:
        """Return the kind and the parameters."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]
