"""The report card: known answers on a copy, on a shifted face, and on files that do not match."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from actors import ClipFrame, draw_actor, draw_clip, write_clip
from drawn_facesets import write_person

from counterface import weights
from counterface.errors import FacesetError, SwapError, WeightsError
from counterface.faces.align import crop_matrix, warp_image
from counterface.faceset.store import Faceset
from counterface.swap.perceptual import PerceptualDistance
from counterface.swap.quality import QualityConfig, measure_quality, ssim_map
from counterface.types import Image

FRAMES = 6


@pytest.fixture(scope="module")
def clip() -> list[ClipFrame]:
    return draw_clip([1], FRAMES, 320, 240)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        weights.path("dlib_face_recognition")
    except WeightsError as error:
        pytest.skip(str(error))
    return write_person(tmp_path_factory.mktemp("source") / "two", 2, 4).folder


@pytest.mark.slow
def test_a_copy_is_equal_in_everything(clip: list[ClipFrame], source: Path, tmp_path: Path) -> None:
    target = write_clip(tmp_path / "target.mp4", clip)
    (tmp_path / "out.mp4").write_bytes(target.read_bytes())
    card = measure_quality(tmp_path / "out.mp4", target, source, QualityConfig(identity_every=3))
    assert card.frames == card.faces == FRAMES
    assert card.ssim_inside is not None
    assert card.ssim_inside.mean == pytest.approx(1, abs=1e-4)
    for name in ("perceptual", "identity_to_target", "landmark_error", "pose_error"):
        assert getattr(card, name).mean == pytest.approx(0, abs=1e-4), name
    assert card.jitter_out == card.jitter_target
    assert card.identity_to_source is not None
    assert card.identity_to_source.frames == 2
    assert card.identity_to_source.mean > 0.1, "another drawn actor is not the same person"
    assert card.sound == "none"


@pytest.mark.slow
def test_a_covered_face_is_told_from_the_rest_of_the_frame(
    clip: list[ClipFrame], source: Path, tmp_path: Path
) -> None:
    target = write_clip(tmp_path / "target.mp4", clip)
    changed = []
    for item in clip:
        image = item.frame.image
        mask = item.actors[0].mask[..., None]
        noisy = cv2.GaussianBlur(image, (0, 0), 3) * 0.8 + 30
        mixed = (image * (1 - mask) + noisy * mask).astype(np.uint8)
        changed.append(replace(item, frame=replace(item.frame, image=mixed)))
    out = write_clip(tmp_path / "out.mp4", changed)
    card = measure_quality(out, target, source, QualityConfig(every=2))
    assert card.frames == FRAMES / 2
    assert card.ssim_inside is not None
    assert card.ssim_outside is not None
    assert card.perceptual is not None
    assert card.ssim_inside.mean < 0.9 < 0.97 < card.ssim_outside.mean
    assert card.perceptual.mean > 0.01


@pytest.mark.slow
def test_files_of_different_length_or_size_are_refused(
    clip: list[ClipFrame], source: Path, tmp_path: Path
) -> None:
    quick = QualityConfig(source_crops=1)

    def write(name: str, change: Callable[[Image], Image]) -> Path:
        frames = [replace(c, frame=replace(c.frame, image=change(c.frame.image))) for c in clip[:3]]
        return write_clip(tmp_path / name, frames)

    target = write("target.mp4", np.copy)
    longer = write_clip(tmp_path / "longer.mp4", clip)
    with pytest.raises(SwapError, match="no partner"):
        measure_quality(longer, target, source, quick)
    small = write("small.mp4", lambda image: np.ascontiguousarray(image[:, 40:280]))
    with pytest.raises(SwapError, match="240x240"):
        measure_quality(small, target, source, quick)
    told: list[int] = []
    with pytest.raises(SwapError, match="no face was found in any of 3 frames"):
        measure_quality(
            write("blank.mp4", np.zeros_like),
            target,
            source,
            quick,
            progress=lambda done, _total, _name: told.append(done),
        )
    assert told == [1, 2, 3]  # a long search is seen to go on
    Faceset.create(tmp_path / "none", "face", 64)
    with pytest.raises(FacesetError, match="no crops"):
        measure_quality(target, target, tmp_path / "none")


def test_perceptual_distance_grows_with_the_change() -> None:
    try:
        distance = PerceptualDistance()
    except WeightsError as error:
        pytest.skip(str(error))
    actor = draw_actor(1)
    face = warp_image(actor.image, crop_matrix(actor.landmarks, "face", 128), 128)
    blurred = [cv2.GaussianBlur(face, (0, 0), s) for s in (1, 2, 4)]
    found = [distance(face, other) for other in (face, *blurred)]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found == sorted(found)
    assert distance(face, blurred[2]) == pytest.approx(distance(blurred[2], face), rel=1e-4)


def test_ssim_of_equal_pictures_is_one_and_of_noise_low() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (2, 40, 50, 3), np.uint8)
    assert ssim_map(noise[0], noise[0]) == pytest.approx(np.ones((40, 50)), abs=1e-4)
    assert abs(float(ssim_map(noise[0], noise[1]).mean())) < 0.1
