"""The records that are posted: JSON lines, each with a number of its own, and requests made of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

#: The id of the inlet, which is part of its URL.
INLET_ID = "b0" * 32
#: The key of the number that each record has.
NUMBER = "serialNumber"
_RECORD = (
    f'{{"{NUMBER}":'
    '%d,"first":"Zoë","last":"Example","mail":"zoe@example.com","address":{"street":"1 Example Street","city":'
    '"Example Town","postalCode":"12345","countryCode":"DE"},"consents":{"marketing":{"email":{"val":"y","time":'
    '"2026-01-01T00:00:00Z"},"sms":{"val":"n"}}},"loyalty":{"tier":"gold","points":1234,"since":"2019-05-01"},'
    '"segments":["newsletter","returning","high value"],"note":"said \\"hello\\""}\n'
).encode()
#: Size of a line in bytes; the number in it makes it up to six bytes longer.
LINE_BYTES = len(_RECORD % 0)
_LINES_AT_ONCE = 10_000


def write_lines(path: Path, count: int) -> None:
    """Write a file of so many records, numbered from 0 on."""
    with path.open("wb") as file:
        for begin in range(0, count, _LINES_AT_ONCE):
            file.write(b"".join(_RECORD % n for n in range(begin, min(begin + _LINES_AT_ONCE, count))))


def batches(path: Path, size: int) -> list[list[bytes]]:
    """The lines of a file, in batches."""
    with path.open("rb") as file:
        lines = map(bytes.rstrip, file)
        return list(iter(lambda: list(islice(lines, size)), []))


def bodies(path: Path, size: int) -> list[bytes]:
    """The bodies of the requests that post a file; with a size of 1, those of the endpoint for single messages."""
    if size == 1:
        return [batch[0] for batch in batches(path, 1)]
    return [b'{"messages":[' + b",".join(batch) + b"]}" for batch in batches(path, size)]
