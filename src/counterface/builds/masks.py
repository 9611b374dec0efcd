"""The masks of a conversion as one video: white where the face is new, times of the swap."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

from counterface.errors import MediaError
from counterface.files import make_folder
from counterface.media.beside.join import time_base_of
from counterface.media.image import read_image
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.swap.conversion.truth import truth_folder
from counterface.types import Frame

CRF = 4  # x264; a mask's levels stay within 2 of 255 on average, a test measures it


def write_mask_video(fake: Path, out: Path) -> None:
    """Join the masks that the conversion of `fake` left into the video `out`.

    Args:
        fake: a finished conversion that kept its masks.
        out: ends in .mp4; appears whole.

    Raises:
        MediaError: no masks are there, or not one a frame.
    """
    folder = truth_folder(fake) / "masks"
    files = sorted(folder.glob("*.png"))
    if not files:
        raise MediaError(f"{folder} holds no masks; delete {fake} and run the same command again")
    times: list[Fraction] = [frame.pts for frame in read_video(fake)]
    if len(times) != len(files):
        raise MediaError(
            f"{folder} holds {len(files)} masks, {fake} {len(times)} frames; delete the latter and "
            "run the same command again"
        )
    height, width = read_image(files[0]).shape[:2]  # those of the swap: even
    make_folder(out.parent)
    base = time_base_of(times)
    with VideoWriter(out, width, height, crf=CRF, preset="veryfast", time_base=base) as writer:
        for index, (path, pts) in enumerate(zip(files, times, strict=True)):
            writer.write(Frame(read_image(path), index, pts))


def drop_masks(fake: Path) -> None:
    """Delete the pictures that `write_mask_video` was made of; they may be gone already."""
    shutil.rmtree(truth_folder(fake), ignore_errors=True)
