"""What an error says: code and explanation, in every format that AEP's services have.

The gateway, two generations of Flow Service, Data Collection, Catalog, Schema Registry, Segmentation and IMS each have
their own format, but the names of the fields do not contradict each other.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.text import plain_text, without_values

#: Maximum number of statements that are read of an error. Synchronous validation stops after five violations.
_MAX_STATEMENTS = 20
#: Maximum length of a violation, so that one with a long path leaves room for the others.
_VIOLATION_CHARACTERS = 300
#: Values that are shorter could be AEP's own words.
_MIN_MASKED = 2
#: The last part of a ``type`` is the code. Catalog has a placeholder there.
_CODE = re.compile(r"/(?:errors|problem)/(?P<code>.+)", re.DOTALL)
#: Fields with what has gone wrong, from the most to the least detailed; a document repeats itself in them.
_CAUSES = (
    ("report", "detailed-message"),
    ("errorMessage",),
    ("report", "message"),
    ("error_description",),
    ("message",),
    ("detail",),
)


class Problem(Frozen, frozen=True):
    """What an error says.

    :param code: AEP's code, if there is one.
    :param text: the explanation, on one line; empty if there is none.
    """

    code: str | None
    text: str


def read(document: Any, *, secrets: tuple[str, ...] = (), record: bytes | None = None) -> Problem:
    """Return what an error says.

    :param document: the decoded body of a response, or a part of it.
    :param secrets: values that must not appear.
    :param record: the record that was sent, encoded as JSON. What AEP quotes of it does not appear.
    """
    code = _code(document)
    statements = islice(_statements(document, code, record, secrets), _MAX_STATEMENTS)
    said = [
        text for each in statements if (text := plain_text(_without_record(each, record), secrets=secrets))
    ]
    distinct = [text for n, text in enumerate(said) if not _is_repeated(text, said, n)]
    *others, last = distinct or [""]
    text = "".join(f"{other.removesuffix('.')}. " for other in others) + last
    return Problem(plain_text(code, secrets=secrets) if code else None, plain_text(text))


def _without_record(statement: str, record: bytes | None) -> str:
    return statement if record is None else without_values(statement, record, _MIN_MASKED) or statement


def _is_repeated(text: str, said: list[str], place: int) -> bool:
    """Whether another statement says the same and more, or an earlier one the same."""
    return any(text in other and (text != other or n < place) for n, other in enumerate(said))


def _code(document: Any) -> str | None:
    """Return the gateway's ``error_code`` (string or number), the end of a problem ``type``, or IMS's ``error``."""
    number = model.member(document, "error_code")
    if isinstance(number, (str, int)):
        return str(number)
    for holder in (document, model.member(document, "errors")):
        kind = model.member(holder, "type")
        if isinstance(kind, str) and (found := _CODE.search(kind)):
            return found["code"]
    ims = model.member(document, "error")
    return ims if isinstance(ims, str) else None


def _statements(
    document: Any, code: str | None, record: bytes | None, secrets: tuple[str, ...]
) -> Iterator[str]:
    yield from _texts(model.member(document, "title"))
    yield from islice((text for path in _CAUSES for text in _texts(model.member(document, *path))), 1)
    yield from _texts(model.member(document, "errorDetails"))
    # Segmentation has the errors by status, and once the title among them.
    errors = model.member(document, "errors")
    for part in errors.values() if isinstance(errors, Mapping) else (errors,):
        yield from _listed(part, code)
    yield from _texts(model.member(errors, "title"))
    yield from _listed(model.member(document, "report", "sub-errors"), code)
    yield from _violations(model.member(document, "report", "cause"), record, secrets)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value


def _listed(errors: Any, code: str | None) -> Iterator[str]:
    """Yield the errors in a list, with their codes unless they are the status or the code of the whole."""
    for error in errors if isinstance(errors, list) else ():
        own = model.member(error, "code")
        label = f"{own}: " if isinstance(own, str) and own != code else ""
        for text in _texts(error if isinstance(error, str) else model.member(error, "message")):
            yield label + text


def _violations(cause: Any, record: bytes | None, secrets: tuple[str, ...]) -> Iterator[str]:
    """Yield the violations of synchronous validation. Those with causes of their own only count them."""
    yield from _texts(cause)
    pending = deque(each for part in _lists(cause) for each in part)
    while pending:
        violation = pending.popleft()
        if causes := model.member(violation, "causingExceptions"):
            pending.extendleft(reversed(causes if isinstance(causes, list) else []))
            continue
        pointer, message, keyword = (
            text if isinstance(text := model.member(violation, name), str) else ""
            for name in ("pointerToViolation", "message", "keyword")
        )
        message = (message if record is None else without_values(message, record)) or keyword
        if message:
            yield plain_text(f"{pointer}: {message}" if pointer else message, _VIOLATION_CHARACTERS, secrets)


def _lists(cause: Any) -> Iterator[list[Any]]:
    for part in cause.values() if isinstance(cause, Mapping) else ():
        if isinstance(part, list):
            yield part
