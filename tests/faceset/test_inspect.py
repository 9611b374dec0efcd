"""Looking at a faceset: damage is named, and a sound one is called sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from footage import SIZE, add, fill, make_row

from counterface.errors import FacesetError
from counterface.faces.align import crop_matrix
from counterface.faceset.header import Header
from counterface.faceset.inspect import describe, misalignment, verify
from counterface.faceset.store import Faceset, save
from counterface.files import locked
from counterface.media.image import write_image

HEADER = Header(template="face", size=SIZE)


def test_a_sound_faceset_has_no_problems(tmp_path: Path):
    fill(tmp_path)
    found = verify(tmp_path)
    assert found.problems == ()
    assert found.crops == 2
    assert any("rights" in note for note in found.notes)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b"x"), "a.jpg"),
        (lambda path: write_image(path, np.zeros((SIZE, 9, 3), np.uint8)), "9x64"),
    ],
)
def test_a_damaged_crop_is_named(tmp_path: Path, damage, said: str):
    fill(tmp_path)
    damage(tmp_path / "a.jpg")
    (problem,) = verify(tmp_path).problems
    assert problem.file == "a.jpg"
    assert said in problem.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"landmarks": np.full((68, 2), np.nan, np.float32)}, "finite"),
        ({"landmarks": make_row("a.jpg").landmarks + 60}, "not aligned"),
        ({"frame_to_crop": np.array([[-1, 0, 9], [0, 1, 0]], np.float32)}, "mirrored"),
        ({"mask": "masks/a.png"}, "missing"),
    ],
)
def test_a_wrong_record_is_named(tmp_path: Path, change: dict[str, object], said: str):
    faceset = fill(tmp_path)
    first, second = faceset.rows
    with locked(tmp_path, FacesetError):
        save(replace(faceset, rows=(replace(first, **change), second)))
    (problem,) = verify(tmp_path).problems
    assert problem.file == first.file
    assert said in problem.reason


@pytest.mark.parametrize(
    ("turn", "grow", "shift", "fits"),
    [
        (0, 1.0, 0, True),
        (8, 1.1, 3, True),
        (20, 1.0, 0, False),
        (0, 1.4, 0, False),
        (0, 1 / 1.4, 0, False),
        (0, 1.0, 12, False),
    ],
)
def test_misalignment_is_turn_scale_or_shift(turn: float, grow: float, shift: float, fits: bool):
    row = make_row()
    asked = crop_matrix(row.landmarks, "face", SIZE)
    angle, middle = np.radians(turn), (SIZE - 1) / 2
    about = grow * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    move = np.column_stack([about, np.full(2, middle) - about @ np.full(2, middle) + [shift, 0]])
    given = (move @ np.vstack([asked, [0, 0, 1]])).astype(np.float32)
    assert (misalignment(row.landmarks, given, HEADER) is None) == fits


def test_a_picture_without_a_row_and_an_unfinished_source_are_told(tmp_path: Path):
    fill(tmp_path)
    write_image(tmp_path / "x.png", np.zeros((4, 4, 3), np.uint8))
    found = verify(tmp_path)
    assert [p.file for p in found.problems] == ["x.png"]
    assert "adopt" in found.problems[0].reason


def test_an_unfinished_source_is_a_note(tmp_path: Path):
    Faceset.create(tmp_path, "face", SIZE)
    add(tmp_path, ("a.jpg",), done=False)
    assert any("clip.mp4" in note for note in verify(tmp_path).notes)
    assert not describe(tmp_path).sources[0].done


def test_the_description_counts_what_exists(tmp_path: Path):
    fill(tmp_path)
    (tmp_path / "a.jpg").unlink()
    facts = describe(tmp_path)
    assert (facts.crops, facts.deleted, facts.without_row) == (1, 1, 0)
    assert facts.sources[0].crops == 1
    assert facts.yaw is not None
    assert facts.yaw.median == pytest.approx(10)
    assert facts.face_px is not None
    assert facts.face_px.median == 80


def test_an_empty_faceset_can_be_described(tmp_path: Path):
    Faceset.create(tmp_path, "face", SIZE)
    facts = describe(tmp_path)
    assert (facts.crops, facts.blur, facts.sources) == (0, None, ())


def test_crops_that_reach_beyond_their_frame_are_noted(tmp_path: Path):
    faceset = fill(tmp_path)
    first, second = faceset.rows
    with locked(tmp_path, FacesetError):
        save(replace(faceset, rows=(first, replace(second, outside=0.3))))
    (note,) = (n for n in verify(tmp_path).notes if "outside" in n)
    assert "1 crop lies" in note
    assert "b.jpg by 30%" in note
