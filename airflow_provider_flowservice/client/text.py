"""Text that the client did not write: values for headers, and what AEP says, before it enters a message."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError

#: Maximum length of AEP's text in a message. Its explanations are shorter; what is longer is a page or an echo.
MAX_CHARACTERS = 1000
#: Number of characters of AEP's text that are looked at: many times what a message shows, even with an echo before it.
_READ_CHARACTERS = 64 * 1024
#: Secrets of fewer characters are not replaced, because that would garble the text.
_MIN_SECRET = 4
#: Number of characters of a name that are compared with another one, and shown.
_MAX_NAME = 200
_FIELD_NAME = re.compile(r"[@$]?[A-Za-z_][\w:.-]*")
#: Keeps the digits of numbers, which AEP quotes as they were sent.
_RECORDS = msgspec.json.Decoder(float_hook=str)
#: What a header cannot carry: control characters, which could end it, and what Latin-1 does not have.
_NOT_IN_HEADERS = re.compile(r"[^\x20-\x7e\xa0-\xff]")


def header_value(field: str, value: str, remedy: str, *, secret: bool = False) -> str:
    """Return a value for a header, without the white space around it that pasting leaves.

    :param field: name of the argument or setting, for the error.
    :param remedy: what to do instead, for the error.
    :param secret: whether the error must not show the value.
    :raises InvalidInputError: if a header cannot carry the value.
    """
    stripped = value.strip()
    if (found := _NOT_IN_HEADERS.search(stripped)) is None:
        return stripped
    code = ord(found[0])
    kind = "a control character" if code < 0x100 else "a character outside Latin-1"
    shown = "" if secret else f"{plain_text(repr(stripped))} "
    problem = f"{shown}has {kind} (U+{code:04X}) at position {found.start() + 1}"
    raise InvalidInputError(field, problem, remedy)


def plain_text(text: str, limit: int = MAX_CHARACTERS, secrets: Iterable[str] = ()) -> str:
    """Return AEP's text for a message: on one line, without control characters, and of bounded length.

    :param limit: maximum number of characters.
    :param secrets: values to replace. This comes first: a secret that is cut, or that has lost its line endings, would
        not be found.
    """
    known = without_secrets(text[:_READ_CHARACTERS], secrets)
    # Far more than the limit need not be looked at, even if much of it is white space.
    printable = "".join(c if c.isprintable() else " " for c in known[: 4 * limit])
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def titled(label: str, name: str | None, found_id: str) -> str:
    """Return label, name and id of one of AEP's objects for a message; without the name if it has none."""
    return f"{label} {plain_text(repr(name), _MAX_NAME)} ({found_id})" if name else f"{label} {found_id}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a question with those of AEP's names that are most similar to a given one; empty if none is similar.

    :param names: AEP's names of all that could be meant.
    """
    import difflib

    by_folded = {each[:_MAX_NAME].casefold(): each for each in sorted(names)}
    # Below the default cutoff of 0.6, because names in AEP often differ from those in its user interface.
    near = difflib.get_close_matches(name[:_MAX_NAME].casefold(), by_folded, n=3, cutoff=0.4)
    # The representation shows white space at the end, which may be the only difference.
    shown = (plain_text(repr(by_folded[each]), _MAX_NAME) for each in near)
    return f"Did you mean {' or '.join(shown)}?" if near else ""


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return text in which secrets are replaced, also where they are percent-encoded as in a URL or a form."""
    long_enough = [secret for secret in secrets if len(secret) >= _MIN_SECRET]
    forms = {form for secret in long_enough for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def visible(text: str) -> str:
    """Return text of several lines with an escape sequence for each character that a terminal would not print."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text)


def without_values(text: str, record: bytes, shortest: int = 1) -> str:
    """Return AEP's text about a record without the values that it quotes of it: they are personal data.

    :param record: the record, encoded as JSON.
    :param shortest: minimum length of a value to replace, where short ones could be AEP's own words.
    :returns: the text, or an empty string if the record is not JSON, so that its values are not known.
    """
    try:
        document = _RECORDS.decode(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    folded = text.lower()
    quoted = {
        form
        for value in _values(document)
        if len(value) >= shortest
        for form in _forms(value)
        if form.lower() in folded
    }
    # A value may contain another one.
    for form in sorted(quoted, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", text, flags=re.IGNORECASE)
    return text


def _forms(value: str) -> set[str]:
    """Return how a value may be spelled in a text: as it is, as JSON has it, and a number also without exponent."""
    forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    with suppress(ValueError, OverflowError):
        number = float(value)
        forms |= {repr(number), f"{number:.0f}"} if number.is_integer() else {repr(number)}
    return forms


def _values(document: Any) -> Iterator[str]:
    """Yield the strings and numbers in a document, found without recursion, and keys that are no names of fields."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            yield from (key for key in value if not _FIELD_NAME.fullmatch(key))
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, (str, int)) and not isinstance(value, bool) and (text := str(value)):
            yield text
