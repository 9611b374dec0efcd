"""Known fakes: which altered copies are found, and how near different people come.

    python benchmarks/known_fakes.py [--data ../shared/data] [--portraits 60] [--frames 6]

Portraits of one studio and clips (some frames of each, spread evenly) are registered as made
files are, and looked up after each change; a file is found where the vote of its frames names it.
"any": where one frame is enough. False: pairs of different people that the vote would join. Without
data: drawn actors only.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from drawn import DATA, draw_actor
from watermark import crop, encode, jpeg, short_side_360

from counterface.media.image import read_image
from counterface.provenance.fingerprint import (
    SAME_LOOK,
    Hashes,
    ImageHash,
    hash_copies,
    hash_looks,
)
from counterface.provenance.fingerprint.vote import ALONE
from counterface.types import Image

SIDES = ("top", "bottom", "left", "right")


@dataclass
class Item:
    """A file: some pictures of it, and who is shown."""

    who: str
    set: str
    pictures: list[Image]


def cut(side: str, share: float) -> Callable[[Image], Image]:
    def changed(image: Image) -> Image:
        rows, columns = (round(length * share) for length in image.shape[:2])
        parts = {
            "top": image[rows:],
            "bottom": image[: image.shape[0] - rows],
            "left": image[:, columns:],
            "right": image[:, : image.shape[1] - columns],
        }
        return np.ascontiguousarray(parts[side])

    return changed


def letterboxed(image: Image) -> Image:
    rows = image.shape[0] // 6
    return np.pad(image, ((rows, rows), (0, 0), (0, 0)))


def mirrored(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


CHANGES: dict[str, Callable[[Image], Image]] = {
    "none": lambda image: image,
    "letterboxed": letterboxed,
    "mirrored": mirrored,
    "JPEG 50": lambda image: jpeg(image, 50),
    "even 5 %": crop(0.05),
    "even 8 %": crop(0.08),
    "even 10 %": crop(0.10),
    "even 12 %": crop(0.12),
    "even 15 %": crop(0.15),
    **{
        f"{side} {share:.0%}": cut(side, share)
        for share in (0.03, 0.05, 0.07, 0.10, 0.12)
        for side in SIDES
    },
}


def items(data: Path, portraits: int, frames: int) -> list[Item]:
    drawn = [Item(f"drawn {n}", "drawn", [draw_actor(n, size=400).image]) for n in range(6)]
    files = sorted(data.glob("faces_london_ccby/**/*.jpg"))[:portraits]
    studio = [
        Item(re.match(r"\d+|", file.name)[0], "studio", [small(read_image(file))])  # type: ignore[index]
        for file in files
    ]
    clips = sorted(data.glob("clips_talking_heads/*.mp4")) + sorted(data.glob("av_grid/*.mpg"))
    return drawn + studio + [Item(clip.name, "clips", some_frames(clip, frames)) for clip in clips]


def small(image: Image) -> Image:
    scale = min(1.0, 480 / min(image.shape[:2]))
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def some_frames(path: Path, count: int) -> list[Image]:
    with av.open(str(path)) as clip:
        first = islice(clip.decode(video=0), 60)
        kept = [frame.to_ndarray(format="rgb24") for frame in first]
    even = [image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2] for image in kept]
    return [small(even[at]) for at in np.linspace(0, len(even) - 1, count).astype(int)]


def rows(hashes: list[ImageHash]) -> Hashes:
    """The usable hashes, (N, 32)."""
    bits = b"".join(one.bits for one in hashes if one.usable)
    return np.frombuffer(bits, dtype=np.uint8).reshape(-1, 32)


def looked_up(pictures: list[Image]) -> list[Hashes]:
    """What a search compares of each picture with enough detail: every look and its mirror."""
    looks = [hash_looks(image) for image in pictures]
    both = [
        rows([*some, *(ImageHash(one.mirrored, one.quality, one.bits) for one in some)])
        for some in looks
    ]
    return [some for some in both if len(some)]


def apart(known: list[Hashes], wanted: list[list[Hashes]]) -> tuple[np.ndarray, np.ndarray]:
    """For each pair of files (looked up, known) the least bits between them, and the votes."""
    nearest = np.full((len(wanted), len(known)), 256)
    votes = np.zeros((len(wanted), len(known)), int)
    for column, there in enumerate(known):
        for row, pictures in enumerate(wanted):
            for here in pictures if len(there) else ():
                bits = np.bitwise_count(here[:, None] ^ there[None]).sum(axis=2, dtype=int).min()
                nearest[row, column] = min(nearest[row, column], bits)
                votes[row, column] += bits <= SAME_LOOK
    return nearest, votes


def re_encoded(pictures: list[Image]) -> list[Image]:
    return encode([short_side_360(image) for image in pictures], 30)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--portraits", type=int, default=60)
    parser.add_argument("--frames", type=int, default=6)
    args = parser.parse_args()
    files = items(args.data, args.portraits, args.frames)
    sets = sorted({one.set for one in files})
    other = np.array([[a.who != b.who for b in files] for a in files])
    known = [rows([h for image in one.pictures for h in hash_copies(image)]) for one in files]
    changes = {
        name: [looked_up([change(image) for image in one.pictures]) for one in files]
        for name, change in CHANGES.items()
    }
    changes["360p, crf 30"] = [looked_up(re_encoded(one.pictures)) for one in files]
    counts = ", ".join(f"{sum(one.set == name for one in files)} {name}" for name in sets)
    print(f"files: {counts}; limit {SAME_LOOK} bits; {len(known[0])} hashes a picture")
    print(f"{'':14}", *(f"{name:>8} (any)" for name in sets), "  votes  false pairs, nearest")
    for name, wanted in changes.items():
        nearest, votes = apart(known, wanted)
        enough = np.array([2 if len(pictures) > ALONE else 1 for pictures in wanted])
        hit = (np.diag(votes) >= enough) & (np.diag(votes) == votes.max(axis=1))
        own = [np.array([one.set == s for one in files]) for s in sets]
        found = [f"{np.mean(hit[s]):8.0%} {np.mean(np.diag(votes)[s] > 0):5.0%}" for s in own]
        share = np.sum(np.diag(votes)) / sum(map(len, wanted))
        false = int((votes >= enough[:, None])[other].sum())
        print(f"{name:14}", *found, f"{share:7.0%}{false:13}{nearest[other].min():9}")


if __name__ == "__main__":
    main()
