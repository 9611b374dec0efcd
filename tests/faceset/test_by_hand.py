"""Crops, landmarks and masks that are changed by hand, one by one: by name, and undoable."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_facesets import write_person

from counterface.errors import FacesetError, ShapeError
from counterface.faces.align import warp_points
from counterface.faceset.alignments.change import list_changes, set_landmarks, undo
from counterface.faceset.curate.by_name import bring_back_by_name, set_aside_by_name
from counterface.faceset.masks.exchange import polygons_of, write_polygons
from counterface.faceset.masks.polygons import Polygon, Polygons, draw_mask
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.media.image import read_image

SIDE = 96
TRIANGLE = Polygons(
    size=SIDE, polygons=(Polygon(kind="include", points=((10, 10), (80, 10), (40, 80))),)
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_person(tmp_path_factory.mktemp("drawn") / "jane", 1, 4, side=SIDE).folder


@pytest.fixture
def jane(drawn: Path, tmp_path: Path) -> Path:
    """Four crops."""
    return Path(shutil.copytree(drawn, tmp_path / "jane"))


def contents(folder: Path) -> dict[str, str]:
    return {
        row.file: hashlib.sha256((folder / row.file).read_bytes()).hexdigest()
        for row in Faceset.open(folder)
    }


def in_crop(row: Row) -> np.ndarray:
    return np.asarray(warp_points(row.landmarks, row.frame_to_crop), np.float64)


def test_crops_of_these_names_go_and_come_back_whole(jane: Path) -> None:
    before = contents(jane)
    first, *others = before
    moved = set_aside_by_name(jane, [first, "nobody.jpg"])
    assert (moved.moved, moved.absent) == ({first: first}, ("nobody.jpg",))
    assert contents(jane) == {name: before[name] for name in others}
    assert contents(jane / "trash") == {first: before[first]}
    back = bring_back_by_name(jane, [first])
    assert (back.crops, back.in_trash) == (4, 0)
    assert contents(jane) == before


def test_a_crop_whose_name_is_taken_in_the_trash_comes_back_by_the_name_that_is_told(
    jane: Path,
) -> None:
    one = next(iter(contents(jane)))
    copy = shutil.copytree(jane, jane.parent / "copy")
    set_aside_by_name(copy, [one])
    shutil.copytree(copy / "trash", jane / "trash")
    moved = set_aside_by_name(jane, [one]).moved[one]
    assert moved != one
    assert bring_back_by_name(jane, [moved]).moved == {moved: moved}


def test_nothing_comes_back_where_there_is_no_trash(jane: Path) -> None:
    assert bring_back_by_name(jane, ["a.jpg"]).absent == ("a.jpg",)
    assert not (jane / "trash").exists()


def test_landmarks_set_by_hand_change_one_row_and_are_taken_back(jane: Path) -> None:
    row, other = Faceset.open(jane).rows[:2]
    seen = in_crop(row)
    points = seen + np.array([2, -1])
    set_landmarks(jane, row.file, points, seen)
    changed, same = Faceset.open(jane).rows[:2]
    assert np.allclose(in_crop(changed), points, atol=0.01)
    assert np.array_equal(same.landmarks, other.landmarks)
    assert np.array_equal(changed.frame_to_crop, row.frame_to_crop)
    assert [work.does for work in list_changes(jane)] == ["edit"]
    undo(jane)
    assert np.array_equal(Faceset.open(jane).rows[0].landmarks, row.landmarks)
    assert list_changes(jane) == ()


def test_landmarks_that_others_changed_meanwhile_are_not_overwritten(jane: Path) -> None:
    row = Faceset.open(jane).rows[0]
    seen = in_crop(row)
    set_landmarks(jane, row.file, seen + 1, seen)
    with pytest.raises(FacesetError, match="changed since"):
        set_landmarks(jane, row.file, seen + 2, seen)
    with pytest.raises(FacesetError, match="has no crop 'nobody"):
        set_landmarks(jane, "nobody.jpg", seen, seen)
    with pytest.raises(ShapeError, match="67"):
        set_landmarks(jane, row.file, seen[:67], seen + 1)


def test_a_mask_is_drawn_from_polygons_and_dropped_with_its_files(jane: Path) -> None:
    file = Faceset.open(jane).rows[1].file
    row = write_polygons(jane, file, TRIANGLE)
    assert row.mask is not None
    assert polygons_of(jane, row) == TRIANGLE
    assert np.array_equal(read_image(jane / row.mask)[..., 0], draw_mask(TRIANGLE))
    assert [one.mask for one in Faceset.open(jane)] == [None, row.mask, None, None]
    assert write_polygons(jane, file, None).mask is None
    assert list((jane / "masks").iterdir()) == []
    with pytest.raises(FacesetError, match="has no crop"):
        write_polygons(jane, "nobody.jpg", TRIANGLE)


def test_polygons_over_a_larger_crop_are_scaled(jane: Path) -> None:
    row = write_polygons(jane, Faceset.open(jane).rows[0].file, TRIANGLE.scaled(2 * SIDE))
    kept = polygons_of(jane, row)
    assert kept is not None
    assert kept.size == SIDE
    assert np.allclose(kept.polygons[0].points, TRIANGLE.polygons[0].points)
