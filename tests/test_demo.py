"""The demo as ``make demo`` runs it, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from airflow_provider_flowservice.emulator.settings import Credential
from tests.support import airflow as support
from tests.support import secrets

ROOT = Path(__file__).parents[1]


def test_demo_ends_with_ok_and_leaves_no_secret_behind(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tests.demo", "--build", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.splitlines()[-1] == "demo: ok"
    assert "The second run made 10 calls: no create, no patch" in demo.stdout

    state = json.loads((tmp_path / "state.json").read_text())
    assert len(state["flows"]) == 2
    journal = json.loads((tmp_path / "journal.json").read_text())
    assert {entry["path"] for entry in journal} >= {"/ims/token/v3", "/data/foundation/flowservice/flows"}

    planted = [support.AWS_SECRET, support.SAS_KEY, Credential().client_secret]
    (tmp_path / "output").write_text(demo.stdout + demo.stderr)
    assert list(secrets.leaks(tmp_path, planted)) == []
    assert list(secrets.tokens(tmp_path)) == []


def test_the_search_for_secrets_finds_each_form(tmp_path: Path) -> None:
    for number, form in enumerate(sorted(secrets.forms("a+secret/of ours"))):
        (tmp_path / str(number)).write_bytes(b"before " + form + b" after")
    assert len({path for path, _ in secrets.leaks(tmp_path, ["a+secret/of ours"])}) == number + 1
