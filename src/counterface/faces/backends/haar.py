"""Haar cascades, frontal and in profile, read and evaluated by NumPy.

Paper: "Rapid Object Detection using a Boosted Cascade of Simple Features" (Viola and Jones 2001);
the files are OpenCV's (Lienhart and Maydt 2002; Intel's BSD-like licence). OpenCV 5 cannot run them
any more. Ours follows OpenCV 4 to the pixel: its pyramid, its steps, its grouping of neighbours.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface import weights as store
from counterface.errors import WeightsError
from counterface.faces.face_detector import merge_faces, require_rgb
from counterface.project_files import read_bytes, reading
from counterface.types import Face, Floats, Image

SCALE = 1.1  # from one level of the pyramid to the next, OpenCV's default
NEIGHBOURS = 3  # windows that must agree on a face, OpenCV's default
LIKE = 0.2  # share of their sides by which windows of one face may differ, OpenCV's default
MAX_SIDE = 1280  # larger pictures are reduced to this longer side first
MIN_SIDE = 24  # smallest face, pixels of the reduced picture
THRESHOLD_EPS = 1e-5  # OpenCV lowers each stage's threshold by it
_MOST_BYTES = 20_000_000
_AT_ONCE = 100_000  # values of the integral image: what fits the processor's cache

Numbers = NDArray[np.float64]


class Stage(NamedTuple):
    """Weak classifiers, each a feature of up to three rectangles, whose votes are added."""

    threshold: float
    boxes: NDArray[np.intp]  # (N, 3, 4) x, y, width, height in the window; unused ones are empty
    weights: Numbers  # (N, 3)
    split: Numbers  # (N,)
    below: Numbers  # (N,) the vote of a value under `split`
    above: Numbers  # (N,)


@dataclass(frozen=True)
class Cascade:
    """Stages that a window passes one after the other."""

    width: int
    height: int
    stages: list[Stage]


class HaarFaceDetector:
    """Upright frontal faces, by one cascade; about 1 s for 640x480."""

    mirrored = False  # whether the mirrored picture is searched as well
    row = "haar_frontal"

    def __init__(self, weights: Path | None = None) -> None:
        """Read the cascade.

        Args:
            weights: an XML file of OpenCV; None takes `haarcascade_frontalface_default.xml` of the
                weight store.

        Raises:
            WeightsError: it cannot be found, fetched or read.
        """
        self._cascade = read_cascade(weights or store.path(self.row))

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first.

        A score is `n / (n + 4)` for n agreeing windows, and no probability.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._search(grey)
        if self.mirrored:
            turned = self._search(np.ascontiguousarray(grey[:, ::-1]))
            found += [replace(f, box=_mirrored(f.box, grey.shape[1])) for f in turned]
        back = [replace(f, box=((f.box + 0.5) / scale - 0.5).astype(np.float32)) for f in found]
        return merge_faces(back)

    def _search(self, grey: NDArray[np.uint8]) -> list[Face]:
        windows = find_windows(self._cascade, grey, MIN_SIDE)
        faces = []
        for (x, y, w, h), n in zip(*group_windows(windows, NEIGHBOURS, LIKE), strict=True):
            box = np.array([x, y, x + w, y + h], np.float32) - np.float32(0.5)
            faces.append(Face(box=box, score=n / (n + 4)))
        return faces


def _mirrored(box: Floats, width: int) -> Floats:
    left, top, right, bottom = box
    return np.array([width - 1 - right, top, width - 1 - left, bottom], np.float32)


class HaarProfileDetector(HaarFaceDetector):
    """Faces in profile, to either side, by one cascade for one side; about 4 s for 640x480."""

    mirrored = True
    row = "haar_profile"


def read_cascade(path: Path) -> Cascade:
    """The cascade in an XML file of OpenCV 2.4 or later, of upright Haar features and stumps.

    Raises:
        WeightsError: not such a file.
    """
    with reading(path, WeightsError, what="not a Haar cascade that can be read"):
        content = read_bytes(path, _MOST_BYTES)
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise ValueError("it declares entities")
        cascade = ET.fromstring(content).find("cascade")
        if cascade is None or cascade.findtext("featureType", "").strip() != "HAAR":
            raise ValueError("no <cascade> with the feature type HAAR (files of OpenCV 2.4 on)")
        features = [_read_feature(entry) for entry in cascade.find("features") or ()]
        size = int(_text(cascade, "width")), int(_text(cascade, "height"))
        boxes = np.array([boxes for boxes, _ in features], np.intp)
        if (boxes < 0).any() or (boxes[..., :2] + boxes[..., 2:] > size).any():
            raise ValueError(f"a feature reaches out of the window of {size[0]}x{size[1]}")
        factors = np.array([factors for _, factors in features])
        stages = [_read_stage(entry, boxes, factors) for entry in cascade.find("stages") or ()]
        if not stages:
            raise ValueError("no stages")
        return Cascade(*size, stages)


def _text(entry: ET.Element, name: str) -> str:
    text = entry.findtext(name)
    if text is None:
        raise ValueError(f"no <{name}> in <{entry.tag}>")
    return text.strip()


def _read_feature(entry: ET.Element) -> tuple[list[list[int]], list[float]]:
    if entry.findtext("tilted", "0").strip() != "0":
        raise ValueError("a tilted feature")
    boxes, factors = [], []
    for rect in entry.find("rects") or ():
        *box, factor = (rect.text or "").split()
        boxes.append([int(value) for value in box])
        factors.append(float(factor))
    empty = 3 - len(boxes)
    return boxes + [[0, 0, 0, 0]] * empty, factors + [0.0] * empty


def _read_stage(entry: ET.Element, boxes: NDArray[np.intp], factors: Numbers) -> Stage:
    used, splits, votes = [], [], []
    for weak in entry.find("weakClassifiers") or ():
        node, leaf = _text(weak, "internalNodes").split(), _text(weak, "leafValues").split()
        if len(node) != 4 or len(leaf) != 2:
            raise ValueError("a weak classifier that is a tree; only stumps are read")
        used.append(int(node[2]))
        splits.append(float(node[3]))
        votes.append([float(value) for value in leaf])
    below, above = np.array(votes).T
    threshold = float(_text(entry, "stageThreshold")) - THRESHOLD_EPS
    return Stage(threshold, boxes[used], factors[used], np.array(splits), below, above)


def find_windows(cascade: Cascade, grey: NDArray[np.uint8], min_side: int) -> NDArray[np.intp]:
    """The windows that pass all stages at any size, (N, 4) x, y, width, height in the picture."""
    height, width = grey.shape
    found = [np.empty((0, 4), np.intp)]
    factor = 1.0
    while True:
        window = round(cascade.width * factor), round(cascade.height * factor)
        if window[0] > width or window[1] > height:
            return np.concatenate(found)
        if min(window) >= min_side:
            size = (
                max(round(width / factor), cascade.width),
                max(round(height / factor), cascade.height),
            )
            level = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR_EXACT)
            corners = _passing(cascade, level, step=1 if factor > 2 else 2)
            places = np.rint(corners * factor).astype(np.intp)
            found.append(np.concatenate([places, np.tile(window, (len(places), 1))], axis=1))
        factor *= SCALE


def _passing(cascade: Cascade, level: NDArray[np.uint8], step: int) -> NDArray[np.intp]:
    """Corners (N, 2) x, y of the windows of the cascade's own size that pass, in rows."""
    sums, squares = cv2.integral2(level, sdepth=cv2.CV_32S, sqdepth=cv2.CV_64F)
    width, height = cascade.width, cascade.height
    xs = np.arange(0, level.shape[1] - width + 1, step)
    ys = np.arange(0, level.shape[0] - height + 1, step)
    if not len(xs) or not len(ys):
        return np.empty((0, 2), np.intp)
    starts = (ys[:, None] * sums.shape[1] + xs).ravel()  # of each window in the flat integral
    inner = np.array([1, 1, width - 2, height - 2])
    area = float(inner[2] * inner[3])
    spread = area * _box_sums(squares, starts, inner) - _box_sums(sums, starts, inner) ** 2
    deviation = np.sqrt(np.maximum(spread, 0))
    alive = np.flatnonzero(deviation > 10 * area)  # OpenCV skips flat windows

    seen = np.ones((len(ys), len(xs)), bool)
    for number, stage in enumerate(cascade.stages):
        votes = _votes(stage, sums, starts[alive], 1 / deviation[alive])
        passed = votes >= stage.threshold
        if number == 0:
            seen.ravel()[alive[~passed]] = False
            passed &= _visited(seen).ravel()[alive]
        alive = alive[passed]
        if not len(alive):
            break
    return np.stack([xs[alive % len(xs)], ys[alive // len(xs)]], axis=1)


def _visited(first: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which windows OpenCV looks at: after one that the first stage refuses, it skips one.

    Args:
        first: rows of windows; False where the first stage refuses.
    """
    visited = np.ones_like(first)
    for column in range(1, first.shape[1]):
        visited[:, column] = ~visited[:, column - 1] | first[:, column - 1]
    return visited


def _votes(
    stage: Stage, sums: NDArray[np.int32], starts: NDArray[np.intp], unit: Numbers
) -> Numbers:
    flat, width = sums.ravel(), sums.shape[1]
    left, top, wide, high = np.moveaxis(stage.boxes, 2, 0)
    corner = top * width + left
    places = np.stack([corner, corner + wide, corner + high * width], axis=-1)
    places = np.concatenate([places, (corner + high * width + wide)[..., None]], axis=-1)
    total = np.zeros(len(starts))
    some = max(1, _AT_ONCE // places.size)
    for at in range(0, len(starts), some):
        part = slice(at, at + some)
        found = flat[starts[part, None, None, None] + places]  # (windows, N, 3, 4)
        boxes = found[..., 0] - found[..., 1] - found[..., 2] + found[..., 3]
        value = np.einsum("wnb,nb->wn", boxes, stage.weights) * unit[part, None]
        total[part] = np.where(value < stage.split, stage.below, stage.above).sum(axis=1)
    return total


def _box_sums(
    integral: NDArray[np.generic], starts: NDArray[np.intp], box: NDArray[np.intp]
) -> Numbers:
    """The sum of the pixels of a box in each window, from an integral image."""
    flat, width = integral.ravel(), integral.shape[1]
    x, y, wide, high = (int(value) for value in box)
    corner = starts + (y * width + x)
    total = flat[corner] - flat[corner + wide]
    total -= flat[corner + high * width]
    total += flat[corner + (high * width + wide)]
    return np.asarray(total, np.float64)


def group_windows(
    windows: NDArray[np.intp], neighbours: int, like: float
) -> tuple[list[tuple[int, int, int, int]], list[int]]:
    """The mean window of each group of similar ones, and how many it has, as OpenCV groups them.

    Groups of `neighbours` windows or fewer are dropped, and small ones inside larger ones.
    """
    groups = _similar(windows.astype(float), like)
    means, counts = [], []
    for group in range(groups.max(initial=-1) + 1):
        members = windows[groups == group]
        if len(members) > neighbours:
            share = np.float32(1) / np.float32(len(members))  # as OpenCV rounds
            means.append(np.rint(members.sum(axis=0).astype(np.float32) * share).astype(int))
            counts.append(len(members))
    kept = [
        i
        for i, one in enumerate(means)
        if not any(
            _is_inside(one, other, like) and (count > max(3, counts[i]) or counts[i] < 3)
            for j, (other, count) in enumerate(zip(means, counts, strict=True))
            if j != i
        )
    ]
    boxes = [(int(x), int(y), int(w), int(h)) for x, y, w, h in (means[i] for i in kept)]
    return boxes, [counts[i] for i in kept]


def _similar(windows: Numbers, like: float) -> NDArray[np.intp]:
    """The number of each window's group: windows that are alike through others are in one."""
    groups = np.full(len(windows), -1, np.intp)
    right = windows[:, :2] + windows[:, 2:]
    count = 0
    for start in range(len(windows)):
        if groups[start] >= 0:
            continue
        groups[start] = count
        waiting = [start]
        while waiting:
            at = waiting.pop()
            reach = like * 0.5 * np.minimum(windows[at, 2:], windows[:, 2:]).sum(axis=1)
            off = np.concatenate([windows[:, :2] - windows[at, :2], right - right[at]], axis=1)
            near = (np.abs(off).max(axis=1) <= reach) & (groups < 0)
            groups[near] = count
            waiting.extend(np.flatnonzero(near).tolist())
        count += 1
    return groups


def _is_inside(one: NDArray[np.int_], other: NDArray[np.int_], like: float) -> bool:
    slack = np.rint(other[2:] * like)
    low = one[:2] >= other[:2] - slack
    high = one[:2] + one[2:] <= other[:2] + other[2:] + slack
    return bool(low.all() and high.all())
