"""The largest face of a file at some of its moments, cut as a scan cuts it, and kept on disk.

Every table needs the same crops many times over (as they are, blurred, equalised, with the face
covered, by this detector and the next), so each file is decoded once. The largest face stands for
the file: a label says nothing of an inset or of people behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from counterface.datasets.manifest import Entry
from counterface.detect.generalisation.controls import file_controls
from counterface.errors import MediaError, reason_of
from counterface.faces.align import TEMPLATES, matrix_scale
from counterface.faces.look import FaceLook
from counterface.files import file_sha256, make_folder
from counterface.media import sandbox
from counterface.media.probe import MediaInfo
from counterface.media.sample_frames import sample_frames, square
from counterface.project_files import parse_json, read_parquet, reading
from counterface.table import write_table
from counterface.types import Image

FORMAT = 2
STILL_FRAMES = 4  # a video of fewer is a picture that was stored as one


@dataclass(frozen=True)
class CropConfig:
    """How faces are cut; mostly taken from a detector or recipe."""

    template: str
    size: int
    moments: int  # of a video
    together: int = 1  # frames of a moment
    step: int = 1  # frames of the video between them

    @property
    def key(self) -> str:
        """The name of the folder of kept crops."""
        text = json.dumps([FORMAT, *vars(self).values()])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """One file's faces and what is known of the file."""

    sha256: str
    crops: Image  # (M, T, S, S, 3); M is 0 where no face was found
    face_px: float  # median over the moments: pixels of the file between the eyes
    still: bool  # a picture, or a video of equal frames
    controls: dict[str, float]  # see `CONTROLS`; {} without a face


def cut_faces(
    entries: Sequence[Entry],
    config: CropConfig,
    folder: Path,
    *,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> list[FaceCrops | str]:
    """The faces of each file, or the reason why it cannot be read; kept ones are not cut anew.

    Args:
        entries: pictures and videos.
        config: how faces are cut.
        folder: folder of kept crops; one Parquet file for each content.
        progress: called as (done, total, name).

    Raises:
        MediaError: the folder cannot be made.
    """
    make_folder(folder, advice="name another with --cache")
    cutter = FaceCutter(config, folder)
    found: list[FaceCrops | str] = []
    for number, entry in enumerate(entries):
        try:
            found.append(cutter.cut(entry.path))
        except (MediaError, OSError) as error:
            found.append(reason_of(error))
        if progress:
            progress(number + 1, len(entries), entry.path.name)
    return found


class FaceCutter:
    """Cuts file after file; its models are loaded when the first file needs them."""

    def __init__(self, config: CropConfig, folder: Path | None = None) -> None:
        """Settle how faces are cut.

        Args:
            config: how faces are cut.
            folder: where crops are kept, one Parquet file for each content; None keeps none.

        Raises:
            MediaError: the folder cannot be made.
        """
        self.config = config
        self.store = None if folder is None else folder / config.key
        if self.store is not None:
            make_folder(self.store, advice="name another folder")

    def cut(self, path: Path, sha256: str = "") -> FaceCrops:
        """The faces of a file, from the folder where they are kept there.

        Args:
            path: picture or video.
            sha256: SHA-256 of its content; read where it is not known.

        Raises:
            MediaError: it cannot be decoded, or what is kept is damaged.
            OSError: it cannot be opened.
        """
        sha256 = sha256 or file_sha256(path)
        kept = None if self.store is None else self.store / f"{sha256}.parquet"
        if kept is not None and kept.is_file():
            return _read(kept)
        faces = self._cut(path, sha256)
        if kept is not None:
            _write(faces, kept)
        return faces

    def _cut(self, path: Path, sha256: str) -> FaceCrops:
        config = self.config
        media = sandbox.probe(path)
        look = FaceLook(media, config.template, config.size)
        sample = sample_frames(path, media, config.moments, config.together, config.step)
        eyes = config.size / TEMPLATES[config.template][0]  # between them, in a crop
        crops: list[Image] = []
        pixels: list[float] = []
        frames = 0
        for moment in sample.moments:
            frames += len(moment)
            squared = [square(frame, media) for frame in moment]
            cut = [crop for frame in squared for crop in look.cut(frame, look.find(frame)[:1])]
            if len(cut) == config.together:
                crops.append(np.stack([crop.image for crop in cut]))
                pixels += [eyes / matrix_scale(crop.frame_to_crop) for crop in cut]
        return self._facts(path, sha256, media, crops, pixels, frames)

    def _facts(
        self,
        path: Path,
        sha256: str,
        media: MediaInfo,
        crops: list[Image],
        pixels: list[float],
        frames: int,
    ) -> FaceCrops:
        side, together = self.config.size, self.config.together
        stack = np.stack(crops) if crops else np.zeros((0, together, side, side, 3), np.uint8)
        held = media.frame_count or frames
        controls = {}
        if crops:
            flat = stack.reshape(-1, side, side, 3)
            facts = {"width": media.width, "height": media.height, "size": path.stat().st_size}
            controls = file_controls(flat, self.config.template, frames=held, **facts)
        still = media.kind == "image" or held < STILL_FRAMES
        return FaceCrops(
            sha256, stack, float(np.median(pixels)) if pixels else 0.0, still, controls
        )


def _write(faces: FaceCrops, path: Path) -> None:
    row = {
        "shape": list(faces.crops.shape),
        "crops": faces.crops.tobytes(),
        "face_px": faces.face_px,
        "still": faces.still,
        "controls": json.dumps(faces.controls),
    }
    write_table(path, pa.Table.from_pylist([row]), compression="zstd")


def _read(path: Path) -> FaceCrops:
    advice = "delete it, and the file is cut again"
    (row,) = read_parquet(path, MediaError, advice).to_pylist()
    with reading(path, MediaError, advice):
        crops = np.frombuffer(row["crops"], np.uint8).reshape(row["shape"])
        return FaceCrops(
            path.stem, crops, row["face_px"], row["still"], parse_json(row["controls"])
        )
