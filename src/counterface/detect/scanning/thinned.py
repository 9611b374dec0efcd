"""A few of many items, evenly thinned while they stream past."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Thinned(Generic[Item]):
    """Keeps every item until there are too many, then every second one, every fourth, ..."""

    def __init__(self, most: int) -> None:
        """Keep at most this many."""
        self.items: list[Item] = []
        self._most, self._seen, self._every = most, 0, 1

    def wants(self) -> bool:
        """Whether the next item is to be kept; asked once for each item, before it is made."""
        turn = self._seen % self._every == 0
        self._seen += 1
        return turn

    def keep(self, item: Item) -> None:
        """Keep an item that was wanted."""
        self.items.append(item)
        if len(self.items) > self._most:
            self.items = self.items[::2]
            self._every *= 2
