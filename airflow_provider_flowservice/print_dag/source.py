"""Rendering of values as Python source that a formatter leaves as it is. All functions are pure.

What fits on a line stands on one. A list or mapping that does not has one element on each line; a string is split.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_flowservice.print_dag.model import (
    Argument,
    Constant,
    Noted,
    Reference,
    Template,
    leaves,
)
from airflow_provider_flowservice.print_dag.naming import is_plain

LINE_LENGTH = 110
INDENT = 4
#: Where Airflow would render a template, or Jinja would change a string without one: it drops the last line feed, and
#: makes one of each carriage return.
_TEMPLATE = re.compile(r"\{\{|\{%|\{#|\r|\n\Z")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def needs_literal(text: str) -> bool:
    """Whether a string would change if Airflow rendered it as a template."""
    return _TEMPLATE.search(text) is not None


def uses_literal(value: Any) -> bool:
    """Whether a value contains a string that Airflow must not render."""
    return any(isinstance(each, str) and needs_literal(each) for each in leaves(value))


def comments(notes: Iterable[str], indent: int) -> list[str]:
    """Return comment lines, wrapped at the length of a line."""
    import textwrap

    prefix = " " * indent + "# "
    lines: list[str] = []
    for note in notes:
        lines += textwrap.wrap(
            note, LINE_LENGTH, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False
        )
    return lines


def call(head: str, arguments: Sequence[Argument], indent: int) -> list[str]:
    """Return the lines of a call.

    :param head: what precedes the opening bracket, for example ``flow = Operator``.
    :param indent: number of spaces before it.
    """
    margin, inner = " " * indent, " " * (indent + INDENT)
    flat = [_flat(each.value) for each in arguments]
    if not any(each.notes for each in arguments) and None not in flat:
        inside = ", ".join(f"{a.name}={text}" for a, text in zip(arguments, flat, strict=True))
        if _width(line := f"{margin}{head}({inside})") <= LINE_LENGTH:
            return [line]
        if _width(line := f"{inner}{inside}") <= LINE_LENGTH:
            return [f"{margin}{head}(", line, f"{margin})"]
    lines = [f"{margin}{head}("]
    for each in arguments:
        lines += comments(each.notes, indent + INDENT)
        lines += entry(f"{each.name}=", each.value, indent + INDENT)
    return [*lines, f"{margin})"]


def quoted(text: str) -> str:
    """Return a string literal, with the quotes that a formatter prefers."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return f"{quote}{''.join(_escaped(text, quote))}{quote}"


def _escaped(text: str, quote: str) -> Iterator[str]:
    for character in text:
        code = ord(character)
        if character in _ESCAPES:
            yield _ESCAPES[character]
        elif character == quote:
            yield f"\\{quote}"
        elif is_plain(character):
            yield character
        else:
            yield (
                f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
            )


def _width(text: str) -> int:
    """Return the number of columns that a text takes; Chinese and Korean characters take two each."""
    return len(text) + sum(unicodedata.east_asian_width(each) in "WF" for each in text)


def _flat(value: Any) -> str | None:
    """Return a value on one line, however long; None if it contains a note."""
    if isinstance(value, str):
        return f"literal({quoted(value)})" if needs_literal(value) else quoted(value)
    if isinstance(value, Reference):
        return f"{value.variable}.output" + (f"[{quoted(value.key)}]" if value.key else "")
    if isinstance(value, Constant):
        return f"specs.{value.name}"
    if isinstance(value, Template):
        return quoted(value.text)
    if isinstance(value, Noted):
        return None
    if isinstance(value, Mapping):
        pairs = [(quoted(str(key)), _flat(each)) for key, each in value.items()]
        known = [f"{key}: {text}" for key, text in pairs if text is not None]
        return f"{{{', '.join(known)}}}" if len(known) == len(pairs) else None
    if isinstance(value, (list, tuple)):
        texts = [_flat(each) for each in value]
        shown = [text for text in texts if text is not None]
        return f"[{', '.join(shown)}]" if len(shown) == len(texts) else None
    return repr(value).replace("e+", "e")


def entry(prefix: str, value: Any, indent: int) -> list[str]:
    """Return the lines of an argument or element, with a comma after it.

    :param prefix: what precedes the value, for example ``name=``.
    """
    margin = " " * indent
    flat = _flat(value)
    if flat is not None and _width(line := f"{margin}{prefix}{flat},") <= LINE_LENGTH:
        return [line]
    if isinstance(value, Mapping) and value:
        inside = [
            line for key, each in value.items() for line in _element(f"{quoted(str(key))}: ", each, indent)
        ]
        return [f"{margin}{prefix}{{", *inside, f"{margin}}},"]
    if isinstance(value, (list, tuple)) and value:
        inside = [line for each in value for line in _element("", each, indent)]
        return [f"{margin}{prefix}[", *inside, f"{margin}],"]
    if isinstance(value, str):
        head = "literal(" if needs_literal(value) else "("
        parts = [f"{margin}    {part}" for part in _parts(value, LINE_LENGTH - indent - INDENT)]
        return [f"{margin}{prefix}{head}", *parts, f"{margin}),"]
    return [f"{margin}{prefix}{flat},"]


def _element(prefix: str, value: Any, indent: int) -> list[str]:
    notes, plain = ((value.note,), value.value) if isinstance(value, Noted) else ((), value)
    return [*comments(notes, indent + INDENT), *entry(prefix, plain, indent + INDENT)]


def _parts(text: str, room: int) -> list[str]:
    """Split a string into literals that fit, where possible after a space."""
    parts, part = [], ""
    for word in re.findall(r"\S*\s|\S+", text):
        if part and _width(quoted(part + word)) > room:
            parts.append(part)
            part = ""
        for character in word:
            if part and _width(quoted(part + character)) > room:
                parts.append(part)
                part = ""
            part += character
    return [quoted(each) for each in (*parts, part) if each]
