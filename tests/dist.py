"""``python -m tests.dist``: build what is uploaded for a release into ``dist/``, and check it.

Run by ``make dist``. The exit status is 1 if a check fails; then nothing may be uploaded.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from tests.environments import ROOT, UV, child_variables

DIST = ROOT / "dist"
#: Where the same is built again.
AGAIN = ROOT / "build" / "dist-again"
TWINE = "twine==7.0.0"
PACKAGE = "airflow_provider_flowservice"
#: Those that a package index or Airflow shows.
URLS = {"Homepage", "Documentation", "Source", "Issues", "Changelog"}


class DistError(Exception):
    """What was built must not be uploaded."""


def main() -> int:
    """Build and check; 1 if a check fails."""
    try:
        done = build_and_check()
    except (DistError, subprocess.CalledProcessError) as problem:
        say(f"dist: failed: {problem}")
        return 1
    say(f"dist: ok: {done}")
    return 0


def build_and_check() -> str:
    """Return what was checked, and how many of it.

    :raises DistError: if a check fails.
    :raises subprocess.CalledProcessError: if a command fails, which has said why.
    """
    sdist, wheel = built_in(DIST)
    same_again(sdist, wheel)
    in_sdist, in_wheel = names_in_sdist(sdist), names_in_wheel(wheel)
    compared = "not compared with git" if (tracked := tracked_files()) is None else "all that git has"
    if tracked is not None and (different := in_sdist ^ tracked):
        raise DistError(
            f"add to git, or remove, what only the sdist or only git has: {', '.join(sorted(different))}"
        )
    examples = {
        f"{PACKAGE}/example_dags/{path.name}" for path in (ROOT / "example_dags").iterdir() if path.is_file()
    }
    if missing := {f"{PACKAGE}/py.typed", *examples} - in_wheel:
        raise DistError(f"the wheel lacks {', '.join(sorted(missing))}")
    version = check_metadata(metadata_of(wheel))
    run("tool", "run", "--quiet", "--from", TWINE, "twine", "check", "--strict", str(sdist), str(wheel))
    return (
        f"version {version}; 2 files, each built twice with the same bytes, the wheel also from the sdist and passed"
        f" by twine check --strict; {len(in_sdist)} files in the sdist ({compared}), {len(in_wheel)} in the wheel,"
        f" {len(examples)} of them examples; {len(URLS)} URLs"
    )


def built_in(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from what is in it, in an empty folder; their paths."""
    shutil.rmtree(folder, ignore_errors=True)
    run("build", "--quiet", "--out-dir", str(folder))
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def same_again(sdist: Path, wheel: Path) -> None:
    """Check that both are built again with the same bytes, this time the wheel from the sources.

    :raises DistError: if they differ.
    """
    shutil.rmtree(AGAIN, ignore_errors=True)
    # With both options, the wheel is not built from the sdist.
    run("build", "--quiet", "--sdist", "--wheel", "--out-dir", str(AGAIN))
    for first in (sdist, wheel):
        if first.read_bytes() != (AGAIN / first.name).read_bytes():
            raise DistError(f"{first.name} is not the same when it is built again: compare it with {AGAIN}")


def names_in_sdist(sdist: Path) -> set[str]:
    """The files in an sdist, without the metadata that building adds."""
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()} - {"PKG-INFO"}


def names_in_wheel(wheel: Path) -> set[str]:
    """The files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked_files() -> set[str] | None:
    """The files that git has; None outside of a clone, such as in an unpacked sdist."""
    if not (ROOT / ".git").exists():
        return None
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def metadata_of(wheel: Path) -> Message:
    """The metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def check_metadata(metadata: Message) -> str:
    """Check version, URLs and description; the version.

    :raises DistError: if something is missing.
    """
    version = str(metadata["Version"])
    if version != (released := newest_release()):
        raise DistError(f"CHANGELOG.md has no date for {version}; its newest dated version is {released}")
    if not (ROOT / "tests" / "upgrades" / version).is_dir():
        raise DistError(f"what {version} stores is not recorded: run python -m tests.upgrades")
    urls = dict(value.split(", ") for value in metadata.get_all("Project-URL", []))
    if urls.keys() != URLS:
        raise DistError(f"the metadata has the URLs {', '.join(urls)} instead of {', '.join(sorted(URLS))}")
    # Where a package index shows the description, there is nothing beside it.
    links = re.findall(r"\]\(([^)\s]+)\)", str(metadata.get_payload()))
    if relative := [link for link in links if not re.match(r"https?://|mailto:|#", link)]:
        raise DistError(f"README.md has links that lead nowhere on a package's page: {', '.join(relative)}")
    return version


def newest_release() -> str | None:
    """The newest version in CHANGELOG.md that has a date; None if none has one."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(r"^## (\d\S*) - \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    return found[1] if found else None


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201


def run(*arguments: str) -> None:
    """Run a command of uv, which prints what is wrong."""
    subprocess.run([*UV, *arguments], cwd=ROOT, env=child_variables(), check=True, timeout=600)


if __name__ == "__main__":
    sys.exit(main())
