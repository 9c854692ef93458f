"""Debian's packages of what tests start by themselves: servers, not as services, and a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable


def missing(package: str) -> str:
    """What to say if a package is not installed."""
    return f"{package} is missing. On Debian or Ubuntu, as root: apt-get install {package}"


def install(package: str, find: Callable[[], object]) -> None:
    """Install a package, unless its program is there.

    :param find: returns what is there; None if nothing is.
    :raises SystemExit: if that is not possible; it says what to do.
    """
    if find() is not None:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise SystemExit(missing(package))
    print(f"Installing Debian's package {package}.", flush=True)  # noqa: T201
    # At this run level Debian does not start the server that it would run as a service.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        if subprocess.run(["apt-get", "--quiet", *arguments], env=environment).returncode:
            raise SystemExit(f"apt-get {arguments[0]} failed. {missing(package)}")
