"""What code that sends requests asks of whoever carries them through."""

from __future__ import annotations

from typing import Protocol, TypeVar

from airflow_provider_flowservice.client.http.request import Request

T = TypeVar("T")


class Sender(Protocol):
    """Anything that carries a request through and returns its parsed answer."""

    def send(self, request: Request[T]) -> T:
        """Carry ``request`` through."""
        ...
