"""The one alignment of the whole project: a similarity from landmarks to a named template.

Convention: xy pixels, the centre of the top-left pixel at (0, 0); matrices are 2x3 float32 and map
frame pixels to crop pixels (`frame_to_crop`) unless named otherwise.

Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.faces.landmarks import INNER
from counterface.types import Crop, Face, Floats, Image
from counterface.wording import unknown_name

GREY = 128  # of crops outside their frame

# Side of the crop in units of the distance between the eye centres, and the height of the eye line
# in the crop. `face`: brows to chin; `whole_face`: forehead and jaw line; `head`: hair and neck.
TEMPLATES: dict[str, tuple[float, float]] = {
    "face": (2.7, 0.36),
    "whole_face": (3.3, 0.42),
    "head": (5.0, 0.45),
}

# Mean iBUG points 17..67 of upright frontal faces, eye centres at (-0.5, 0) and (0.5, 0), made
# symmetric; computed from the face mesh on consenting sitters (see docs/faces.md).
MEAN_SHAPE = np.array(
    [
        # brow, image left
        (-0.961, -0.278),
        (-0.791, -0.344),
        (-0.642, -0.401),
        (-0.450, -0.403),
        (-0.229, -0.382),
        # brow, image right
        (0.229, -0.382),
        (0.450, -0.403),
        (0.642, -0.401),
        (0.791, -0.344),
        (0.961, -0.278),
        # nose bridge
        (0.000, -0.096),
        (0.000, 0.134),
        (0.000, 0.336),
        (0.000, 0.467),
        # nostrils
        (-0.195, 0.637),
        (-0.113, 0.692),
        (0.000, 0.688),
        (0.113, 0.692),
        (0.195, 0.637),
        # eye, image left
        (-0.706, 0.001),
        (-0.596, -0.061),
        (-0.430, -0.071),
        (-0.269, 0.020),
        (-0.418, 0.058),
        (-0.581, 0.054),
        # eye, image right
        (0.269, 0.020),
        (0.430, -0.071),
        (0.596, -0.061),
        (0.706, 0.001),
        (0.581, 0.054),
        (0.418, 0.058),
        # outer lips
        (-0.398, 1.046),
        (-0.232, 0.940),
        (-0.114, 0.907),
        (0.000, 0.922),
        (0.114, 0.907),
        (0.232, 0.940),
        (0.398, 1.046),
        (0.219, 1.158),
        (0.116, 1.189),
        (0.000, 1.195),
        (-0.116, 1.189),
        (-0.219, 1.158),
        # inner lips
        (-0.345, 1.034),
        (-0.086, 1.023),
        (0.000, 1.025),
        (0.086, 1.023),
        (0.345, 1.034),
        (0.094, 1.047),
        (0.000, 1.049),
        (-0.094, 1.047),
    ],
    dtype=np.float32,
)


def template_points(template: str, size: int) -> Floats:
    """Where points 17..67 lie in a crop of `size` pixels, (51, 2).

    Raises:
        ShapeError: no template of that name.
    """
    if template not in TEMPLATES:
        raise ShapeError(unknown_name("template", template, TEMPLATES))
    side, eye_line = TEMPLATES[template]
    centre = np.array([0.5, eye_line], dtype=np.float32)
    return ((MEAN_SHAPE / side + centre) * size - 0.5).astype(np.float32)


def umeyama(points: Floats, onto: Floats) -> Floats:
    """The similarity (2, 3) that maps `points` (N, 2) onto `onto` (N, 2) with least squares.

    Raises:
        ShapeError: fewer than two points, different counts, all points equal, or one not finite.
    """
    if points.shape != onto.shape or points.ndim != 2 or len(points) < 2:
        raise ShapeError(f"expected two equal (N >= 2, 2) arrays, got {points.shape}, {onto.shape}")
    with np.errstate(over="ignore", invalid="ignore"):  # of points that are refused below
        mean, mean_onto = points.mean(axis=0), onto.mean(axis=0)
        centred, centred_onto = points - mean, onto - mean_onto
        variance = float((centred**2).sum()) / len(points)
    if not np.isfinite(variance):
        raise ShapeError("a point is not finite or far too large; no similarity can be estimated")
    if variance < 1e-12:
        raise ShapeError("all points are the same; a similarity cannot be estimated")
    u, singular, vt = np.linalg.svd(centred_onto.T @ centred / len(points))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    turn = (u * sign) @ vt * (singular @ sign / variance)
    return np.column_stack([turn, mean_onto - turn @ mean]).astype(np.float32)


def crop_matrix(landmarks: Floats, template: str, size: int) -> Floats:
    """`frame_to_crop` (2, 3) of a face with (68, 2) landmarks.

    Raises:
        ShapeError: landmarks are not (68, 2), or no template of that name.
    """
    if landmarks.shape != (68, 2):
        raise ShapeError(f"expected landmarks (68, 2), got {landmarks.shape}")
    return umeyama(landmarks[INNER], template_points(template, size))


def invert(matrix: Floats) -> Floats:
    """The inverse of a 2x3 affine matrix."""
    return np.asarray(cv2.invertAffineTransform(matrix.astype(np.float64)), dtype=np.float32)


def warp_points(points: Floats, matrix: Floats) -> Floats:
    """Points (N, 2) moved by a 2x3 matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)


def warp_box(box: Floats, matrix: Floats) -> Floats:
    """A box (4,), xyxy, moved and scaled by a 2x3 similarity; it stays upright."""
    corners = box.reshape(2, 2)
    centre = warp_points(corners, matrix).mean(axis=0)
    half = (corners[1] - corners[0]) / 2 * matrix_scale(matrix)
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def compose(outer: NDArray[Any], inner: NDArray[Any]) -> NDArray[Any]:
    """The 2x3 matrix that does `inner` first, then `outer`."""
    turn = outer[:, :2]
    return np.column_stack([turn @ inner[:, :2], turn @ inner[:, 2] + outer[:, 2]])


def matrix_scale(matrix: Floats) -> float:
    """Output pixels for each input pixel of a 2x3 similarity."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2].astype(np.float64)))))


def outside_share(matrix: Floats, size: int, frame_width: int, frame_height: int) -> float:
    """The share of a crop that shows nothing of its frame, [0, 1].

    Args:
        matrix: `frame_to_crop` (2, 3).
        size: side of the crop, pixels.
        frame_width: width of the frame, pixels.
        frame_height: height of the frame, pixels.
    """
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    crop = warp_points(unit * size - 0.5, invert(matrix))
    frame = unit * np.array([frame_width, frame_height], np.float32) - 0.5
    if not np.isfinite(crop).all():  # a damaged record; nothing of the frame can be named
        return 1.0
    shared, _ = cv2.intersectConvexConvex(crop, frame)
    whole = float(cv2.contourArea(crop))
    return float(np.clip(1 - shared / whole, 0, 1)) if whole > 0 else 1.0


def warp_image(
    image: Image, matrix: Floats, size: int, outside: Literal["mirror", "grey"] = "mirror"
) -> Image:
    """The image moved into a (size, size, 3) crop; what lies outside is mirrored or grey.

    Detectors are trained and asked on mirrored crops, and grey moves their scores (docs/faces.md),
    so scans stay mirrored. What is kept or shown is grey: it claims nothing.

    A face that shrinks by more than 2 is first reduced by area averaging, since bilinear sampling
    would alias. Upper case of the aliasing left over: one octave.
    """
    scale = matrix_scale(matrix)
    if scale < 0.5:
        step = int(0.5 / scale) + 1 if scale < 0.25 else 2
        height, width = image.shape[0] // step * step, image.shape[1] // step * step
        if height and width:
            image = cv2.resize(
                image[:height, :width],
                (width // step, height // step),
                interpolation=cv2.INTER_AREA,
            )
            grow = np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2], [0, 0, 1]])
            matrix = (np.vstack([matrix, [0, 0, 1]]) @ grow)[:2].astype(np.float32)
    border = cv2.BORDER_CONSTANT if outside == "grey" else cv2.BORDER_REFLECT_101
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=border,
            borderValue=(GREY, GREY, GREY),
        )
    )


def align(
    image: Image,
    face: Face,
    template: str = "whole_face",
    size: int = 224,
    *,
    frame_index: int = 0,
    pts: Fraction = Fraction(0),
    outside: Literal["mirror", "grey"] = "mirror",
) -> Crop:
    """The face, upright and scaled to a template, as an RGB uint8 (size, size, 3) crop.

    Raises:
        ShapeError: the face has no landmarks, or no template of that name.
    """
    if face.landmarks is None:
        raise ShapeError("the face has no landmarks; run a landmarker on it first")
    matrix = crop_matrix(face.landmarks, template, size)
    cut = warp_image(image, matrix, size, outside)
    return Crop(cut, matrix, template, face, frame_index, pts, image.shape[:2])
