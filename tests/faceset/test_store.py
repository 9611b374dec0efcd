"""The folder's promises: rows survive, deleted files are gone, unknown files are refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_facesets import write_person
from footage import SIZE, add, fill, make_row

from counterface.errors import FacesetError, MediaError, RightsError, ShapeError
from counterface.faceset import header as header_module
from counterface.faceset.header import HEADER_FILE, ROWS_FILE
from counterface.faceset.row import ROWS, table_to_rows
from counterface.faceset.store import Faceset, merge, remove_source, save, set_rights
from counterface.files import locked
from counterface.media.image import write_image
from counterface.provenance.rights import Rights

RIGHTS = Rights(shown="Jane Doe", basis="consent", reference="release-7.pdf")


@pytest.mark.parametrize(
    ("name", "value"),
    [("pts_denominator", 0), ("frame_width", -5), ("frame_height", 0), ("frame_index", -1)],
)
def test_a_row_of_impossible_numbers_is_one_error(name: str, value: int):
    table = ROWS.to_arrow([make_row()])
    at = table.schema.get_field_index(name)
    column = pa.array([value], table.schema.field(at).type)
    with pytest.raises(FacesetError, match="faces: a row holds an impossible value"):
        table_to_rows(table.set_column(at, table.schema.field(at), column), "faces")


def test_a_header_with_an_impossible_size_is_refused(tmp_path: Path):
    Faceset.create(tmp_path / "f", "face", 96)
    header = tmp_path / "f" / "faceset.json"
    header.write_text(re.sub(r'"size": 96', '"size": 1000000000', header.read_text()))
    with pytest.raises(FacesetError, match=r"faceset\.json: .*size"):
        Faceset.open(tmp_path / "f")


def test_rows_without_a_needed_column_are_refused():
    table = ROWS.to_arrow([make_row()]).drop_columns(["landmarks"])
    with pytest.raises(FacesetError, match="landmarks"):
        table_to_rows(table)


def test_a_new_faceset_is_empty_and_knows_its_alignment(tmp_path: Path):
    Faceset.create(tmp_path / "f", "head", 128, RIGHTS)
    faceset = Faceset.open(tmp_path / "f")
    assert (len(faceset), faceset.header.template, faceset.header.size) == (0, "head", 128)
    assert faceset.require_rights() == (RIGHTS,)


def test_a_deleted_crop_is_gone_and_the_next_write_drops_its_row(tmp_path: Path):
    fill(tmp_path)
    (tmp_path / "a.jpg").unlink()
    faceset = Faceset.open(tmp_path)
    assert [row.file for row in faceset] == ["b.jpg"]
    assert faceset.gone == 1
    with locked(tmp_path, FacesetError):
        merge(tmp_path)
    assert pq.read_table(tmp_path / ROWS_FILE)["file"].to_pylist() == ["b.jpg"]


def test_a_picture_without_a_row_is_an_error_that_says_how_to_adopt_it(tmp_path: Path):
    fill(tmp_path)
    write_image(tmp_path / "holiday.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(FacesetError, match=r"holiday\.png.*faceset adopt"):
        Faceset.open(tmp_path)
    assert Faceset.open(tmp_path, allow_strays=True).strays == ("holiday.png",)


def test_other_files_and_folders_beside_the_crops_are_nobodys_business(tmp_path: Path):
    fill(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".thumbnail.jpg").write_text("x")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "z.jpg").write_text("x")
    assert len(Faceset.open(tmp_path)) == 2


def test_a_folder_with_pictures_does_not_become_a_faceset(tmp_path: Path):
    write_image(tmp_path / "holiday.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(FacesetError, match="holiday"):
        Faceset.create(tmp_path, "face", SIZE)
    assert not (tmp_path / HEADER_FILE).exists()


def test_creating_twice_is_refused(tmp_path: Path):
    fill(tmp_path)
    with pytest.raises(FacesetError, match="already"):
        Faceset.create(tmp_path, "face", SIZE)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (HEADER_FILE, b"{", "is not JSON"),
        (HEADER_FILE, b"[]", "format"),
        (HEADER_FILE, b'{"format": 99}', "99.*update"),
        (HEADER_FILE, b'{"format": true}', "no format version .got True"),
        (HEADER_FILE, b'{"format": 1}', r"faceset\.json: cannot be lifted from format 1 .*'size'"),
        (HEADER_FILE, b'{"format": 1, "template": "face", "size": 64, "x": 1}', "'x'"),
        (ROWS_FILE, b"PAR1", "cannot be read"),
        (ROWS_FILE, None, "restore"),
        (HEADER_FILE, None, "faceset extract"),
    ],
)
def test_damaged_records_are_errors_with_a_way_out(
    tmp_path: Path, name: str, content: bytes | None, said: str
):
    fill(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FacesetError, match=said):
        Faceset.open(tmp_path)


def test_an_older_format_is_lifted_on_opening_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fill(tmp_path)
    path = tmp_path / HEADER_FILE
    values = json.loads(path.read_text())
    values["side"] = values.pop("size")  # the made-up format 0 called it side, and had no blur
    path.write_text(json.dumps(values | {"format": 0}))
    table = pq.read_table(tmp_path / ROWS_FILE).drop_columns(["blur", "outside"])
    pq.write_table(table, tmp_path / ROWS_FILE)

    def lift(values, table):
        column = np.zeros(len(table), np.float32)
        return values | {"size": values["side"]}, table.append_column("blur", [column])

    def lift_and_drop(values, table):
        values, table = lift(values, table)
        return {k: v for k, v in values.items() if k != "side"}, table

    monkeypatch.setitem(header_module.MIGRATIONS, 0, lift_and_drop)
    assert [row.blur for row in Faceset.open(tmp_path)] == [0, 0]
    with locked(tmp_path, FacesetError):
        merge(tmp_path)
    monkeypatch.delitem(header_module.MIGRATIONS, 0)
    assert len(Faceset.open(tmp_path)) == 2
    assert json.loads(path.read_text())["format"] == header_module.FORMAT


def test_a_format_without_a_way_up_is_an_error(tmp_path: Path):
    fill(tmp_path)
    values = json.loads((tmp_path / HEADER_FILE).read_text())
    (tmp_path / HEADER_FILE).write_text(json.dumps(values | {"format": 0}))
    with pytest.raises(FacesetError, match="format 0"):
        Faceset.open(tmp_path)


def test_a_copied_folder_is_the_same_faceset(tmp_path: Path):
    import shutil

    first = fill(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    second = Faceset.open(tmp_path / "two")
    assert [r.file for r in second] == [r.file for r in first]
    np.testing.assert_array_equal(
        second.read(second.rows[0]).image, first.read(first.rows[0]).image
    )


def test_a_crop_of_another_size_is_refused(tmp_path: Path):
    faceset = fill(tmp_path)
    write_image(tmp_path / "a.jpg", np.zeros((SIZE, SIZE * 2, 3), np.uint8))
    with pytest.raises(FacesetError, match="128x64"):
        faceset.read(faceset.rows[0])


def test_a_broken_crop_is_a_media_error(tmp_path: Path):
    faceset = fill(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"nonsense")
    with pytest.raises(MediaError):
        faceset.read(faceset.rows[0])


def test_a_making_job_without_rights_learns_how_to_state_them(tmp_path: Path):
    faceset = fill(tmp_path)
    with pytest.raises(RightsError, match=r"faceset rights .*--basis"):
        faceset.require_rights()
    assert set_rights(tmp_path, RIGHTS).require_rights() == (RIGHTS,)
    assert len(Faceset.open(tmp_path)) == 2


@pytest.mark.parametrize("field", ["shown", "reference"])
def test_a_rights_record_may_not_be_blank(field: str):
    values = {"shown": "x", "basis": "research", "reference": "y"} | {field: "  "}
    with pytest.raises(ValueError, match="empty"):
        Rights(**values)


def test_another_alignment_than_the_models_is_refused_with_the_flags_to_use(tmp_path: Path):
    faceset = fill(tmp_path)
    faceset.require_template("face", SIZE)
    with pytest.raises(ShapeError, match="--template whole_face --size 224"):
        faceset.require_template("whole_face", 224)


def test_two_writers_at_once_are_refused(tmp_path: Path):
    fill(tmp_path)
    refused = pytest.raises(FacesetError, match="another process")
    with locked(tmp_path, FacesetError), refused, locked(tmp_path, FacesetError):
        pass
    with locked(tmp_path, FacesetError):
        pass


def test_unmerged_commits_are_part_of_the_faceset(tmp_path: Path):
    fill(tmp_path)
    add(tmp_path, ("c.jpg",), done=False)
    assert {row.file for row in Faceset.open(tmp_path)} == {"a.jpg", "b.jpg", "c.jpg"}


def test_removing_a_source_leaves_no_trace_of_it(tmp_path: Path):
    fill(tmp_path)
    with locked(tmp_path, FacesetError):
        remove_source(tmp_path, "0" * 64)
    assert len(Faceset.open(tmp_path)) == 0
    assert Faceset.open(tmp_path).header.sources == ()
    assert list(tmp_path.glob("*.jpg")) == []


@pytest.mark.parametrize("place", [".extract/pending", ".extract", "faceset.parquet", "x.jpg"])
def test_a_link_in_a_foreign_faceset_is_refused_and_its_target_kept(tmp_path: Path, place: str):
    folder, outside = tmp_path / "faces", tmp_path / "outside"
    write_person(folder, 1, 2)
    outside.mkdir()
    (outside / "thesis.txt").write_text("precious")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).unlink(missing_ok=True)
    (folder / place).symlink_to(outside)
    rights = Rights(shown="x", basis="research", reference="y")
    for use in (Faceset.open, merge, lambda path: set_rights(path, rights)):
        with pytest.raises(FacesetError, match=re.escape(f"{place} is a link to")):
            use(folder)
    assert (outside / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("mask", ["../other/mask.png", "/etc/hostname"])
def test_a_mask_outside_of_the_faceset_is_refused(tmp_path: Path, mask: str):
    found = write_person(tmp_path / "faces", 1, 2)
    table = pq.read_table(found.folder / ROWS_FILE)
    at = table.schema.get_field_index("mask")
    masks = pa.array([mask] * len(table), pa.string())
    pq.write_table(table.set_column(at, "mask", masks), found.folder / ROWS_FILE)
    with pytest.raises(FacesetError, match="lies outside of the faceset"):
        Faceset.open(found.folder)


def test_format_1_learns_what_lies_outside_the_frame(tmp_path: Path):
    faceset = fill(tmp_path)
    cut = np.array([[0.5, 0, 32], [0, 0.5, 0]], np.float32)  # half of 64 px left of the frame
    with locked(tmp_path, FacesetError):
        save(replace(faceset, rows=(faceset.rows[0], replace(faceset.rows[1], frame_to_crop=cut))))
    path = tmp_path / HEADER_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    table = pq.read_table(tmp_path / ROWS_FILE)
    pq.write_table(table.drop_columns(["outside"]), tmp_path / ROWS_FILE)
    assert Faceset.open(tmp_path).rows[1].outside == pytest.approx(0.5, abs=0.02)
    pq.write_table(table, tmp_path / ROWS_FILE)  # a write that was cut off before the header
    assert len(Faceset.open(tmp_path)) == 2
