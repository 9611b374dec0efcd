"""The crops of labelled files, cut by the very path of a scan: the crop is part of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from counterface.datasets.manifest import Entry
from counterface.detect.generalisation.face_crops import CropConfig, FaceCutter
from counterface.errors import MediaError
from counterface.types import Image, Progress

T = TypeVar("T")
Failed = Callable[[Entry, str], None]  # a file that could not be read, and why


def collect_crops(
    items: Sequence[Entry],
    frames: int,
    template: str,
    size: int,
    *,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> Iterator[tuple[int, Image]]:
    """The number of each file with a face, and its crops: the largest face of each frame.

    Crops are RGB uint8 (N, size, size, 3).

    Args:
        items: pictures and videos.
        frames: number of frames of each video, spread evenly over its time.
        template: alignment of the crops.
        size: their side, pixels.
        progress: called as (done, total, name) after each file.
        failed: called with a file that could not be read and the reason; the rest goes on.
    """
    cutter = FaceCutter(CropConfig(template, size, frames))
    for number, faces in read_each(items, lambda item: cutter.cut(item.path), progress, failed):
        if len(faces.crops):
            yield number, faces.crops[:, 0]


def read_each(
    items: Sequence[Entry],
    read: Callable[[Entry], T],
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> Iterator[tuple[int, T]]:
    """The number of each file and what is read from it; one that cannot be read ends nothing.

    Args:
        items: pictures and videos.
        read: reads a file; raises `MediaError` or `OSError` where it cannot.
        progress: called as (done, total, name) after each file.
        failed: called with a file that could not be read and the reason; None raises it.
    """
    for number, item in enumerate(items):
        try:
            found = read(item)
        except (MediaError, OSError) as error:
            if failed is None:
                raise
            failed(item, str(error))
        else:
            yield number, found
        if progress:
            progress(number + 1, len(items), item.path.name)
