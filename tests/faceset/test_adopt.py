"""Adoption: crops of the right kind get a row of their own, others a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor

from counterface.faces.align import align
from counterface.faceset.adopt import adopt
from counterface.faceset.inspect import verify
from counterface.faceset.store import Faceset
from counterface.media.image import write_image

SIZE = 160


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Faceset.create(tmp_path / "f", "whole_face", SIZE)
    return tmp_path / "f"


def drawn_crop(identity: int = 1, template: str = "whole_face", size: int = SIZE) -> np.ndarray:
    actor = draw_actor(identity, size=320)
    return align(actor.image, actor.face, template, size).image


def test_a_crop_in_place_gets_a_row_that_verifies(folder: Path):
    write_image(folder / "mine.png", drawn_crop())
    outcome = adopt(folder)
    assert outcome.adopted == ("mine.png",)
    assert verify(folder).problems == ()
    (row,) = Faceset.open(folder)
    assert row.source == "mine.png"
    np.testing.assert_array_equal(row.frame_to_crop, [[1, 0, 0], [0, 1, 0]])
    eyes = row.landmarks[36:48].mean(axis=0)
    assert np.abs(eyes - [SIZE / 2, SIZE * 0.42]).max() < SIZE * 0.06


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((SIZE, SIZE, 3), np.uint8), "no face"),
        (np.zeros((SIZE, 99, 3), np.uint8), "99x160"),
        (drawn_crop(template="head"), "not aligned"),
    ],
)
def test_other_pictures_are_refused_with_the_reason_and_left_alone(
    folder: Path, image: np.ndarray, said: str
):
    write_image(folder / "other.png", image)
    outcome = adopt(folder)
    assert outcome.adopted == ()
    assert outcome.refused[0].file == "other.png"
    assert said in outcome.refused[0].reason
    assert (folder / "other.png").exists()


def test_a_broken_picture_does_not_keep_the_others_out(folder: Path):
    (folder / "a.jpg").write_bytes(b"broken")
    write_image(folder / "b.png", drawn_crop())
    outcome = adopt(folder)
    assert outcome.adopted == ("b.png",)
    assert [p.file for p in outcome.refused] == ["a.jpg"]


def test_adopted_crops_stay_through_a_second_adoption(folder: Path):
    write_image(folder / "a.png", drawn_crop(1))
    adopt(folder)
    write_image(folder / "b.png", drawn_crop(2))
    assert adopt(folder).adopted == ("b.png",)
    assert {row.file for row in Faceset.open(folder)} == {"a.png", "b.png"}


def test_a_copy_of_a_crop_is_refused_by_name(folder: Path):
    write_image(folder / "mine.png", drawn_crop())
    (folder / "other.png").write_bytes((folder / "mine.png").read_bytes())
    outcome = adopt(folder)
    assert outcome.adopted == ("mine.png",)
    assert "copy of mine.png" in outcome.refused[0].reason
