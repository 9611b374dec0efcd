"""A picture moved by its landmarks, triangle by triangle: what a face tracker's puppet does.

Convention: xy pixels, the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.types import Floats, Image

_ROOM = 64  # pixels around the picture in which points may lie


def warp_mesh(image: Image, points: Floats, onto: Floats) -> Image:
    """The image with its points moved, affine in each triangle between them; its border stays.

    Args:
        image: RGB uint8 (H, W, 3).
        points: (N, 2), where they are.
        onto: (N, 2), where they come to lie. Points further than 64 pixels outside are left out.
    """
    height, width = image.shape[:2]
    border = np.array(
        [(x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1) if (x, y) != (0.5, 0.5)], np.float32
    ) * np.array([width - 1, height - 1], np.float32)
    room = np.array([width + _ROOM, height + _ROOM]) - 1
    near = ((onto > -_ROOM) & (onto < room)).all(axis=1)
    start = np.concatenate([points[near], border]).astype(np.float64)
    end = np.concatenate([onto[near], border]).astype(np.float64)
    corners = triangulate(end, (width, height))
    matrices = [_affine(end[three], start[three]) for three in corners]
    owner = np.zeros((height, width), np.float32)
    for number, three in enumerate(corners):
        fixed = np.round(end[three] * 16).astype(np.int32)
        cv2.fillConvexPoly(owner, fixed, float(number), cv2.LINE_8, 4)
    chosen = np.array(matrices, np.float32)[owner.astype(np.intp)]  # (H, W, 2, 3)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    source = chosen[..., 0] * x[..., None] + chosen[..., 1] * y[..., None] + chosen[..., 2]
    moved = cv2.remap(image, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, dtype=np.uint8)


def triangulate(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.intp]:
    """The Delaunay triangles of points (N, 2) in or near a picture, as numbers of points (T, 3).

    Args:
        points: at most 64 pixels outside.
        size: width and height of the picture.
    """
    finder = cv2.Subdiv2D((0, 0, size[0] + 2 * _ROOM, size[1] + 2 * _ROOM))
    shifted = np.round(points + _ROOM, 2).astype(np.float32)
    number: dict[tuple[float, float], int] = {}
    for place, (x, y) in enumerate(shifted.tolist()):
        if (x, y) not in number:  # twice the same point would be a triangle of no size
            number[x, y] = place
            finder.insert((x, y))
    triangles = [
        [number.get((float(t[i]), float(t[i + 1])), -1) for i in (0, 2, 4)]
        for t in finder.getTriangleList()
    ]
    found = np.array([t for t in triangles if min(t) >= 0], dtype=np.intp)
    return found.reshape(-1, 3)


def _affine(points: NDArray[np.float64], onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) matrix between two triangles; the identity where the first has no area."""
    left = np.column_stack([points, np.ones(3)])
    if abs(np.linalg.det(left)) < 1e-3:
        return np.eye(2, 3)
    return np.asarray(np.linalg.solve(left, onto).T)
