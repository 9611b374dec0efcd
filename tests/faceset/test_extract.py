"""Extraction: right crops and records, and no kill, rerun or bad file that spoils them."""

from __future__ import annotations

import os
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor
from footage import FRAMES, draw_long_clip, write_long_clip
from killed import disk_steps

from counterface.errors import FacesetError, MediaError
from counterface.faces.align import align, template_points, warp_points
from counterface.faceset import intake
from counterface.faceset.extract import ExtractConfig, extract
from counterface.faceset.store import Faceset
from counterface.media.image import write_image
from counterface.provenance.rights import Rights

SMALL = ExtractConfig(size=64, min_size=20)
RIGHTS = Rights(shown="a drawn actor", basis="synthetic", reference="tests/actors.py")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_clip(tmp_path_factory.mktemp("clip") / "actor one.mp4")


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SEGMENT", 6)


@pytest.fixture(scope="module")
def whole(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Faceset:
    """The clip, extracted in one go, in segments of six frames."""
    folder = tmp_path_factory.mktemp("whole") / "f"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "SEGMENT", 6)
        extract(clip, folder, SMALL)
    return Faceset.open(folder)


def content(folder: Path) -> dict[str, tuple[bytes, bytes]]:
    """Crop and landmarks of each row: what two runs must agree on."""
    return {
        row.file: ((folder / row.file).read_bytes(), row.landmarks.tobytes())
        for row in Faceset.open(folder)
    }


def test_every_frame_gives_its_face_where_it_was_drawn(whole: Faceset):
    truth = draw_long_clip()
    assert [row.frame_index for row in whole] == list(range(FRAMES))
    for row, item in zip(whole, truth, strict=True):
        actor = item.actors[0]
        eyes = np.linalg.norm(actor.landmarks[36] - actor.landmarks[45])
        error = np.linalg.norm(row.landmarks[17:] - actor.landmarks[17:], axis=1).mean() / eyes
        assert error < 0.12  # a tenth is what the mesh misses on drawn faces; a frame late is more
        assert row.pts == Fraction(row.frame_index, 24)
        assert (row.frame_width, row.frame_height) == (320, 240)


def test_the_matrix_of_a_row_brings_the_face_to_the_template(whole: Faceset):
    for row in whole:
        placed = warp_points(row.landmarks[17:], row.frame_to_crop)
        off = placed - template_points("whole_face", 64)
        assert np.linalg.norm(off.mean(axis=0)) < 0.1
        assert np.linalg.norm(off, axis=1).mean() < 64 * 0.08


def test_crops_show_what_the_matrix_says(whole: Faceset):
    from counterface.faces.align import warp_image

    row = whole.rows[7]
    frame = draw_long_clip()[7].frame.image
    drawn = warp_image(frame, row.frame_to_crop, 64).astype(int)
    assert np.abs(whole.read(row).image.astype(int) - drawn).mean() < 4  # H.264 and JPEG


def test_the_same_call_again_does_nothing(clip: Path, whole: Faceset, tmp_path: Path):
    folder = tmp_path / "f"
    shutil.copytree(whole.folder, folder)
    times = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.jpg")}
    summary = extract(clip, folder, SMALL)
    assert summary.sources[0].status == "already"
    assert {p.name: p.stat().st_mtime_ns for p in folder.glob("*.jpg")} == times


def test_crops_deleted_by_hand_stay_deleted_until_redo(clip: Path, whole: Faceset, tmp_path: Path):
    folder = tmp_path / "f"
    shutil.copytree(whole.folder, folder)
    (folder / whole.rows[4].file).unlink()
    assert extract(clip, folder, SMALL).crops == FRAMES - 1
    assert extract(clip, folder, SMALL, redo=True).crops == FRAMES
    assert content(folder) == content(whole.folder)


@pytest.fixture(scope="module")
def steps(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What an extraction does on disk, in order."""
    folder = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "SEGMENT", 6)
        return disk_steps(lambda: extract(clip, folder, SMALL), folder)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to kill what it forked")
@pytest.mark.parametrize(
    ("event", "file", "nth"),
    [
        ("open", ".jpg", 15),  # in the second segment: each crop is opened to write and to sync
        ("os.rename", "commit-000000001", 1),  # crops written, their rows not
        ("os.rename", ".jpg", 12),  # rows written, some crops not in their place
    ],
)
def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(
    clip: Path, whole: Faceset, steps: list[str], tmp_path: Path, event: str, file: str, nth: int
):
    folder = tmp_path / "f"
    found = [n for n, step in enumerate(steps) if step.startswith(event) and file in step]
    disk_steps(lambda: extract(clip, folder, SMALL), folder, found[nth - 1])
    before = Faceset.open(folder)  # no stray, no half row: a killed run leaves a sound faceset
    assert 0 < len(before) < FRAMES
    times = {row.file: (folder / row.file).stat().st_mtime_ns for row in before}
    summary = extract(clip, folder, SMALL)
    assert summary.sources[0].frames == FRAMES
    assert content(folder) == content(whole.folder)
    assert all((folder / name).stat().st_mtime_ns == t for name, t in times.items())
    assert not (folder / ".extract").exists()


def test_every_nth_frame_only(clip: Path, tmp_path: Path):
    summary = extract(clip, tmp_path, SMALL.model_copy(update={"every": 7}))
    assert [row.frame_index for row in Faceset.open(tmp_path)] == [0, 7, 14]
    assert summary.sources[0].frames == 3


def test_small_faces_are_left_out_and_told(clip: Path, tmp_path: Path):
    summary = extract(clip, tmp_path, SMALL.model_copy(update={"min_size": 400}))
    result = summary.sources[0]
    assert (result.status, result.crops, result.frames_with_face) == ("done", 0, 0)
    assert result.frames == FRAMES


def test_only_the_largest_faces_are_kept(tmp_path: Path):
    from actors import draw_clip

    image = draw_clip([1, 2], 1, 480, 240)[0].frame.image
    write_image(tmp_path / "two.png", image)
    assert extract(tmp_path / "two.png", tmp_path / "all", SMALL).crops == 2
    one = SMALL.model_copy(update={"faces": 1})
    assert extract(tmp_path / "two.png", tmp_path / "one", one).crops == 1


def test_one_bad_file_is_a_row_and_the_rest_goes_on(clip: Path, tmp_path: Path):
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    (source / "b.mp4").write_bytes(b"no video")
    (source / "a.png").write_bytes(b"")
    write_image(source / "deep" / "c\nd.png", draw_long_clip(2)[0].frame.image)
    shutil.copy(clip, source / "z.mp4")
    (source / "notes.txt").write_text("not media")
    summary = extract(source, source / "out", SMALL)
    status = {Path(s.path).name: s.status for s in summary.sources}
    assert status == {"a.png": "failed", "b.mp4": "failed", "c\nd.png": "done", "z.mp4": "done"}
    assert len(summary.failed) == 2
    assert all(s.error for s in summary.failed)
    assert summary.crops == FRAMES + 1
    again = extract(source, source / "out", SMALL)  # crops are not taken for footage
    assert again.crops == FRAMES + 1
    names = {row.source for row in Faceset.open(source / "out")}
    assert names == {"deep/c\nd.png", "z.mp4"}


def test_a_cut_short_video_keeps_what_came_before_the_damage(clip: Path, tmp_path: Path):
    data = clip.read_bytes()
    moov = data.find(b"moov")
    broken = tmp_path / "broken.mp4"
    if moov > len(data) // 2:  # the index lies at the end: damage the pictures, not the index
        start = data.find(b"mdat") + 4
        third = start + 2 * (moov - start) // 3
        broken.write_bytes(data[:third] + b"\xff" * (moov - 4 - third) + data[moov - 4 :])
    else:
        broken.write_bytes(data[: 3 * len(data) // 4])
    summary = extract(broken, tmp_path / "out", SMALL)
    assert 0 < summary.crops <= FRAMES
    again = extract(broken, tmp_path / "out", SMALL)
    assert again.crops == summary.crops
    assert again.sources[0].error == summary.sources[0].error


def test_the_same_picture_twice_is_extracted_once(tmp_path: Path):
    image = draw_long_clip(2)[0].frame.image
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "in" / name, image)
    summary = extract(tmp_path / "in", tmp_path / "out", SMALL)
    assert [s.status for s in summary.sources] == ["done", "already"]
    assert summary.crops == 1


def test_other_settings_for_a_file_that_is_done_are_refused(clip: Path, whole: Faceset, tmp_path):
    folder = tmp_path / "f"
    shutil.copytree(whole.folder, folder)
    summary = extract(clip, folder, SMALL.model_copy(update={"every": 2}))
    assert "use those (--every 1)" in summary.sources[0].error
    assert "--redo" in summary.sources[0].error
    assert summary.crops == FRAMES


def test_a_default_that_changed_since_is_no_other_setting():
    default, before = ExtractConfig(), ExtractConfig(face_detector="mediapipe").decides()
    del before["max_outside"]  # as in versions that did not know it
    assert default.differing(before, done=True) == {}
    assert default.differing(before, done=False) == {"face_detector": "mediapipe"}
    asked = ExtractConfig(face_detector="centerface", every=2)
    assert asked.differing(before, done=True) == {"every": 1, "face_detector": "mediapipe"}


@pytest.mark.parametrize("change", [{"template": "face"}, {"size": 128}])
def test_one_faceset_has_one_alignment(clip: Path, whole: Faceset, change: dict[str, object]):
    with pytest.raises(FacesetError, match=r"whole_face.*64"):
        extract(clip, whole.folder, SMALL.model_copy(update=change))


def test_rights_are_kept_and_not_stretched_to_footage_they_were_not_stated_for(tmp_path: Path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    write_image(first, draw_long_clip(2)[0].frame.image)
    write_image(second, draw_long_clip(2)[1].frame.image)
    stated = SMALL.model_copy(update={"rights": RIGHTS})
    out = tmp_path / "out"
    extract(first, out, stated)
    assert Faceset.open(out).require_rights() == (RIGHTS,)
    assert extract(first, out, SMALL).sources[0].status == "already"
    silent = extract(second, out, SMALL)
    assert "rights" in silent.sources[0].error
    assert extract(second, out, stated).crops == 2


def test_other_rights_than_the_facesets_are_refused(clip: Path, whole: Faceset):
    with pytest.raises(FacesetError, match="rights"):
        extract(clip, whole.folder, SMALL.model_copy(update={"rights": RIGHTS}))


def test_a_source_that_is_not_there_or_holds_nothing_is_an_error(tmp_path: Path):
    with pytest.raises(MediaError, match="does not exist"):
        extract(tmp_path / "no.mp4", tmp_path / "out", SMALL)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="holds no"):
        extract(tmp_path / "empty", tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


def test_progress_counts_frames_of_a_film_and_files_of_a_folder(clip: Path, tmp_path: Path):
    seen: list[tuple[int, int | None, str]] = []
    extract(clip, tmp_path / "a", SMALL, progress=lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == list(range(1, FRAMES + 1))
    assert seen[-1][1] == FRAMES


@pytest.mark.skipif(sys.platform == "win32", reason="names are bytes on POSIX only")
def test_a_name_that_is_no_utf8_is_recorded_and_harmless(tmp_path: Path):
    (tmp_path / "in").mkdir()
    image = tmp_path / "x.png"
    write_image(image, draw_long_clip(2)[0].frame.image)
    os.rename(os.fsencode(image), os.fsencode(tmp_path / "in") + b"/-\xff;rm.png")  # noqa: PTH104
    summary = extract(tmp_path / "in", tmp_path / "out", SMALL)
    assert summary.crops == 1
    summary.model_dump_json().encode()
    (row,) = Faceset.open(tmp_path / "out")
    assert row.source == "-\\udcff;rm.png"
    assert row.file.startswith("udcff_rm_")


def test_a_file_that_is_cut_short_gives_its_faces_and_a_note(tmp_path: Path):
    path = write_long_clip(tmp_path / "cut.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    (source,) = extract(path, tmp_path / "f", SMALL).sources
    assert (source.status, source.error) == ("done", None)
    assert 0 < source.crops < FRAMES
    (note,) = source.notes
    assert note.startswith("The file is cut short:")


def test_a_face_that_the_frame_cuts_is_grey_there_and_told_and_can_be_left_out(tmp_path: Path):
    actor = draw_actor(2, size=320)
    cut = round(float(actor.landmarks[30, 0])) - 20
    write_image(tmp_path / "cut.png", actor.image[:, cut:])
    summary = extract(tmp_path / "cut.png", tmp_path / "f")
    (row,) = Faceset.open(tmp_path / "f")
    assert 0.2 < row.outside < 0.5
    crop = Faceset.open(tmp_path / "f").read(row).image
    assert np.abs(crop[:, : round(row.outside * 200)].astype(int) - 128).max() < 12
    assert any("outside" in note for note in summary.sources[0].notes)
    strict = extract(tmp_path / "cut.png", tmp_path / "g", ExtractConfig(max_outside=0.1))
    assert strict.crops == 0
    assert "1 face was left out" in strict.sources[0].notes[0]


def test_an_upside_down_face_is_stored_upright(tmp_path: Path):
    actor = draw_actor(2, size=320)
    write_image(tmp_path / "turned.png", np.ascontiguousarray(actor.image[::-1, ::-1]))
    extract(tmp_path / "turned.png", tmp_path / "f")
    faceset = Faceset.open(tmp_path / "f")
    (row,) = faceset
    assert row.pose is not None
    assert abs(row.pose.roll) > 170
    upright = align(actor.image, actor.face, "whole_face", 256).image
    crop = faceset.read(row).image
    off = np.abs(crop.astype(int) - upright).mean()
    assert off < np.abs(crop[::-1, ::-1].astype(int) - upright).mean() / 2
