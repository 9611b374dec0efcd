"""2DFAN: 68 points from heat maps of stacked hourglasses, the landmarker of face-alignment.

Paper: "How far are we from solving the 2D & 3D Face Alignment problem?" (Bulat and Tzimiropoulos
2017, https://arxiv.org/abs/1703.07332). No registry of packages has weights; those that
face-alignment fetches (`2DFAN4-11f355bf06.pth.tar`, BSD-3-Clause) are taken by path, and are read
as data. Ours turns the face upright first and needs PyTorch, imported when the model is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from counterface.errors import WeightsError
from counterface.faces.align import invert, warp_points
from counterface.faces.named_model import needs_weights
from counterface.faces.pose import rigid_pose
from counterface.faces.region import eye_angle, frame_to_square
from counterface.torch_file import read_tensors, take_tensors
from counterface.types import Face, Floats, Image

SIDE = 256  # of the input; heat maps have a quarter of it
DEPTH, WIDTH = 4, 256  # of an hourglass
MOST_STACKED = 4  # hourglasses of the published networks
MARGIN, HIGHER = 200 / 195, 0.12  # as face-alignment cuts the boxes of its detector


def tensor_shapes(stacked: int) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a network of so many hourglasses, by its name in the file."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, inner: int, outer: int, kernel: int, *, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (outer, inner, kernel, kernel)
        if bias:
            shapes[f"{name}.bias"] = (outer,)

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (width,)

    def block(name: str, inner: int, outer: int) -> None:
        widths = (inner, outer // 2, outer // 4, outer // 4)
        for index in (1, 2, 3):
            norm(f"{name}.bn{index}", widths[index - 1])
            convolution(f"{name}.conv{index}", widths[index - 1], widths[index], 3, bias=False)
        if inner != outer:
            norm(f"{name}.downsample.0", inner)
            convolution(f"{name}.downsample.2", inner, outer, 1, bias=False)

    convolution("conv1", 3, 64, 7)
    norm("bn1", 64)
    for name, inner, outer in (("conv2", 64, 128), ("conv3", 128, 128), ("conv4", 128, WIDTH)):
        block(name, inner, outer)
    for number in range(stacked):
        for level in range(1, DEPTH + 1):
            for part in ("b1", "b2", "b3", *(("b2_plus",) if level == 1 else ())):
                block(f"m{number}.{part}_{level}", WIDTH, WIDTH)
        block(f"top_m_{number}", WIDTH, WIDTH)
        convolution(f"conv_last{number}", WIDTH, WIDTH, 1)
        norm(f"bn_end{number}", WIDTH)
        convolution(f"l{number}", WIDTH, 68, 1)
        if number < stacked - 1:
            convolution(f"bl{number}", WIDTH, WIDTH, 1)
            convolution(f"al{number}", 68, WIDTH, 1)
    return shapes


class FAN2D:
    """The 68 points of each face; about 0.5 s a face on one core with four hourglasses.

    It places them on anything: it cannot tell that a box holds no face.
    """

    def __init__(self, weights: Path | None = None) -> None:
        """Read the weights.

        Args:
            weights: a file of torch or safetensors with face-alignment's names, of one to four
                hourglasses.

        Raises:
            WeightsError: no file is named, PyTorch is absent, or the file is not of this network.
        """
        if weights is None:
            raise needs_weights("fan2d", "2DFAN4-11f355bf06.pth.tar, which face-alignment fetches")
        try:
            import torch
        except ImportError as error:
            raise WeightsError(
                "fan2d needs PyTorch; install counterface[train] (in a clone: make full)"
            ) from error
        arrays = read_network(weights)
        self._tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def locate(self, image: Image, faces: list[Face]) -> list[Face]:
        """The same faces, each with `landmarks` and `pose`.

        Args:
            image: RGB uint8 (H, W, 3).
            faces: from any detector; key points, where present, turn the face upright.
        """
        return [self._locate_one(image, face) for face in faces]

    def _locate_one(self, image: Image, face: Face) -> Face:
        import torch

        to_roi = _frame_to_roi(face)
        patch = cv2.warpAffine(image, to_roi, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        with torch.inference_mode():
            batch = torch.from_numpy(patch.transpose(2, 0, 1).astype(np.float32) / 255)[None]
            heat = run_network(self._tensors, batch)[0].numpy()
        landmarks = warp_points(peaks(heat) * (SIDE / heat.shape[-1]) - 0.5, invert(to_roi))
        pose = rigid_pose(landmarks)
        return replace(face, landmarks=landmarks, pose=pose)


def read_network(path: Path) -> dict[str, Floats]:
    """The tensors of a file, of as many hourglasses as it has.

    Raises:
        WeightsError: not such a file, or not of this network.
    """
    found = read_tensors(path, WeightsError)
    stacked = sum(f"l{number}.weight" in found for number in range(MOST_STACKED))
    return take_tensors(found, tensor_shapes(max(stacked, 1)), path, WeightsError)


def _frame_to_roi(face: Face) -> Floats:
    angle = eye_angle(face)
    width, height = face.box[2:] - face.box[:2]
    up = np.array([np.sin(angle), -np.cos(angle)], np.float32) * HIGHER * height
    moved = replace(face, box=face.box + np.tile(up, 2))
    return frame_to_square(moved, angle, SIDE, MARGIN * float(width + height) / max(width, height))


def peaks(heat: Floats) -> Floats:
    """The highest place of each map (N, S, S), (N, 2) xy from the map's corner.

    A quarter of a cell towards the higher neighbour, as stacked hourglasses (Newell et al. 2016).
    """
    side = heat.shape[-1]
    at = heat.reshape(len(heat), -1).argmax(axis=1)
    cells = np.stack([at % side, at // side], axis=1)
    moved = cells + 0.5
    for index, (x, y) in enumerate(cells):
        if 0 < x < side - 1 and 0 < y < side - 1:
            near = heat[index]
            slope = near[y, x + 1] - near[y, x - 1], near[y + 1, x] - near[y - 1, x]
            moved[index] += 0.25 * np.sign(slope)
    return np.asarray(moved, np.float32)


def run_network(tensors: Mapping[str, Any], x: Any) -> Any:
    """The last hourglass's heat maps (B, 68, 64, 64).

    Args:
        tensors: of `tensor_shapes`.
        x: RGB in [0, 1], (B, 3, 256, 256).
    """
    from torch import cat
    from torch.nn import functional

    def convolve(x: Any, name: str, stride: int = 1, padding: int = 0) -> Any:
        bias = tensors.get(f"{name}.bias")
        return functional.conv2d(x, tensors[f"{name}.weight"], bias, stride, padding)

    def norm(x: Any, name: str) -> Any:
        mean, variance, weight, bias = (
            tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.relu(functional.batch_norm(x, mean, variance, weight, bias))

    def block(x: Any, name: str) -> Any:
        parts, inner = [], x
        for index in (1, 2, 3):
            inner = convolve(norm(inner, f"{name}.bn{index}"), f"{name}.conv{index}", padding=1)
            parts.append(inner)
        if f"{name}.downsample.2.weight" in tensors:
            x = convolve(norm(x, f"{name}.downsample.0"), f"{name}.downsample.2")
        return cat(parts, dim=1) + x

    def hourglass(x: Any, name: str, level: int) -> Any:
        low = block(functional.avg_pool2d(x, 2, 2), f"{name}.b2_{level}")
        if level > 1:
            low = hourglass(low, name, level - 1)
        else:
            low = block(low, f"{name}.b2_plus_{level}")
        low = functional.interpolate(block(low, f"{name}.b3_{level}"), scale_factor=2)
        return block(x, f"{name}.b1_{level}") + low

    x = norm(convolve(x, "conv1", 2, 3), "bn1")
    x = functional.avg_pool2d(block(x, "conv2"), 2, 2)
    x = block(block(x, "conv3"), "conv4")
    number = 0
    while True:
        inner = block(hourglass(x, f"m{number}", DEPTH), f"top_m_{number}")
        inner = norm(convolve(inner, f"conv_last{number}"), f"bn_end{number}")
        heat = convolve(inner, f"l{number}")
        if f"bl{number}.weight" not in tensors:
            return heat
        x = x + convolve(inner, f"bl{number}") + convolve(heat, f"al{number}")
        number += 1
