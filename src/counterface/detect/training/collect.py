"""The crops of labelled files, cut by the very path of a scan: the crop is part of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from counterface.datasets.manifest import Entry
from counterface.errors import MediaError
from counterface.faces.align import align
from counterface.faces.face_detector import load_models
from counterface.faces.face_search import FaceSearch
from counterface.media import sandbox
from counterface.media.sample_frames import sample_frames, square
from counterface.types import Image


def collect_crops(
    items: Sequence[Entry],
    frames: int,
    template: str,
    size: int,
    *,
    progress: Callable[[int, int | None, str], None] | None = None,
    failed: Callable[[Entry, str], None] | None = None,
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
    models = load_models("auto", "mediapipe_mesh")
    for number, item in enumerate(items):
        try:
            media = sandbox.probe(item.path)
            search = FaceSearch(*models, video=media.kind != "image")
            for (frame,) in sample_frames(item.path, media, frames).moments:
                image = square(frame, media).image
                faces = search.find(image)
                if faces and faces[0].landmarks is not None:
                    yield number, align(image, faces[0], template, size).image
        except MediaError as error:
            if failed is None:
                raise
            failed(item, str(error))
        if progress:
            progress(number + 1, len(items), item.path.name)
