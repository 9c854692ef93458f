from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import psutil
import pytest

from tests import environments
from tests.environments import ENVIRONMENTS, ROOT, Environment, find_interpreter, make, run_pytest
from tests.support import processes

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
FLOOR = ENVIRONMENTS["floor"]
#: Stands for uv, and makes a file that tells how often it was called.
UV = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ')"
#: Runs pytest in this interpreter as if it were that of an environment.
RUNS = """
import sys
from pathlib import Path
from tests import environments
environments.BUILD = Path(sys.argv[1])
environments.make = lambda *_: None
environments.Environment.interpreter = property(lambda _: Path(sys.executable))
sys.exit(environments.main(["floor", "--", *sys.argv[2:]]))
"""


def test_each_constraints_file_makes_an_environment() -> None:
    assert {path.name for path in ROOT.glob("constraints*.txt")} == {
        each.constraints for each in ENVIRONMENTS.values()
    }


def test_the_declared_pythons_are_those_that_are_run() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    minor = [line.rpartition(" ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert minor == sorted({each.python for each in ENVIRONMENTS.values()}, key=lambda text: text.split("."))


def test_an_environment_says_what_it_is() -> None:
    assert str(FLOOR) == "Airflow 3.1.8, Python 3.11"
    lowest = "Airflow 3.1.8, Python 3.11, tests/client and tests/emulator on the lowest versions allowed"
    assert str(ENVIRONMENTS["lowest"]) == lowest
    cluster = "Airflow 3.3.2, Python 3.11, apache-airflow-providers-celery and redis"
    assert str(ENVIRONMENTS["cluster"]) == cluster


def test_what_has_further_packages_is_run_only_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environments, "find_interpreter", lambda _: None)
    cluster = ENVIRONMENTS["cluster"]
    environments.main([])
    every = capsys.readouterr().out
    assert str(FLOOR) in every
    assert str(cluster) not in every
    environments.main(["cluster"])
    assert str(cluster) in capsys.readouterr().out


def test_an_interpreter_is_found_if_it_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python3.99"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_interpreter("3.99") is None
    found = find_interpreter(HERE)
    assert found
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    assert subprocess.check_output([found, "-c", code], text=True).strip() == HERE


def test_an_interpreter_of_pyenv_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "versions" / f"{HERE}.0" / "bin"
    folder.mkdir(parents=True)
    (folder / f"python{HERE}").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(environments.sys, "base_prefix", str(tmp_path / "nothing"))
    assert find_interpreter(HERE)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "nothing"))
    assert find_interpreter(HERE) is None


def test_what_was_not_run_did_not_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environments, "find_interpreter", lambda _: None)
    assert environments.main(["floor"]) == 1
    assert f"{FLOOR}: skipped, since no Python 3.11 was found" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        environments.main(["floor", "ceiling"])
    assert "no environment is named ceiling" in capsys.readouterr().err


def test_an_environment_is_made_again_only_if_it_is_older_than_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setattr(environments, "UV", (sys.executable, "-c", UV, str(calls)))
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    environment = Environment("small", HERE, "constraints-floor.txt")
    environment.folder.mkdir()
    for _ in range(2):
        assert make(environment, sys.executable, tmp_path / "log") is None
        assert calls.read_text() == "venv pip "
    os.utime(environment.folder / ".ready", (0, 0))
    assert make(environment, sys.executable, tmp_path / "log") is None
    assert calls.read_text() == "venv pip venv pip "


def test_an_environment_that_cannot_be_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "UV", (sys.executable, "-c", "raise SystemExit('no such package')"))
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    log = tmp_path / "log"
    for _ in range(2):
        assert make(FLOOR, sys.executable, log) == f"uv venv failed, see {log}"
    assert log.read_text() == "no such package\n" * 2


def test_what_pytest_found_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "elsewhere")
    monkeypatch.setenv("AEP_CONTRACT_DIR", "contract")
    test = tmp_path / "test_small.py"
    test.write_text(
        "import os, pytest\n"
        "def test_environment():\n"
        "    assert not {'PYTHONPATH', 'VIRTUAL_ENV'} & set(os.environ)\n"
        "    assert os.environ['AEP_CONTRACT_DIR'] == 'contract'\n"
        "def test_skipped(): pytest.skip('why')\n"
    )
    log = tmp_path / "log"
    good = run_pytest(Path(sys.executable), [str(test)], log)
    assert good.passed
    assert good.text.startswith("1 passed, 1 skipped, ")
    test.write_text(f"{test.read_text()}def test_failing(): assert 1 == 2\n")
    bad = run_pytest(Path(sys.executable), [str(test)], log)
    assert bad.passed is False
    assert bad.text.startswith("1 failed, 1 passed, 1 skipped, ")
    (failure,) = bad.failures
    # What is before it says where the file lies, and depends on where the project lies.
    assert failure.split(": ")[0].endswith("test_small::test_failing")
    assert log.read_text().count("test session starts") == 2


@pytest.mark.parametrize("code", ["import os; os._exit(0)", ""])
def test_a_run_without_an_end_or_without_tests_did_not_pass(tmp_path: Path, code: str) -> None:
    test = tmp_path / "test_small.py"
    test.write_text(code)
    assert run_pytest(Path(sys.executable), [str(test)], tmp_path / "log").passed is False


def test_nothing_outlives_a_run_that_is_terminated(tmp_path: Path) -> None:
    test = tmp_path / "test_small.py"
    test.write_text("import os, signal\ndef test():\n    print('runs', os.getpid())\n    signal.pause()\n")
    command = [sys.executable, "-c", RUNS, str(tmp_path), "--capture=no", str(test)]
    with processes.running(command, cwd=ROOT, stdout=subprocess.PIPE) as run:
        assert run.stdout
        line = next(line for line in run.stdout if "runs " in line)
        run.send_signal(signal.SIGTERM)
        assert run.wait(30)
        assert not psutil.pid_exists(int(line.rpartition(" ")[2]))
