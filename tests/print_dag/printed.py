"""Printing DAG files for the emulator's flows, and running them in a real Airflow."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.print_dag.__main__ import main
from airflow_provider_flowservice.print_dag.naming import dag_id_of
from airflow_provider_flowservice.testing.database import register
from tests.support.airflow import task_states
from tests.support.dags import errors_of_tasks

#: An Airflow connection in the docstring of a printed file.
_CONNECTION = re.compile(r"\* ``(\w+)`` of type ``(\w+)``[^:]*:\s((?:.|\n(?! *\n|\* |\"))*)")
_FIELD = re.compile(r"(?:^|,\s+)(login|password|host|port|extra\s+'(\w+)')\s+=\s")


@dataclass
class Ran:
    """A run of a printed DAG.

    :param sent: method and path of what may have changed something.
    :param calls: number of requests, without those for tokens.
    """

    states: dict[str, str]
    errors: list[BaseException]
    sent: list[tuple[str, str]]
    calls: int

    @property
    def succeeded(self) -> bool:
        return set(self.states.values()) <= {"success", "skipped"} and not self.errors


class Printed:
    """Prints files into a folder and runs the DAGs in them.

    :param folder: where the files are.
    """

    def __init__(self, control: EmulatorControl, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.control = control
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._empty = folder / "empty"
        self._empty.mkdir()

    def path(self, flow_id: str) -> Path:
        return self.folder / f"{dag_id_of(flow_id)}.py"

    def print(self, *arguments: str) -> None:
        """Print, and create the Airflow connections that the files ask for, with the fields that they name."""
        assert main([*arguments, "--output-dir", str(self.folder), "--force"]) == 0
        for file in self.folder.glob("*.py"):
            self._create_connections(file.read_text())

    def run(self, file: Path, **conf: Any) -> Ran:
        """Parse a file as Airflow does, and run its DAG."""
        from tests.support.moved import DagBag

        bag = DagBag(str(file))
        assert not bag.import_errors, next(iter(bag.import_errors.values()))
        (dag,) = bag.dags.values()
        register(dag)
        self.control.clear_requests()
        with errors_of_tasks() as errors, self._monkeypatch.context() as patch:
            # Otherwise the run would first write all the example DAGs to the database.
            patch.setattr("airflow.settings.DAGS_FOLDER", str(self._empty))
            dag_run = dag.test(run_conf=conf or None)
        calls = calls_of(self.control)
        return Ran(task_states(dag_run), errors, [each for each in calls if each[0] != "GET"], len(calls))

    def run_flow(self, flow_id: str, **conf: Any) -> Ran:
        return self.run(self.path(flow_id), **conf)

    def edit(self, file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in\n{text}"
        file.write_text(text.replace(old, new))

    def _create_connections(self, source: str) -> None:
        for conn_id, conn_type, fields in _CONNECTION.findall(source.partition('"""\n\n')[0]):
            if conn_type == "flowservice":
                continue
            fields_of: dict[str, Any] = {"conn_type": conn_type}
            extra: dict[str, str] = {}
            for place, name in _FIELD.findall(fields):
                if name:
                    extra[name] = "us-east-1" if name == "region_name" else f"test-{name}"
                else:
                    fields_of[place] = 22 if place == "port" else f"test-{place}"
            value = json.dumps({**fields_of, "extra": extra})
            self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)


def calls_of(control: EmulatorControl) -> list[tuple[str, str]]:
    """Return method and path of each request, without those for tokens."""
    journal = [each for each in control.requests() if each["path"] != "/ims/token/v3"]
    return [(each["method"], each["path"]) for each in journal]


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs in the emulator's state, as paths; not what AEP itself adds to a change."""
    added = (
        "updatedAt",
        "updatedBy",
        "updateTime",
        "etag",
        "version",
        "lastOperation",
        "inheritedAttributes",
        "modifiedDate",
    )

    def compare(path: str, one: Any, other: Any) -> list[str]:
        if isinstance(one, dict) and isinstance(other, dict):
            names = [*one, *(name for name in other if name not in one)]
            return [
                found
                for name in names
                if name not in added
                for found in compare(f"{path}.{name}" if path else name, one.get(name), other.get(name))
            ]
        if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            pairs = enumerate(zip(one, other, strict=True))
            return [found for index, pair in pairs for found in compare(f"{path}[{index}]", *pair)]
        return [] if one == other else [path]

    return compare("", before, after)
