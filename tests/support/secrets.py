"""Looks for secrets in what was written, in each form that they may take."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

#: An access token as the emulator gives it.
_TOKEN = re.compile(rb"emulated\.[A-Za-z0-9_-]{20}")


def forms(secret: str) -> set[bytes]:
    """A secret in plain, URL-encoded and base64 form; base64 in each of its three alignments."""
    plain = secret.encode()
    encoded = {plain, quote(secret, safe="").encode(), quote_plus(secret).encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + plain)
        # What lies at the ends depends on the neighbours.
        encoded.add(text[4 if shift else 0 : len(text) // 4 * 4 - 4])
    return encoded


def leaks(folder: Path, secrets: Iterable[str]) -> Iterator[tuple[Path, int]]:
    """Files below a folder that hold a secret, with the offset; the secret itself is not shown."""
    needles = [form for secret in secrets for form in forms(secret)]
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            for needle in needles:
                offset = content.find(needle)
                if offset >= 0:
                    yield path, offset


def tokens(folder: Path) -> Iterator[tuple[Path, int]]:
    """Files below a folder that hold an access token of an emulator, with the offset."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (found := _TOKEN.search(path.read_bytes())):
            yield path, found.start()
