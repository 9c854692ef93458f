"""The last net before a report is shown: values of the connection, and what looks like an id or a token.

The texts of the checks have none of them to begin with.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from airflow_provider_flowservice.client.settings import (
    DEFAULT_COLLECTION_HOST,
    DEFAULT_GATEWAY,
    DEFAULT_IMS_HOST,
    DEFAULT_SCOPES,
)
from airflow_provider_flowservice.doctor.findings import Finding, HabitFinding, Report

F = TypeVar("F", Finding, HabitFinding)

#: What Adobe gives to everyone, or has chosen for everyone.
_PUBLIC = frozenset({DEFAULT_GATEWAY, DEFAULT_IMS_HOST, DEFAULT_COLLECTION_HOST, DEFAULT_SCOPES, "file"})
_LOOKS_PRIVATE = re.compile(
    r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b|[0-9A-Za-z]+@(?:AdobeOrg|techacct\.adobe\.com)\b"
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?",
    re.IGNORECASE,
)
#: Number of characters from which on a value is not by chance a part of a word.
_UNIQUE = 12
#: What takes the place of a value.
HIDDEN = "***"


class Veil:
    """Collects values that must not be shown, and removes them from a report."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def hide(self, values: Iterable[Any]) -> None:
        """Add values; what is not a string, or is Adobe's own, is passed over."""
        for value in values:
            if isinstance(value, str) and (text := value.strip()) and text not in _PUBLIC:
                self._values |= {text, text.removesuffix("@AdobeOrg"), quote(text, safe="")} | _host_of(text)

    def over(self, report: Report) -> Report:
        """Return a report without the values."""
        return msgspec.structs.replace(
            report,
            findings=tuple(map(self._over_one, report.findings)),
            habits=tuple(map(self._over_one, report.habits)),
        )

    def over_text(self, text: str) -> str:
        """Return a text without the values. Short ones are only removed as whole words: they may be parts of others."""
        for value in sorted(self._values, key=len, reverse=True):
            if len(value) >= _UNIQUE:
                text = text.replace(value, HIDDEN)
            else:
                text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", HIDDEN, text)
        return _LOOKS_PRIVATE.sub(HIDDEN, text)

    def _over_one(self, finding: F) -> F:
        # Their other fields are names and values that this package has written.
        return msgspec.structs.replace(
            finding, seen=self.over_text(finding.seen), remedy=self.over_text(finding.remedy)
        )


def _host_of(url: str) -> set[str]:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return {host} if host else set()


@contextmanager
def veiled_logs(veil: Veil) -> Iterator[None]:
    """Let the warnings and errors that are logged in the ``with`` block pass a veil, and go to standard error."""
    handlers = logging.getLogger().handlers
    sieve = _Sieve(veil)
    for handler in handlers:
        handler.addFilter(sieve)
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(sieve)


class _Sieve(logging.Filter):
    def __init__(self, veil: Veil) -> None:
        super().__init__()
        self._veil = veil

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass warnings and errors: their message without values, and of an exception only its type."""
        # Airflow warns of secrets that are too short to be masked in its logs; a report does not show them either.
        is_about_masking = record.name.endswith("secrets_masker") and record.levelno == logging.WARNING
        if record.levelno < logging.WARNING or is_about_masking:
            return False
        error = record.exc_info[0] if record.exc_info else None
        told = f" ({error.__name__})" if error else ""
        record.msg, record.args = self._veil.over_text(record.getMessage()) + told, ()
        record.exc_info = record.exc_text = None
        return True
