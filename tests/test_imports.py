"""What is loaded when, and who knows whom."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_flowservice
from tests.docs.pages import blocks, pages
from tests.support.airflow import EXAMPLE_DAGS
from tests.support.features import needs

PACKAGE = Path(airflow_provider_flowservice.__file__).parent
NAME = PACKAGE.name
HEAVY = {"requests", "aiohttp", "jsonpatch", "fastapi", "uvicorn", "openlineage"}
_REPORT = "import json, sys; print('loaded', json.dumps(sorted(m for m in sys.modules if '.' not in m)))"


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after some code."""
    finished = subprocess.run(
        [sys.executable, "-c", f"{code}\n{_REPORT}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert finished.returncode == 0, finished.stderr
    line = next(line for line in finished.stdout.splitlines() if line.startswith("loaded "))
    return set(json.loads(line.removeprefix("loaded ")))


def imports_of(file: Path) -> list[str]:
    """The import statements at the top of a Python file."""
    statements = ast.parse(file.read_text()).body
    return [ast.unparse(each) for each in statements if isinstance(each, (ast.Import, ast.ImportFrom))]


def imported_names(file: Path) -> Iterator[str]:
    """Every module that a file imports anywhere in it, with the names that are taken from it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_below(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (PACKAGE / folder).rglob("*.py"))


def offenders(files: list[Path], *forbidden: str) -> list[str]:
    return [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in files
        for name in imported_names(file)
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in forbidden)
    ]


def test_parsing_the_example_dags_loads_nothing_heavy() -> None:
    statements = dict.fromkeys(
        statement
        for file in sorted(EXAMPLE_DAGS.glob("*.py"))
        for statement in imports_of(file)
        if "__future__" not in statement
    )
    assert any(NAME in statement for statement in statements)
    airflow_alone = loaded_by("import airflow.sdk\nfrom airflow.sdk import DAG, BaseOperator, Param, task")
    assert (loaded_by("\n".join(statements)) - airflow_alone) & HEAVY == set()


def test_asking_for_the_provider_info_loads_nothing() -> None:
    before = loaded_by("")
    after = loaded_by(f"from {NAME}.get_provider_info import get_provider_info; get_provider_info()")
    assert after - before - sys.stdlib_module_names == {NAME}


@needs("provider_commands")
def test_the_commands_load_nothing_that_airflows_do_not() -> None:
    before = loaded_by("import airflow.cli.cli_parser")
    after = loaded_by(f"import airflow.cli.cli_parser; from {NAME} import cli; cli.get_cli_commands()")
    assert (after - before) & (HEAVY | {"rich"}) == set()
    assert offenders([PACKAGE / "cli.py"], f"{NAME}.hooks", f"{NAME}.client") == []


def test_the_pytest_plugin_loads_nothing_heavy() -> None:
    loaded = loaded_by(f"import {NAME}.testing.plugin")
    assert not loaded & (HEAVY | {"airflow"})


@pytest.mark.parametrize(
    "module",
    [
        "client.http.blocking",
        "client.http.asynchronous",
        "client.ensure.create",
        "client.activation.activation",
    ],
)
def test_the_client_works_without_airflow(module: str) -> None:
    assert "airflow" not in loaded_by(f"import {NAME}.{module}")


@pytest.mark.parametrize("module", ["client.http", "client.waits", "client.activation", "client.ensure"])
def test_what_the_package_imports_from_the_client_is_light(module: str) -> None:
    assert loaded_by(f"import {NAME}.{module}") & HEAVY == set()


def test_the_transports_are_loaded_when_they_are_asked_for() -> None:
    door = f"from {NAME}.client import http"
    assert loaded_by(f"{door}; http.AiohttpTransport") & HEAVY == {"aiohttp"}
    assert loaded_by(f"{door}; http.RequestsTransport") & HEAVY == {"requests"}
    assert "aiohttp" not in loaded_by(f"{door}; hasattr(http, 'missing')")


def test_the_documentation_imports_what_users_may() -> None:
    found = [block.code for page in pages() for block in blocks(page) if block.language == "python"]
    modules = {name for code in found for name in re.findall(rf"(?m)^(?:from|import) ({NAME}[\w.]*)", code)}
    assert modules
    public = tuple(
        f"{NAME}.{each}"
        for each in (
            "assets",
            "client",
            "exceptions",
            "hooks.flow_service",
            "retry_policy",
            "task_groups",
            "triggers.events",
        )
    )
    assert {each for each in modules if each not in public} == {
        each for each in modules if each.startswith((f"{NAME}.operators.", f"{NAME}.sensors."))
    }


def test_time_is_read_in_one_place_each() -> None:
    clocks = {PACKAGE / "client" / "clock.py", PACKAGE / "emulator" / "clock.py"}
    others = [file for file in files_below(".") if file not in clocks]
    assert offenders(others, "time") == []


def test_what_looks_for_offenders_finds_some() -> None:
    assert offenders(files_below("operators"), "airflow.sdk.BaseOperator")
    assert offenders(sorted((PACKAGE / "client").glob("clock.py")), "time")
