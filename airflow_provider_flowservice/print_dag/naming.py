"""Names and text for DAG files: identifiers, Airflow connections, and AEP's text in comments."""

from __future__ import annotations

import re
import unicodedata

from airflow_provider_flowservice.client.text import plain_text

#: Letters beyond ASCII that no other letter is mistaken for: Latin, kana, Chinese and Korean.
_LETTERS = ((0xC0, 0x17F), (0x3041, 0x3096), (0x30A1, 0x30FE), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3))
#: Those among them that look like another character, as ruff's rule RUF001 has them.
_AMBIGUOUS = frozenset("\u00d7\u0131\u017f\u30ce\u4e36\u4e3f")
_MAX_SLUG = 40
_MAX_NAME = 50


def is_plain(character: str) -> bool:
    """Whether a character can stand in a source file as it is, without being mistaken for another one."""
    if character.isascii():
        return character.isprintable()
    code = ord(character)
    is_letter = any(first <= code <= last for first, last in _LETTERS) and character.isalpha()
    return is_letter and character not in _AMBIGUOUS


def comment_text(text: str) -> str:
    """Return a text for a comment or docstring: on one line, with a question mark for what cannot stand there."""
    return "".join(each if is_plain(each) and each not in '\\"`<>*' else "?" for each in plain_text(text))


def shown_name(name: str) -> str:
    """Return a name of AEP's for a comment or docstring, in quotes; shortened if it is very long."""
    text = comment_text(name)
    return f"'{text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 3] + '...'}'"


def slug(text: str) -> str:
    """Return the ASCII letters and digits of a text, in lower case and with underscores between words."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")[:_MAX_SLUG].strip("_")


def dag_id_of(flow_id: str) -> str:
    """Return the id of the DAG for a flow, which is the same however the flow is renamed."""
    return f"flow_{re.sub(r'[^a-z0-9_-]', '_', flow_id.lower())}"


def conn_id_of(name: str, connection_id: str) -> str:
    """Return the name of the Airflow connection for a base connection, which other flows may use, too."""
    short = re.sub(r"[^a-z0-9]", "", connection_id.lower())[:8]
    return "_".join(filter(None, (slug(name) or "connection", short)))
