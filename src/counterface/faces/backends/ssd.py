"""OpenCV's SSD on a 10-layer ResNet, which looks at 300x300 pixels ("ssd" in DeepFace).

Paper: "SSD: Single Shot MultiBox Detector" (Liu et al. 2016, https://arxiv.org/abs/1512.02325); the
network is OpenCV's own (Apache-2.0). OpenCV 5 reads no Caffe files. Ours reads the numbers of the
`.caffemodel` off its protocol buffer and runs the layers by NumPy; as Caffe's, to 1e-4.
"""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface import weights as store
from counterface.errors import WeightsError
from counterface.faces.face_detector import merge_faces, require_rgb
from counterface.project_files import read_bytes, reading
from counterface.types import Face, Floats, Image
from counterface.wire_format import read_fields, read_varint

SIDE = 300  # of the input, pixels; the picture is squeezed into it
MEAN_BGR = (104.0, 117.0, 123.0)  # what the file's own training took off
MIN_SCORE = 0.5
VARIANCES = (0.1, 0.2)  # of an anchor's shift and size
EPS = 1e-5  # Caffe's, of a batch norm
# Where boxes come from: name, step in pixels, least and largest anchor, aspect ratios
_SCALES = (
    ("conv4_3_norm", 8, 30, 60, (2,)),
    ("fc7", 16, 60, 111, (2, 3)),
    ("conv6_2", 32, 111, 162, (2, 3)),
    ("conv7_2", 64, 162, 213, (2, 3)),
    ("conv8_2", 100, 213, 264, (2,)),
    ("conv9_2", 300, 264, 315, (2,)),
)
_TOP = (("conv6", 2, 1), ("conv7", 2, 1), ("conv8", 1, 0), ("conv9", 1, 0))  # stride, padding
_LAYER, _NAME, _BLOBS = 100, 1, 7  # numbers of Caffe's fields: in a net, and in a layer
_DATA, _SHAPE = 5, 7  # and in a blob
_MOST_BYTES = 200_000_000

Layers = dict[str, list[Floats]]


class SSDFaceDetector:
    """Upright faces from about 1/10 of the picture's height on; about 0.2 s for any picture."""

    def __init__(self, weights: Path | None = None) -> None:
        """Read the network.

        Args:
            weights: `res10_300x300_ssd_iter_140000.caffemodel`; None takes the weight store's.

        Raises:
            WeightsError: it cannot be found, fetched or read.
        """
        path = weights or store.path("ssd_res10")
        self._layers = read_caffe_layers(path)
        with reading(path, WeightsError, what="not OpenCV's SSD of 300x300 pixels"):
            self.detect(np.zeros((SIDE, SIDE, 3), np.uint8))

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        require_rgb(image)
        height, width = image.shape[:2]
        small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        boxes, scores = run_network(self._layers, small[..., ::-1] - np.array(MEAN_BGR, np.float32))
        stretch = np.array([width, height, width, height], np.float32)
        return merge_faces(
            [
                Face(box=(box * stretch - 0.5).astype(np.float32), score=float(score))
                for box, score in zip(boxes, scores, strict=True)
            ]
        )


def read_caffe_layers(path: Path) -> Layers:
    """The arrays of each layer of a `.caffemodel`, by its name.

    Raises:
        WeightsError: not such a file.
    """
    with reading(path, WeightsError, what="not a .caffemodel"):
        layers = {}
        for field, content in read_fields(read_bytes(path, _MOST_BYTES)):
            if field == _LAYER:
                parts = list(read_fields(content))
                (name,) = (value for number, value in parts if number == _NAME)
                blobs = [_blob(value) for number, value in parts if number == _BLOBS]
                layers[name.decode()] = blobs
        if not any(layers.values()):
            raise ValueError("it has no layers with numbers")
        return layers


def _blob(message: bytes) -> Floats:
    data, shape = b"", []
    for field, content in read_fields(message):
        if field == _DATA:
            data += content
        elif field == _SHAPE:
            for _, sides in read_fields(content):
                at = 0
                while at < len(sides):
                    side, at = read_varint(sides, at)
                    shape.append(side)
    if len(data) % struct.calcsize("<f"):
        raise ValueError("numbers that are no float32")
    array: Floats = np.frombuffer(data, "<f4").reshape(shape)
    return array


def run_network(layers: Layers, x: Floats) -> tuple[Floats, Floats]:
    """Boxes (N, 4) in shares of the picture, and scores (N,), before suppression.

    Args:
        layers: of `read_caffe_layers`.
        x: BGR less `MEAN_BGR`, (300, 300, 3).
    """
    features = _features(layers, x)
    boxes, scores = [], []
    for name, step, least, largest, ratios in _SCALES:
        logits = _convolve(layers, f"{name}_mbox_conf", features[name], padding=1).reshape(-1, 2)
        shift = _convolve(layers, f"{name}_mbox_loc", features[name], padding=1).reshape(-1, 4)
        score = 1 / (1 + np.exp(np.clip(logits[:, 0] - logits[:, 1], -80, 80)))
        keep = score >= MIN_SCORE
        anchors = _anchors(features[name].shape[0], step, least, largest, ratios)[keep]
        centre = anchors[:, :2] + shift[keep, :2] * VARIANCES[0] * anchors[:, 2:]
        half = anchors[:, 2:] * np.exp(np.clip(shift[keep, 2:] * VARIANCES[1], -8, 8)) / 2
        boxes.append(np.concatenate([centre - half, centre + half], axis=1) / SIDE)
        scores.append(score[keep])
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores).astype(np.float32)


def _features(layers: Layers, x: Floats) -> dict[str, Floats]:
    """What the boxes of each scale are read off, (h, w, C)."""

    def normed(x: Floats, norm: str, scale: str) -> Floats:
        return np.maximum(_normalise(layers, x, norm, scale), 0)

    x = _normalise(layers, x, "data_bn", "data_scale")
    x = normed(_convolve(layers, "conv1_h", x, 2, 3), "conv1_bn_h", "conv1_scale_h")
    x = _pool(x)
    inner = _convolve(layers, "layer_64_1_conv1_h", x, padding=1)
    inner = normed(inner, "layer_64_1_bn2_h", "layer_64_1_scale2_h")
    x = x + _convolve(layers, "layer_64_1_conv2_h", inner, padding=1)
    found = {}
    for block, ends, stride, dilation in (
        ("layer_128_1", ("_h", "", "", "_h"), 2, 1),
        ("layer_256_1", ("", "", "", ""), 2, 1),
        ("layer_512_1", ("_h", "_h", "_h", "_h"), 1, 2),
    ):
        first = "_h" if block == "layer_128_1" else ""
        x = normed(x, f"{block}_bn1{first}", f"{block}_scale1{first}")
        if block == "layer_256_1":
            length = np.sqrt((x**2).sum(axis=2, keepdims=True) + 1e-10)
            found["conv4_3_norm"] = x / length * layers["conv4_3_norm"][0]
        inner = _convolve(layers, f"{block}_conv1{ends[0]}", x, stride, 1)
        inner = normed(inner, f"{block}_bn2{ends[1]}", f"{block}_scale2{ends[1]}")
        inner = _convolve(layers, f"{block}_conv2{ends[2]}", inner, 1, dilation, dilation)
        x = inner + _convolve(layers, f"{block}_conv_expand{ends[3]}", x, stride)
    x = found["fc7"] = normed(x, "last_bn_h", "last_scale_h")
    for name, stride, padding in _TOP:
        x = np.maximum(_convolve(layers, f"{name}_1_h", x), 0)
        x = np.maximum(_convolve(layers, f"{name}_2_h", x, stride, padding), 0)
        found[f"{name}_2"] = x
    return found


def _normalise(layers: Layers, x: Floats, norm: str, scale: str) -> Floats:
    """Caffe's batch norm, whose statistics are stored times a count, and the scale after it."""
    mean, variance, count = layers[norm]
    share = 1 / count[0] if count[0] else 0.0
    factor, shift = layers[scale]
    return np.asarray((x - mean * share) / np.sqrt(variance * share + EPS) * factor + shift)


def _convolve(
    layers: Layers, name: str, x: Floats, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Floats:
    """A convolution of x (H, W, C) by Caffe's kernel (O, C, k, k), with its bias if it has one."""
    kernel, *bias = layers[name]
    if padding:
        x = np.pad(x, [(padding, padding), (padding, padding), (0, 0)])
    reach = dilation * (kernel.shape[2] - 1)
    height, width = ((side - reach - 1) // stride + 1 for side in x.shape[:2])
    total = np.zeros((height, width, len(kernel)), np.float32)
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            top, left = i * dilation, j * dilation
            rows = slice(top, top + stride * (height - 1) + 1, stride)
            columns = slice(left, left + stride * (width - 1) + 1, stride)
            total += x[rows, columns] @ kernel[:, :, i, j].T
    return total + bias[0] if bias else total


def _pool(x: Floats) -> Floats:
    """The largest of windows of 3x3, two apart, the last ones cut off by the edge, as Caffe's."""
    height, width = (-(-(side - 3) // 2) + 1 for side in x.shape[:2])
    x = np.pad(x, [(0, 2), (0, 2), (0, 0)], constant_values=-np.inf)
    views = [
        x[i : i + 2 * height : 2, j : j + 2 * width : 2][:height, :width]
        for i in range(3)
        for j in range(3)
    ]
    return np.asarray(np.max(views, axis=0), np.float32)


def _anchors(
    cells: int, step: int, least: int, largest: int, ratios: tuple[int, ...]
) -> NDArray[np.float64]:
    """Centre, width and height of the anchors of a scale, pixels of the input, cell by cell."""
    sides = [(least, least), (np.sqrt(least * largest),) * 2]
    for ratio in ratios:
        long, short = least * np.sqrt(ratio), least / np.sqrt(ratio)
        sides += [(long, short), (short, long)]
    ticks = (np.arange(cells) + 0.5) * step
    centres = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 1, 2)
    centres = np.broadcast_to(centres, (len(centres), len(sides), 2))
    shapes = np.broadcast_to(np.array(sides), centres.shape)
    return np.concatenate([centres, shapes], axis=2).reshape(-1, 4)
