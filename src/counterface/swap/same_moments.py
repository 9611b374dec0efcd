"""A result and what it was made from, moment by moment: videos, pictures, folders of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from counterface.errors import SwapError
from counterface.media import sandbox
from counterface.media.beside.sound import Likeness, compare_sound, hash_sound
from counterface.media.find_media import natural_key
from counterface.media.image import IMAGE_SUFFIXES
from counterface.media.open_file import check_file, sniff
from counterface.project_files import read_json, reading
from counterface.types import Frame, Image

SEQUENCE_FILE = "sequence.json"  # beside the pictures that a video became: their times
_SAME_MOMENT_S = Fraction(1, 500)


def pair_frames(out: Path, target: Path, start: float = 0) -> Iterator[tuple[Frame, Frame]]:
    """Frames of both that are shown at one moment; of equal sides.

    Numbered pictures without a list of their times are paired in their order.

    Args:
        out: a video, a picture, or a folder of pictures as `swap convert` writes it.
        target: a video, a picture, or a folder of numbered pictures.
        start: where in the target the result begins, seconds.

    Raises:
        SwapError: their times or sizes do not agree, or one ends before the other.
        MediaError: one cannot be read.
    """
    if _is_still(out) != _is_still(target):
        one, other = (out, target) if _is_still(out) else (target, out)
        raise SwapError(
            f"{one} is one picture and {other} is not; name the folder with its {SEQUENCE_FILE}, "
            "or the picture that it was made from"
        )
    timed = _is_timed(out) and _is_timed(target)
    reals = (f for f in _read(target) if not timed or f.pts >= start)
    first: tuple[Fraction, Fraction] | None = None
    for count, (made, real) in enumerate(zip_longest(_read(out), reals)):
        if made is None:
            if timed:
                return  # of a part
            raise SwapError(
                f"{out} has {count} pictures, {target} more; they do not belong together"
            )
        first = first or (made.pts, real.pts if real else made.pts)
        apart = real is None or abs((made.pts - first[0]) - (real.pts - first[1])) > _SAME_MOMENT_S
        if real is None or (timed and apart):
            raise SwapError(
                f"{out}: its frame {count} at {float(made.pts):.3f} s has no partner in {target}; "
                "compare a result with the file that it was made from; say --from for a cut-out"
            )
        yield made, _of_one_size(made, real, out, target)


def sound_likeness(out: Path, target: Path) -> Likeness:
    """How the sound of a result is that of its target; pictures have none."""
    if target.is_dir() or _is_still(target):
        return "none"
    if out.is_dir():
        return "left out" if hash_sound(target) else "none"
    return compare_sound(out, target)


def _is_still(path: Path) -> bool:
    return not path.is_dir() and sniff(check_file(path)) == "image"


def _is_timed(path: Path) -> bool:
    return not path.is_dir() or (path / SEQUENCE_FILE).exists()


def _read(path: Path) -> Iterator[Frame]:
    if not path.is_dir():
        if _is_still(path):
            yield Frame(sandbox.read_image(path), 0, Fraction(0))
        else:
            yield from sandbox.read_video(path)
        return
    for index, (picture, pts) in enumerate(_listed(path)):
        yield Frame(sandbox.read_image(picture), index, pts)


def _listed(folder: Path) -> list[tuple[Path, Fraction]]:
    """The pictures of a folder with their times; without a list their numbers."""
    path = folder / SEQUENCE_FILE
    if path.exists():
        values = read_json(path, SwapError, "convert again")
        with reading(path, SwapError, "convert again"):
            listed = [(str(p["name"]), Fraction(str(p["pts"]))) for p in values["pictures"]]
        return [(folder / Path(name).name, pts) for name, pts in listed]
    pictures = numbered_pictures(folder)
    if not pictures:
        raise SwapError(f"{folder} holds no pictures; name a file or a folder of numbered pictures")
    return [(picture, Fraction(number)) for number, picture in enumerate(pictures)]


def numbered_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, but not those inside its folders, in natural order."""
    found = (p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    return sorted((p for p in found if p.name[0] != "."), key=natural_key)


def _of_one_size(made: Frame, real: Frame, out: Path, target: Path) -> Frame:
    """The target's frame, its last row or column twice where the result's is."""
    even = Frame(make_even(real.image), real.index, real.pts)
    for frame in (real, even):
        if made.image.shape == frame.image.shape:
            return frame
    sizes = [f"{f.image.shape[1]}x{f.image.shape[0]}" for f in (made, real)]
    raise SwapError(f"{out} is {sizes[0]}, {target} is {sizes[1]}; they do not belong together")


def make_even(image: Image) -> Image:
    """The image with even sides: the last row or column twice where there is an odd number."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.asarray(
        cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), dtype=np.uint8
    )
