"""Debian's packages of programs that the tests of a whole Airflow or of a page need."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(package: str, missing: str) -> None:
    """Install a package of Debian or Ubuntu.

    :param missing: says what is missing and how to install it.
    :raises SystemExit: if that is not possible here; it says so.
    """
    if os.geteuid() or not shutil.which("apt-get"):
        raise SystemExit(missing)
    print(f"Installing Debian's package {package}, which is missing.", flush=True)  # noqa: T201
    # At this run level Debian does not start a server that it would run as a service.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        if subprocess.run(["apt-get", "--quiet", *arguments], env=environment).returncode:
            raise SystemExit(f"apt-get {arguments[0]} failed. {missing}")
