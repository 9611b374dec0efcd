"""Small weights files that tests make: a Haar cascade, a Caffe file, pickled layers, ONNX."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_cascade(path: Path, stages: list[list[tuple]], features: list[list[tuple]]) -> Path:
    """A cascade of 20x20: weak classifiers (feature, split, below, above) by stage, threshold 0.5.

    Args:
        path: where to.
        stages: of each stage its weak classifiers.
        features: of each feature its rectangles (x, y, width, height, weight).
    """
    weak = "".join(
        "<_><maxWeakCount>{}</maxWeakCount><stageThreshold>0.5</stageThreshold>"
        "<weakClassifiers>{}</weakClassifiers></_>".format(
            len(stage),
            "".join(
                f"<_><internalNodes>0 -1 {feature} {split}</internalNodes>"
                f"<leafValues>{below} {above}</leafValues></_>"
                for feature, split, below, above in stage
            ),
        )
        for stage in stages
    )
    rects = "".join(
        "<_><rects>{}</rects></_>".format(
            "".join(f"<_>{x} {y} {w} {h} {factor}.</_>" for x, y, w, h, factor in feature)
        )
        for feature in features
    )
    path.write_text(
        '<?xml version="1.0"?><opencv_storage><cascade type_id="opencv-cascade-classifier">'
        "<stageType>BOOST</stageType><featureType>HAAR</featureType>"
        f"<height>20</height><width>20</width><stages>{weak}</stages>"
        f"<features>{rects}</features></cascade></opencv_storage>"
    )
    return path


def _field(number: int, content: bytes) -> bytes:
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(len(content))) + content


def _varint(value: int) -> list[int]:
    low, rest = value & 127, value >> 7
    return [low | 128, *_varint(rest)] if rest else [low]


def write_caffe(path: Path, layers: Mapping[str, list[np.ndarray]]) -> Path:
    """A `.caffemodel` of these layers' arrays."""
    content = b""
    for name, arrays in layers.items():
        layer = _field(1, name.encode())
        for array in arrays:
            shape = _field(1, bytes(b for side in array.shape for b in _varint(side)))
            data = struct.pack(f"<{array.size}f", *array.ravel())
            layer += _field(7, _field(7, shape) + _field(5, data))
        content += _field(100, layer)
    path.write_bytes(content)
    return path


def write_layers(path: Path, layers: Mapping[str, Mapping[str, np.ndarray]]) -> Path:
    """A `.npy` that holds a pickled dictionary of dictionaries of arrays, as FaceNet's port has."""
    array = np.array(dict(layers), dtype=object)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        pickle.dump(array, file, protocol=2)
    return path
