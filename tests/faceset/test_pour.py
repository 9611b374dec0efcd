"""Packs and merged facesets: byte for byte the same crops, and no crop under foreign rights."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_facesets import RIGHTS, write_person
from footage import fill
from killed import disk_steps

from counterface.errors import FacesetError, RightsError
from counterface.faceset.curate import pour
from counterface.faceset.curate.choose import Choice, filter_, restore
from counterface.faceset.curate.order import SortConfig, sort
from counterface.faceset.curate.pour import merge_facesets, pack, unpack
from counterface.faceset.row import ROWS
from counterface.faceset.store import Faceset, save, set_rights
from counterface.files import locked
from counterface.provenance.rights import Rights

OTHERS = Rights(shown="another actor", basis="consent", reference="release-2.pdf")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    write_person(folder / "jane", 1, 4, side=96)
    write_person(folder / "joe", 2, 3, side=96, rights=OTHERS)
    write_person(folder / "free", 3, 2, side=96, rights=None)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {row.file: (folder / row.file).read_bytes() for row in Faceset.open(folder)}


def with_masks(folder: Path) -> None:
    faceset = Faceset.open(folder)
    (folder / "masks").mkdir()
    rows = []
    for row in faceset:
        (folder / "masks" / "m.png").write_bytes(b"one mask for all")
        rows.append(replace(row, mask="masks/m.png"))
    with locked(folder, FacesetError):
        save(replace(faceset, rows=tuple(rows)))


def test_a_pack_gives_the_same_faceset_back(drawn: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(pour, "BATCH", 3)  # several batches
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    with_masks(jane)
    sort(jane, SortConfig(by="blur", reverse=True))
    assert pack(jane, tmp_path / "jane.parquet").crops == 4
    poured = unpack(tmp_path / "jane.parquet", tmp_path / "back")
    assert (poured.crops, poured.added, poured.known) == (4, 4, 0)
    one, other = Faceset.open(jane), Faceset.open(tmp_path / "back")
    assert files(jane) == files(tmp_path / "back")
    assert ROWS.to_arrow(one.rows) == ROWS.to_arrow(other.rows)  # places and masks as well
    assert (tmp_path / "back" / "masks" / "m.png").read_bytes() == b"one mask for all"
    assert other.header.sources == one.header.sources
    assert other.header.rights == one.header.rights == RIGHTS
    assert unpack(tmp_path / "jane.parquet", tmp_path / "back").known == 4


def with_polygons(folder: Path) -> None:
    """Masks of their own for all crops, with polygons for the first two."""
    faceset = Faceset.open(folder)
    (folder / "masks").mkdir()
    rows = []
    for number, row in enumerate(faceset):
        name = f"masks/{Path(row.file).stem}.png"
        (folder / name).write_bytes(b"mask of " + row.file.encode())
        if number < 2:
            (folder / name).with_suffix(".json").write_bytes(b"polygons of " + row.file.encode())
        rows.append(replace(row, mask=name))
    with locked(folder, FacesetError):
        save(replace(faceset, rows=tuple(rows)))


def masks(folder: Path) -> dict[str, tuple[bytes, bytes | None]]:
    """The content of each crop's mask and polygons."""
    found = {}
    for row in Faceset.open(folder):
        assert row.mask is not None
        outlines = (folder / row.mask).with_suffix(".json")
        polygons = outlines.read_bytes() if outlines.exists() else None
        found[row.file] = ((folder / row.mask).read_bytes(), polygons)
    return found


def test_polygons_are_packed_and_merged_with_their_masks(drawn: Path, tmp_path: Path):
    jane, joe = (Path(shutil.copytree(drawn / n, tmp_path / n)) for n in ("jane", "joe"))
    with_polygons(jane)
    with_polygons(joe)
    pack(jane, tmp_path / "jane.parquet")
    unpack(tmp_path / "jane.parquet", tmp_path / "back")
    assert masks(tmp_path / "back") == masks(jane)
    assert sum(polygons is not None for _, polygons in masks(jane).values()) == 2
    merge_facesets([jane, joe], tmp_path / "both")
    assert masks(tmp_path / "both") == masks(jane) | masks(joe)


def test_a_pack_of_before_there_were_polygons_is_read(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    with_masks(jane)
    pack(jane, tmp_path / "jane.parquet")
    table = pq.read_table(tmp_path / "jane.parquet").drop_columns(["polygons_bytes"])
    pq.write_table(table, tmp_path / "jane.parquet")
    unpack(tmp_path / "jane.parquet", tmp_path / "back")
    assert masks(tmp_path / "back") == masks(jane)


def test_masks_go_to_the_trash_and_back_with_their_crops(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    with_polygons(jane)
    before = masks(jane)
    filter_(jane, Choice(by="blur", min=0.025))  # the first two go
    assert masks(jane) | masks(jane / "trash") == before
    assert len(masks(jane / "trash")) == 2
    assert len(list((jane / "masks").iterdir())) == 2  # none is left behind
    merge_facesets([jane, jane / "trash"], tmp_path / "whole")
    assert masks(tmp_path / "whole") == before
    restore(jane)
    assert masks(jane) == before
    assert list((jane / "trash" / "masks").iterdir()) == []


def test_a_mask_that_crops_share_stays_where_one_is_left(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    with_masks(jane)
    filter_(jane, Choice(by="blur", max=0.025))
    assert set(masks(jane).values()) == set(masks(jane / "trash").values())


def test_a_trash_of_earlier_versions_names_masks_that_stayed(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    with_polygons(jane)
    before = masks(jane)
    shutil.copytree(jane / "masks", tmp_path / "kept")
    filter_(jane, Choice(by="blur", max=0.025))
    shutil.rmtree(jane / "trash" / "masks")
    shutil.copytree(tmp_path / "kept", jane / "masks", dirs_exist_ok=True)
    restore(jane)
    assert masks(jane) == before


@pytest.mark.parametrize("name", ["faceset.parquet", ".lock", "trash/faceset.parquet"])
def test_a_mask_named_as_a_file_of_the_faceset_costs_nothing(
    drawn: Path, tmp_path: Path, name: str
):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    faceset = Faceset.open(jane)
    with locked(jane, FacesetError):
        save(replace(faceset, rows=tuple(replace(row, mask=name) for row in faceset)))
    filter_(jane, Choice(by="blur", max=0.025))
    assert len(Faceset.open(jane)) == 2
    assert len(Faceset.open(jane / "trash")) == 2


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to kill what it forked")
def test_a_killed_filter_loses_no_mask(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    with_polygons(jane)
    shutil.copytree(jane, tmp_path / "first")
    before = masks(jane)

    def run() -> None:
        filter_(jane, Choice(by="blur", min=0.025))

    steps = disk_steps(run, jane)
    after = set(masks(jane))
    for kill_at in range(2, len(steps), 3):
        shutil.rmtree(jane)
        shutil.copytree(tmp_path / "first", jane)
        disk_steps(run, jane, kill_at)
        run()
        assert masks(jane) | masks(jane / "trash") == before
        assert set(masks(jane)) == after


def test_the_trash_is_not_packed(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    filter_(jane, Choice(by="blur", max=0.025))
    assert pack(jane, tmp_path / "jane.parquet").crops == 2


def test_merged_crops_keep_their_rights_and_making_needs_all(drawn: Path, tmp_path: Path):
    out = tmp_path / "both"
    assert merge_facesets([drawn / "jane", drawn / "joe"], out).added == 7
    both = Faceset.open(out)
    assert both.header.rights is None
    assert {row.rights for row in both if row.source == "person2.mp4"} == {OTHERS}
    assert set(both.require_rights()) == {RIGHTS, OTHERS}
    assert files(out) == files(drawn / "jane") | files(drawn / "joe")
    with pytest.raises(FacesetError, match="2 rights records of their own"):
        set_rights(out, RIGHTS)
    assert merge_facesets([drawn / "free"], out).added == 2
    with pytest.raises(RightsError, match="2 of 9 crops have no rights record"):
        Faceset.open(out).require_rights()
    pack(out, tmp_path / "both.parquet")
    unpack(tmp_path / "both.parquet", tmp_path / "again")
    assert [r.rights for r in Faceset.open(tmp_path / "again")] == [
        r.rights for r in Faceset.open(out)
    ]


def test_one_record_for_all_stays_the_facesets(drawn: Path, tmp_path: Path):
    filter_(shutil.copytree(drawn / "jane", tmp_path / "part"), Choice(by="blur", max=0.025))
    merge_facesets([tmp_path / "part", tmp_path / "part" / "trash"], tmp_path / "whole")
    whole = Faceset.open(tmp_path / "whole")
    assert whole.require_rights() == (RIGHTS,)
    assert whole.header.rights == RIGHTS
    assert files(tmp_path / "whole") == files(drawn / "jane")


def test_what_cannot_be_merged_is_refused(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    with pytest.raises(FacesetError, match="would come under that of"):
        merge_facesets([drawn / "free"], jane)
    assert len(Faceset.open(jane)) == 4
    fill(tmp_path / "small")
    with pytest.raises(FacesetError, match=r"'face' crops of 64 px, .*'whole_face' of 96"):
        merge_facesets([jane, tmp_path / "small"], tmp_path / "out")
    with pytest.raises(FacesetError, match=r"not .* itself"):
        merge_facesets([jane], jane)


def test_the_same_footage_twice_is_there_once_and_names_do_not_clash(drawn: Path, tmp_path: Path):
    jane = Path(shutil.copytree(drawn / "jane", tmp_path / "jane"))
    faceset = Faceset.open(jane)
    foreign = [replace(row, source_sha256="f" * 64) for row in faceset]
    with locked(jane, FacesetError):
        save(replace(faceset, rows=tuple(foreign)))  # other footage, the same names
    poured = merge_facesets([drawn / "jane", jane, drawn / "jane"], tmp_path / "out")
    assert (poured.added, poured.known) == (8, 4)
    assert "person1_0000_2.jpg" in files(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("file", "../up.jpg"),
        ("file", "faceset.json"),
        ("mask", "faceset.json"),
        ("mask", ".extract/commit-000000000.parquet"),
        ("mask", "../up.png"),
        ("crop_bytes", None),
    ],
)
def test_a_pack_that_leads_elsewhere_is_refused(
    drawn: Path, tmp_path: Path, name: str, value: str | None
):
    pack(drawn / "jane", tmp_path / "jane.parquet")
    table = pq.read_table(tmp_path / "jane.parquet")
    at = table.schema.get_field_index(name)
    column = pa.array([value] * len(table), table.schema.field(at).type)
    masks = pa.array([b"x"] * len(table), pa.binary())
    table = table.set_column(at, table.schema.field(at), column)
    table = table.set_column(table.schema.get_field_index("mask_bytes"), "mask_bytes", masks)
    pq.write_table(table, tmp_path / "jane.parquet")
    with pytest.raises(FacesetError, match=r"jane\.parquet"):
        unpack(tmp_path / "jane.parquet", tmp_path / "in" / "back")
    assert not (tmp_path / "in" / "up.jpg").exists()
    assert not (tmp_path / "in" / "up.png").exists()
    assert len(Faceset.open(tmp_path / "in" / "back")) == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_a_file_that_is_no_pack_is_refused(tmp_path: Path, drawn: Path, content: bytes | None):
    path = tmp_path / "x.parquet"
    if content is None:
        shutil.copy(drawn / "jane" / "faceset.parquet", path)
    else:
        path.write_bytes(content)
    with pytest.raises(FacesetError, match=r"x\.parquet"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to kill what it forked")
def test_a_killed_merge_is_whole_and_goes_on(drawn: Path, tmp_path: Path):
    def run() -> None:
        merge_facesets([drawn / "jane", drawn / "joe"], tmp_path / "out")

    steps = disk_steps(run, tmp_path / "out")
    whole = files(tmp_path / "out")
    for kill_at in range(4, len(steps), 4):
        shutil.rmtree(tmp_path / "out")
        disk_steps(run, tmp_path / "out", kill_at)
        if (tmp_path / "out" / "faceset.json").exists():
            assert files(tmp_path / "out").items() <= whole.items()
        run()
        assert files(tmp_path / "out") == whole
