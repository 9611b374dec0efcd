"""Landmark conventions: the 68 iBUG points, their groups, and how 468 mesh points map to them."""

from __future__ import annotations

import numpy as np

from counterface.errors import ShapeError
from counterface.types import Floats

JAW = slice(0, 17)
BROWS = slice(17, 27)
NOSE = slice(27, 36)
LEFT_EYE = slice(36, 42)  # on the left of the image
RIGHT_EYE = slice(42, 48)
MOUTH = slice(48, 68)
INNER = slice(17, 68)  # everything but the jaw line: what alignment uses

# Mesh index of each iBUG point. The mesh's face oval lies a little outside the bone line that
# hand-placed jaw points follow; the other groups agree to within a pixel or two at 256 px.
MESH_TO_68 = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # jaw
        *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),  # brows
        *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # nose
        *(33, 160, 158, 133, 153, 144),  # eye on the image's left
        *(362, 385, 387, 263, 373, 380),  # eye on the image's right
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
        *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
    ],
    dtype=np.intp,
)


# The order that makes a mirrored face's points iBUG again: `points[MIRRORED]`.
MIRRORED = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
        *(64, 63, 62, 61, 60, 67, 66, 65),
    ],
    dtype=np.intp,
)


def mesh_to_68(mesh: Floats) -> Floats:
    """The 68 iBUG points of a 468-point face mesh, (68, 2).

    Raises:
        ShapeError: the mesh has fewer than 468 points.
    """
    if mesh.ndim != 2 or mesh.shape[0] < 468 or mesh.shape[1] < 2:
        raise ShapeError(f"a face mesh is (468, 2) or more, got {mesh.shape}")
    return np.ascontiguousarray(mesh[MESH_TO_68, :2], dtype=np.float32)


def eye_centres(landmarks: Floats) -> tuple[Floats, Floats]:
    """The centres of the eye on the image's left and on its right, each (2,)."""
    return landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)


def interocular(landmarks: Floats) -> float:
    """The distance between the outer eye corners, pixels: the usual divisor of landmark error."""
    return float(np.linalg.norm(landmarks[36] - landmarks[45]))
