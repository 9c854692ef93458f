"""A process that runs the doctor with writes, and gets a signal at each exchange from one on: URL, exchange, signal."""

from __future__ import annotations

import os
import sys
from typing import Any

from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.doctor.writes import Sandbox, run


def main(url: str, exchange: str, number: str) -> None:
    """Run it, and send this process the signal when the exchange, or one after it, has had its effect."""
    send, left = RequestsTransport._exchange, int(exchange)

    def counted(transport: RequestsTransport, step: Any) -> Any:
        nonlocal left
        answer = send(transport, step)
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), int(number))
        return answer

    RequestsTransport._exchange = counted  # type: ignore[method-assign]
    run(Sandbox(EmulatorControl(url)))


if __name__ == "__main__":
    main(*sys.argv[1:])
