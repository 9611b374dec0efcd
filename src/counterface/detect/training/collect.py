"""The crops of labelled files, cut by the very path of a scan: the crop is part of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from counterface.datasets.manifest import Entry
from counterface.detect.generalisation.face_crops import CropConfig, FaceCutter
from counterface.errors import MediaError
from counterface.types import Image, Progress

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
    """Pairs of item number and crop, RGB uint8 (size, size, 3), of the largest face of each frame.

    Args:
        items: pictures and videos.
        frames: of each video, even over its time.
        template: alignment of the crops.
        size: their side, pixels.
        progress: called as (done, total, name) after each file.
        failed: called with a file that could not be read and the reason; the rest goes on.
    """
    cutter = FaceCutter(CropConfig(template, size, frames))
    for number, item in enumerate(items):
        try:
            for crop in cutter.cut(item.path).crops[:, 0]:
                yield number, crop
        except (MediaError, OSError) as error:
            if failed is None:
                raise
            failed(item, str(error))
        if progress:
            progress(number + 1, len(items), item.path.name)
