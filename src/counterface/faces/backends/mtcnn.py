"""MTCNN: three small networks, each looking closer at what the one before it proposed.

Paper: "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks" (Zhang
et al. 2016, https://arxiv.org/abs/1604.02878). Weights: `det1.npy`, `det2.npy` and `det3.npy` of
the port in FaceNet (MIT), by the path of their folder. They hold pickled dictionaries, which are
read as data (`pickled_data`). Run by NumPy; thresholds are that port's.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.errors import WeightsError
from counterface.faces.face_detector import box_overlaps, merge_faces, require_rgb
from counterface.faces.named_model import needs_weights
from counterface.pickled_data import Made, read_pickled_data
from counterface.project_files import read_bytes, reading
from counterface.types import Face, Floats, Image

FILES = ("det1.npy", "det2.npy", "det3.npy")
THRESHOLDS = (0.6, 0.7, 0.7)
MIN_SIDE = 20  # smallest face that is looked for, pixels of the reduced picture
MAX_SIDE = 1280  # larger pictures are reduced to this longer side first
FACTOR = 0.709  # from one level of the pyramid to the next
CELL, STRIDE = 12, 2  # what the first network sees at once, and how far its windows are apart
SAME_IN_LEVEL, SAME = 0.5, 0.7  # overlaps of boxes of one face
_MOST_BYTES = 50_000_000
_MOST_BOXES = 2000  # that go to the second network; more are noise

Layers = dict[str, dict[str, Floats]]


class MTCNNFaceDetector:
    """Faces from about 20 px on with five key points each; about 0.2 s for 640x480."""

    def __init__(self, weights: Path | None = None) -> None:
        """Read the networks.

        Args:
            weights: the folder of `det1.npy`, `det2.npy` and `det3.npy`.

        Raises:
            WeightsError: no folder is named, or a file cannot be read.
        """
        if weights is None:
            raise needs_weights("mtcnn", "the folder of det1.npy, det2.npy and det3.npy")
        self._nets = [read_layers(weights / name) for name in FILES]
        patch = np.zeros((1, 48, 48, 3), np.float32)
        with reading(weights, WeightsError, what="not the networks of MTCNN"):
            for run, layers, side in zip(_RUN, self._nets, (12, 24, 48), strict=True):
                run(layers, patch[:, :side, :side])

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first, with five key points each.

        Key points: eye on the image's left, on its right, nose tip, mouth corners.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
        if scale < 1:
            size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        boxes, scores, points = self._search(image)
        boxes = (boxes / scale - 0.5).astype(np.float32)
        points = (points / scale - 0.5).astype(np.float32)
        return merge_faces(
            [
                Face(box=box, score=float(score), keypoints=at)
                for box, score, at in zip(boxes, scores, points, strict=True)
                if (box[2:] > box[:2]).all()
            ]
        )

    def _search(self, image: Image) -> tuple[Floats, Floats, Floats]:
        """Boxes (N, 4) and key points (N, 5, 2), pixels from the picture's corner, with scores."""
        found = [_propose(self._nets[0], level, s) for level, s in _pyramid(image)]
        boxes = np.concatenate([np.empty((0, 4), np.float32), *(b for b, _ in found)])
        scores = np.concatenate([np.empty(0, np.float32), *(s for _, s in found)])
        kept = suppress(boxes, scores, SAME)[:_MOST_BOXES]
        boxes = _squared(boxes[kept])

        _, boxes, _ = self._refine(1, image, boxes, 24)
        scores, boxes, points = self._refine(2, image, _squared(boxes), 48)
        return boxes, scores, points

    def _refine(
        self, index: int, image: Image, boxes: Floats, side: int
    ) -> tuple[Floats, Floats, Floats]:
        """What a later network keeps of square boxes: scores, moved boxes and key points."""
        if not len(boxes):
            return np.empty(0, np.float32), boxes, np.empty((0, 5, 2), np.float32)
        patches = np.stack([_cut(image, box, side) for box in boxes])
        score, shift, marks = _RUN[index](self._nets[index], patches.swapaxes(1, 2))
        keep = score > THRESHOLDS[index]
        boxes, score = boxes[keep], score[keep]
        sides = (boxes[:, 2:] - boxes[:, :2])[:, None]
        points = boxes[:, None, :2] + marks[keep].reshape(-1, 2, 5).swapaxes(1, 2) * sides
        boxes = boxes + shift[keep] * np.tile(sides[:, 0], 2)
        kept = suppress(boxes, score, SAME, inside=index == 2)
        return score[kept], boxes[kept], points[kept]


def read_layers(path: Path) -> Layers:
    """Each layer's float32 arrays by their names, from a pickled dictionary in a .npy file.

    Raises:
        WeightsError: not such a file.
    """
    with reading(path, WeightsError, what="not a .npy of layers that can be read as data"):
        stream = io.BytesIO(read_bytes(path, _MOST_BYTES))
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("not version 1.0 of the format")
        shape, _, kind = np.lib.format.read_array_header_1_0(stream)
        if shape != () or kind != np.dtype(object):
            raise ValueError(f"holds {kind} {shape}, not one dictionary")
        (layers,) = read_pickled_data(stream).state[4]
        return {
            name: {key: _array(made) for key, made in parts.items()}
            for name, parts in layers.items()
        }


def _array(made: Made) -> Floats:
    """The array that a pickle of NumPy describes."""
    _, shape, kind, by_columns, raw = made.state
    if kind.arguments[0] != "f4" or kind.state[1] != "<":
        raise ValueError(f"an array of {kind.arguments[0]!r}, not of float32")
    if isinstance(raw, Made):  # Python 3 writes bytes as a call that makes them of text
        raw = raw.arguments[0] if raw.maker == "_codecs encode" and raw.arguments else None
    content = raw if isinstance(raw, bytes) else raw.encode("latin-1")
    flat: Floats = np.frombuffer(content, "<f4")
    return np.ascontiguousarray(flat.reshape(shape, order="F" if by_columns else "C"))


def suppress(
    boxes: Floats, scores: Floats, limit: float, *, inside: bool = False
) -> NDArray[np.intp]:
    """Which boxes stay, best first, where those that overlap a better one are dropped.

    Args:
        boxes: (N, 4).
        scores: (N,).
        limit: overlap from which two boxes are one.
        inside: measure it over the smaller box, else over the union.
    """
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        overlap = box_overlaps(boxes[best], boxes[order])[1 if inside else 0]
        order = order[overlap <= limit]
    return np.array(kept, np.intp)


def _pyramid(image: Image) -> Iterator[tuple[Floats, float]]:
    """The picture at ever smaller scales, in about [-1, 1], and each scale."""
    scale = CELL / MIN_SIDE
    while min(image.shape[:2]) * scale >= CELL:
        height, width = (int(np.ceil(side * scale)) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        yield _normalised(small), scale
        scale *= FACTOR


def _normalised(image: Image) -> Floats:
    return np.asarray((image.astype(np.float32) - 127.5) / 128, np.float32)


def _propose(layers: Layers, level: Floats, scale: float) -> tuple[Floats, Floats]:
    """Boxes in pixels of the picture and scores, from one level of the pyramid."""
    score, shift, _ = _run_first(layers, level.swapaxes(0, 1)[None])  # trained on columns first
    score, shift = score[0].T, shift[0].swapaxes(0, 1)
    rows, columns = np.nonzero(score >= THRESHOLDS[0])
    low = np.stack([columns, rows], axis=1) * STRIDE
    boxes = np.concatenate([low, low + CELL], axis=1).astype(np.float32) / scale
    scores = score[rows, columns]
    kept = suppress(boxes, scores, SAME_IN_LEVEL)
    boxes, sides = boxes[kept], CELL / scale
    return boxes + shift[rows, columns][kept] * sides, scores[kept]


def _squared(boxes: Floats) -> Floats:
    """Squares round the middles of boxes, as long as their longer sides, on whole pixels."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    sides = np.concatenate([middle - half, middle + half], axis=1)
    return np.asarray(np.trunc(sides), np.float32)


def _cut(image: Image, box: Floats, side: int) -> Floats:
    """The pixels of a square at another size, black beyond the picture's edge."""
    x, y, right, bottom = (int(value) for value in box)
    patch = np.zeros((max(1, bottom - y), max(1, right - x), 3), np.uint8)
    seen = image[max(y, 0) : max(bottom, 0), max(x, 0) : max(right, 0)][
        : patch.shape[0], : patch.shape[1]
    ]
    at = max(-y, 0), max(-x, 0)
    patch[at[0] : at[0] + seen.shape[0], at[1] : at[1] + seen.shape[1]] = seen
    return _normalised(cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA))


def _convolve(x: Floats, layer: dict[str, Floats]) -> Floats:
    """A convolution without padding: x (N, H, W, C), kernel (h, w, C, O)."""
    kernel = layer["weights"]
    height, width = x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1
    total = sum(
        x[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )
    return np.asarray(total + layer["biases"], np.float32)


def _prelu(x: Floats, layer: dict[str, Floats]) -> Floats:
    return np.maximum(x, 0) + layer["alpha"] * np.minimum(x, 0)


def _pool(x: Floats, side: int, *, padded: bool) -> Floats:
    """The largest of each window of a side, two apart; padded as TensorFlow's "same"."""
    if padded:
        missing = [max((-(-n // 2) - 1) * 2 + side - n, 0) for n in x.shape[1:3]]
        before = [m // 2 for m in missing]
        widths = [(b, m - b) for b, m in zip(before, missing, strict=True)]
        x = np.pad(x, [(0, 0), *widths, (0, 0)], constant_values=-np.inf)
    height, width = ((n - side) // 2 + 1 for n in x.shape[1:3])
    views = [
        x[:, i : i + 2 * height : 2, j : j + 2 * width : 2]
        for i in range(side)
        for j in range(side)
    ]
    return np.asarray(np.max(views, axis=0), np.float32)


def _dense(x: Floats, layer: dict[str, Floats]) -> Floats:
    return np.asarray(x.reshape(len(x), -1) @ layer["weights"] + layer["biases"], np.float32)


def _chance(logits: Floats) -> Floats:
    """The second of two classes, from logits (..., 2)."""
    return np.asarray(1 / (1 + np.exp(np.clip(logits[..., 0] - logits[..., 1], -80, 80))))


def _run_first(net: Layers, x: Floats) -> tuple[Floats, Floats, Floats]:
    """Scores (N, H, W), shifts of box corners (N, H, W, 4) over its side, no key points."""
    x = _pool(_prelu(_convolve(x, net["conv1"]), net["PReLU1"]), 2, padded=True)
    x = _prelu(_convolve(x, net["conv2"]), net["PReLU2"])
    x = _prelu(_convolve(x, net["conv3"]), net["PReLU3"])
    shift = _convolve(x, net["conv4-2"])
    return _chance(_convolve(x, net["conv4-1"])), shift, shift[..., :0]


def _run_second(net: Layers, x: Floats) -> tuple[Floats, Floats, Floats]:
    """Scores (N,), shifts (N, 4), and zeros for key points (N, 10)."""
    x = _pool(_prelu(_convolve(x, net["conv1"]), net["prelu1"]), 3, padded=True)
    x = _pool(_prelu(_convolve(x, net["conv2"]), net["prelu2"]), 3, padded=False)
    x = _prelu(_convolve(x, net["conv3"]), net["prelu3"])
    x = _prelu(_dense(x, net["conv4"]), net["prelu4"])
    nothing = np.zeros((len(x), 10), np.float32)
    return _chance(_dense(x, net["conv5-1"])), _dense(x, net["conv5-2"]), nothing


def _run_third(net: Layers, x: Floats) -> tuple[Floats, Floats, Floats]:
    """Scores (N,), shifts (N, 4), key points (N, 10): five x, then five y, over the box's side."""
    x = _pool(_prelu(_convolve(x, net["conv1"]), net["prelu1"]), 3, padded=True)
    x = _pool(_prelu(_convolve(x, net["conv2"]), net["prelu2"]), 3, padded=False)
    x = _pool(_prelu(_convolve(x, net["conv3"]), net["prelu3"]), 2, padded=True)
    x = _prelu(_convolve(x, net["conv4"]), net["prelu4"])
    x = _prelu(_dense(x, net["conv5"]), net["prelu5"])
    points = _dense(x, net["conv6-3"])
    return _chance(_dense(x, net["conv6-1"])), _dense(x, net["conv6-2"]), points


_RUN: tuple[Any, ...] = (_run_first, _run_second, _run_third)
