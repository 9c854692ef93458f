"""``python -m tests.environments [NAME ...] [-- PYTEST_ARGUMENT ...]``: the suite with other versions.

Without names, all environments that have no further packages, one after the other. They lie in
``build/environments``, each with the packages of its constraints file, beside the log of what was run in it last.
Interpreters are those of this machine; none is downloaded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.support import processes

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "environments"
UV = (sys.executable, "-m", "uv")
#: Several processes share the files of the suite, as in ``make test``.
SIDE_BY_SIDE = ("--numprocesses=logical", "--maxprocesses=4", "--dist=loadfile")
#: Tests that are broken off get so long to end the servers that they have started.
_STOP_SECONDS = 120
#: What leads an interpreter, or uv, to the packages of another environment.
_LEADS_ASIDE = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Environment:
    """An interpreter with the packages of a constraints file.

    :param name: names it on the command line, and its folder.
    :param python: version of Python.
    :param constraints: name of the constraints file.
    :param runs: what pytest runs in it; empty runs the suite.
    :param further: packages that this one does not need. Such an environment is for tests of its own.
    """

    name: str
    python: str
    constraints: str
    runs: tuple[str, ...] = ()
    further: tuple[str, ...] = ()

    @property
    def airflow(self) -> str:
        """Version of Airflow, which the constraints file says."""
        lines = (ROOT / self.constraints).read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith("apache-airflow==")).partition("==")[2]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return BUILD / self.name

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> list[str]:
        """Arguments of the installer."""
        return ["--constraint", self.constraints, "--editable", ".[emulator,parquet,test]", *self.further]

    def __str__(self) -> str:
        only = f", {' and '.join(self.runs)} on the lowest versions allowed" if self.runs else ""
        besides = f", {' and '.join(self.further)}" if self.further else ""
        return f"Airflow {self.airflow}, Python {self.python}{only}{besides}"


ENVIRONMENTS = {
    each.name: each
    for each in (
        Environment("floor", "3.11", "constraints-floor.txt"),
        Environment("3.2", "3.11", "constraints-3.2.txt"),
        *(Environment(f"current-{python}", python, "constraints.txt") for python in ("3.11", "3.12", "3.13")),
        # What the bounds are about is used by client and emulator, which need no Airflow.
        Environment("lowest", "3.11", "constraints-lowest.txt", ("tests/client", "tests/emulator")),
        Environment(
            "cluster", "3.11", "constraints-cluster.txt", further=("apache-airflow-providers-celery", "redis")
        ),
    )
}


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    :param passed: whether pytest found tests and nothing failed; None if it was not run.
    :param text: one line.
    :param failures: what failed, a line each.
    """

    passed: bool | None
    text: str
    failures: tuple[str, ...] = ()


def main(arguments: Sequence[str]) -> int:
    """Run pytest in environments, one after the other.

    :returns: 0 if everything passed, 1 if something failed or no environment has an interpreter here.
    """
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(ENVIRONMENTS)}")
    every = [each.name for each in ENVIRONMENTS.values() if not each.further]
    names = parser.parse_args(arguments[:split]).names or every
    if unknown := set(names) - set(ENVIRONMENTS):
        parser.error(f"no environment is named {', '.join(sorted(unknown))}")
    with processes.termination_raises():
        outcomes = [run_in(ENVIRONMENTS[name], arguments[split + 1 :]) for name in names]
    for name, outcome in zip(names, outcomes, strict=True):
        _say(f"{ENVIRONMENTS[name]}: {outcome.text}")
        for failure in outcome.failures:
            _say(f"  {failure}")
    ran = [outcome for outcome in outcomes if outcome.passed is not None]
    return 0 if ran and all(outcome.passed for outcome in ran) else 1


def run_in(environment: Environment, arguments: Sequence[str]) -> Outcome:
    """Run pytest in an environment, which is made first if it must be.

    :param arguments: of pytest, whose output is printed then; without any, it goes to the log.
    """
    if (interpreter := find_interpreter(environment.python)) is None:
        return Outcome(None, f"skipped, since no Python {environment.python} was found on PATH or in pyenv")
    BUILD.mkdir(parents=True, exist_ok=True)
    log = BUILD / f"{environment.name}.log"
    log.unlink(missing_ok=True)
    _say(f"{environment}: running, see {log}")
    if problem := make(environment, interpreter, log):
        return Outcome(False, problem)
    suite = (*SIDE_BY_SIDE, *environment.runs)
    return run_pytest(environment.interpreter, arguments or suite, log, show=bool(arguments))


def find_interpreter(version: str) -> str | None:
    """Path of an interpreter of this machine that can be started, from PATH or pyenv; None if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    folders = [f"{sys.base_prefix}/bin", os.environ["PATH"], *pyenv.glob(f"versions/{version}.*/bin")]
    found = subprocess.run(
        [*UV, "python", "find", "--system", "--no-python-downloads", version],
        env={**child_variables(), "PATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def child_variables() -> dict[str, str]:
    """The variables of this process without those that lead to its packages."""
    return {name: value for name, value in os.environ.items() if name not in _LEADS_ASIDE}


def run_pytest(python: Path, arguments: Sequence[str], log: Path, *, show: bool = False) -> Outcome:
    """Run pytest in this project with an interpreter.

    :param log: pytest's output is appended to it, unless ``show`` has it printed; its report lies beside the log.
    """
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    started = time.perf_counter()
    status = _call([str(python), "-m", "pytest", f"--junit-xml={report}", *arguments], None if show else log)
    seconds = time.perf_counter() - started
    if not report.exists():
        return Outcome(False, f"pytest did not come to its end, see {log}")
    (suite,) = ET.parse(report).getroot()
    tests, failures, errors, skipped = (
        int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    passed = tests - failed - skipped
    text = f"{passed:,} passed, {skipped} skipped, {seconds:.0f} s"
    return Outcome(status == 0, f"{failed} failed, {text}" if failed else text, tuple(_failures(suite)))


def make(environment: Environment, interpreter: str, log: Path) -> str | None:
    """Make an environment, unless it is newer than what it is made of; the problem if that fails."""
    ready = environment.folder / ".ready"
    sources = (ROOT / "pyproject.toml", ROOT / environment.constraints)
    if ready.exists() and all(ready.stat().st_mtime > source.stat().st_mtime for source in sources):
        return None
    create = ["venv", "--clear", "--no-python-downloads", "--python", interpreter, str(environment.folder)]
    install = ["pip", "install", "--python", str(environment.interpreter)]
    for command in (create, install + environment.packages):
        if _call([*UV, *command], log):
            return f"uv {command[0]} failed, see {log}"
    ready.touch()
    return None


def _call(command: Sequence[str], log: Path | None) -> int:
    """Run a command to its end; its status. Nothing of it outlives this process.

    :param log: its output is appended to it; None prints it.
    """
    with ExitStack() as stack:
        output = stack.enter_context(log.open("a")) if log else None
        process = stack.enter_context(
            processes.running(
                command,
                _STOP_SECONDS,
                cwd=ROOT,
                env=child_variables(),
                stdout=output,
                stderr=subprocess.STDOUT if log else None,
            )
        )
        return process.wait()


def _failures(suite: ET.Element) -> Iterator[str]:
    for case in suite.iter("testcase"):
        for problem in (*case.findall("failure"), *case.findall("error")):
            message = next(iter(problem.get("message", "").splitlines()), "")
            yield f"{case.get('classname')}::{case.get('name')}: {message}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
