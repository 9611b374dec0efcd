"""What a measure is: a pure function of one crop and, if need be, one of the whole set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from counterface.registry import FACESET_MEASURES
from counterface.types import Floats

Reads = Literal["row", "crop", "identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number for each crop of a faceset.

    `of` is given what `reads` names: the `Row`, the crop (RGB uint8 (S, S, 3)), or the embedding
    (128,) of the face. It returns a number, or float32 (D,) that `together` makes into numbers; NaN
    where the crop has none. Measures with the same `of` share what was measured. What is read of a
    crop or an identity is kept by the name of `of`: a function that changes what it returns takes
    another name.
    """

    name: str
    says: str  # what a value says, in words
    unit: str
    reads: Reads
    of: Callable[[Any], float | Floats]
    together: Callable[[Floats], Floats] | None = None  # (N, D) finite of the whole set to (N,)
    largest_first: bool = False  # the order in which sorting puts them where nothing else is said

    @property
    def whole_set(self) -> bool:
        """Whether a crop's number depends on the other crops."""
        return self.together is not None


def load_measure(name: str) -> Measure:
    """The registered measure of this name.

    Raises:
        RegistryError: there is none, or it cannot be loaded.
    """
    found: Measure = FACESET_MEASURES.load(name)
    return found
