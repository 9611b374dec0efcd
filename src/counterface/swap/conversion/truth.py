"""The ground truth of a conversion on request: where and how faces were replaced, frame by frame.

OUT.mp4.truth/
  masks/000012.png                grey, the output's size: 255 = all new
  crops/000012_p1_before.png      the target's face, as the model saw it
  crops/000012_p1_after.png       the same place in the finished, marked frame
  matrices.parquet                index, pts, person, track, box, landmarks, frame_to_crop
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np

from counterface.errors import SwapError
from counterface.faces.align import crop_matrix, warp_image
from counterface.files import make_folder, write_bytes
from counterface.media.image import encode_mask, write_image
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.render import Rendered
from counterface.table import Int32, Table, array, write_table
from counterface.types import Floats, Mask


@dataclass(frozen=True, slots=True, eq=False)
class ReplacedFace:
    """A row of `matrices.parquet`."""

    index: int  # of the frame in the output
    pts: Fraction  # seconds in the output
    person: Int32
    track: Int32
    filled: bool
    box: Annotated[Floats, array(4)]
    landmarks: Annotated[Floats, array(68, 2)]
    frame_to_crop: Annotated[Floats, array(2, 3)]  # for `size` pixels
    template: str
    size: Int32


_REPLACED = Table(ReplacedFace)


def truth_folder(out: Path) -> Path:
    """Where the ground truth of an output lies."""
    return out.with_name(out.name + ".truth")


def whole_mask(rendered: Rendered) -> Mask:
    """Where a finished frame is new, float32 (H, W) in [0, 1]; its parts carry their masks."""
    whole = np.zeros(rendered.frame.image.shape[:2], np.float32)
    for mask in (part.mask for part in rendered.parts if part.mask is not None):
        height, width = mask.shape
        whole[:height, :width] = np.maximum(whole[:height, :width], mask)
    return whole


class TruthWriter:
    """Writes the ground truth of one output that is to be kept."""

    def __init__(self, out: Path, keep: Collection[str], template: str, size: int) -> None:
        """Make the folders for what is to be kept: any of "masks", "crops" and "matrices".

        Template and size are those of the faces that the model makes.

        Raises:
            SwapError: the folders cannot be made.
        """
        self.folder, self.keep = truth_folder(out), frozenset(keep)
        self.template, self.size = template, size
        for name in ("masks", "crops"):
            if name in self.keep:
                make_folder(self.folder / name, SwapError)

    def write_frame(self, index: int, rendered: Rendered) -> None:
        """Write the masks and crops of one frame, by its index in the output."""
        image = rendered.frame.image
        if "masks" in self.keep:
            path = self.folder / "masks" / f"{index:06d}.png"
            write_bytes(path, encode_mask(whole_mask(rendered)))
        if "crops" in self.keep:
            for part in rendered.parts:
                place, target, size = part.place, part.target, len(part.target)
                matrix = crop_matrix(place.landmarks, self.template, size)
                stem = self.folder / "crops" / f"{index:06d}_p{place.person}"
                write_image(stem.with_name(stem.name + "_before.png"), target)
                after = warp_image(image, matrix, size)
                write_image(stem.with_name(stem.name + "_after.png"), after)

    def write_matrices(self, frames: Sequence[tuple[int, Fraction, Sequence[PlacedFace]]]) -> None:
        """Write the table of all replaced faces, where it is to be kept.

        `frames` are their index in the output, their time there (seconds), and their faces.
        """
        if "matrices" not in self.keep:
            return
        rows = [self._row(index, pts, place) for index, pts, faces in frames for place in faces]
        make_folder(self.folder, SwapError)
        write_table(self.folder / "matrices.parquet", _REPLACED.to_arrow(rows))

    def _row(self, index: int, pts: Fraction, p: PlacedFace) -> ReplacedFace:
        kind = self.template, self.size
        matrix = crop_matrix(p.landmarks, *kind)
        return ReplacedFace(
            index, pts, p.person, p.track, p.filled, p.box, p.landmarks, matrix, *kind
        )
