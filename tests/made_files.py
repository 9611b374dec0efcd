"""Files made with all marks, from drawn actors, for the tests of marks and their verification."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import actors
import cv2
import numpy as np

from counterface.files import file_sha256
from counterface.media.image import write_image
from counterface.media.video_writer import VideoWriter
from counterface.provenance.mark import Marker
from counterface.provenance.record import FrameSwaps, MadeInput, MadeOutput, MadeRecord, SwapPlace
from counterface.types import Frame, Image

IMAGES = (".png", ".jpg", ".webp")


def busy(image: Image, seed: int = 3) -> Image:
    """The picture on a ground with enough in it to be told from others."""
    height, width = image.shape[:2]
    coarse = np.random.default_rng(seed).integers(0, 90, (24, 32, 3)).astype(np.uint8)
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image.astype(np.int16) + ground - 45, 0, 255).astype(np.uint8)


@cache
def draw_frames(count: int, size: tuple[int, int] = (480, 360), person: int = 1) -> list[Frame]:
    """Frames of one drawn person, 24 a second; each picture stays for two, as drawing is slow."""
    drawn = actors.draw_clip([person], (count + 1) // 2, *size, Fraction(12))
    pictures = [busy(one.frame.image, person) for one in drawn]
    return [Frame(pictures[i // 2], i, Fraction(i, 24)) for i in range(count)]


def a_record(name: str, target: Path, frames: int = 1) -> MadeRecord:
    place = SwapPlace(track=0, box=(10, 10, 60, 70))
    return MadeRecord(
        output=MadeOutput(name=name),
        inputs=(MadeInput(role="target", name=target.name, sha256=file_sha256(target)),),
        frames=tuple(
            FrameSwaps(index=i, pts=Fraction(i, 24), swaps=(place,)) for i in range(frames)
        ),
    )


def make_file(out: Path, marker: Marker | None = None, person: int = 1) -> MadeRecord:
    """`out` with all marks; its unmarked original is `target<suffix>` beside it."""
    marker = marker or Marker()
    target, unsigned = out.with_name(f"target{out.suffix}"), out.with_name(f"raw{out.suffix}")
    if out.suffix in IMAGES:
        image = busy(actors.draw_actor(person, size=320).image, person)
        marked = [marker.mark_frame(image)]
        write_image(target, image)
        write_image(unsigned, marked[0])
    else:
        frames = draw_frames(12, person=person)
        marked = [marker.mark_frame(frame.image) for frame in frames]
        write_frames(target, [frame.image for frame in frames])
        write_frames(unsigned, marked)
    record = marker.finish(unsigned, out, a_record(out.name, target), target, marked[::6])
    unsigned.unlink()
    return record


def write_frames(path: Path, images: list[Image], crf: float = 18) -> Path:
    """An H.264 clip at 24 frames a second."""
    height, width = images[0].shape[:2]
    with VideoWriter(path, width, height, crf=crf, preset="veryfast") as writer:
        for i, image in enumerate(images):
            writer.write(Frame(image, i, Fraction(i, 24)))
    return path
