"""The data sets of `published_systems.py`: our own pairs, minted twins, generated pictures.

pairs       `dataset build` on clips of 22 people: 22 genuine clips and 22 swaps
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from default_data import CLIPS, DATA, OLD_CLIPS

from counterface.datasets.build import BuildConfig, build
from counterface.datasets.building.plan import Person
from counterface.faceset.extract import ExtractConfig
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.provenance.rights import Rights
from counterface.types import Frame

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "runs" / "published"
BUILT = RUN / "built"
RECIPES = ROOT / "benchmarks" / "footage"
CUT_S, CUT_SIDE = 2.4, 400  # what is kept of a clip: seconds, pixels of its shorter side
RIGHTS = Rights(
    shown="an unnamed performer or GRID speaker",
    basis="research",
    reference="research test data, not for publication",
)


def build_pairs() -> None:
    """Swaps the talking heads and GRID speakers in pairs, both ways; run again to continue."""
    people = {path.stem: Person(clips=(cut(path),), rights=RIGHTS) for path in footage()}
    config = BuildConfig(
        out=BUILT,
        people=people,
        methods=(RECIPES / "small_df.toml", RECIPES / "small_original.toml"),
        crf=(18, 23, 28),
        extract=ExtractConfig(template="face", size=96),
    )
    print(build(config, progress=lambda done, total, text: None), flush=True)


def footage() -> list[Path]:
    """The clips that are swapped, one a person."""
    return [*sorted((DATA / CLIPS).glob("*.mp4")), *sorted((DATA / OLD_CLIPS).glob("*.mpg"))]


def cut(path: Path) -> Path:
    """The beginning of a clip, made smaller where it is large."""
    out = RUN / "cut" / f"{path.stem}.mp4"
    if out.exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    frames = []
    for frame in read_video(path):
        if frames and frame.pts - frames[0].pts > CUT_S:
            break
        height, width = frame.image.shape[:2]
        scale = min(1.0, CUT_SIDE / min(height, width))
        size = int(width * scale) // 2 * 2, int(height * scale) // 2 * 2
        image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        frames.append(Frame(np.ascontiguousarray(image), frame.index, frame.pts))
    with VideoWriter(out, *size, crf=12, preset="veryfast") as writer:
        for frame in frames:
            writer.write(frame)
    return out


if __name__ == "__main__":
    build_pairs()
