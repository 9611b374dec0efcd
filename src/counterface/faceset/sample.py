"""A faceset as training examples: crops in a shuffled order that is a pure function of its seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterface.errors import FacesetError, ShapeError
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Crop, Floats


class FacesetSampler:
    """Crops of one or more facesets, endlessly; `sampler[i]` depends on `i` and the seed alone.

    Every crop comes once in each round of `len(sampler)` indices, in an order of the round's own,
    so a training run that starts again at step s by reading from index s * batch sees what an
    uninterrupted one would have seen.
    """

    def __init__(self, facesets: Sequence[Faceset], seed: int = 0, max_blur: float = 1.0) -> None:
        """Choose the crops; none is read yet.

        Args:
            facesets: with one template and size.
            seed: of the order.
            max_blur: crops with more are left out, [0, 1].

        Raises:
            FacesetError: no crop is left.
            ShapeError: templates or sizes differ.
        """
        kinds = {(f.header.template, f.header.size) for f in facesets}
        if len(kinds) > 1:
            raise ShapeError(f"facesets differ in template or size: {sorted(kinds)}")
        self.seed = seed
        self._crops: list[tuple[Faceset, Row]] = [
            (faceset, row) for faceset in facesets for row in faceset if row.blur <= max_blur
        ]
        if not self._crops:
            names = [str(f.folder) for f in facesets]
            raise FacesetError(f"no crop with blur up to {max_blur} in {names}; extract more")
        self._round = -1
        self._order = np.empty(0, np.intp)

    def __len__(self) -> int:
        """How many crops there are: the length of a round."""
        return len(self._crops)

    def __getitem__(self, index: int) -> Crop:
        """The crop at a place of the endless order, index 0 or more.

        Raises:
            MediaError: its file cannot be read.
            IndexError: the index is negative.
        """
        if index < 0:
            raise IndexError(f"index {index} is negative; the order has a start but no end")
        number, place = divmod(index, len(self._crops))
        if number != self._round:
            rng = np.random.default_rng((self.seed, number))
            self._round, self._order = number, rng.permutation(len(self._crops))
        faceset, row = self._crops[int(self._order[place])]
        return faceset.read(row)


def stack_crops(crops: Sequence[Crop]) -> Floats:
    """The crops as one float32 array (B, 3, H, W), RGB in [0, 1]; `torch.from_numpy` takes it.

    Raises:
        ShapeError: no crops, or of different sizes.
    """
    sizes = {crop.image.shape for crop in crops}
    if len(sizes) != 1:
        raise ShapeError(f"expected crops of one size, got {sorted(sizes)}")
    images = np.stack([crop.image for crop in crops]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images, dtype=np.float32) / np.float32(255)
