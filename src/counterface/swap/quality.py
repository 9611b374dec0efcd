"""The report card of a made swap: how like the source, how true to the target, how steady.

The five numbers of Perov et al. 2020 (arXiv:2005.05535, table 1), SSIM, perceptual distance,
identity, landmark and pose error, and what viewers complain of: shaking, seams, lost sound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from pydantic import ConfigDict, Field

from counterface.config import Record
from counterface.errors import FacesetError, SwapError
from counterface.faces.align import crop_matrix, warp_image, warp_points
from counterface.faces.blend import colour_seam
from counterface.faces.face_detector import box_overlaps, load_models
from counterface.faces.face_search import FaceSearch
from counterface.faces.identity import IdentityEmbedder, identity_distance, mean_embedding
from counterface.faces.landmarks import INNER, interocular
from counterface.faces.mask import hull_mask
from counterface.faces.smooth import jitter
from counterface.faceset.store import Faceset
from counterface.media.beside.sound import Likeness
from counterface.swap.perceptual import PerceptualDistance
from counterface.swap.same_moments import pair_frames, sound_likeness
from counterface.types import Face, Floats, Image, Progress
from counterface.wording import counted

_SAME_FACE = 0.3  # overlap of the target's box and the result's, intersection over union
_CROP = 256  # pixels, of the perceptual comparison
_OUTSIDE = 0.25  # the mask grown by this share of its size is "inside"; beyond is "outside"


class QualityConfig(Record):
    """How closely to look."""

    model_config = ConfigDict(populate_by_name=True)  # `from` is a word of Python

    every: int = Field(1, ge=1, description="measure every n-th frame")
    identity_every: int = Field(
        8, ge=1, description="embed every n-th of the measured frames for identity, which is slow"
    )
    from_s: float = Field(
        0, alias="from", ge=0, description="time in the target at which the result begins, seconds"
    )
    source_crops: int = Field(32, ge=1, description="number of source crops that are embedded")


class Statistic(Record):
    """A measurement over frames."""

    mean: float
    p5: float = Field(description="value below which 5 % of the frames lie")
    p95: float = Field(description="value above which 5 % of the frames lie")
    frames: int


class ReportCard(Record):
    """What was measured; fields are null where it could not be."""

    out: str
    target: str
    source_faceset: str
    frames: int = Field(description="number of frames measured")
    faces: int = Field(description="number of frames with the face found in both files")
    ssim_inside: Statistic | None = Field(description="SSIM with the target in the face; 1 = equal")
    ssim_outside: Statistic | None = Field(description="the same away from the face; 1 = untouched")
    perceptual: Statistic | None = Field(description="feature distance to the target; 0 = equal")
    identity_to_source: Statistic | None = Field(
        description="embedding distance to the source; under 0.6 = same person"
    )
    identity_to_target: Statistic | None = Field(
        description="embedding distance to the target; over 0.6 = another person"
    )
    source_to_target: float | None = Field(
        description="embedding distance of the two people themselves, the goal of a swap"
    )
    landmark_error: Statistic | None = Field(
        description="mean distance of the landmarks, in outer eye distances"
    )
    landmark_error_px: Statistic | None = Field(
        description="mean distance of the landmarks, pixels of the frame"
    )
    pose_error: Statistic | None = Field(description="root of the sum of squared angles, degrees")
    jitter_target: float | None = Field(description="jitter of the target's landmarks, face sizes")
    jitter_out: float | None = Field(description="jitter of the result's landmarks, face sizes")
    seam_target: Statistic | None = Field(
        description="colour step at the mask's edge in the target, delta E"
    )
    seam_out: Statistic | None = Field(description="the same in the result")
    sound: Likeness = Field(
        description="sound packets of the result compared with the target's: identical, an "
        "identical part (of a cut), different, left out; none where the target has "
        "none"
    )


def measure_quality(
    out: Path,
    target: Path,
    source: Path,
    config: QualityConfig | None = None,
    progress: Progress | None = None,
) -> ReportCard:
    """The report card of a converted file.

    Args:
        out: the converted video or picture, or a folder of pictures of a video.
        target: what it was made from, frame for frame.
        source: a faceset of the person whose face was put in.
        progress: called as (frames, None, what).

    Raises:
        SwapError: the two files do not show the same moments, or no face was found.
        FacesetError: the source is no faceset, or has no crops.
        MediaError: a file cannot be read.
        WeightsError: a network cannot be had.
    """
    config = config or QualityConfig()
    embedder, perceptual = IdentityEmbedder(), PerceptualDistance()
    person = _embed_person(source, embedder, config.source_crops)
    models = load_models("auto", "mediapipe_mesh")
    searches = FaceSearch(*models), FaceSearch(*models)
    frames = 0
    values: dict[str, list[float]] = defaultdict(list)  # by the card's field names
    points: list[tuple[Floats, Floats, Fraction]] = []  # landmarks of result and target, time
    seen: list[Floats] = []  # embeddings of the target
    for count, (made, real) in enumerate(pair_frames(out, target, config.from_s)):
        if count % config.every:
            continue
        frames += 1
        if progress is not None:
            progress(frames, None, out.name)
        found = _same_face(made.image, real.image, searches)
        if found is None:
            continue
        after, before = (_landmarks(face) for face in found)
        measured = _compare(made.image, real.image, found, perceptual)
        if len(points) % config.identity_every == 0:
            result = embedder.embed_landmarks(made.image, after)
            seen.append(embedder.embed_landmarks(real.image, before))
            measured["identity_to_source"] = identity_distance(result, person)
            measured["identity_to_target"] = identity_distance(result, seen[-1])
        points.append((after, before, real.pts))
        for name, value in measured.items():
            values[name].append(value)
    if not points:
        raise SwapError(
            f"{out}: no face was found in any of {counted(frames, 'frame')} where {target} shows "
            "one; of a matte name the video beside it; a model of few steps makes no face yet"
        )
    jitter_out, jitter_target = _jitters(points)
    statistics = [n for n, f in ReportCard.model_fields.items() if f.annotation == Statistic | None]
    return ReportCard(
        out=str(out),
        target=str(target),
        source_faceset=str(source),
        frames=frames,
        faces=len(points),
        source_to_target=identity_distance(person, mean_embedding(seen)),
        jitter_target=jitter_target,
        jitter_out=jitter_out,
        sound=sound_likeness(out, target),
        **{name: _statistic(values[name]) for name in statistics},
    )


def _statistic(values: Sequence[float]) -> Statistic | None:
    if not values:
        return None
    low, high = np.percentile(values, [5, 95])
    return Statistic(mean=float(np.mean(values)), p5=low, p95=high, frames=len(values))


def _jitters(points: Sequence[tuple[Floats, Floats, Fraction]]) -> tuple[float | None, ...]:
    """The jitter of the result's and of the target's landmarks; None of too few frames."""
    if len(points) < 3:
        return None, None
    after, before, times = zip(*points, strict=True)
    return tuple(jitter([face[INNER] for face in faces], times) for faces in (after, before))


def _embed_person(source: Path, embedder: IdentityEmbedder, most: int) -> Floats:
    """The mean embedding of crops that cover the faceset evenly."""
    faceset = Faceset.open(source)
    if not len(faceset):
        raise FacesetError(f"{source} has no crops; extract some")
    chosen = np.linspace(0, len(faceset) - 1, min(most, len(faceset))).round().astype(int)
    found = []
    for index in chosen:
        row = faceset.rows[int(index)]
        points = warp_points(row.landmarks, row.frame_to_crop)
        found.append(embedder.embed_landmarks(faceset.read(row).image, points))
    return mean_embedding(found)


def _same_face(
    made: Image, real: Image, searches: tuple[FaceSearch, FaceSearch]
) -> tuple[Face, Face] | None:
    """The face that was changed most, in the result and in the target; None where it is lost."""
    after, before = (
        [f for f in search.find(image) if f.landmarks is not None]
        for search, image in zip(searches, (made, real), strict=True)
    )
    if not before or not after:
        return None
    changed = cv2.absdiff(made, real).max(axis=2)
    masks = [hull_mask(_landmarks(f), real.shape[:2]) > 0 for f in before]
    face = before[int(np.argmax([changed[m].mean() if m.any() else 0 for m in masks]))]
    overlap = box_overlaps(face.box, np.stack([f.box for f in after]))[0]
    best = int(overlap.argmax())
    return (after[best], face) if overlap[best] >= _SAME_FACE else None


def _compare(
    made: Image, real: Image, faces: tuple[Face, Face], perceptual: PerceptualDistance
) -> dict[str, float]:
    """The numbers of one frame that need no identity, by the card's field names."""
    after, before = (_landmarks(face) for face in faces)
    mask = hull_mask(before, real.shape[:2], "whole")
    grown = int(_OUTSIDE * np.sqrt(mask.sum())) | 1
    near = cv2.dilate(mask, np.ones((grown, grown), np.uint8))
    likeness = ssim_map(made, real)
    crops = [warp_image(image, crop_matrix(before, "face", _CROP), _CROP) for image in (made, real)]
    off = float(np.linalg.norm(after[INNER] - before[INNER], axis=1).mean())
    found = {
        "perceptual": perceptual(*crops),
        "landmark_error_px": off,
        "landmark_error": off / interocular(before),
        "seam_out": colour_seam(made, mask),
        "seam_target": colour_seam(real, mask),
    }
    if mask.any():
        found["ssim_inside"] = float(likeness[mask > 0].mean())
    if not near.all():
        found["ssim_outside"] = float(likeness[near == 0].mean())
    one, other = (face.pose for face in faces)
    if one is not None and other is not None:
        turns = [one.yaw - other.yaw, one.pitch - other.pitch, one.roll - other.roll]
        found["pose_error"] = float(np.linalg.norm(turns))
    return found


def _landmarks(face: Face) -> Floats:
    assert face.landmarks is not None
    return face.landmarks


def ssim_map(one: Image, other: Image) -> Floats:
    """Structural similarity at each pixel, float32 (H, W) in [-1, 1], of the luma of two pictures.

    Wang, Bovik, Sheikh and Simoncelli 2004: gaussian window of sigma 1.5, k1 0.01, k2 0.03.

    Args:
        one: RGB uint8 (H, W, 3).
        other: picture of the same size.
    """
    a, b = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float32) for i in (one, other))

    def blur(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), dtype=np.float32)

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    cov = blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return np.asarray(top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)), dtype=np.float32)
