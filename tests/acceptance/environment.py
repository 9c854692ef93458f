"""Environments beside the one of this project, for packages that do not belong in it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests import environments


@dataclass(frozen=True)
class RequirementsEnvironment(environments.Environment):
    """An interpreter with what a requirements file asks for, and without this package."""

    @property
    def packages(self) -> list[str]:
        """Arguments of the installer."""
        return ["--requirement", self.constraints]


def made_of(requirements: Path, name: str, log: Path) -> RequirementsEnvironment:
    """Return an environment, which is made unless that was done before.

    :param name: names its folder.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    made = RequirementsEnvironment(name, version, str(requirements.relative_to(environments.ROOT)))
    environments.BUILD.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    problem = environments.make(made, sys.executable, log)
    assert problem is None, problem
    return made
