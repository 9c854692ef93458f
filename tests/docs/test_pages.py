"""What the pages of the site say, held against the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice import operators, sensors
from airflow_provider_flowservice.client import errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.docs.pages import README, ROOT, SITE, pages, section, table

PACKAGE = ROOT / "airflow_provider_flowservice"
ERRORS = SITE / "errors.md"
SITE_URL = "https://airflow-provider-flowservice.readthedocs.io/"
BASE = "https://github.com/airflow-provider-flowservice/airflow-provider-flowservice/"


def error_classes() -> dict[str, type[errors.FlowServiceError]]:
    """The classes below the root of the client's errors, by name."""
    found = {name: each for name, each in vars(errors).items() if inspect.isclass(each)}
    del found["FlowServiceError"]
    return {name: each for name, each in found.items() if issubclass(each, errors.FlowServiceError)}


def made(kind: type[errors.FlowServiceError]) -> errors.FlowServiceError:
    """An error of a class."""
    error = kind.__new__(kind)
    Exception.__init__(error, "x")
    return error


def test_the_errors_page_has_every_error_and_says_whether_it_is_retried() -> None:
    _, *rows = table(section(ERRORS, "Is it retried?"))
    said = {row[0].strip("`"): row[2] for row in rows}
    assert said == {
        name: "fails" if errors.is_permanent(made(kind)) else "is retried"
        for name, kind in error_classes().items()
    }


def texts() -> Iterator[str]:
    """Every text in the code that could be a part of a message, with three dots for each value."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)


_, *MESSAGES = table(section(ERRORS, "Messages"))


@pytest.fixture(scope="module")
def said_by_the_code() -> str:
    # Two values next to each other are one for the reader.
    return "\n".join(re.sub(r"\.\.\.(?: ?\.\.\.)+", "...", text) for text in texts())


@pytest.mark.parametrize("message", [row[0].strip("`") for row in MESSAGES])
def test_a_message_of_the_page_is_one_of_the_code(message: str, said_by_the_code: str) -> None:
    assert message in said_by_the_code


def test_the_readme_is_short_and_its_links_work_on_every_page_that_shows_it() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        assert link.startswith("https://"), link
        if link.startswith(f"{BASE}blob/main/"):
            assert (ROOT / link.removeprefix(f"{BASE}blob/main/")).exists(), link


def test_links_to_the_site_lead_to_its_pages() -> None:
    found = [
        link
        for page in pages()
        for link in re.findall(rf"{re.escape(SITE_URL)}[^)\s\"#]*", page.read_text(encoding="utf-8"))
    ]
    names = {link.removeprefix(SITE_URL).removesuffix(".html") for link in found} - {""}
    assert names
    missing = [each for each in names if not any((SITE / f"{each}{end}").exists() for end in (".md", ".rst"))]
    assert missing == []


def public_classes() -> dict[str, type[Any]]:
    """The operators, sensors, and the hook that they use, by name."""
    modules = [
        importlib.import_module(info.name)
        for package in (operators, sensors)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    found = {name: each for module in modules for name, each in vars(module).items() if inspect.isclass(each)}
    found = {name: each for name, each in found.items() if not inspect.isabstract(each)}
    return {name: each for name, each in found.items() if name.startswith("FlowService")}


def test_the_reference_has_every_operator_and_sensor() -> None:
    reference = "".join(path.read_text(encoding="utf-8") for path in (SITE / "reference").glob("*.rst"))
    names = {name for name in public_classes() if name.endswith(("Operator", "Sensor"))}
    assert set(re.findall(r"\.\. autoclass:: (\w+(?:Operator|Sensor))$", reference, re.MULTILINE)) == names


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_the_names_in_a_text_are_those_of_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = public_classes()
    for name in re.findall(r"\b(FlowService\w+(?:Operator|Sensor|Hook))\b", text):
        assert name in known
    for name in re.findall(r"\bhook\.(?!rst)(\w+)", text):
        assert hasattr(FlowServiceHook, name) or name == "flow_service", name
    for module, name in re.findall(r"`((?:operators|sensors|hooks)(?:\.\w+)+)\.(FlowService\w+)`", text):
        assert hasattr(importlib.import_module(f"airflow_provider_flowservice.{module}"), name)
