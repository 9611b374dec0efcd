"""What the masks of a conversion take in on real footage: hair at the temples, and trembling.

    python benchmarks/mask_on_footage.py [--segmenter NAME] [--frames 50]

Reads ../shared/data/clips_talking_heads. Nobody has drawn masks for these clips, so hair is told by
colour: a pixel at the temples is called hair where its colour is at least twice as near to that of
the strip above the forehead as to that of the cheeks, and only clips count in which the two differ.
Shaded skin beside dark hair still counts as hair at times. Only numbers leave this program.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tables import head, row

from counterface.errors import CounterfaceError
from counterface.faces.align import crop_matrix, warp_image, warp_points
from counterface.faces.follow import FollowConfig
from counterface.faces.mask import hull_mask
from counterface.faces.segment import load_segmenter
from counterface.media import sandbox
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.segmented_masks import SegmentedMasks
from counterface.types import Floats, Image, Mask

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips_talking_heads"
SIDE = 256
TEMPLATE = "head"
APART = 20.0  # Lab units between hair and skin below which a clip says nothing
STEADY = 0.5
WAYS = ("hull", "segmented_x_hull")


def faces_of(clip: Path, count: int) -> Iterator[tuple[Image, Floats]]:
    """The first frames that show one face, with its landmarks."""
    follower = FollowConfig().follower()
    for frame in sandbox.read_video(clip):
        faces = [face for face in follower.find(frame.image) if face.landmarks is not None]
        if len(faces) == 1:
            yield frame.image, faces[0].landmarks
            count -= 1
        if not count:
            return


def temples(points: Floats) -> Mask:
    """The sides of the upper face, from the eyes to above the brows, bool (SIDE, SIDE)."""
    eyes = points[36:48].mean(axis=0)
    wide = np.linalg.norm(points[16] - points[0])
    rows, columns = np.indices((SIDE, SIDE))
    high = (rows < eyes[1]) & (rows > eyes[1] - 0.45 * wide)
    return high & (np.abs(columns - eyes[0]) > 0.36 * wide)


def hair_in(lab: Floats, points: Floats, hull: Mask) -> Mask | None:
    """Which pixels have the colour of hair, not of skin; None where the two are alike."""
    top = int(points[17:27, 1].min() - 0.9 * (points[8, 1] - points[17:27, 1].min()))
    middle = int(points[27, 0])
    above = lab[max(top - 14, 0) : max(top, 1), max(middle - 40, 0) : middle + 40].reshape(-1, 3)
    cheeks = [lab[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].reshape(-1, 3)
              for x, y in (points[[2, 14]] + points[[31, 35]]) / 2]  # fmt: skip
    if not len(above) or not all(len(part) for part in cheeks):
        return None
    hair, skin = np.median(above, axis=0), np.median(np.concatenate(cheeks), axis=0)
    if np.linalg.norm(hair - skin) < APART:
        return None
    return 2 * np.linalg.norm(lab - hair, axis=2) < np.linalg.norm(lab - skin, axis=2)


def measure(clip: Path, name: str, count: int) -> dict[str, Floats]:
    """Numbers of each frame of a clip, by name."""
    segmenter = load_segmenter(name)
    ways = {"shaken": SegmentedMasks(segmenter, 0), "steady": SegmentedMasks(segmenter, STEADY)}
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    found: dict[str, list[float]] = {}
    last: dict[str, Mask] = {}
    before: Image | None = None
    for image, landmarks in faces_of(clip, count):
        matrix = crop_matrix(landmarks, TEMPLATE, SIDE)
        crop, points = warp_image(image, matrix, SIDE), warp_points(landmarks, matrix)
        place = PlacedFace(0, 0, np.float32([0, 0, 1, 1]), landmarks)
        start = time.perf_counter()
        masks = {"shaken": ways["shaken"].of_target(image, place, matrix, SIDE)}
        found.setdefault("ms", []).append(1000 * (time.perf_counter() - start))
        masks["steady"] = ways["steady"].of_target(image, place, matrix, SIDE)
        hull = hull_mask(points, (SIDE, SIDE))
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        if before is not None:
            way = flow.calc(grey, before, None)
            at = way + np.dstack(np.indices(grey.shape, dtype=np.float32)[::-1])
            for key, mask in masks.items():
                moved = cv2.remap(last[key], at, None, cv2.INTER_LINEAR)
                change = np.abs(moved - mask).sum() / max(mask.sum(), 1)
                found.setdefault(key, []).append(float(100 * change))
        before, last = grey, masks
        hair = hair_in(cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), points, hull)
        if hair is None:
            continue
        at_temples, seen = temples(points) & (hull > 0), masks["steady"]
        if at_temples.sum() < 50:
            continue
        kept = {"hull": hull, "segmented_x_hull": seen * hull}
        for way_name, mask in kept.items():
            share = (mask * (at_temples & hair)).sum() / at_temples.sum()
            found.setdefault(way_name, []).append(float(100 * share))
        skin = ~hair & (hull > 0) & ~temples(points)
        found.setdefault("skin", []).append(float(100 * (seen * skin).sum() / skin.sum()))
    return {key: np.array(values, np.float32) for key, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segmenter", default="generic")
    parser.add_argument("--frames", type=int, default=50)
    options = parser.parse_args()
    means: list[dict[str, float]] = []
    print("\n".join(head("clip", *WAYS, "skin kept", "trembling", "steadied", "ms a face")))
    for number, clip in enumerate(sorted(CLIPS.glob("*.mp4")), 1):
        try:
            found = measure(clip, options.segmenter, options.frames)
        except CounterfaceError as error:
            print(f"{clip.name}: {error}")
            continue
        if not found:
            continue
        mean = {key: float(values.mean()) for key, values in found.items()}
        means.append(mean)
        print(line(str(number), mean), flush=True)
    keys = {key for mean in means for key in mean}
    whole = {key: float(np.mean([mean[key] for mean in means if key in mean])) for key in keys}
    print(line("mean", whole))


def line(name: str, mean: dict[str, float]) -> str:
    """A row of the table."""
    keys = (*WAYS, "skin", "shaken", "steady", "ms")
    return row(name, *(f"{mean[key]:.1f}" if key in mean else "-" for key in keys))


if __name__ == "__main__":
    main()
