"""The command ``flowservice-emulator``."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Sequence

from airflow_provider_flowservice.emulator.server import EmulatorServer

_LOG_LEVELS = ("critical", "error", "warning", "info", "debug")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    :param arguments: command line; the process's own by default.
    :return: exit status: 0 after a signal, 1 if the emulator cannot start.
    """
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with EmulatorServer(
            host=options.host,
            port=options.port,
            sandbox=options.sandbox,
            log_level=options.log_level,
            allow_remote=options.allow_remote,
            kinesis_endpoint=options.kinesis_endpoint,
            event_hubs_endpoint=options.event_hubs_endpoint,
            export_dir=options.export_dir,
        ) as server:
            # To look for garbage in a busy sandbox takes a tenth of a second, in which no request is served.
            gc.freeze()
            _print(sys.stdout, f"Flow Service emulator on {server.url} (page: {server.url}/_emulator/)")
            stop.wait()
    except (OSError, ValueError) as error:
        _print(sys.stderr, f"flowservice-emulator: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flowservice-emulator",
        description="Adobe Experience Platform's Flow Service, emulated on this machine.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8765, help="port; 0 selects a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--sandbox", default="dev", help="name of the development sandbox (default: %(default)s)"
    )
    parser.add_argument("--log-level", choices=_LOG_LEVELS, default="warning", help="(default: %(default)s)")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow a --host that other machines can reach; nothing protects the emulator",
    )
    parser.add_argument(
        "--kinesis-endpoint",
        metavar="URL",
        help="really send what flows to Amazon Kinesis export, to a local Kinesis for example; needs boto3",
    )
    parser.add_argument(
        "--event-hubs-endpoint",
        metavar="URL",
        help="really send what flows to Azure Event Hubs export, over HTTPS or HTTP",
    )
    parser.add_argument(
        "--export-dir", metavar="DIR", help="really write what flows to file destinations export, as files"
    )
    return parser


def _print(stream: object, line: str) -> None:
    print(line, file=stream, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
