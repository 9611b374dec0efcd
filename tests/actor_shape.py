"""The geometry of drawn actors: flat landmarks, the height of the face over them, and turning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterface.faces.align import MEAN_SHAPE
from counterface.types import Pose

# iBUG points 0..16 of the mean frontal face, one side; the other is its mirror image.
_JAW = (
    *((-1.08, -0.13), (-1.09, 0.33), (-1.08, 0.56), (-0.98, 1.05), (-0.88, 1.24)),
    *((-0.77, 1.38), (-0.49, 1.57), (-0.20, 1.69)),
)


@dataclass(frozen=True, eq=False)
class FaceShape:
    """One identity with one expression, in eye distances."""

    points: NDArray[np.float64]  # (68, 2) flat landmarks
    solid: NDArray[np.float64]  # (68, 3) the same on the surface
    width: float  # half the width of the face at the eyes
    top: float  # y of the crown
    nose: float  # height of the nose tip over the face
    nose_y: float
    chin: float
    chin_y: float
    hair_y: float  # y of the hair line in the middle
    brow_thickness: float

    def hair_line(self) -> NDArray[np.float64]:
        """The flat region that hair covers, a polygon (N, 2)."""
        x = np.linspace(-1.7, 1.7, 41)
        line = self.hair_y + 0.75 * np.abs(x / self.width) ** 4
        return np.concatenate([np.stack([x, line], 1), [[1.7, -1.7], [-1.7, -1.7]]])


def shape_of(
    identity: int, mouth_open: float, smile: float, blink: float, brow_raise: float
) -> FaceShape:
    """The shape of an identity making a face; see `actors.Expression` for the ranges."""
    rng = np.random.default_rng([identity, 0])
    traits = ("jaw", "long", "eye", "mouth", "lips", "nose", "wide", "brow", "hair")
    vary = {trait: float(rng.uniform(-1, 1)) for trait in traits}
    p = _neutral(vary)
    mid = p[60:68].mean(axis=0)
    p[[48, 54, 60, 64]] += smile * np.array([[-0.08, -0.1], [0.08, -0.1]] * 2)
    p[[49, 53, 59, 55]] += smile * np.array([[-0.04, -0.03], [0.04, -0.03]] * 2)
    p[[55, 56, 57, 58, 59, 65, 66, 67], 1] += 0.38 * mouth_open
    p[[49, 50, 51, 52, 53, 61, 62, 63], 1] -= 0.05 * mouth_open
    p[[48, 54, 60, 64], 0] += (mid[0] - p[[48, 54, 60, 64], 0]) * 0.12 * mouth_open
    p[4:13, 1] += 0.22 * mouth_open * np.array([0.3, 0.6, 0.9, 1, 1, 1, 0.9, 0.6, 0.3])
    for upper, lower in (((37, 38), (41, 40)), ((43, 44), (47, 46))):
        p[list(upper)] += blink * 0.95 * (p[list(lower)] - p[list(upper)])
    p[17:27, 1] -= 0.1 * brow_raise
    shape = FaceShape(
        points=p,
        solid=np.zeros((68, 3)),
        width=1.1 + 0.06 * vary["jaw"],
        top=-1.55 + 0.08 * vary["long"],
        nose=0.4 + 0.06 * vary["nose"],
        nose_y=float(p[30, 1]),
        chin=0.28,
        chin_y=float(p[8, 1]) - 0.12,
        hair_y=-0.95 + 0.12 * vary["hair"],
        brow_thickness=0.085 + 0.025 * vary["brow"],
    )
    solid = np.column_stack([p, height(shape, *p.T)])
    return FaceShape(**{**vars(shape), "solid": solid})


def _neutral(vary: dict[str, float]) -> NDArray[np.float64]:
    """The 68 flat points of an identity with a neutral face."""
    left = np.array(_JAW)
    jaw = np.concatenate([left, [[0.0, 1.71]], left[::-1] * [-1, 1]])
    p = np.concatenate([jaw, MEAN_SHAPE.astype(np.float64)])
    p[:17, 0] *= 1 + 0.06 * vary["jaw"] * np.clip(p[:17, 1], 0, None)
    for eye in (slice(36, 42), slice(42, 48)):
        centre = p[eye].mean(axis=0)
        p[eye] = centre + (p[eye] - centre) * [1 + 0.08 * vary["eye"], 1.1 + 0.15 * vary["eye"]]
    p[31:36, 0] *= 1 + 0.15 * vary["wide"]
    p[28:36, 1] *= 1 + 0.06 * vary["nose"]
    mouth = p[48:68].mean(axis=0)
    p[48:68] = mouth + (p[48:68] - mouth) * [1 + 0.1 * vary["mouth"], 1 + 0.2 * vary["lips"]]
    p[17:27, 1] -= 0.04 * vary["brow"]
    p[:, 1] *= 1 + 0.04 * vary["long"]
    return p


def height(shape: FaceShape, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """z of the face over flat points: an ellipsoid with sockets, nose, lips and chin.

    `x` and `y` are of shapes that broadcast: two axes of a grid are enough.
    """
    round_ = 1 - (x / 1.42) ** 2 - ((y - 0.3) / 2.15) ** 2
    z = 1.35 * np.sqrt(np.maximum(round_, 0.12)) - 1.2

    def bump(cx: float, cy: float, sx: float, sy: float, tall: float) -> NDArray[np.float64]:
        across, down = np.exp(-(((x - cx) / sx) ** 2) / 2), np.exp(-(((y - cy) / sy) ** 2) / 2)
        return np.asarray(tall * across * down)

    tip = shape.nose_y
    z = z + bump(0, tip, 0.17, 0.15, shape.nose) + bump(0, tip * 0.4, 0.13, 0.24, 0.55 * shape.nose)
    z = z + bump(-0.5, -0.02, 0.22, 0.16, -0.14) + bump(0.5, -0.02, 0.22, 0.16, -0.14)
    z = z + bump(0, -0.4, 0.6, 0.14, 0.08) + bump(0, tip + 0.55, 0.26, 0.18, 0.16)
    return np.asarray(z + bump(0, shape.chin_y, 0.3, 0.2, shape.chin))


def hull_outline(shape: FaceShape) -> NDArray[np.float64]:
    """The flat outline of head and hair above the jaw line, a polygon (N, 2)."""
    jaw = shape.points[:17]
    angle = np.linspace(0, np.pi, 40)
    arch = np.stack(
        [np.cos(angle) * jaw[16, 0], jaw[16, 1] + np.sin(angle) * (shape.top - jaw[16, 1])], 1
    )
    return np.concatenate([jaw, arch[1:-1]])


def turn(pose: Pose) -> NDArray[np.float64]:
    """The rotation (3, 3) of a head: nod first, then turn, then tilt; signs as in `types.Pose`."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    nod = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    look = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    tilt = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.asarray(np.array(tilt) @ np.array(look) @ np.array(nod))
