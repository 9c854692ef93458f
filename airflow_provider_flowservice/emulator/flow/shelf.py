"""What makes reads cheap however many resources there are: their order by age, and indexes of their values."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

_MAX_INDEXES = 16


class Stored(Protocol):
    """What a shelf needs to know of a resource; none of it ever changes."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def created_at(self) -> int:
        """When it was created."""

    @property
    def order(self) -> int:
        """Its position among everything created: orders what was created at the same time."""


R = TypeVar("R", bound=Stored)
#: Returns the texts under which an index has a resource, and whether only a write can change them.
Texts = Callable[[R], tuple[Iterable[str], bool]]


class ByAge(Generic[R]):
    """Resources in the order of their creation."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, R]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, one: R) -> None:
        """Add a resource."""
        insort(self._entries, (one.created_at, one.order, one))

    def newest(self, offset: int, count: int) -> list[R]:
        """Return some resources, most recent first, after as many others."""
        end = max(len(self._entries) - offset, 0)
        return [one for _, _, one in reversed(self._entries[max(end - count, 0) : end])]

    def remove(self, one: R) -> None:
        """Remove a resource that was added."""
        # A tuple sorts right before a longer one that begins like it.
        del self._entries[bisect_left(self._entries, (one.created_at, one.order))]


def newest_first(groups: Sequence[ByAge[R]]) -> Iterator[R]:
    """Yield the members of some groups, each once, most recent first."""
    if len(groups) == 1:
        yield from (one for _, _, one in reversed(groups[0]._entries))
        return
    last: R | None = None
    for _, _, one in heapq.merge(*(reversed(group._entries) for group in groups), reverse=True):
        if one is not last:
            yield one
        last = one


class Index(Generic[R]):
    """Resources by the texts that they show at one place.

    It is brought up to date when it is used: until then, it notes what was written.
    """

    def __init__(self, members: Iterable[R]) -> None:
        self._groups: dict[str, ByAge[R]] = {}
        self._texts: dict[str, tuple[str, ...]] = {}
        self._stale = {one.id: one for one in members}

    def touch(self, one: R) -> None:
        """Note that a resource is new or may show other texts."""
        self._stale[one.id] = one

    def remove(self, one: R) -> None:
        """Remove a resource."""
        self._stale.pop(one.id, None)
        self._forget(one)

    def find(self, wanted: Iterable[str], texts_of: Texts[R]) -> list[ByAge[R]]:
        """Return the groups of resources that show one of some texts.

        :param texts_of: gives the same each time, unless the resource was touched or is not settled.
        """
        self._refresh(texts_of)
        return [self._groups[text] for text in dict.fromkeys(wanted) if text in self._groups]

    def _refresh(self, texts_of: Texts[R]) -> None:
        unsettled = {}
        for one in self._stale.values():
            found, is_settled = texts_of(one)
            if not is_settled:
                unsettled[one.id] = one
            texts = tuple(dict.fromkeys(found))
            if texts != self._texts.get(one.id, ()):
                self._forget(one)
                self._enter(one, texts)
        self._stale = unsettled

    def _enter(self, one: R, texts: tuple[str, ...]) -> None:
        self._texts[one.id] = texts
        for text in texts:
            if text not in self._groups:
                self._groups[text] = ByAge()
            self._groups[text].add(one)

    def _forget(self, one: R) -> None:
        for text in self._texts.pop(one.id, ()):
            group = self._groups[text]
            group.remove(one)
            if not group:
                del self._groups[text]


class Shelf(Generic[R]):
    """The resources of one kind: by id, by age, and by any value that was asked for."""

    def __init__(self) -> None:
        self._by_id: dict[str, R] = {}
        self._by_age = ByAge[R]()
        self._indexes: OrderedDict[str, Index[R]] = OrderedDict()
        self._valid_under: object = None

    def add(self, one: R) -> None:
        """Add a resource."""
        self._by_id[one.id] = one
        self._by_age.add(one)
        self.touch(one)

    def touch(self, one: R) -> None:
        """Note that a resource was written, or something that it shows."""
        for index in self._indexes.values():
            index.touch(one)

    def remove(self, one: R) -> None:
        """Remove a resource."""
        del self._by_id[one.id]
        self._by_age.remove(one)
        for index in self._indexes.values():
            index.remove(one)

    def find(self, one_id: str) -> R | None:
        """Return a resource, or None."""
        return self._by_id.get(one_id)

    def all(self) -> list[R]:
        """Return every resource, in the order in which they were added."""
        return list(self._by_id.values())

    def some(self, ids: Iterable[str]) -> ByAge[R]:
        """Return the resources with some ids."""
        found = ByAge[R]()
        for one_id in dict.fromkeys(ids):
            if one_id in self._by_id:
                found.add(self._by_id[one_id])
        return found

    @property
    def by_age(self) -> ByAge[R]:
        """All resources."""
        return self._by_age

    def having(
        self, path: str, wanted: Iterable[str], texts_of: Texts[R], valid_under: object = None
    ) -> list[ByAge[R]]:
        """Return the groups of resources that show one of some texts at a path.

        The first call for a path makes an index, which later ones use; the indexes that were not used for the
        longest time are dropped.

        :param texts_of: returns what a resource shows there: the same each time, unless it was touched or is not
            settled.
        :param valid_under: what this depends on besides the resource. If it is another object than at the last call,
            all indexes are rebuilt.
        """
        if valid_under is not None and valid_under is not self._valid_under:
            self._valid_under = valid_under
            self._indexes.clear()
        if path not in self._indexes:
            self._indexes[path] = Index(self._by_id.values())
        self._indexes.move_to_end(path)
        if len(self._indexes) > _MAX_INDEXES:
            self._indexes.popitem(last=False)
        return self._indexes[path].find(wanted, texts_of)
