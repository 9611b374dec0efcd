"""Which crop comes when: shuffled rounds without end, each a pure function of its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterface.types import Floats

YAW_BINS, YAW_REACH = 128, 68.75  # DeepFaceLab: 128 bins from -1.2 to 1.2 rad, the last ones open


class ShuffledOrder:
    """Every item once in each round, each round shuffled anew; one such order for each stream."""

    def __init__(self, count: int, key: tuple[int, ...]) -> None:
        """Order `count` items; another key gives another order."""
        self._count, self._key = count, key
        self._last: dict[int, tuple[int, NDArray[np.intp]]] = {}  # by stream: the round last asked

    def at(self, stream: int, place: int) -> int:
        """The item at a place."""
        if self._count == 1:
            return 0
        number, within = divmod(place, self._count)
        known = self._last.get(stream)
        if known is None or known[0] != number:
            rng = np.random.default_rng((*self._key, stream, number))
            known = self._last[stream] = (number, rng.permutation(self._count))
        return int(known[1][within])


class EvenOrder:
    """Every bin of yaw once in each round, and in each bin every crop once in a round of its own.

    A profile of which there is one crop in a thousand is then seen as often as the frontal view.
    """

    def __init__(self, yaws: Floats, key: tuple[int, ...]) -> None:
        """Order the crops with these yaws, degrees (N,)."""
        edges = np.linspace(-YAW_REACH, YAW_REACH, YAW_BINS + 1)[1:-1]
        bins = np.digitize(yaws, edges)
        self._members = [np.flatnonzero(bins == one) for one in np.unique(bins)]
        self._bins = ShuffledOrder(len(self._members), (*key, 0))
        self._within = [
            ShuffledOrder(len(crops), (*key, 1 + number))
            for number, crops in enumerate(self._members)
        ]

    def at(self, stream: int, place: int) -> int:
        """The crop at a place."""
        chosen = self._bins.at(stream, place)
        within = self._within[chosen].at(stream, place // len(self._within))
        return int(self._members[chosen][within])


def pair_of(index: int, count: int, seed: int) -> tuple[tuple[int, int], int]:
    """Who is source and who is target in an example, and the place in their crops' orders.

    Of more than two people, each is once the source and once the target in every `count` examples.
    """
    if count == 2:
        return (0, 1), index
    place, within = divmod(index, count)
    people = np.random.default_rng((seed, place)).permutation(count)
    return (int(people[within]), int(people[(within + 1) % count])), place
