"""A long suite runs whole, or the third of it that the environment variable ``THIRD`` names: 1, 2 or 3."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

THIRDS = (1, 2, 3)


@dataclass(frozen=True)
class Share:
    """Of what is numbered from 1 on: the ``first``, and every ``step``-th after it."""

    first: int = 1
    step: int = 1

    def __str__(self) -> str:
        return "all" if self.step == 1 else f"third {self.first} of {self.step}"

    def __contains__(self, number: int) -> bool:
        return (number - self.first) % self.step == 0

    def numbers(self) -> Iterator[int]:
        """The numbers in it, without an end."""
        return itertools.count(self.first, self.step)

    def dealt(self, hands: int) -> list[Share]:
        """The same in ``hands`` parts that take turns."""
        return [Share(self.first + self.step * hand, self.step * hands) for hand in range(hands)]


def third(number: int) -> Share:
    """One third."""
    return Share(number, len(THIRDS))


def asked_for() -> Share:
    """What ``THIRD`` says; everything if it says nothing.

    :raises ValueError: if there is no such third.
    """
    asked = os.environ.get("THIRD", "")
    if not asked:
        return Share()
    if asked not in map(str, THIRDS):
        raise ValueError(f"THIRD={asked}: it is one of {THIRDS}, or not set for everything")
    return third(int(asked))
