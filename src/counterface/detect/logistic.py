"""Weighted logistic regression with a pull, by Newton's method: small, exact, without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def fit_logistic(
    values: NDArray[np.float64],
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    toward: ArrayLike,
    pull: ArrayLike,
) -> NDArray[np.float64]:
    """Slopes and, as the last, the offset of least weighted cross-entropy plus a pull, (W + 1,).

    Newton's step is halved until the loss falls: where all logits lie far on one side the curve is
    flat, and a whole step would land far away, at a useless slope.

    Args:
        values: (N, W).
        target: (N,) 0 to 1.
        weight: (N,) of each row.
        toward: (W + 1,) the slopes and offset that they are pulled to.
        pull: (W + 1,) strength; what is added to the loss is pull * distance squared.
    """
    x = np.column_stack([values, np.ones(len(values))])
    goal, force = np.asarray(toward, np.float64), np.asarray(pull, np.float64)
    at = np.zeros(x.shape[1])

    def loss(at: NDArray[np.float64]) -> float:
        z = x @ at
        return float((weight * (np.logaddexp(0, z) - target * z)).sum() + force @ (at - goal) ** 2)

    for _ in range(200):
        p = 0.5 * (1 + np.tanh(x @ at / 2))
        gradient = x.T @ (weight * (p - target)) + 2 * force * (at - goal)
        hessian = (x.T * (weight * p * (1 - p))) @ x + np.diag(2 * force + 1e-6)
        step = np.linalg.solve(hessian, gradient)
        before = loss(at)
        while loss(at - step) > before and np.abs(step).max() > 1e-12:
            step = step / 2
        at = at - step
        if np.abs(step).max() < 1e-9:
            break
    return at
