"""The command ``flowservice-emulator``."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.settings import read_switches
from airflow_provider_flowservice.emulator.world import World

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
        if options.specs:
            _add_specs(options.specs)
        with EmulatorServer(
            host=options.host,
            port=options.port,
            sandbox=options.sandbox,
            log_level=options.log_level,
            allow_remote=options.allow_remote,
            tls=options.tls,
            allowed_hosts=options.allow_host,
            prepare=_scenario(options.scenario),
            state_file=options.state_file,
            kinesis_endpoint=options.kinesis_endpoint,
            event_hubs_endpoint=options.event_hubs_endpoint,
            export_dir=options.export_dir,
            switches=read_switches(Path(options.switches)) if options.switches else None,
        ) as server:
            # To look for garbage in a busy sandbox takes a tenth of a second, in which no request is served.
            gc.freeze()
            _print(sys.stdout, f"Flow Service emulator on {server.url} (page: {server.url}/)")
            for name in options.allow_host:
                _print(sys.stdout, f"also on {server.url_of(name)}")
            if server.is_restored and options.scenario:
                _print(sys.stdout, f"the state is that of {options.state_file}, without the scenario")
            if server.ca_file:
                _print(sys.stdout, f"ca_file of an Airflow connection: {server.ca_file}")
            stop.wait()
    except (OSError, ValueError) as error:
        _print(sys.stderr, f"flowservice-emulator: {error}")
        return 1
    return 0


def _add_specs(path: str) -> None:
    from airflow_provider_flowservice.emulator.flow.own_specs import add_specs

    add_specs(Path(path))


def _scenario(source: str | None) -> Callable[[World], None] | None:
    if source is None:
        return None
    from airflow_provider_flowservice.emulator.scenarios import read_scenario

    return read_scenario(source)


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
        "--tls",
        metavar="DIR",
        help="serve HTTPS, with the CA and the certificate in this directory, which are made if they are not there",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="serve under this name too, as a compose file needs it; with --tls; can be repeated",
    )
    parser.add_argument(
        "--scenario",
        metavar="FILE",
        help="start with what this YAML file has, or with one of the scenarios quiet, bad-day and busy-sandbox",
    )
    parser.add_argument(
        "--state-file",
        metavar="FILE",
        help="keep the state in this file until the next start; once it exists, a scenario is not used again",
    )
    parser.add_argument(
        "--switches",
        metavar="FILE",
        help="start with the switches of this JSON file, and return to them with each reset; they take precedence over"
        " those of a scenario or a state file",
    )
    parser.add_argument(
        "--specs",
        metavar="FILE",
        help="add the connectionSpecs and flowSpecs of this JSON file, in the form in which AEP lists them",
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
