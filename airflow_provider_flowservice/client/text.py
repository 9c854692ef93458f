"""Text that the client did not write: values for headers, and what AEP says, before it enters a message."""

from __future__ import annotations

import re
from collections.abc import Iterable

from airflow_provider_flowservice.client.errors import InvalidInputError

#: Maximum length of AEP's text in a message. Its explanations are shorter; what is longer is a page or an echo.
MAX_CHARACTERS = 1000
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


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Replace secrets that a server may have echoed. A text must not be cut before: a part of a secret is not found.

    Very short secrets are kept, because replacing them would garble the text.
    """
    # A secret may contain another one, such as the part before a character that is percent-encoded.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return text


def plain_text(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return AEP's text for a message: on one line, without control characters, and of bounded length.

    :param limit: maximum number of characters.
    """
    # Far more than the limit need not be looked at, even if much of it is white space.
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
