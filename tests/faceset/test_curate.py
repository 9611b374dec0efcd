"""Sorting, grouping, filtering, restoring: rows move with pictures, a kill loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from drawn_facesets import write_person
from footage import fill
from killed import disk_steps
from pydantic import ValidationError

from counterface.errors import ConfigError, FacesetError, MediaError, RegistryError, WeightsError
from counterface.faceset import header as header_module
from counterface.faceset.curate import measuring
from counterface.faceset.curate.carry import TRASH
from counterface.faceset.curate.choose import Choice, filter_, restore
from counterface.faceset.curate.duplicates import DedupeConfig, dedupe
from counterface.faceset.curate.order import GroupConfig, SortConfig, group, sort
from counterface.faceset.curate.people import cluster, group_people
from counterface.faceset.header import HEADER_FILE, ROWS_FILE
from counterface.faceset.store import Faceset, save
from counterface.files import locked
from counterface.media.image import read_image, write_image

COUNT = 6
FIT = Choice(by="blur", max=0.035)  # three of the six


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "jane"
    write_person(folder, 1, COUNT, side=96)
    return folder


@pytest.fixture
def jane(drawn: Path, tmp_path: Path) -> Path:
    """Six crops, the blur and the yaw of which grow from one to the next."""
    return Path(shutil.copytree(drawn, tmp_path / "jane"))


def names(folder: Path) -> list[str]:
    return [row.file for row in Faceset.open(folder)]


def contents(folder: Path) -> dict[str, str]:
    """The rows and pixels of a faceset by the names that its crops had at first."""
    return {
        row.original or row.file: f"{row.frame_index} {_digest(folder / row.file)}"
        for row in Faceset.open(folder)
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_sorting_writes_places_and_renames_nothing(jane: Path):
    before = names(jane)
    found = sort(jane, SortConfig(by="blur", reverse=True))
    assert [crop.file for crop in found.crops] == before[::-1]
    assert [crop.value for crop in found.crops] == sorted(
        (row.blur for row in Faceset.open(jane)), reverse=True
    )
    faceset = Faceset.open(jane)
    assert [row.file for row in faceset] == before
    assert [row.place for row in faceset] == [5, 4, 3, 2, 1, 0]
    assert faceset.header.sorted_by == "blur"


def test_numbered_names_are_taken_back(jane: Path):
    before, whole = sorted(path.name for path in jane.iterdir()), contents(jane)
    sort(jane, SortConfig(by="blur", reverse=True, rename=True))
    first = min(names(jane))
    assert first == "00000_person1_0005.jpg"
    sort(jane, SortConfig(by="yaw", rename=True))  # again: numbers do not pile up
    assert min(names(jane)) == "00000_person1_0000.jpg"
    assert contents(jane) == whole
    assert len(restore(jane, names=True).moved) == COUNT
    assert sorted(path.name for path in jane.iterdir()) == sorted({*before, ".lock"})
    assert all(row.original is None for row in Faceset.open(jane))
    assert restore(jane, names=True).moved == ()


def test_groups_are_bins_of_a_step_or_a_number(jane: Path):
    found = group(jane, GroupConfig(by="yaw", step=20))
    assert {crop.group for crop in found.crops} == {"yaw -20 to 0", "yaw 0 to 20", "yaw 20 to 40"}
    assert len({crop.group for crop in group(jane, GroupConfig(by="yaw", bins=3)).crops}) == 3
    assert Faceset.open(jane).header.grouped_by == "yaw"
    filter_(jane, Choice(group=("yaw -20 to -6.667",)))
    assert names(jane) == ["person1_0000.jpg", "person1_0001.jpg"]
    with pytest.raises(ConfigError, match="no group 'person 9'; its groups are 'yaw -20"):
        filter_(jane, Choice(group=("person 9",)))
    restore(jane)
    with pytest.raises(ConfigError, match=r"makes \d+ groups"):
        group(jane, GroupConfig(by="yaw", step=0.001))


def test_what_does_not_fit_lies_in_the_trash_with_its_row_and_comes_back(jane: Path):
    whole = contents(jane)
    soft = tuple(f"person1_000{number}.jpg" for number in (3, 4, 5))
    assert filter_(jane, FIT, dry_run=True).moved == soft
    assert contents(jane) == whole
    moved = filter_(jane, FIT)
    assert (moved.crops, moved.in_trash, len(moved.moved)) == (3, 3, 3)
    assert contents(jane) | contents(jane / TRASH) == whole
    assert contents(jane).keys() & contents(jane / TRASH).keys() == set()
    assert Faceset.open(jane).header.rights == Faceset.open(jane / TRASH).header.rights
    some = restore(jane, Choice(by="blur", max=0.045))
    assert some.moved == ("person1_0003.jpg",)
    assert restore(jane).in_trash == 0
    assert contents(jane) == whole
    assert restore(jane).moved == ()


def test_a_name_that_is_taken_meanwhile_gets_a_number(jane: Path):
    moved = filter_(jane, FIT).moved
    for name in moved:  # the same source extracted again
        shutil.copy(jane / TRASH / name, jane / name)
    trash = Faceset.open(jane / TRASH)
    with locked(jane, FacesetError):
        save(
            replace(
                Faceset.open(jane, allow_strays=True),
                rows=(*Faceset.open(jane, allow_strays=True).rows, *trash.rows),
            )
        )
    restore(jane)
    assert len(Faceset.open(jane)) == COUNT + 3
    assert "person1_0003_2.jpg" in names(jane)


def test_first_takes_the_head_of_the_measures_own_order(jane: Path):
    filter_(jane, Choice(by="size", first=2))
    kept = {crop.file for crop in sort(jane, SortConfig(by="size")).crops}
    restore(jane)
    assert kept == {c.file for c in sort(jane, SortConfig(by="size")).crops[:2]}


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"min": 1}, "name it by 'by'"), ({"by": "blur"}, "min, max or first")],
)
def test_half_a_question_is_refused(asked: dict[str, object], said: str):
    with pytest.raises(ValidationError, match=said):
        Choice.model_validate(asked)


def test_a_filter_that_asks_nothing_or_leaves_nothing_moves_nothing(jane: Path):
    with pytest.raises(ConfigError, match="which crops are kept"):
        filter_(jane, Choice())
    with pytest.raises(FacesetError, match="no crop fits"):
        filter_(jane, Choice(by="blur", max=-1))
    with pytest.raises(RegistryError, match="did you mean 'blur'"):
        filter_(jane, Choice(by="blurr", max=1))
    assert len(Faceset.open(jane)) == COUNT
    assert not (jane / TRASH).exists()


def test_an_empty_faceset_and_a_folder_that_is_none_are_errors(tmp_path: Path):
    Faceset.create(tmp_path / "empty", "face", 64)
    for call in (
        lambda: sort(tmp_path / "empty", SortConfig(by="brightness")),
        lambda: group(tmp_path / "empty", GroupConfig(by="yaw")),
        lambda: dedupe(tmp_path / "empty"),
        lambda: filter_(tmp_path / "empty", FIT),
    ):
        with pytest.raises(FacesetError, match=r"holds no crops.*faceset extract"):
            call()
    with pytest.raises(FacesetError, match="is not a faceset"):
        sort(tmp_path, SortConfig(by="blur"))
    assert not (tmp_path / ".lock").exists()


def test_one_crop_can_be_sorted_by_everything(tmp_path: Path):
    fill(tmp_path, ("a.jpg",))
    for by in ("final", "grey_likeness", "difference", "landmark_distance", "brightness"):
        (crop,) = sort(tmp_path, SortConfig(by=by)).crops
        assert crop.value is not None
    assert dedupe(tmp_path).copies == ()
    (crop,) = group(tmp_path, GroupConfig(by="blur")).crops
    assert crop.group == "blur 0.25 to 0.25"


def test_a_crop_that_cannot_be_read_or_has_another_size_is_named_and_stays(jane: Path):
    (jane / "person1_0001.jpg").write_bytes(b"no picture")
    write_image(jane / "person1_0002.jpg", np.zeros((40, 50, 3), np.uint8))
    found = sort(jane, SortConfig(by="brightness"))
    assert {problem.file for problem in found.problems} == {"person1_0001.jpg", "person1_0002.jpg"}
    assert [crop.value for crop in found.crops[-2:]] == [None, None]
    assert any("50x40" in problem.reason for problem in found.problems)
    moved = filter_(jane, Choice(by="brightness", first=1))
    assert len(moved.problems) == 2
    assert {"person1_0001.jpg", "person1_0002.jpg"} < set(names(jane))
    assert moved.crops == 3


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_measured(
    jane: Path, monkeypatch: pytest.MonkeyPatch
):
    (jane / ".lock").unlink(missing_ok=True)
    (jane / ".lock").mkdir()  # as good as read-only, for root as well
    with pytest.raises(FacesetError, match=r"jane.*"):
        sort(jane, SortConfig(by="brightness"))
    assert not (jane / measuring.CACHE_FOLDER).exists()


def test_an_interrupted_sort_changes_nothing_and_goes_on_where_it_was(
    jane: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = (jane / ROWS_FILE).read_bytes()

    def stop(done: int, total: int | None, text: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sort(jane, SortConfig(by="brightness"), progress=stop)
    assert [row.place for row in Faceset.open(jane)] == [None] * COUNT
    assert pq.read_table(jane / ROWS_FILE)["file"].to_pylist() == names(jane)
    assert rows
    read = []
    plain = Faceset.read
    monkeypatch.setattr(
        Faceset, "read", lambda self, row: read.append(row.file) or plain(self, row)
    )
    sort(jane, SortConfig(by="brightness"))
    assert len(read) <= COUNT - 3
    read.clear()
    sort(jane, SortConfig(by="brightness"))
    assert read == []


def test_a_crop_that_was_edited_is_measured_anew(jane: Path):
    sort(jane, SortConfig(by="brightness"))
    write_image(jane / "person1_0003.jpg", np.full((96, 96, 3), 255, np.uint8))
    found = sort(jane, SortConfig(by="brightness"))
    assert found.crops[0].file == "person1_0003.jpg"
    assert found.crops[0].value == pytest.approx(255, abs=1)


def test_a_damaged_cache_is_an_error_that_says_what_to_do(jane: Path):
    sort(jane, SortConfig(by="brightness"))
    (kept,) = (jane / measuring.CACHE_FOLDER).iterdir()
    kept.write_bytes(b"x")
    with pytest.raises(FacesetError, match="delete it: it is only a cache"):
        sort(jane, SortConfig(by="brightness"))


def test_a_sheet_shows_the_order(jane: Path, tmp_path: Path):
    sort(jane, SortConfig(by="blur"), tmp_path / "sheet.png")
    sheet = read_image(tmp_path / "sheet.png")
    assert sheet.shape[1] > 1000
    assert sheet[10:100, 10:100].std() > 10  # a crop, no paper


def test_of_near_copies_the_sharpest_stays(jane: Path):
    faceset = Faceset.open(jane)
    twin = replace(faceset.rows[0], file="twin.jpg", blur=0.001)
    shutil.copy(jane / faceset.rows[0].file, jane / "twin.jpg")
    with locked(jane, FacesetError):
        save(replace(faceset, rows=(*faceset.rows, twin)))
    found = dedupe(jane, DedupeConfig(bits=0))
    assert [(c.file, c.kept, c.bits) for c in found.copies] == [("person1_0000.jpg", "twin.jpg", 0)]
    assert names(jane / TRASH) == ["person1_0000.jpg"]
    all_alike = dedupe(jane, DedupeConfig(bits=128), dry_run=True)
    assert {copy.kept for copy in all_alike.copies} == {"twin.jpg"}
    assert len(all_alike.copies) == COUNT - 1


def test_clusters_are_found_whatever_the_order():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 0.2, (3, 128))
    who = np.repeat([0, 1, 2], [30, 20, 10])
    points = (centres[who] + rng.normal(0, 0.02, (60, 128))).astype(np.float32)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(60)
        assert np.array_equal(cluster(points[order], 0.45), who[order])
    assert cluster(points[:1], 0.45) == [0]
    assert cluster(points[:0], 0.45) == []


def test_without_dlib_people_are_a_clear_error(jane: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    for call in (
        lambda: sort(jane, SortConfig(by="identity_likeness")),
        lambda: group_people(jane),
        lambda: filter_(jane, Choice(like=jane)),
    ):
        with pytest.raises(WeightsError, match="needs dlib"):
            call()


def test_a_sample_without_one_face_is_refused(jane: Path, tmp_path: Path):
    write_image(tmp_path / "wall.png", np.full((80, 80, 3), 90, np.uint8))
    with pytest.raises(MediaError, match="shows no faces"):
        filter_(jane, Choice(like=tmp_path / "wall.png"))


def test_formats_1_and_2_are_read_and_lifted(jane: Path):
    header = jane / HEADER_FILE
    values = json.loads(header.read_text())
    assert values["format"] == header_module.FORMAT == 3
    new = ("sorted_by", "grouped_by")
    header.write_text(json.dumps({k: v for k, v in values.items() if k not in new} | {"format": 2}))
    table = pq.read_table(jane / ROWS_FILE)
    later = [
        n for n in table.column_names if n.split("_")[0] in ("place", "group", "original", "rights")
    ]
    assert len(later) == 6
    pq.write_table(table.drop_columns(later), jane / ROWS_FILE)
    assert [row.place for row in Faceset.open(jane)] == [None] * COUNT
    sort(jane, SortConfig(by="blur"))
    assert json.loads(header.read_text())["format"] == 3
    assert [row.place for row in Faceset.open(jane)] == list(range(COUNT))


def test_a_former_name_that_leads_elsewhere_is_refused(jane: Path):
    faceset = Faceset.open(jane)
    for name in ("../up.jpg", "/tmp/a.jpg", "a.txt", ".hidden.jpg", "..\\up.jpg"):
        with pytest.raises(ValueError, match="former name"):
            replace(faceset.rows[0], original=name)


CHANGES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "filter": (lambda folder: None, lambda folder: filter_(folder, FIT)),
    "restore": (lambda folder: filter_(folder, FIT), restore),
    "rename": (lambda folder: None, lambda folder: sort(folder, SortConfig(by="yaw", rename=True))),
    "names": (
        lambda folder: sort(folder, SortConfig(by="yaw", rename=True)),
        lambda folder: restore(folder, names=True),
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to kill what it forked")
@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_at_every_other_step_leaves_a_whole_faceset(
    change: str, drawn: Path, tmp_path: Path
):
    prepare, run = CHANGES[change]
    whole = contents(drawn)
    jane = Path(shutil.copytree(drawn, tmp_path / "jane"))
    prepare(jane)
    begun = Path(shutil.copytree(jane, tmp_path / "begun"))
    steps = disk_steps(lambda: run(jane), jane)
    done = names(jane)
    assert sum("rename" in step for step in steps) >= 3
    for kill_at in range(0, len(steps), 2):
        shutil.rmtree(jane)
        shutil.copytree(begun, jane)
        disk_steps(lambda: run(jane), jane, kill_at)
        found = contents(jane)  # opens: no picture is without a row
        if (jane / TRASH / HEADER_FILE).exists():
            aside = contents(jane / TRASH)
            assert not found.keys() & aside.keys()
            found |= aside
        assert found == whole, steps[kill_at]
        run(jane)
        assert names(jane) == done, steps[kill_at]
