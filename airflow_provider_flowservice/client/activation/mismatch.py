"""Comparison of the selectors of a flow with the ones that it should have. All functions are pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Self

from airflow_provider_flowservice.client.model import Flow, Frozen, Selector, SelectorKind
from airflow_provider_flowservice.client.text import plain_text

#: Number of segments or attributes that a mismatch names. Of more, it has the number only.
MAX_NAMED: Final = 20


class Keys(Frozen, frozen=True):
    """Segment ids or attribute paths: the first ones, and the number of all of them."""

    first: tuple[str, ...] = ()
    count: int = 0

    @classmethod
    def of(cls, keys: Iterable[str]) -> Self:
        """Return them without duplicates."""
        found = tuple(dict.fromkeys(keys))
        return cls(tuple(plain_text(key, limit=200) for key in found[:MAX_NAMED]), len(found))

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        rest = f", ... ({self.count} in all)" if self.count > len(self.first) else ""
        return ", ".join(self.first) + rest


class Mismatch(Frozen, frozen=True):
    """How the selectors of a flow differ from the ones that it should have. Its size is bounded.

    :param missing_segments: segments that the flow should have.
    :param missing_attributes: profile attributes that the flow should have.
    :param unwanted_segments: segments that the flow should not have.
    :param other_segments: segments of the flow besides the ones that should be the only ones.
    :param other_attributes: profile attributes of the flow besides the ones that should be the only ones.
    """

    missing_segments: Keys = Keys()
    missing_attributes: Keys = Keys()
    unwanted_segments: Keys = Keys()
    other_segments: Keys = Keys()
    other_attributes: Keys = Keys()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)

    @property
    def has_missing(self) -> bool:
        """Whether something is missing, rather than too much."""
        return bool(self.missing_segments or self.missing_attributes)

    def __str__(self) -> str:
        parts = {
            "lacks": (self.missing_segments, self.missing_attributes),
            "still has": (self.unwanted_segments, Keys()),
            "also has": (self.other_segments, self.other_attributes),
        }
        return "; ".join(f"{verb} {_listed(*keys)}" for verb, keys in parts.items() if any(keys))


def _listed(segments: Keys, attributes: Keys) -> str:
    parts = {"segments": segments, "profile attributes": attributes}
    return " and ".join(f"{what} {keys}" for what, keys in parts.items() if keys)


def mismatch(
    flow: Flow,
    segments: Collection[str],
    attributes: Collection[str] | None,
    *,
    absent: Collection[str] = (),
    exact: bool = False,
) -> Mismatch:
    """Compare the selectors of a flow with the ones that it should have.

    :param segments: ids of the segments that it should have.
    :param attributes: paths of the profile attributes that it should have; None leaves its attributes out of account.
    :param absent: ids of segments that it should not have. A flow may have an external audience under either of its
        two ids.
    :param exact: whether it should have the given segments and attributes only.
    """

    def missing(kind: SelectorKind, keys: Iterable[str]) -> Keys:
        held = {selector.folded for selector in flow.selectors(kind)}
        return Keys.of(key for key in keys if kind.fold(key) not in held)

    def others(kind: SelectorKind, keys: Iterable[str] | None) -> Keys:
        if not exact or keys is None:
            return Keys()
        known = set(map(kind.fold, keys))
        found = [selector.key for selector in flow.selectors(kind) if selector.folded not in known]
        return Keys.of((*found, *_unreadable(flow, kind)))

    def unwanted() -> Keys:
        ids = set(map(SelectorKind.SEGMENT.fold, absent))
        found = [each.key for each in flow.selectors(SelectorKind.SEGMENT) if _ids(each) & ids]
        # One that cannot be read may be one of them.
        return Keys.of((*found, *_unreadable(flow, SelectorKind.SEGMENT))) if ids else Keys()

    return Mismatch(
        missing(SelectorKind.SEGMENT, segments),
        missing(SelectorKind.ATTRIBUTE, attributes or ()),
        unwanted(),
        others(SelectorKind.SEGMENT, segments),
        others(SelectorKind.ATTRIBUTE, attributes),
    )


def _unreadable(flow: Flow, kind: SelectorKind) -> tuple[str, ...]:
    """Return what stands for the selectors that cannot be read; empty if all can."""
    count = sum(len(selectors) for _, selectors in flow.selector_lists(kind))
    return ("(one that cannot be read)",) if count > len(list(flow.selectors(kind))) else ()


def _ids(selector: Selector) -> set[str]:
    """Return the ids of a segment in the form used for comparison."""
    return {selector.folded, selector.kind.fold(selector.uuid)}
