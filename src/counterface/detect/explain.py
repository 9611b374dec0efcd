"""Which part of a face the score came from: the detector's own evidence map, drawn over the crop.

The map is the network's class activation (Zhou et al. 2016, https://arxiv.org/abs/1512.04150). Only
evidence for manipulation is drawn, on one scale for all faces of a file, so that a pale map means
weak evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from counterface.errors import ShapeError
from counterface.faces.align import TEMPLATES
from counterface.types import Floats, Image, Mask

# Colours from weak to strong evidence, RGB; lightness falls steadily, so it also reads in grey.
_RAMP = np.array([[255, 226, 120], [250, 150, 50], [214, 40, 57], [110, 10, 90]], np.float32)
_STRONGEST = 0.78  # opacity where the evidence is strongest: features stay visible below

# Centres of face parts from the middle of the eyes, in eye distances (x right, y down).
_PARTS: dict[str, tuple[tuple[float, float], ...]] = {
    "eyes": ((-0.5, 0.0), (0.5, 0.0)),
    "brows and forehead": ((-0.5, -0.6), (0.0, -0.65), (0.5, -0.6)),
    "nose": ((0.0, 0.35), (0.0, 0.65)),
    "mouth": ((-0.3, 1.1), (0.0, 1.1), (0.3, 1.1)),
    "cheeks": ((-0.75, 0.65), (0.75, 0.65)),
    "jaw and chin": ((-0.7, 1.35), (0.0, 1.65), (0.7, 1.35)),
    "outline and background": (
        *((-1.3, -0.9), (1.3, -0.9), (-1.35, 0.4), (1.35, 0.4)),
        *((-1.3, 1.6), (1.3, 1.6), (0.0, -1.25)),
    ),
}


def evidence_scale(activations: Sequence[Floats]) -> float:
    """The evidence that is drawn as strongest: the 99th percentile of the positive cells, > 0."""
    positive = [a[a > 0].ravel() for a in activations]
    cells = np.concatenate(positive) if positive else np.zeros(0, np.float32)
    return max(float(np.percentile(cells, 99)), 1e-6) if len(cells) else 1.0


def heat_map(activation: Floats, size: int, scale: float) -> Mask:
    """Evidence for manipulation, float32 (size, size) in [0, 1].

    Args:
        activation: (h, w), signed; only what is above 0 shows.
        size: side of the crop, pixels.
        scale: the evidence that becomes 1, > 0.

    Raises:
        ShapeError: activation is not (h, w), or the scale is not positive.
    """
    if activation.ndim != 2 or scale <= 0:
        raise ShapeError(f"expected (h, w) and a scale > 0, got {activation.shape} and {scale}")
    raised = np.clip(activation / scale, 0, 1).astype(np.float32)
    smooth = cv2.resize(raised, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(smooth, 0, 1), dtype=np.float32)


def paint_heat(crop: Image, heat: Mask) -> Image:
    """The crop in grey with the evidence over it, RGB uint8 (S, S, 3).

    Args:
        crop: RGB uint8 (S, S, 3).
        heat: float32 (S, S) in [0, 1].

    Raises:
        ShapeError: the sizes differ.
    """
    if crop.shape[:2] != heat.shape:
        raise ShapeError(f"crop {crop.shape} and heat {heat.shape} differ in size")
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    stops = np.linspace(0, 1, len(_RAMP))
    colour = np.stack([np.interp(heat, stops, _RAMP[:, c]) for c in range(3)], axis=-1)
    opacity = _STRONGEST * np.clip(heat * 1.6, 0, 1)[..., None]
    return np.asarray(np.clip(grey * (1 - opacity) + colour * opacity, 0, 255), dtype=np.uint8)


def part_of_cells(shape: tuple[int, int], template: str) -> list[list[str]]:
    """The face part that each cell of an evidence map looks at, (h, w) names."""
    side, eye_line = TEMPLATES[template]
    names = [name for name, points in _PARTS.items() for _ in points]
    centres = np.array([p for points in _PARTS.values() for p in points], np.float32)
    y, x = np.indices(shape) + 0.5
    cells = np.stack([x / shape[1] - 0.5, y / shape[0] - eye_line], axis=2) * side
    nearest = ((centres - cells[:, :, None]) ** 2).sum(axis=3).argmin(axis=2)
    return [[names[part] for part in row] for row in nearest]


def strongest_part(activations: Sequence[Floats], template: str) -> str | None:
    """The face part with the most evidence for manipulation a cell; None where there is none."""
    if not activations:
        return None
    mean = np.mean(np.stack(activations), axis=0)
    if mean.max() <= 0:
        return None
    totals: dict[str, list[float]] = {}
    for y, row in enumerate(part_of_cells(mean.shape, template)):
        for x, name in enumerate(row):
            totals.setdefault(name, []).append(max(float(mean[y, x]), 0.0))
    return max(totals, key=lambda name: float(np.mean(totals[name])))
