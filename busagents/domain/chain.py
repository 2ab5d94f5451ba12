"""Append-only collections that share their storage, so that a new version of a state costs no copy of the old one.

A fold makes a new state per event. With tuples that would be O(n²) over a long conversation; here an append to the
newest version is O(1), older versions stay valid, and only an append to an older version copies.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Chain(Sequence[T]):
    """An immutable sequence with O(1) amortised `append`."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items: list[T] = list(items)
        self._length = len(self._items)

    def append(self, item: T) -> Chain[T]:
        """A chain with one item more; this one is unchanged."""
        longer: Chain[T] = Chain.__new__(Chain)
        if len(self._items) == self._length:
            longer._items = self._items
        else:  # another version has grown from here: branch off
            longer._items = self._items[: self._length]
        longer._items.append(item)
        longer._length = self._length + 1
        return longer

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self._length))]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(index)
        return self._items[position]

    def __iter__(self) -> Iterator[T]:
        for position in range(self._length):
            yield self._items[position]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chain) and len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        raise TypeError("a Chain is not hashable")

    def __repr__(self) -> str:
        return f"Chain({list(self)!r})"


class Ledger(Generic[K, V]):
    """An immutable map whose keys are written once, with O(1) amortised `record`."""

    __slots__ = ("_length", "_rows")

    def __init__(self) -> None:
        self._rows: dict[K, tuple[int, V]] = {}
        self._length = 0

    def record(self, key: K, value: V) -> Ledger[K, V]:
        """A ledger with one row more; a key that is already there keeps its first value."""
        if key in self:
            return self
        longer: Ledger[K, V] = Ledger.__new__(Ledger)
        if len(self._rows) == self._length:
            longer._rows = self._rows
        else:
            longer._rows = {k: row for k, row in self._rows.items() if row[0] < self._length}
        longer._rows[key] = (self._length, value)
        longer._length = self._length + 1
        return longer

    def get(self, key: K) -> V | None:
        """The value of a key, or None."""
        row = self._rows.get(key)
        return row[1] if row is not None and row[0] < self._length else None

    def items(self) -> Iterator[tuple[K, V]]:
        """Rows in the order they were recorded."""
        for key, (index, value) in self._rows.items():
            if index < self._length:
                yield key, value

    def __contains__(self, key: object) -> bool:
        row = self._rows.get(key)  # type: ignore[arg-type]
        return row is not None and row[0] < self._length

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and dict(self.items()) == dict(other.items())

    def __hash__(self) -> int:
        raise TypeError("a Ledger is not hashable")

    def __repr__(self) -> str:
        return f"Ledger({dict(self.items())!r})"
