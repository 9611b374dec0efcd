"""Painting drawn actors: the flat face, and what lies behind it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from actor_shape import FaceShape
from numpy.typing import NDArray

TEXTURE = 96  # texture pixels for each eye distance
ORIGIN = np.array([1.7, 1.7])  # texture coordinates of the point between the eyes, eye distances
_SKIN = (
    (236, 200, 178),
    (222, 180, 150),
    (198, 150, 118),
    (160, 112, 82),
    (122, 84, 62),
    (92, 62, 48),
)
_HAIR = ((38, 28, 24), (84, 56, 36), (150, 112, 66), (60, 60, 66), (120, 62, 36), (190, 170, 130))
_IRIS = ((86, 58, 36), (70, 98, 120), (80, 104, 70), (50, 36, 28))


def _pick(table: Sequence[tuple[int, int, int]], identity: int, salt: int) -> NDArray[np.float32]:
    rng = np.random.default_rng([identity, salt])
    return np.array(table[rng.integers(len(table))], np.float32) * rng.uniform(0.92, 1.06)


def _fill(
    canvas: NDArray[np.float32],
    points: NDArray[np.float64],
    colour: NDArray[np.float32] | tuple[int, ...],
    soft: float = 0.0,
    opacity: float = 1.0,
) -> None:
    """Fill a polygon given in eye distances, with a soft edge if asked."""
    at = (points + ORIGIN) * TEXTURE
    rim = 3 * soft * TEXTURE + 2
    low = np.clip(at.min(axis=0) - rim, 0, None).astype(int)
    high = np.ceil(at.max(axis=0) + rim).astype(int)
    part = canvas[low[1] : high[1], low[0] : high[0]]  # only there is anything to do
    cover = np.zeros(part.shape[:2], np.float32)
    cv2.fillPoly(cover, [np.round((at - low) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    if soft:
        cover = cv2.GaussianBlur(cover, (0, 0), soft * TEXTURE)
    part += (np.array(colour, np.float32) - part) * (cover * opacity)[..., None]


def _disc(centre: NDArray[np.float64], rx: float, ry: float) -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return centre + np.stack([rx * np.cos(angle), ry * np.sin(angle)], axis=1)


def _round(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed Catmull-Rom curve through the points: lips and lids are not polygons."""
    a, b, c, d = (np.roll(points, s, axis=0)[:, None] for s in (1, 0, -1, -2))
    t = np.linspace(0, 1, 6, endpoint=False)[None, :, None]
    curve = (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return (curve / 2).reshape(-1, 2)


def paint_face(
    shape: FaceShape, identity: int, opened: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The flat face (H, W, 3), and where it is skin rather than hair (H, W)."""
    skin, hair = _pick(_SKIN, identity, 1), _pick(_HAIR, identity, 2)
    side = (int(3.4 * TEXTURE), int(3.8 * TEXTURE))
    face = np.full((side[1], side[0], 3), skin, np.float32)
    p = shape.points
    blood = np.array([1.02, 0.86, 0.84], np.float32)
    for cheek in (p[[1, 31, 48]].mean(axis=0), p[[15, 35, 54]].mean(axis=0)):
        _fill(face, _disc(cheek, 0.3, 0.25), skin * blood, soft=0.15, opacity=0.7)
    for eye, brow in ((p[36:42], p[17:22]), (p[42:48], p[22:27])):
        _paint_eye(face, eye, skin, identity, opened)
        low = brow + np.array([0, shape.brow_thickness])
        _fill(face, np.concatenate([brow, low[::-1]]), hair * 0.9, soft=0.015, opacity=0.9)
    _paint_nose(face, p[27:36], skin)
    _paint_mouth(face, p[48:60], p[60:68], skin)
    _fill(face, _disc(p[57] + [0, 0.12], 0.25, 0.04), skin * 0.8, soft=0.06, opacity=0.6)
    cover = np.zeros(face.shape, np.float32)
    _fill(cover, shape.hair_line(), (1, 1, 1), soft=0.02)
    face += (hair - face) * cover
    grain = np.random.default_rng([identity, 3]).normal(0, 1, (24, 24)).astype(np.float32)
    face *= 1 + 0.02 * cv2.resize(grain, side, interpolation=cv2.INTER_CUBIC)[..., None]
    return face, 1 - cover[..., 0]


def _paint_eye(
    face: NDArray[np.float32],
    eye: NDArray[np.float64],
    skin: NDArray[np.float32],
    identity: int,
    opened: float,
) -> None:
    centre = eye.mean(axis=0)
    _fill(face, _disc(centre - [0, 0.06], 0.34, 0.2), skin * 0.78, soft=0.08, opacity=0.7)
    almond = _round(eye)
    _fill(face, (almond - centre) * [1.1, 1.25] + centre, skin * 0.55, soft=0.02, opacity=0.8)
    if opened <= 0.15:
        _fill(face, almond, skin * 0.7, soft=0.01)
        return
    ball = np.full(face.shape, (236, 232, 228), np.float32)
    _fill(ball, _disc(centre, 0.115, 0.115), _pick(_IRIS, identity, 4))
    _fill(ball, _disc(centre, 0.05, 0.05), (12, 10, 10))
    _fill(ball, _disc(centre + np.array([-0.04, -0.04]), 0.02, 0.02), (250, 250, 250))
    cover = np.zeros(face.shape, np.float32)
    _fill(cover, almond, (1, 1, 1))
    left, top = ((centre - 0.5 + ORIGIN) * TEXTURE).astype(int)  # half an eye distance around
    right, bottom = ((centre + 0.5 + ORIGIN) * TEXTURE).astype(int)
    around = (slice(top, bottom), slice(left, right))
    face[around] += (ball[around] - face[around]) * cover[around]
    lid = np.concatenate([eye[:4], eye[3::-1] - [0, 0.035]])  # lashes
    _fill(face, lid, skin * 0.22, soft=0.008, opacity=0.9)


def _paint_nose(
    face: NDArray[np.float32], nose: NDArray[np.float64], skin: NDArray[np.float32]
) -> None:
    _fill(face, _disc(nose[3], 0.13, 0.12), skin * 1.08, soft=0.06, opacity=0.6)
    for side in (nose[[5, 6]].mean(axis=0), nose[[8, 7]].mean(axis=0)):
        _fill(face, _disc(side - [0, 0.02], 0.065, 0.035), skin * 0.25, soft=0.012, opacity=0.9)
    for wing, out in ((nose[4], -1), (nose[8], 1)):
        crease = wing + np.array([[0, -0.1], [0.035 * out, -0.02], [0, 0.05], [-0.02 * out, 0]])
        _fill(face, crease, skin * 0.6, soft=0.02, opacity=0.8)
    _fill(face, _disc(nose[6] + [0, 0.05], 0.16, 0.03), skin * 0.72, soft=0.04, opacity=0.7)


def _paint_mouth(
    face: NDArray[np.float32],
    outer: NDArray[np.float64],
    inner: NDArray[np.float64],
    skin: NDArray[np.float32],
) -> None:
    lips = skin * np.array([0.82, 0.55, 0.55], np.float32)
    _fill(face, _round(outer), lips, soft=0.01)
    upper = np.concatenate([outer[:7], inner[4::-1]])
    _fill(face, upper, lips * 0.86, soft=0.01)
    _fill(face, inner, (46, 18, 20), soft=0.006)
    gap = float(inner[6, 1] - inner[2, 1])
    if gap > 0.08:
        upper_teeth = np.concatenate(
            [inner[0:5], inner[3:0:-1] + np.array([0, min(0.35 * gap, 0.08)])]
        )
        _fill(face, upper_teeth, (226, 220, 208), soft=0.008, opacity=0.9)


def draw_body(
    image: NDArray[np.float32],
    shape: FaceShape,
    identity: int,
    matrix: NDArray[np.float64],
    centre: NDArray[np.float64],
    eye_distance: float,
) -> None:
    """Hair behind the head, ears, neck and shoulders; flat, turned as points."""
    skin, hair = _pick(_SKIN, identity, 1), _pick(_HAIR, identity, 2)
    shirt = np.random.default_rng([identity, 5]).uniform(30, 200, 3).astype(np.float32)

    def ellipse(at: tuple[float, float, float], rx: float, ry: float, colour: object) -> None:
        where = (matrix @ np.array(at))[:2] * eye_distance + centre
        roll = float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
        axes = (round(rx * eye_distance * 16), round(ry * eye_distance * 16))
        reach = max(rx, ry) * eye_distance + 3
        low = np.clip(where - reach, 0, None).astype(int)
        high = np.clip(np.ceil(where + reach), 0, None).astype(int)
        part = image[low[1] : high[1], low[0] : high[0]]  # only there is anything to do
        if not part.size:
            return
        cover = np.zeros(part.shape[:2], np.float32)
        spot = (round(where[0] * 16) - 16 * int(low[0]), round(where[1] * 16) - 16 * int(low[1]))
        cv2.ellipse(cover, spot, axes, roll, 0, 360, 1.0, -1, cv2.LINE_AA, 4)
        part += (np.asarray(colour, np.float32) - part) * cover[..., None]

    ellipse((0, -0.1, -0.9), shape.width * 1.12, 1.5, hair * 0.8)
    ellipse((0, 4.4, -0.8), 2.9, 2.1, shirt)
    ellipse((0, 1.7, -0.7), 0.72, 1.35, skin * 0.72)
    for side in (-1, 1):
        ellipse((side * shape.width, 0.3, -0.5), 0.14, 0.3, skin * 0.85)
