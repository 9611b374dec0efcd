"""Which side each unit of a data set goes to, so that every stratum is shared out as asked.

A unit is what may not be parted. An item lies on a side only if all its units do: a swap between
two people whose sides differ is lost. Found by filling the largest first and then moving and
exchanging units while it gets better, from several orders; the same seed gives the same sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

STARTS = 4  # orders that are tried
SEARCHED = 120  # largest units that are moved and exchanged; filling does well with the small ones
CROWD = 2000  # units, of which filling alone comes close enough
PASSES = 5
EXCHANGES = 1000  # pairs of units that are looked at in one pass
LOSS = 0.05  # of the cost that a lost item adds: a third lost weighs like shares off by a tenth
NOWHERE = -1

Sides = NDArray[np.int64]
Amounts = NDArray[np.float64]


def partition(
    items: Mapping[tuple[int, ...], Sequence[int]],
    units: int,
    shares: Sequence[float],
    *,
    fixed: Mapping[int, int] | None = None,
    seed: int = 0,
) -> Sides:
    """The side of each unit, (U,); `NOWHERE` for those fixed to it.

    Args:
        items: the units that items need together -> how many such items there are of each stratum.
        units: how many units there are.
        shares: (K,) what each side is to have of each stratum; sums to 1.
        fixed: units whose side is given.
        seed: seed of the orders.
    """
    rng = np.random.default_rng(seed)
    problem = _Problem(items, units, np.asarray(shares, dtype=np.float64), dict(fixed or {}))
    if units > CROWD:
        return problem.fill(rng)
    tried = [problem.fill(rng) for _ in range(STARTS)]
    costs = [problem.improve(sides, rng) for sides in tried]
    best: Sides = tried[int(np.argmin(costs))]
    return best


class _Problem:
    """Items by the units they need, and how far a choice of sides is from the shares."""

    def __init__(
        self,
        items: Mapping[tuple[int, ...], Sequence[int]],
        units: int,
        shares: Amounts,
        fixed: dict[int, int],
    ) -> None:
        width = max((len(needed) for needed in items), default=1)
        padded = [[*needed, *[needed[0]] * (width - len(needed))] for needed in items]
        self.needed = np.array(padded, dtype=np.int64).reshape(-1, width)  # (I, width)
        self.amounts = np.array(list(items.values()), dtype=np.float64)  # (I, strata)
        self.totals = np.maximum(self.amounts.sum(axis=0), 1)
        self.shares, self.fixed = shares, fixed
        self.weights = np.zeros((units, self.amounts.shape[1]))  # of each unit
        for needed, amount in zip(items, self.amounts, strict=True):
            self.weights[list(needed)] += amount / len(needed)
        self.free = np.array([u for u in range(units) if u not in fixed], dtype=np.int64)
        self.open = np.flatnonzero(shares > 0)
        by_size = np.argsort(-self.weights.sum(axis=1)[self.free], kind="stable")
        self.large = self.free[by_size[:SEARCHED]]

    def fill(self, rng: np.random.Generator) -> Sides:
        """Sides by putting one unit after another, large ones first, where most is lacking."""
        sides = np.full(len(self.weights), NOWHERE, dtype=np.int64)
        lacking = self.shares[:, None] * self.totals / self.totals
        for unit, side in self.fixed.items():
            sides[unit] = side
            if side != NOWHERE:
                lacking[side] -= self.weights[unit] / self.totals
        sizes = self.weights.sum(axis=1) * np.exp(rng.normal(0, 0.3, len(self.weights)))
        for unit in self.free[np.argsort(-sizes[self.free], kind="stable")]:
            weight = self.weights[unit]
            side = self.open[np.argmax(lacking[self.open] @ weight)]
            sides[unit] = side
            lacking[side] -= weight / self.totals
        return sides

    def cost(self, sides: Sides) -> float:
        """Squared distance to the shares, in items, and a little for every lost item."""
        home = sides[self.needed]
        together = (home == home[:, :1]).all(axis=1)
        counts = ((home[:, 0] == self.open[:, None]) & together) @ self.amounts
        kept = counts.sum(axis=0)
        off = counts - self.shares[self.open, None] * kept
        lost = float((self.totals - kept).sum())
        return float((off**2 / self.totals).sum()) + LOSS * lost

    def improve(self, sides: Sides, rng: np.random.Generator) -> float:
        """The cost after moves and exchanges that lower it; `sides` is changed."""
        cost = self.cost(sides)
        for _ in range(PASSES if cost > 1e-9 else 0):
            before = cost
            for unit in rng.permutation(self.large).tolist():
                for side in set(self.open.tolist()) - {int(sides[unit])}:
                    cost = self._try(sides, [unit], [side], cost)
            for one, other in self._pairs(rng).tolist():
                if sides[one] != sides[other]:
                    cost = self._try(
                        sides, [one, other], [int(sides[other]), int(sides[one])], cost
                    )
            if cost > before - 1e-9:
                break
        return cost

    def _pairs(self, rng: np.random.Generator) -> NDArray[np.int64]:
        one, other = np.triu_indices(len(self.large), 1)
        chosen = rng.permutation(len(one))[:EXCHANGES]
        return np.stack([self.large[one[chosen]], self.large[other[chosen]]], axis=1)

    def _try(self, sides: Sides, units: Sequence[int], homes: Sequence[int], cost: float) -> float:
        """The lower of the costs with the units where they are and with them at `homes`."""
        before = sides[units].copy()
        sides[units] = homes
        new = self.cost(sides)
        if new < cost - 1e-12:
            return new
        sides[units] = before
        return cost
