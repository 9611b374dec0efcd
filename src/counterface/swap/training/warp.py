"""Warps of the input against its target: what a shared-encoder model learns to undo.

Grid warp: deepfakes/faceswap's first generation. Cell warp: DeepFaceLab's second (Perov et al.
2020, https://arxiv.org/abs/2005.05535). Landmark warp: the idea of dfaker/df, toward a similar
face of the other person; ours bends space by a thin-plate spline (Bookstein 1989). Ours differ in
one thing from all three: the warp is a small grid of nodes behind the random rotation, zoom, shift
and flip, and everything down to the faceset's crop is composed before a pixel is read, so each
picture is sampled once.

Convention: unit coordinates of a square frame, (0, 0) its top-left corner and (1, 1) its
bottom-right; the centre of pixel x of s lies at (x + 0.5) / s. Matrices are 2x3 and say their
direction. Every function that draws takes a `numpy.random.Generator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.faces.align import compose, umeyama
from counterface.types import Floats, Image

Matrix = NDArray[np.float64]
Pixel = TypeVar("Pixel", np.uint8, np.float32)

GRID_NODES = 5
GRID_SIGMA = 5 / 160  # 5 px of a 256 px picture, whose middle 160 px are what the model sees
CELLS = (2, 4, 8)  # cells a side
CELL_SIGMA = 0.24  # of a cell
PLATE_NODES = 17  # nodes at which the thin-plate spline is evaluated
PLATE_SLACK = 1e-4  # smoothing of the spline: lip points that touch would fold the picture
_EDGE = np.linspace(-0.05, 1.05, 5)[:-1]
PINNED = np.concatenate(  # (16, 2): a ring just outside the frame, where nothing moves
    [
        np.column_stack([_EDGE, np.full(4, -0.05)]),
        np.column_stack([np.full(4, 1.05), _EDGE]),
        np.column_stack([1 - _EDGE, np.full(4, 1.05)]),
        np.column_stack([np.full(4, -0.05), 1 - _EDGE]),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """How a frame becomes a model's input and target, in unit coordinates."""

    nodes: Matrix  # (n, n, 2): where the regular nodes of the input, edge to edge, read the frame
    frame_to_target: Matrix  # (2, 3)
    cubic: bool = False  # how the input is interpolated, as in its recipe


def random_move(
    rng: Generator, rotation: float, zoom: float, shift: float, flip: float = 0.0
) -> tuple[Matrix, bool]:
    """A random similarity about the middle of the frame (2, 3), and whether it mirrors.

    Args:
        rotation: the most, degrees to either side.
        zoom: scale is drawn from 1 / (1 + zoom) to 1 + zoom.
        shift: the most, as a share of the side, each way in x and y.
        flip: chance of mirroring left and right, [0, 1].
    """
    angle = np.deg2rad(rng.uniform(-rotation, rotation))
    scale = rng.uniform(1 / (1 + zoom), 1 + zoom)
    offset = rng.uniform(-shift, shift, 2)
    mirrored = bool(rng.random() < flip)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    if mirrored:
        turn = turn @ np.diag([-1.0, 1.0])
    middle = np.full(2, 0.5)
    return np.column_stack([turn, middle - turn @ middle + offset]), mirrored


def no_warp() -> Warp:
    """A warp that leaves input and target alike."""
    return Warp(_regular(2), np.eye(2, 3))


def grid_warp(rng: Generator) -> Warp:
    """The first generation: 5x5 nodes moved at random; the target follows by their similarity."""
    regular = _regular(GRID_NODES)
    nodes = regular + rng.normal(0, GRID_SIGMA, regular.shape)
    flat = nodes.reshape(-1, 2).astype(np.float32)
    follow = umeyama(flat, regular.reshape(-1, 2).astype(np.float32))
    return Warp(nodes, follow.astype(np.float64))


def cell_warp(rng: Generator) -> Warp:
    """The second generation: cells of 1/2, 1/4 or 1/8 with moved inner nodes; the target stays."""
    cells = int(CELLS[rng.integers(len(CELLS))])
    nodes = _regular(cells + 1).copy()
    nodes[1:-1, 1:-1] += rng.normal(0, CELL_SIGMA / cells, (cells - 1, cells - 1, 2))
    return Warp(nodes, np.eye(2, 3), cubic=True)


def landmark_warp(landmarks: Floats, toward: Floats) -> Warp:
    """The input's face takes on other landmarks; the frame's edge and the target stay.

    Args:
        landmarks: (N, 2) of the face in the frame, unit coordinates.
        toward: (N, 2) where they are to lie in the input, e.g. those of the other person.

    Raises:
        ShapeError: the two differ in shape.
    """
    if landmarks.shape != toward.shape or landmarks.ndim != 2 or landmarks.shape[1] != 2:
        raise ShapeError(f"expected two equal (N, 2) arrays, got {landmarks.shape}, {toward.shape}")
    knots = np.concatenate([toward.astype(np.float64), PINNED])
    moves = np.zeros_like(knots)
    moves[: len(toward)] = landmarks - toward
    regular = _regular(PLATE_NODES)
    return Warp(regular + _bend(knots, moves, regular), np.eye(2, 3))


def nearest(landmarks: Floats, others: Floats, count: int = 10) -> NDArray[np.intp]:
    """Which `count` of the landmark sets `others` (M, N, 2) lie nearest to (N, 2), best first."""
    far = np.square(others - landmarks).sum(axis=(1, 2))
    count = min(count, len(others))
    best = np.argpartition(far, count - 1)[:count]
    return np.asarray(best[np.argsort(far[best], kind="stable")])


def input_map(warp: Warp, frame_to_picture: Matrix, size: int) -> Floats:
    """The sampling map of the input, float32 (size, size, 2): xy pixels of the picture.

    Args:
        frame_to_picture: (2, 3), unit coordinates of the frame to pixels of the picture.
        size: side of the input, pixels.
    """
    weights = _weights(len(warp.nodes), size)  # an affine map of the nodes is one of all between
    nodes = warp.nodes @ frame_to_picture[:, :2].T + frame_to_picture[:, 2]
    planes = weights @ nodes.astype(np.float32).transpose(2, 0, 1) @ weights.T
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def target_matrix(warp: Warp, frame_to_picture: Matrix, size: int) -> Matrix:
    """The sampling matrix of the target (2, 3): its pixels to pixels of the picture."""
    target_to_frame = invert(warp.frame_to_target)
    return compose(frame_to_picture, compose(target_to_frame, pixels_to_unit(size)))


def sample_input(picture: Image, warp: Warp, frame_to_picture: Matrix, size: int) -> Image:
    """The model's input, (size, size, 3) uint8; outside the picture is mirrored."""
    at = input_map(warp, frame_to_picture, size)
    how = cv2.INTER_CUBIC if warp.cubic else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(picture, at, None, how, borderMode=cv2.BORDER_REFLECT_101))


def sample_target(
    picture: NDArray[Pixel], warp: Warp, frame_to_picture: Matrix, size: int
) -> NDArray[Pixel]:
    """The model's target, of the picture's type: (size, size, 3) uint8, or a mask (size, size)."""
    out: NDArray[Pixel] = cv2.warpAffine(
        picture,
        target_matrix(warp, frame_to_picture, size),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return out


def reduce_picture(
    picture: NDArray[Pixel], frame_to_picture: Matrix, size: int
) -> tuple[NDArray[Pixel], Matrix]:
    """The picture averaged over blocks of 2^n pixels, and its matrix, ready to be sampled.

    As small as it may be for a frame of `size` pixels to lose nothing; bilinear sampling of a
    picture that shrinks by more than 2 would alias.
    """
    scale = size / scale_of(frame_to_picture)
    if scale > 0.5:
        return picture, frame_to_picture
    step = 1 << int(np.log2(1 / scale))
    height, width = picture.shape[0] // step, picture.shape[1] // step
    whole = picture[: height * step, : width * step]
    small: NDArray[Pixel] = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    shrink = np.array([[1 / step, 0, 0.5 / step - 0.5], [0, 1 / step, 0.5 / step - 0.5]])
    return small, compose(shrink, frame_to_picture)


def invert(matrix: Matrix) -> Matrix:
    """The inverse of a 2x3 matrix, float64."""
    turn = np.linalg.inv(matrix[:, :2])
    return np.column_stack([turn, -turn @ matrix[:, 2]])


def scale_of(matrix: Matrix) -> float:
    """How much longer a 2x3 similarity makes what it moves."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def move_points(points: Floats, matrix: Matrix) -> Floats:
    """Points (N, 2) moved by a 2x3 matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)


def pixels_to_unit(size: int) -> Matrix:
    """Pixels of a square of `size` to unit coordinates, (2, 3)."""
    return np.array([[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size]])


@lru_cache(maxsize=16)
def _regular(count: int) -> Matrix:
    """The undisturbed nodes, (count, count, 2), rows of y; read-only."""
    line = np.linspace(0, 1, count)
    nodes = np.stack(np.meshgrid(line, line), axis=-1)
    nodes.flags.writeable = False
    return nodes


@lru_cache(maxsize=64)
def _weights(count: int, size: int) -> Floats:
    """How much of each node is in each pixel between them, (size, count), linear."""
    at = (np.arange(size) + 0.5) / size * (count - 1)
    near = 1 - np.abs(at[:, None] - np.arange(count))
    weights = np.asarray(np.clip(near, 0, 1), dtype=np.float32)
    weights.flags.writeable = False
    return weights


def _bend(knots: Matrix, moves: Matrix, at: Matrix) -> Matrix:
    """The thin-plate spline that moves the knots (K, 2) by `moves`, read at points (..., 2)."""
    count = len(knots)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(knots, knots) + PLATE_SLACK * np.eye(count)
    system[:count, count] = system[count, :count] = 1
    system[:count, count + 1 :] = knots
    system[count + 1 :, :count] = knots.T
    known = np.concatenate([moves, np.zeros((3, 2))])
    solution = np.linalg.solve(system, known)
    points = at.reshape(-1, 2)
    bent = _kernel(points, knots) @ solution[:count] + solution[count]
    bent += points @ solution[count + 1 :]
    return np.asarray(bent.reshape(at.shape), dtype=np.float64)


def _kernel(one: Matrix, two: Matrix) -> Matrix:
    """r^2 log r^2 between all points, without its pole at 0."""
    far = np.square(one).sum(axis=1)[:, None] + np.square(two).sum(axis=1) - 2 * one @ two.T
    np.maximum(far, 1e-12, out=far)
    return np.asarray(far * np.log(far))
