"""Runs the code blocks of a page as its reader would: all of them, from top to bottom, in one folder."""

from __future__ import annotations

import configparser
import csv
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from airflow_provider_flowservice.testing.database import register
from tests.docs.pages import ROOT, Block
from tests.support.airflow import task_states
from tests.support.features import features

#: The port and the folder of data in the text; the tests use a free port, and a folder in that of the page.
PORT, DATA = "8765", '"/data/'
_SECONDS = 300
_DAG = re.compile(r"(\bDAG\(\s*\")")
_SHELL = ("bash", "shell")
#: What is on a page so that the reader sees it, and not to be run: outputs, and formats of AEP.
SHOWN = ("text",)


def is_run(block: Block) -> bool:
    """Whether the tests run, read or compare a block."""
    return not block.not_run


def run_page(
    blocks: Sequence[Block],
    folder: Path,
    environment: Mapping[str, str],
    logical_date: datetime,
    conf: Mapping[str, Any],
) -> None:
    """Run the blocks of one page: first those of the shell, in one shell, then DAGs and other Python code.

    :param folder: empty folder, in which the files of the page are written.
    :param environment: of the shell.
    :param logical_date: of the DAG runs.
    :param conf: of the DAG runs.
    """
    replaced = {PORT: _free_port(), DATA: f'"{folder}/data/'}
    runnable = [_placed(block, replaced) for block in blocks if is_run(block) and _can_run(block)]
    for block in runnable:
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
    _run_shell([block for block in runnable if block.language in (*_SHELL, *SHOWN)], folder, environment)
    for number, block in enumerate(runnable):
        if block.language == "python" and not Path(block.file).name.startswith("test_"):
            _run_python(block, folder, number, logical_date, conf)
        elif block.language not in (*_SHELL, *SHOWN, "python"):
            READERS[block.language](block.code)


def _placed(block: Block, replaced: Mapping[str, str]) -> Block:
    code = block.code
    for said, used in replaced.items():
        code = code.replace(said, used)
    return replace(block, code=code)


def _can_run(block: Block) -> bool:
    return not block.needs or bool(getattr(features(), block.needs))


def _run_python(
    block: Block, folder: Path, number: int, logical_date: datetime, conf: Mapping[str, Any]
) -> None:
    from airflow.sdk import DAG

    path = folder / f"{block.page.stem.replace('-', '_')}_{number}.py"
    # Other tests have DAGs in the same database, and some of them those of the pages.
    path.write_text(_DAG.sub(r"\1docs_", block.code), encoding="utf-8")
    module = _module(path)
    for dag in [each for each in vars(module).values() if isinstance(each, DAG)]:
        register(dag)
        dag_run = dag.test(logical_date=logical_date, run_conf=dict(conf))
        assert dag_run.state == "success", f"{block}: {task_states(dag_run)}"


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run_shell(blocks: Sequence[Block], folder: Path, environment: Mapping[str, str]) -> None:
    """Run the blocks of the shell, and compare what they print with the blocks of text after them."""
    commands = [block for block in blocks if block.language in _SHELL]
    if not commands:
        assert not blocks, f"{blocks[0]}: there is no command before this output"
        return
    parts = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
    for number, block in enumerate(commands):
        parts += [f"echo '::block {number}::'", block.code]
    done = _shell("\n".join(parts), folder, environment)
    printed = re.split(r"::block \d+::\n", done.stdout)[1:]
    assert done.returncode == 0, f"{commands[len(printed) - 1]}: {done.stdout}{done.stderr}"
    for before, block in pairwise(blocks):
        if block.language in SHOWN:
            assert before.language in _SHELL, f"{block}: there is no command before this output"
            output = printed[commands.index(before)]
            assert _pattern(block.code).search(output), f"{block}: it prints\n{output}"


def _shell(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        errors += f"\nIt was ended after {_SECONDS} seconds."
    return subprocess.CompletedProcess(script, process.returncode, output, errors)


def _pattern(expected: str) -> re.Pattern[str]:
    """What an output must have; three dots stand for anything."""
    parts = (r"\s+".join(map(re.escape, part.split())) for part in expected.split("..."))
    return re.compile(r".*?".join(parts), re.DOTALL)


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def shell_environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of somebody who has installed the package, and set some variables."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        **variables,
    }


def _read_options(code: str) -> None:
    """Read a part of Airflow's configuration, in which every option of the provider must exist."""
    from airflow_provider_flowservice.get_provider_info import get_provider_info

    parser = configparser.ConfigParser()
    parser.read_string(code)
    for name, known in get_provider_info()["config"].items():
        if parser.has_section(name):
            assert set(parser[name]) <= set(known["options"])


#: How a block is read that is not run.
READERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "jsonl": lambda code: [json.loads(line) for line in code.splitlines()],
    "yaml": yaml.safe_load,
    "csv": lambda code: list(csv.reader(code.splitlines(), strict=True)),
    "ini": _read_options,
}
