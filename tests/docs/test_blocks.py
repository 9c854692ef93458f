"""Every code block of README and of the documentation site is run, in the order of its page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator.scenarios import read_scenario
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.docs.pages import ROOT, Block, blocks, pages
from tests.docs.running import READERS, SHOWN, is_run, run_page, shell_environment
from tests.support import airflow as support

#: The pages whose reader has configured nothing yet. The others take an Airflow and an emulator for granted.
FROM_NOTHING = {"docs/ten-minutes.md", "docs/howto/test.md"}
#: What cannot be run here, for example because it needs AEP. A new one must be worth it.
NOT_RUN = 6
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ALL = {page.relative_to(ROOT).as_posix(): blocks(page) for page in pages()}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """The reader of a page, in an empty folder, with the emulator that the site takes for granted."""
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    auth.forget_all()
    with EmulatorServer(prepare=read_scenario("quiet")) as server:
        for name, value in support.connections(server.url, server.control.credential).items():
            monkeypatch.setenv(name, value)
        with clock.installed(VirtualClock.in_step_with(server.control)):
            yield server
    auth.forget_all()


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize("name", [name for name, found in ALL.items() if any(map(is_run, found))])
def test_the_blocks_of_a_page_run(name: str, reader: EmulatorServer, tmp_path: Path) -> None:
    airflow = {key: value for key, value in os.environ.items() if key.startswith("AIRFLOW")}
    environment = shell_environment(tmp_path / "home", {} if name in FROM_NOTHING else airflow)
    now = datetime.fromtimestamp(reader.control.now(), UTC)
    (flow,) = reader.control.state()["flows"]
    run_page(ALL[name], Path.cwd(), environment, now, {"flow_id": flow["id"]})


def test_hardly_a_block_is_not_run() -> None:
    left_out = [block for found in ALL.values() for block in found if not is_run(block)]
    assert len(left_out) <= NOT_RUN, [str(block) for block in left_out]
    assert all(len(block.not_run.split()) > 2 for block in left_out)


def test_every_block_has_a_language_that_is_run_or_read() -> None:
    known = {"python", "bash", "shell", *SHOWN, *READERS}
    assert [str(block) for found in ALL.values() for block in found if block.language not in known] == []
    for page in pages():
        fences = [line for line in page.read_text(encoding="utf-8").splitlines() if line.strip() == "```"]
        directives = page.read_text(encoding="utf-8").count("```{")
        assert len(fences) == len(blocks(page)) + directives, f"{page}: a block that has no language"


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "import missing"),
        ("python", "from airflow.sdk import DAG, task\nwith DAG('fails') as dag:\n    task(lambda: 1 / 0)()"),
        ("bash", "false"),
        ("json", "{"),
        ("ini", "[flowservice]\nallowed_host = x"),
    ],
)
def test_a_wrong_block_is_noticed(language: str, code: str, reader: EmulatorServer, tmp_path: Path) -> None:
    block = Block(page=ROOT / "docs" / "wrong.md", line=1, language=language, code=code)
    with pytest.raises((AssertionError, ImportError, ValueError)):
        run_page([block], Path.cwd(), shell_environment(tmp_path / "home", {}), LONG_AGO, {})


def test_a_wrong_output_is_noticed(tmp_path: Path) -> None:
    page = ROOT / "docs" / "wrong.md"
    command = Block(page=page, line=1, language="bash", code="echo one; echo two; echo three")
    environment = shell_environment(tmp_path / "home", {})
    for expected in ("one\n...\nthree", "two"):
        run_page([command, Block(page, 5, "text", expected)], tmp_path, environment, LONG_AGO, {})
    with pytest.raises(AssertionError, match=r"docs/wrong\.md:5: it prints"):
        run_page([command, Block(page, 5, "text", "one three")], tmp_path, environment, LONG_AGO, {})
