"""A lower bound is declared only after it was run: each is the version with which the lowest environment is made."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def lowest() -> dict[str, Version]:
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines]
    return {pin.name: Version(str(pin.specifier).removeprefix("==")) for pin in pins}


def bounds() -> list[tuple[str, Version]]:
    """Names and lower bounds of what the package, its emulator and its extra for Parquet need, one for each."""
    declared = project()
    found = []
    extras = declared["optional-dependencies"]
    for line in (*declared["dependencies"], *extras["emulator"], *extras["parquet"]):
        requirement = Requirement(line)
        (bound,) = requirement.specifier
        assert bound.operator == ">=", line
        found.append((requirement.name, Version(bound.version)))
    return found


@pytest.mark.parametrize(
    ("name", "bound"),
    [each for each in bounds() if each[0] != "apache-airflow"],
    ids=lambda value: str(value),
)
def test_a_lower_bound_is_the_version_that_is_run(name: str, bound: Version) -> None:
    assert lowest()[name] == bound


def test_airflows_lower_bound_is_the_minor_version_that_is_run() -> None:
    bound = dict(bounds())["apache-airflow"]
    assert lowest()["apache-airflow"].release[:2] == bound.release
