"""Colour transfer: a face in the colours of another, from a shift of the mean to optimal transport.

Convention: `f(face, like, face_mask=None, like_mask=None) -> Image`, all images RGB uint8
(H, W, 3), of sizes of their own. A mask, float (H, W) in [0, 1], says which pixels are measured:
those above 0.5. The colours of the whole face are then mapped, so that no edge appears at the
mask's. Under 16 measured pixels on either side leave the face as it is. A ShapeError says that an
image is not RGB uint8, or a mask not of its size. Nothing is random: the directions that some
methods slice along come from a fixed seed.

Reinhard et al. 2001 (`rct`); Hertzmann 2001, the principal-axes form (`lct`); Pitié and Kokaram
2007 (`mkl`); Pitié et al. 2007 (`idt`); Rabin et al. 2010, Bonneel et al. 2015 (`sot`); `mix` as
DeepFaceLab composes it. Ours differ in how `idt`, `sot` and `mix` are done: not each pixel is
moved, but a sample of 8192 and the nodes of a lattice over the colours. It then maps the
pixels in one look-up, some times faster, and pixels of like colour stay alike: no grain appears.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.types import Floats, Image, Mask

Matrix = NDArray[np.float64]
Level = TypeVar("Level", np.uint8, np.float32)

FEWEST = 16  # measured pixels; statistics of fewer say nothing
SAMPLES = 8192  # colours that the sliced methods learn from
QUANTILES = 256  # of each slice
TABLE = 1024  # entries of a slice's map
LATTICE = 33  # nodes a side of the RGB cube
PLANE = 65  # nodes a side of the a, b plane
MOST_GAIN = 20.0  # of contrast, in `rct`: a face of one colour must not become noise
NOISE = 0.1  # variance of a level, added to both sides' covariances: keeps flat colours invertible


class ColorTransfer(Protocol):
    """What an entry of `registry.COLOR_TRANSFERS` is."""

    def __call__(
        self, face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
    ) -> Image:
        """The face in the colours of `like`, see the module's convention."""
        ...


def keep(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """The face as it is."""
    _measured(face, face_mask)
    return face.copy()


def match_average(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """Each channel shifted until its mean is that of `like`."""
    one, two = _measured(face, face_mask), _measured(like, like_mask)
    if one is None or two is None:
        return face.copy()
    return _affine(face, np.eye(3), one.mean(axis=0), two.mean(axis=0))


def transfer_reinhard(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """Mean and deviation of L, a and b moved to those of `like`, in CIE LAB."""
    if _measured(face, face_mask) is None or _measured(like, like_mask) is None:
        return face.copy()
    lab, lab_like = _to_lab(face), _to_lab(like)
    gain, mean, mean_to = _gain(lab, lab_like, face_mask, like_mask)
    return _from_lab((lab - mean) * gain + mean_to)


def transfer_linear(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """RGB mean and covariance moved to those of `like`: whitened, then coloured."""
    return _by_moments(face, like, face_mask, like_mask, _recolouring)


def transfer_monge_kantorovitch(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """RGB mean and covariance moved to those of `like` by the linear map of least motion."""
    return _by_moments(face, like, face_mask, like_mask, _least_motion)


def match_histogram(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """The histogram of each channel moved to that of `like`."""
    one, two = _measured(face, face_mask), _measured(like, like_mask)
    if one is None or two is None:
        return face.copy()
    tables = [_match_levels(one[:, c], two[:, c]) for c in range(3)]
    return np.asarray(cv2.LUT(face, np.stack(tables, axis=-1)[None]))


def transfer_iterative(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """The joint distribution of RGB moved to that of `like`, three turned axes at a time."""
    return _through_lattice(face, like, face_mask, like_mask, _Slices(steps=20, bases=1))


def transfer_sliced(
    face: Image,
    like: Image,
    face_mask: Mask | None = None,
    like_mask: Mask | None = None,
    *,
    seed: int = 0,
) -> Image:
    """The joint distribution of RGB moved to that of `like` by sliced optimal transport.

    Unlike `transfer_iterative`, a step goes along many directions at once, by their mean, which
    moves colours less far in all.
    """
    return _through_lattice(face, like, face_mask, like_mask, _Slices(steps=10, bases=10), seed)


def transfer_mixed(
    face: Image, like: Image, face_mask: Mask | None = None, like_mask: Mask | None = None
) -> Image:
    """L of LAB by mean and deviation, as `rct`; a and b by sliced optimal transport in their plane.

    Light keeps its smooth course, tint takes its exact distribution. DeepFaceLab's `mix` also
    moves L linearly and the rest by slices, but slices RGB at one lightness.
    """
    if _measured(face, face_mask) is None or _measured(like, like_mask) is None:
        return face.copy()
    lab, lab_like = _to_lab(face), _to_lab(like)
    gain, mean, mean_to = _gain(lab, lab_like, face_mask, like_mask)
    tint, goal = (
        _sample(_select(part, mask)[:, 1:])
        for part, mask in ((lab, face_mask), (lab_like, like_mask))
    )
    line = np.linspace(-128, 128, PLANE, dtype=np.float32)
    nodes = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    plane = _learn(tint, goal, nodes, _Slices(steps=10, bases=10)).reshape(PLANE, PLANE, 2)
    at = (lab[..., 1:] + 128) * ((PLANE - 1) / 256)
    out = np.empty_like(lab)
    out[..., 0] = (lab[..., 0] - mean[0]) * gain[0] + mean_to[0]
    out[..., 1:] = _look_up(plane, at)
    return _from_lab(out)


class _Slices(NamedTuple):
    steps: int
    bases: int  # sets of directions at right angles, averaged in a step


def _measured(image: Image, mask: Mask | None) -> NDArray[np.uint8] | None:
    """The colours under the mask (N, 3), or None if there are too few."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ShapeError(f"an image is RGB uint8 (H, W, 3), this is {image.dtype} {image.shape}")
    if mask is not None and mask.shape != image.shape[:2]:
        raise ShapeError(f"the mask is {mask.shape}, its image is {image.shape[:2]}")
    colors = _select(image, mask)
    return colors if len(colors) >= FEWEST else None


def _select(image: NDArray[Level], mask: Mask | None) -> NDArray[Level]:
    flat = image.reshape(-1, 3)
    return flat if mask is None else flat.take(np.flatnonzero(mask > 0.5), axis=0)


def _moments(colors: NDArray[np.uint8]) -> tuple[Matrix, Matrix]:
    """Mean (3,) and covariance (3, 3)."""
    levels = colors.astype(np.float32)
    mean = levels.mean(axis=0, dtype=np.float64)
    levels -= mean.astype(np.float32)
    return mean, (levels.T @ levels).astype(np.float64) / len(levels) + NOISE * np.eye(3)


def _power(covariance: Matrix, exponent: float) -> Matrix:
    """A power of a symmetric, positive matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(values, 1e-9) ** exponent) @ vectors.T)


def _by_moments(
    face: Image,
    like: Image,
    face_mask: Mask | None,
    like_mask: Mask | None,
    matrix_between: Callable[[Matrix, Matrix], Matrix],
) -> Image:
    """The face, its mean and covariance moved by the matrix from one covariance to the other."""
    one, two = _measured(face, face_mask), _measured(like, like_mask)
    if one is None or two is None:
        return face.copy()
    (mean, covariance), (mean_to, covariance_to) = _moments(one), _moments(two)
    return _affine(face, matrix_between(covariance, covariance_to), mean, mean_to)


def _recolouring(covariance: Matrix, covariance_to: Matrix) -> Matrix:
    return _power(covariance_to, 0.5) @ _power(covariance, -0.5)


def _least_motion(covariance: Matrix, covariance_to: Matrix) -> Matrix:
    root, back = _power(covariance, 0.5), _power(covariance, -0.5)
    return back @ _power(root @ covariance_to @ root, 0.5) @ back


def _affine(face: Image, matrix: Matrix, mean: Matrix, mean_to: Matrix) -> Image:
    rows = np.column_stack([matrix, mean_to - matrix @ mean])
    return np.asarray(cv2.transform(face, rows), dtype=np.uint8)


def _match_levels(levels: NDArray[np.uint8], onto: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The table of 256 that gives `levels` the histogram of `onto`."""
    count, count_onto = (np.bincount(part, minlength=256) for part in (levels, onto))
    present = np.flatnonzero(count)
    below = np.cumsum(count)[present] / len(levels)
    places = np.searchsorted(np.cumsum(count_onto) / len(onto), below - 1e-9).clip(0, 255)
    everything = np.arange(256)
    table = np.interp(everything, present, places)  # levels that were not measured lie between,
    table += everything - everything.clip(present[0], present[-1])  # or beyond as far as before
    return np.asarray(np.clip(table + 0.5, 0, 255), dtype=np.uint8)


def _to_lab(image: Image) -> Floats:
    """CIE LAB float32: L 0..100, a and b about -128..127."""
    scaled = image.astype(np.float32)
    scaled *= np.float32(1 / 255)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB), dtype=np.float32)


def _from_lab(lab: Floats) -> Image:
    rgb = cv2.cvtColor(lab.astype(np.float32, copy=False), cv2.COLOR_LAB2RGB)
    return np.asarray(cv2.convertScaleAbs(np.maximum(rgb, 0), alpha=255), dtype=np.uint8)


def _gain(
    lab: Floats, lab_like: Floats, mask: Mask | None, like_mask: Mask | None
) -> tuple[Floats, Floats, Floats]:
    """What gives one image's planes another's deviation, and the means of both, each (3,)."""
    (mean, deviation), (mean_to, deviation_to) = (
        cv2.meanStdDev(part, mask=None if where is None else (where > 0.5).astype(np.uint8))
        for part, where in ((lab, mask), (lab_like, like_mask))
    )
    gain = np.minimum(deviation_to / np.maximum(deviation, 1e-6), MOST_GAIN)
    gain, mean, mean_to = (p[:, 0].astype(np.float32) for p in (gain, mean, mean_to))
    return gain, mean, mean_to


def _through_lattice(
    face: Image,
    like: Image,
    face_mask: Mask | None,
    like_mask: Mask | None,
    slices: _Slices,
    seed: int = 0,
) -> Image:
    """The face, its colours mapped as slices of RGB say; between the lattice's nodes linearly."""
    import PIL.Image
    import PIL.ImageFilter

    one, two = _measured(face, face_mask), _measured(like, like_mask)
    if one is None or two is None:
        return face.copy()
    line = np.linspace(0, 255, LATTICE, dtype=np.float32)
    blue, green, red = np.meshgrid(line, line, line, indexing="ij")  # red runs fastest
    nodes = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    moved = _learn(_sample(one, seed), _sample(two, seed), nodes, slices, seed)
    lattice = PIL.ImageFilter.Color3DLUT(LATTICE, (moved / 255).ravel())
    return np.array(PIL.Image.fromarray(face).filter(lattice))


def _sample(colors: NDArray[Level], seed: int = 0) -> Floats:
    """Some of the colours, float32, the same ones for the same number of them."""
    if len(colors) > SAMPLES:
        picks = np.random.default_rng((seed, len(colors))).integers(len(colors), size=SAMPLES)
        colors = colors.take(picks, axis=0)
    return np.asarray(colors, dtype=np.float32)


def _learn(colors: Floats, onto: Floats, nodes: Floats, slices: _Slices, seed: int = 0) -> Floats:
    """Where the nodes (M, D) go when the colours (N, D) take the distribution of `onto` (K, D)."""
    rng = np.random.default_rng(seed)
    count, channels = colors.shape
    points = np.concatenate([colors, nodes]).T + (onto.mean(axis=0) - colors.mean(axis=0))[:, None]
    points = np.ascontiguousarray(points)  # (D, N + M)
    onto = np.ascontiguousarray(onto.T)
    for _ in range(slices.steps):
        moves = np.zeros_like(points)
        for _ in range(slices.bases):
            axes = _turn(channels, rng)  # one a row
            steps = axes @ points
            for values, goal in zip(steps, axes @ onto, strict=True):
                values[:] = _slice_moves(values[:count], goal, values)
            moves += axes.T @ steps
        points += moves / slices.bases
    return points[:, count:].T


def _turn(channels: int, rng: Generator) -> Floats:
    """Random axes at right angles (D, D)."""
    axes, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    return np.asarray(axes, dtype=np.float32)


def _slice_moves(values: Floats, onto: Floats, at: Floats) -> Floats:
    """How far the monotone map that gives `values` the distribution of `onto` moves points `at`."""
    share = (np.arange(QUANTILES) + 0.5) / QUANTILES
    here, there = (_quantiles(np.sort(part), share) for part in (values, onto))
    knots, groups = np.unique(here, return_inverse=True)  # equal values go to their goals' mean
    goals = np.bincount(groups, there) / np.bincount(groups)
    low, high = knots[0], max(knots[-1], knots[0] + 1e-3)
    bins = np.linspace(low, high, TABLE)  # points beyond move as far as the last one
    table = (np.interp(bins, knots, goals) - bins.clip(knots[0], knots[-1])).astype(np.float32)
    per_bin = (TABLE - 1) / (high - low)
    places = at * np.float32(per_bin) + np.float32(0.5 - low * per_bin)
    return np.asarray(table.take(places.clip(0, TABLE - 1).astype(np.int32)), dtype=np.float32)


def _quantiles(ordered: Floats, share: Matrix) -> Matrix:
    places = np.clip(share * len(ordered) - 0.5, 0, len(ordered) - 1)
    found: Matrix = np.interp(places, np.arange(len(ordered)), ordered)
    return found


def _look_up(plane: Floats, at: Floats) -> Floats:
    edge = cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.remap(plane, np.ascontiguousarray(at), None, cv2.INTER_LINEAR, None, edge)
    )
