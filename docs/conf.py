"""Sphinx settings of the documentation site, which `make docs` builds."""

from __future__ import annotations

import inspect
import re
from typing import Any

from pygments.lexers import JsonLexer, TextLexer

from airflow_provider_flowservice import __version__
from airflow_provider_flowservice.operators.base import FlowServiceOperator

project = "airflow-provider-flowservice"
author = "The authors of airflow-provider-flowservice"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["README.md"]

myst_enable_extensions = ["colon_fence", "deflist"]
# Any heading of a page can be linked to.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
nitpicky = True
nitpick_ignore_regex = [
    # The site has the names of this package; it loads nothing about those of others.
    ("py:.*", r"(?!airflow_provider_flowservice\b).*"),
    # Signatures also have types of client and emulator, and type variables, that are not public.
    ("py:class", r"airflow_provider_flowservice\.(client|emulator)\.\w+\.\w+.*"),
    ("py:(class|obj)", r"airflow_provider_flowservice\..*\.[A-Z]"),
    ("py:class", r"airflow_provider_flowservice\.retry_policy\.FlowServiceRetryPolicy"),
]

html_theme = "furo"
html_title = f"{project} {version}"
html_baseurl = "https://airflow-provider-flowservice.readthedocs.io/"
html_theme_options = {
    "source_repository": "https://github.com/airflow-provider-flowservice/airflow-provider-flowservice/",
    "source_branch": "main",
    "source_directory": "docs/",
}
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp"


def add_returns(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Say in the description of an operator what it returns, which stands with the method that does the work."""
    if what != "class" or not issubclass(obj, FlowServiceOperator):
        return
    method = getattr(obj, "change", None) or obj.perform
    returns = re.search(r":returns: .*?(?=\n:|\Z)", inspect.getdoc(method) or "", re.DOTALL)
    if returns:
        while lines and not lines[-1]:
            lines.pop()
        lines += [*returns.group().splitlines(), ""]


def setup(app: Any) -> None:
    """Connect the function to Sphinx, and say how formats look that Pygments does not know."""
    app.add_lexer("csv", TextLexer)
    app.add_lexer("jsonl", JsonLexer)
    app.connect("autodoc-process-docstring", add_returns)
