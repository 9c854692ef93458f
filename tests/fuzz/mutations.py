"""JSON documents of other shapes than documented, the same for the same seed."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any


class _Verbatim(float):
    """Text that is put into JSON as it is."""

    def __new__(cls, text: str) -> _Verbatim:
        made = super().__new__(cls, 0.0)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


def _nested(depth: int) -> Any:
    value: Any = []
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    5,
    -1,
    1.5,
    10**30,
    10**400,
    10**4200,
    "",
    "x",
    ".",
    "..",
    "a,b/c?d#e%2F f",
    "line\r\nbreak: \0 ☃ \U0001f600",
    "9" * 5000,
    "http://[",
    "http://h:port/collection/x",
    "enabled:true",
    "2023-01-01T00:00:00Z",
    [],
    {},
    [None],
    [[], {}, 5, "x"],
    {"": None},
    {"id": 5, "name": None, "value": []},
    _nested(60),
    _nested(400),
)
#: What Python's encoder does not write.
RAW = ("1e400", "-0", "1" + "0" * 6000, "NaN", '"\\ud800"', '"\\udc00x"', "[" * 3000 + "]" * 3000, "{", "")


def mutated(document: Any, random: Random) -> bytes:
    """A document with one to three changes, as JSON; a few are no JSON any more."""
    holder = [copy.deepcopy(document)]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        _change(holder, random)
    text = json.dumps(holder[0], default=str)
    if random.random() < 0.03:
        text = text[: random.randrange(len(text) + 1)]
    return text.encode("utf-8", "surrogatepass")


def _change(holder: list[Any], random: Random) -> None:
    parent, key = random.choice(list(places(holder)))
    kind = random.random()
    if kind < 0.1 and isinstance(parent, dict):
        del parent[key]
    elif kind < 0.15 and isinstance(parent, dict):
        parent[random.choice(("", "id", "name", "x\0"))] = parent.pop(key)
    elif kind < 0.2 and isinstance(parent, list) and parent is not holder:
        parent.append(copy.deepcopy(parent[key]))
    elif kind < 0.3:
        parent[key] = _Verbatim(random.choice(RAW))
    else:
        parent[key] = copy.deepcopy(random.choice(VALUES))


def places(parent: Any) -> Any:
    """Each value of a document, as the object or list that holds it and its key."""
    keys = list(parent) if isinstance(parent, dict) else range(len(parent))
    for key in keys:
        yield parent, key
        # What a change put there is changed as a whole: it may be too deep.
        if isinstance(parent[key], (dict, list)) and not any(parent[key] == value for value in VALUES):
            yield from places(parent[key])
