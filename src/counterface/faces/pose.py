"""Head pose from landmarks: a mean head, turned and scaled until its points fall on the face's.

Convention: degrees; the head nods (pitch), then turns (yaw), then tilts in the picture (roll);
yaw > 0 looks to the image's right, pitch > 0 up, roll > 0 clockwise. There is no perspective: the
pose is against the line of sight to the face, so a crop and its frame give the same yaw and pitch,
and no focal length has to be guessed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.faces.align import MEAN_SHAPE
from counterface.types import Floats, Pose

# Brows, nose and eyes, iBUG 17..47: the mouth and the jaw move with speech, and an open mouth
# would read as a nod.
RIGID = slice(17, 48)

# How far points 17..47 stand towards the viewer, in eye distances; measured like
# `align.MEAN_SHAPE`, from the third coordinate of the face mesh on consenting sitters.
MEAN_DEPTH = np.array(
    [
        *(-0.323, -0.006, 0.096, 0.189, 0.236),  # brow, image left
        *(0.236, 0.189, 0.096, -0.006, -0.323),  # brow, image right
        *(0.243, 0.410, 0.603, 0.649),  # nose bridge
        *(0.325, 0.366, 0.391, 0.366, 0.325),  # nostrils
        *(-0.089, 0.015, 0.043, -0.005, 0.031, 0.004),  # eye, image left
        *(-0.005, 0.043, 0.015, -0.089, 0.004, 0.031),  # eye, image right
    ],
    dtype=np.float64,
)
_HEAD = np.column_stack([MEAN_SHAPE[: len(MEAN_DEPTH)], MEAN_DEPTH])
_HEAD -= _HEAD.mean(axis=0)
_STEPS = 6  # Gauss-Newton; the third already moves under 0.1 degrees on drawn heads

Matrix = NDArray[np.float64]


def estimate_pose(landmarks: Floats, image_shape: tuple[int, ...]) -> Pose:
    """How the head of a face is turned.

    Args:
        landmarks: (68, 2) iBUG, xy pixels of the image.
        image_shape: (H, W) or (H, W, 3) of that image; catches landmarks of another one.

    Raises:
        ShapeError: landmarks are not finite (68, 2), all equal, or all outside the image.
    """
    if landmarks.shape != (68, 2) or not np.isfinite(landmarks).all():
        raise ShapeError(f"expected finite landmarks (68, 2), got {landmarks.shape}")
    size = np.array([image_shape[1], image_shape[0]])
    if (landmarks.max(axis=0) < 0).any() or (landmarks.min(axis=0) > size).any():
        raise ShapeError(
            f"all landmarks lie outside the image of {size[0]}x{size[1]}, "
            f"from {landmarks.min(axis=0)} to {landmarks.max(axis=0)}; are they of another one?"
        )
    return rigid_pose(landmarks)


def rigid_pose(landmarks: Floats) -> Pose:
    """How the head of a face is turned, by finite landmarks (68, 2), which are not checked."""
    return pose_of(fit_rotation(landmarks[RIGID].astype(np.float64)))


def fit_rotation(points: Matrix) -> Matrix:
    """The rotation (3, 3) of the mean head that explains its points 17..47, (31, 2), best.

    Raises:
        ShapeError: the points are all the same.
    """
    points = points - points.mean(axis=0)
    affine = np.linalg.lstsq(_HEAD, points, rcond=None)[0].T  # (2, 3), the start
    u, singular, vt = np.linalg.svd(affine, full_matrices=False)
    if singular[0] < 1e-6:
        raise ShapeError("all landmarks are the same point; a pose cannot be estimated")
    rows = u @ vt
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    scale = float(singular.mean())
    for _ in range(_STEPS):
        turned = _HEAD @ rotation.T
        x, y, z = turned.T
        zero = np.zeros_like(x)
        slopes = np.stack(  # of both coordinates by three small turns and the scale
            [
                np.stack([zero, scale * z, -scale * y, x], axis=1),
                np.stack([-scale * z, zero, scale * x, y], axis=1),
            ],
            axis=1,
        )
        left_over = points - scale * turned[:, :2]
        step = np.linalg.lstsq(slopes.reshape(-1, 4), left_over.ravel(), rcond=None)[0]
        rotation = _small_turn(step[:3]) @ rotation
        scale += float(step[3])
    return rotation


def _small_turn(axis: Matrix) -> Matrix:
    """Rodrigues' rotation about an axis whose length is the angle in radians."""
    angle = float(np.linalg.norm(axis))
    x, y, z = axis / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def pose_of(rotation: Matrix) -> Pose:
    """The angles of a rotation (3, 3), in the order of this module."""
    return Pose(
        yaw=float(np.degrees(np.arcsin(np.clip(-rotation[2, 0], -1, 1)))),
        pitch=float(np.degrees(np.arctan2(rotation[2, 1], rotation[2, 2]))),
        roll=float(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))),
    )
