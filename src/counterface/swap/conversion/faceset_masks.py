"""Masks that came with the target's faceset, looked up for the frames of a conversion.

A faceset may hold a mask beside each crop (its records' `mask`), drawn by hand or by a segmenter.
Where the faceset was cut from the very file that is converted, a face is found there again by the
hash of the file, the exact time and the place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from counterface.errors import SwapError
from counterface.faces.align import compose, invert
from counterface.faceset.find_row import row_at
from counterface.faceset.masks.read_mask import read_mask
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.media.sandbox import read_image
from counterface.types import Floats, Mask


class FacesetMasks:
    """The masks of one target."""

    def __init__(self, folders: Sequence[Path], target: Path, target_sha256: str) -> None:
        """Read the records; the masks are read when they are needed.

        Args:
            folders: facesets that were extracted from the target.
            target: the file, as messages name it.
            target_sha256: SHA-256 of the file.

        Raises:
            FacesetError: a folder is no faceset.
            SwapError: none of them has a mask of a face of this file.
        """
        self._rows: dict[Fraction, list[tuple[Path, Row]]] = defaultdict(list)
        for folder in folders:
            for row in Faceset.open(folder, allow_strays=True):
                if row.mask is not None and row.source_sha256 == target_sha256:
                    self._rows[row.pts].append((folder, row))
        if not self._rows:
            raise SwapError(
                f"{target}: {', '.join(map(str, folders)) or 'no faceset'} holds no mask of a face "
                "of this very file; extract the faceset from it, add masks, and name it by --masks"
            )

    def find(self, pts: Fraction, box: Floats, frame_to_crop: Floats, size: int) -> Mask | None:
        """The mask of a face over its crop, (size, size) in [0, 1]; None where there is none.

        Args:
            pts: exact time of the frame, seconds on the target's own clock; 0 for a picture.
            box: (4,) xyxy pixels of the frame.
            frame_to_crop: (2, 3) for `size` pixels.
            size: side of the crop.

        Raises:
            FacesetError: the mask file's size is not that of its crop.
            MediaError: it cannot be read.
        """
        rows = self._rows.get(pts)
        if not rows:
            return None
        row = row_at(box, [row for _, row in rows])
        if row is None:
            return None
        folder = next(folder for folder, one in rows if one is row)
        assert row.mask is not None  # only such rows are kept
        mask = read_mask(folder / row.mask, read_image(folder / row.file).shape[:2])
        matrix = compose(frame_to_crop.astype(np.float64), invert(row.frame_to_crop))
        moved = cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_LINEAR)
        return np.asarray(np.clip(moved, 0, 1), dtype=np.float32)
