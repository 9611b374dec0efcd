"""Drawn actors: faces of nobody, with exact landmarks, pose, mask and identity, for unit tests.

A head is a height field over a flat, painted face (units: the distance between the eye centres,
x right, y down, z towards the viewer, origin between the eyes). It is turned, lit and projected
without perspective, so every landmark is known exactly. The default face detector finds these
faces for |yaw| up to 30, |pitch| up to 20 and any moderate roll, from about 64 px upwards.

    actor = draw_actor(3, Pose(20, 0, 5), Expression(smile=0.6), size=256)
    actor.image, actor.landmarks, actor.mask, actor.pose, actor.box, actor.identity
    clip = draw_clip([1, 2], frames=48, width=640, height=360)
    write_clip(tmp_path / "two.mp4", clip)
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from actor_paint import ORIGIN, TEXTURE, draw_body, paint_face
from actor_shape import FaceShape, height, hull_outline, shape_of, turn
from numpy.typing import NDArray

from counterface.types import Face, Floats, Frame, Image, Mask, Pose

FRONTAL = Pose(0.0, 0.0, 0.0)
HEAD = 3.6  # height of head and neck in eye distances: sets the scale of `draw_actor`


@dataclass(frozen=True)
class Expression:
    """What a face does; all zero is neutral."""

    mouth_open: float = 0.0  # [0, 1]
    smile: float = 0.0  # [-1, 1]
    blink: float = 0.0  # [0, 1], 1 = both eyes shut
    brow_raise: float = 0.0  # [-1, 1]


NEUTRAL = Expression()


@dataclass(frozen=True, eq=False)
class Actor:
    """One drawn face and the truth about it."""

    image: Image  # RGB uint8 (H, W, 3)
    landmarks: Floats  # (68, 2) iBUG, xy pixels
    mask: Mask  # (H, W), 1 on the skin of the face, from chin to hair line
    box: Floats  # (4,) xyxy around the mask
    pose: Pose
    expression: Expression
    identity: int

    @property
    def face(self) -> Face:
        """The truth as the library's value."""
        return Face(box=self.box, score=1.0, landmarks=self.landmarks, pose=self.pose)


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """One frame of a drawn clip and the actors in it, in the order of their identities."""

    frame: Frame
    actors: tuple[Actor, ...]


def draw_actor(
    identity: int,
    pose: Pose = FRONTAL,
    expression: Expression = NEUTRAL,
    size: int = 256,
) -> Actor:
    """One actor in the middle of a (size, size, 3) picture; the eyes are size / 3.6 apart at most.

    The same identity always has the same shape, colours and background. Drawn once a process; what
    is returned is the caller's own copy.
    """
    return deepcopy(_drawn_actor(identity, pose, expression, size))


@lru_cache(maxsize=256)
def _drawn_actor(identity: int, pose: Pose, expression: Expression, size: int) -> Actor:
    canvas = _background(identity, size, size)
    centre = np.array([size / 2, size * 0.44])
    return add_actor(canvas, identity, pose, expression, centre, size / HEAD * 0.8)


def add_actor(
    canvas: Image,
    identity: int,
    pose: Pose,
    expression: Expression,
    centre: NDArray[np.float64],
    eye_distance: float,
) -> Actor:
    """An actor drawn over a copy of a picture.

    Args:
        canvas: RGB uint8 (H, W, 3); not changed.
        centre: xy pixels of the point between the eyes of a frontal face.
        eye_distance: pixels between the eye centres of a frontal face.
    """
    shape = shape_of(identity, **vars(expression))
    matrix = turn(pose)
    texture, skin = paint_face(shape, identity, 1 - expression.blink)
    image = canvas.astype(np.float32)
    draw_body(image, shape, identity, matrix, centre, eye_distance)
    low = np.clip(centre - 2.4 * eye_distance, 0, None).astype(int)
    high = np.ceil(centre + 2.6 * eye_distance).astype(int)
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    part = image[window]
    texels, light, inside = _look_up(part.shape[:2], shape, matrix, centre - low, eye_distance)
    colour = cv2.remap(texture, *texels, cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(inside, (0, 0), 0.7)[..., None]
    part += (np.clip(colour * light[..., None], 0, 255) - part) * alpha
    mask = np.zeros(image.shape[:2], np.float32)
    mask[window] = cv2.remap(skin, *texels, cv2.INTER_LINEAR) * inside
    points = shape.solid @ matrix.T * eye_distance + [*centre, 0]
    rows, columns = np.nonzero(mask > 0.5)
    return Actor(
        image=np.clip(cv2.GaussianBlur(image, (0, 0), 0.5), 0, 255).astype(np.uint8),
        landmarks=points[:, :2].astype(np.float32),
        mask=(mask > 0.5).astype(np.float32),
        box=np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float32),
        pose=pose,
        expression=expression,
        identity=identity,
    )


def draw_clip(
    identities: Sequence[int],
    frames: int = 24,
    width: int = 320,
    height: int = 240,
    fps: Fraction = Fraction(24),
    cut_at: int | None = None,
) -> list[ClipFrame]:
    """Actors side by side who turn, nod, speak and blink smoothly; the truth is in every frame.

    Each frame is drawn once a process; what is returned is the caller's own copy.

    Args:
        cut_at: from this frame on another background and the actors in reverse order, mirrored
            places: a cut.
    """
    frame = (tuple(identities), width, height, fps)
    return [
        deepcopy(_drawn_frame(*frame, index, cut_at is not None and index >= cut_at))
        for index in range(frames)
    ]


@lru_cache(maxsize=400)
def _drawn_frame(
    identities: tuple[int, ...], width: int, height: int, fps: Fraction, index: int, after: bool
) -> ClipFrame:
    """One frame of a clip, `after` its cut or before; the same in longer and shorter clips."""
    canvas = _background(min(identities) + (50 if after else 0), width, height)
    order = identities[::-1] if after else identities
    actors = []
    for place, identity in enumerate(order):
        t = index / float(fps)
        phase = 1.7 * identity
        pose = Pose(18 * np.sin(2.1 * t + phase), 7 * np.sin(1.3 * t + phase), 5 * np.sin(0.9 * t))
        expression = Expression(
            mouth_open=float(0.3 + 0.3 * np.sin(9 * t + phase)),
            smile=float(0.4 * np.sin(0.8 * t + phase)),
            blink=float(np.clip(12 * np.sin(1.6 * t + phase) - 11, 0, 1)),
        )
        slot = width / len(order)
        scale = min(slot, height) / HEAD * 0.75
        sway = np.array([np.sin(1.1 * t + phase), 0.4 * np.sin(1.9 * t)]) * 0.25 * scale
        centre = np.array([slot * (place + 0.5), height * 0.42]) + sway
        actors.append(add_actor(canvas, identity, pose, expression, centre, scale))
        canvas = actors[-1].image
    actors = [replace(a, image=canvas) for a in sorted(actors, key=lambda a: a.identity)]
    return ClipFrame(Frame(canvas, index, index / fps), tuple(actors))


def forget_drawn() -> None:
    """Draw everything anew from now on."""
    _drawn_actor.cache_clear()
    _drawn_frame.cache_clear()


def write_clip(path: Path, clip: Sequence[ClipFrame], fps: Fraction = Fraction(24)) -> Path:
    """A drawn clip as H.264 at high quality (crf 12)."""
    height, width = clip[0].frame.image.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "12", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for item in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(item.frame.image)))
        container.mux(stream.encode(None))
    return path


def _background(seed: int, width: int, height: int) -> Image:
    """A blurred room: a few soft blocks of colour."""
    rng = np.random.default_rng(1000 + seed)
    small = rng.uniform(40, 200, (4, 5, 3)).astype(np.float32)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(large, 0, 255).astype(np.uint8)


def _look_up(
    size: tuple[int, int],
    shape: FaceShape,
    matrix: NDArray[np.float64],
    centre: NDArray[np.float64],
    eye_distance: float,
) -> tuple[
    tuple[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]
]:
    """For each pixel: its texel, its light, and whether the face covers it.

    A pixel's ray meets the height field where x = A^-1 (u - z(x) b); iterating that converges
    while the surface is flatter than the line of sight, which holds up to 30 degrees.
    """
    fine = 40  # height map samples for each eye distance
    axis = np.arange(-2.5, 2.5, 1 / fine)
    relief = height(shape, axis, axis[:, None]).astype(np.float32)
    slopes = np.gradient(relief, 1 / fine)
    normal = np.stack([-slopes[1], -slopes[0], np.ones_like(relief)], axis=-1) @ matrix.T
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = 0.52 + 0.56 * np.clip(normal @ np.array([-0.25, -0.42, 0.87]), 0, 1)
    cover = np.zeros(relief.shape, np.float32)
    outline = np.round((hull_outline(shape) + 2.5) * fine * 16).astype(np.int32)
    cv2.fillPoly(cover, [outline], 1.0, cv2.LINE_AA, 4)

    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
    seen = np.stack([columns - centre[0], rows - centre[1]], axis=-1) / eye_distance
    back, lean = np.linalg.inv(matrix[:2, :2]), matrix[:2, 2]
    straight = _planes(seen @ back.T)
    shift = (back @ lean).astype(np.float32)
    x, y = straight
    for _ in range(14):
        depth = cv2.remap(relief, (x + 2.5) * fine, (y + 2.5) * fine, cv2.INTER_LINEAR)
        x = 0.3 * x + 0.7 * (straight[0] - depth * shift[0])
        y = 0.3 * y + 0.7 * (straight[1] - depth * shift[1])
    at = np.stack([x, y], axis=-1)
    flat = _planes((at + 2.5) * fine)
    return (
        _planes((at + ORIGIN) * TEXTURE),
        cv2.remap(light.astype(np.float32), *flat, cv2.INTER_LINEAR),
        cv2.remap(cover, *flat, cv2.INTER_LINEAR),
    )


def _planes(pairs: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return pairs[..., 0].astype(np.float32), pairs[..., 1].astype(np.float32)
