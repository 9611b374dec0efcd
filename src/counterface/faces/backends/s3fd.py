"""S3FD: faces at six scales, the detector of the package face-alignment ("sfd").

Paper: "S3FD: Single Shot Scale-invariant Face Detector" (Zhang et al. 2017,
https://arxiv.org/abs/1708.05237). No registry of packages has weights; those that face-alignment
fetches (`s3fd-619a316812.pth`, BSD-3-Clause) are taken by path, and are read as data. Ours decodes
all candidates at once and needs PyTorch, which is imported when the model is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from counterface.errors import WeightsError
from counterface.faces.face_detector import merge_faces, require_rgb
from counterface.faces.named_model import needs_weights
from counterface.torch_file import read_tensors, take_tensors
from counterface.types import Face, Floats, Image

MIN_SCORE = 0.5  # as face-alignment
MAX_SIDE = 1280  # larger pictures are reduced to this longer side first
MIN_SIDE = 64  # smaller ones are laid on black: the network halves its input seven times
MEAN_BGR = (104.0, 117.0, 123.0)  # what its backbone's authors take off
VARIANCES = (0.1, 0.2)  # of an anchor's shift and size
_TRUNK = (  # convolutions of 3x3 by the blocks between poolings: name, in, out
    (("conv1_1", 3, 64), ("conv1_2", 64, 64)),
    (("conv2_1", 64, 128), ("conv2_2", 128, 128)),
    (("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv3_3", 256, 256)),
    (("conv4_1", 256, 512), ("conv4_2", 512, 512), ("conv4_3", 512, 512)),
    (("conv5_1", 512, 512), ("conv5_2", 512, 512), ("conv5_3", 512, 512)),
)
_TOP = (  # name, in, out, kernel, stride, padding
    ("fc6", 512, 1024, 3, 1, 3),
    ("fc7", 1024, 1024, 1, 1, 0),
    ("conv6_1", 1024, 256, 1, 1, 0),
    ("conv6_2", 256, 512, 3, 2, 1),
    ("conv7_1", 512, 128, 1, 1, 0),
    ("conv7_2", 128, 256, 3, 2, 1),
)
_HEADS = (("conv3_3_norm", 256), ("conv4_3_norm", 512), ("conv5_3_norm", 512))
_TOP_HEADS = (("fc7", 1024), ("conv6_2", 512), ("conv7_2", 256))
_BACKGROUNDS = 3  # of the finest scale, of which the largest counts: fewer false alarms


def tensor_shapes() -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of the network, by its name in the file."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, inner: int, outer: int, kernel: int) -> None:
        shapes[f"{name}.weight"] = (outer, inner, kernel, kernel)
        shapes[f"{name}.bias"] = (outer,)

    for block in _TRUNK:
        for name, inner, outer in block:
            add(name, inner, outer, 3)
    for name, inner, outer, kernel, _, _ in _TOP:
        add(name, inner, outer, kernel)
    for name, inner in _HEADS:
        shapes[f"{name}.weight"] = (inner,)
    for index, (name, inner) in enumerate((*_HEADS, *_TOP_HEADS)):
        add(f"{name}_mbox_conf", inner, 2 if index else _BACKGROUNDS + 1, 3)
        add(f"{name}_mbox_loc", inner, 4, 3)
    return shapes


class S3FDFaceDetector:
    """Faces of many sizes and directions; about 2 s for 640x480 on one core."""

    def __init__(self, weights: Path | None = None) -> None:
        """Read the weights.

        Args:
            weights: a file of torch or safetensors with face-alignment's names.

        Raises:
            WeightsError: no file is named, PyTorch is absent, or the file is not of this network.
        """
        if weights is None:
            raise needs_weights("s3fd", "s3fd-619a316812.pth, which face-alignment fetches")
        try:
            import torch
        except ImportError as error:
            raise WeightsError(
                "s3fd needs PyTorch; install counterface[train] (in a clone: make full)"
            ) from error
        found = read_tensors(weights, WeightsError)
        arrays = take_tensors(found, tensor_shapes(), weights, WeightsError)
        self._tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) image, best score first.

        Raises:
            ShapeError: not an RGB uint8 image.
        """
        import torch

        require_rgb(image)
        height, width = image.shape[:2]
        scale = min(1.0, MAX_SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        missing = [max(0, MIN_SIDE - side) for side in small.shape[:2]]
        small = cv2.copyMakeBorder(small, 0, missing[0], 0, missing[1], cv2.BORDER_CONSTANT)
        bgr = small[..., ::-1].astype(np.float32) - np.array(MEAN_BGR, np.float32)
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1)))[None]
            outputs = run_network(self._tensors, batch)
        found = [
            _decode(scores[0].numpy(), shifts[0].numpy(), 4 * 2**level)
            for level, (scores, shifts) in enumerate(outputs)
        ]
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        stretch = np.array([width / size[0], height / size[1]] * 2, np.float32)
        return merge_faces(
            [
                Face(box=(box * stretch - 0.5).astype(np.float32), score=float(score))
                for box, score in zip(boxes, scores, strict=True)
            ]
        )


def run_network(tensors: dict[str, Any], x: Any) -> list[tuple[Any, Any]]:
    """Scores (B, h, w) and shifts (B, 4, h, w) of each scale, strides 4 to 128.

    Args:
        tensors: of `tensor_shapes`.
        x: BGR less `MEAN_BGR`, (B, 3, H, W).
    """
    from torch.nn import functional

    def convolve(x: Any, name: str, stride: int = 1, padding: int = 1) -> Any:
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        return functional.conv2d(x, weight, bias, stride, padding)

    scales = []
    for block in _TRUNK:
        for name, _, _ in block:
            x = functional.relu(convolve(x, name))
        if f"{name}_norm.weight" in tensors:
            length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10
            factor = tensors[f"{name}_norm.weight"][:, None, None]
            scales.append((f"{name}_norm", x / length * factor))
        x = functional.max_pool2d(x, 2, 2)
    for name, _, _, _, stride, padding in _TOP:
        x = functional.relu(convolve(x, name, stride, padding))
        if f"{name}_mbox_loc.weight" in tensors:
            scales.append((name, x))
    outputs = []
    for name, features in scales:
        logits = convolve(features, f"{name}_mbox_conf")
        backgrounds = logits[:, :-1].amax(dim=1)
        scores = (logits[:, -1] - backgrounds).sigmoid()
        outputs.append((scores, convolve(features, f"{name}_mbox_loc")))
    return outputs


def _decode(scores: Floats, shifts: Floats, stride: int) -> tuple[Floats, Floats]:
    """Boxes (N, 4) in pixels of the input, and scores (N,), of one scale."""
    rows, columns = np.nonzero(scores > MIN_SCORE)
    anchor = 4.0 * stride
    shift = shifts[:, rows, columns].T
    centre = (np.stack([columns, rows], axis=1) + 0.5) * stride
    centre = centre + shift[:, :2] * (VARIANCES[0] * anchor)
    half = anchor * np.exp(np.clip(shift[:, 2:] * VARIANCES[1], -8, 8)) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return boxes, scores[rows, columns]
