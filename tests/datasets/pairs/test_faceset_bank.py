"""Facesets as banks: landmarks on their crops, clips apart, the same moments together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_samples import write_heads

from counterface.datasets.pairs.faceset_bank import (
    FacesetBank,
    banks_by_clip,
    clip_name,
    match_pairs,
    open_for_training,
)
from counterface.errors import FacesetError, TrainingError
from counterface.faces.align import crop_matrix, matrix_scale
from counterface.faceset.store import Faceset

CLIPS = {"film/ann.mp4": (1, 1, 1), "film/bob.mp4": (2, 2)}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Faceset:
    return write_heads(tmp_path_factory.mktemp("real") / "f", CLIPS)


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Faceset:
    made = {"swapped/bob.mov": (2, 2, 2), "swapped/cid.mov": (3,)}
    return write_heads(tmp_path_factory.mktemp("fake") / "f", made, side=96, tint=40)


def test_landmarks_lie_on_the_face_in_the_crop(real: Faceset):
    bank = FacesetBank(real)
    assert len(bank) == 5
    for index, row in enumerate(real):
        face = bank[index]
        assert face.image.shape == (128, 128, 3)
        again = crop_matrix(face.landmarks, "head", 128)  # the crop is aligned already
        assert np.allclose(again, np.eye(2, 3), atol=1e-3)
        assert face.scale == pytest.approx(matrix_scale(row.frame_to_crop))


def test_banks_of_clips_hold_the_clips_rows(real: Faceset):
    banks = banks_by_clip(real)
    assert {name: len(bank) for name, bank in banks.items()} == {"ann": 3, "bob": 2}
    assert np.array_equal(banks["bob"][1].image, FacesetBank(real)[4].image)


def test_moments_are_matched_by_clip_name_and_frame(real: Faceset, fake: Faceset):
    matched = match_pairs(real, fake)
    assert list(matched) == ["bob"]  # ann has no manipulated version, cid no genuine one
    assert len(matched["bob"]) == 2  # the fake's third frame has no partner
    for index, (mine, other) in enumerate(matched["bob"].moments):
        assert mine.frame_index == other.frame_index == index
        assert clip_name(mine) == clip_name(other) == "bob"
    one, two = matched["bob"][1]
    assert one.image.shape == (128, 128, 3)
    assert two.image.shape == (96, 96, 3)
    assert np.allclose(one.landmarks / 128, two.landmarks / 96, atol=0.01)
    assert two.image.mean() - one.image.mean() > 20


def test_both_of_a_pair_have_the_real_faces_landmarks(real: Faceset, fake: Faceset):
    """A swap's landmarks are off where its face is: the real ones say where both are."""
    moved = [replace(row, landmarks=row.landmarks + 9) for row in fake]
    shifted = replace(fake, rows=tuple(moved))
    one, two = match_pairs(real, shifted)["bob"][0]
    assert np.allclose(one.landmarks / 128, two.landmarks / 96, atol=0.01)


def test_only_the_largest_face_of_a_frame_is_paired(real: Faceset, fake: Faceset):
    second = replace(real, rows=tuple(replace(row, face_index=1) for row in real))
    with pytest.raises(TrainingError, match="share no clip name and frame"):
        match_pairs(second, fake)


def test_facesets_without_a_common_moment_are_refused(real: Faceset, tmp_path: Path):
    other = write_heads(tmp_path / "other", {"zoe.mp4": (3,)})
    with pytest.raises(TrainingError, match="share no clip name and frame") as caught:
        match_pairs(real, other)
    assert str(real.folder) in str(caught.value)
    assert str(other.folder) in str(caught.value)


def test_another_template_is_refused_with_the_command_that_helps(tmp_path: Path):
    write_heads(tmp_path / "tight", {"a.mp4": (1,)}, template="face")
    says = r"1 crops of template 'face'.*extract FOOTAGE .*tight --template head --size 384"
    with pytest.raises(TrainingError, match=says):
        open_for_training(tmp_path / "tight")


def test_an_empty_faceset_and_no_faceset_are_refused(tmp_path: Path, real: Faceset):
    Faceset.create(tmp_path / "empty", "head", 128)
    with pytest.raises(TrainingError, match="0 crops of template 'head'"):
        open_for_training(tmp_path / "empty")
    with pytest.raises(FacesetError):
        open_for_training(tmp_path / "nowhere")
    assert len(open_for_training(real.folder)) == 5
