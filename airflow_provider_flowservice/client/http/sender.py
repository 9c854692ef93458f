"""What code that sends requests needs: something that sends them."""

from __future__ import annotations

from typing import Protocol, TypeVar

from airflow_provider_flowservice.client.http.request import Request

T = TypeVar("T")


class Sender(Protocol):
    """Anything that sends a request, with retries, and returns its parsed response."""

    def send(self, request: Request[T]) -> T:
        """Send ``request``."""
        ...
