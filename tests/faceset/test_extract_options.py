"""What `extract` can be asked for: times, sizes, people, formats, turned faces, pictures beside."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from actors import FRONTAL, NEUTRAL, ClipFrame, add_actor, draw_actor, write_clip
from footage import FRAMES, draw_long_clip, write_long_clip
from pydantic import ValidationError

from counterface.errors import FacesetError, MediaError, WeightsError
from counterface.faces.smooth import jitter
from counterface.faceset import intake, wanted
from counterface.faceset.adopt import adopt
from counterface.faceset.curate import choose, measuring
from counterface.faceset.curate.order import SortConfig, restore_names, sort
from counterface.faceset.curate.pour import merge_facesets, pack, unpack
from counterface.faceset.extract import SINCE, ExtractConfig, extract
from counterface.faceset.header import HEADER_FILE
from counterface.faceset.inspect import verify
from counterface.faceset.masks.exchange import MASKS, export_masks, import_masks
from counterface.faceset.store import Faceset
from counterface.media.image import read_image, write_image
from counterface.types import Floats, Frame, Image

SMALL = {"size": 64, "min_size": 20}


def config(**changes: object) -> ExtractConfig:
    return ExtractConfig.model_validate(SMALL | changes)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long_clip(tmp_path_factory.mktemp("clip") / "actor.mp4")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, the middle one largest, the one on the right smallest."""
    image = np.full((300, 640, 3), 90, np.uint8)
    for identity, x, distance in ((1, 110, 40.0), (2, 320, 55.0), (3, 540, 30.0)):
        centre = np.array([x, 130.0])
        image = add_actor(image, identity, FRONTAL, NEUTRAL, centre, distance).image
    path = tmp_path_factory.mktemp("three") / "three.png"
    write_image(path, image)
    return path


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SEGMENT", 6)


def content(folder: Path) -> dict[str, tuple[bytes, bytes]]:
    return {
        row.file: ((folder / row.file).read_bytes(), row.landmarks.tobytes())
        for row in Faceset.open(folder)
    }


# Times


@pytest.mark.parametrize(
    ("times", "frames"),
    [
        ({"start": 0.25, "end": "0:00.5"}, range(6, 12)),  # 24 frames a second; the end is left out
        ({"start": "0.251"}, range(7, FRAMES)),
        ({"end": 0.125, "every": 2}, range(0, 3, 2)),
        ({"start": 0.125, "every": 2}, range(4, FRAMES, 2)),
    ],
)
def test_a_part_of_a_video_is_taken_by_its_time_stamps(
    clip: Path, tmp_path: Path, times: dict[str, object], frames: range
):
    extract(clip, tmp_path, config(**times))
    rows = list(Faceset.open(tmp_path))
    assert [row.frame_index for row in rows] == list(frames)
    assert [row.pts for row in rows] == [Fraction(index, 24) for index in frames]


def test_times_without_a_frame_are_told(clip: Path, tmp_path: Path):
    (source,) = extract(clip, tmp_path, config(start="1:00:00")).sources
    assert (source.status, source.crops) == ("done", 0)
    assert "--start" in source.notes[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"start": 0.125, "every": 2},
        {"smooth": 1.5, "second_pass": True},
        {"re_feed": 2, "format": "webp", "end": 0.75},
    ],
)
def test_an_interrupted_run_goes_on_exactly(clip: Path, tmp_path: Path, options: dict[str, object]):
    def interrupt(done: int, total: int | None, text: str) -> None:
        if done >= 17:
            raise KeyboardInterrupt

    extract(clip, tmp_path / "whole", config(**options))
    with pytest.raises(KeyboardInterrupt):
        extract(clip, tmp_path / "part", config(**options), progress=interrupt)
    assert 0 < len(Faceset.open(tmp_path / "part")) < len(Faceset.open(tmp_path / "whole"))
    extract(clip, tmp_path / "part", config(**options))
    assert content(tmp_path / "part") == content(tmp_path / "whole")


# Settings on record


def test_other_settings_are_refused_and_named_by_their_flags(clip: Path, tmp_path: Path):
    extract(clip, tmp_path, config(every=9, second_pass=True, rotations="90,270", end=0.75))
    (source,) = extract(clip, tmp_path, config(every=9)).sources
    assert source.error is not None
    for flag in ("--second-pass", "--rotations 90,270", "--end 0.75"):
        assert flag in source.error
    again = extract(
        clip, tmp_path, config(every=9, second_pass=True, rotations=[270, 90], end="0:00.750")
    )
    assert again.sources[0].status == "already"


def test_a_faceset_of_before_goes_on_with_the_defaults_and_with_nothing_else(clip: Path, tmp_path):
    extract(clip, tmp_path, config(every=9))
    header = json.loads((tmp_path / HEADER_FILE).read_text())
    for name in (*SINCE, "like", "unlike"):
        del header["sources"][0]["options"][name]
    header["sources"][0] |= {"done": False, "next_frame": 9}
    (tmp_path / HEADER_FILE).write_text(json.dumps(header))
    (source,) = extract(clip, tmp_path, config(every=9, re_feed=3)).sources
    assert source.error is not None
    assert "--re-feed 0" in source.error
    assert extract(clip, tmp_path, config(every=9)).sources[0].status == "done"
    assert [row.frame_index for row in Faceset.open(tmp_path)] == [0, 9, 18]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_size": 30, "min_size": 40}, "no face would"),
        ({"start": 3, "end": "0:02"}, "is not after"),
        ({"end": 0}, "is not after"),
        ({"start": "soon"}, "is no time"),
        ({"rotations": "up"}, "names no angles"),
        ({"re_feed": 33}, "32"),
        ({"format": "gif"}, "jpeg"),
        ({"smooth": -1}, "0"),
    ],
)
def test_values_that_cannot_be_are_refused(values: dict[str, object], said: str):
    with pytest.raises(ValidationError, match=said):
        config(**values)


# Which faces


def test_faces_that_are_too_large_are_left_out_and_the_largest_of_the_rest_kept(
    three: Path, tmp_path: Path
):
    extract(three, tmp_path / "all", config())
    sides = [float((row.box[2:] - row.box[:2]).min()) for row in Faceset.open(tmp_path / "all")]
    assert len(sides) == 3
    limit = int(sides[0]) - 1
    extract(three, tmp_path / "one", config(max_size=limit, faces=1))
    (row,) = Faceset.open(tmp_path / "one")
    assert row.face_index == 1  # its number among all faces of the frame
    assert row.box[0] < 200


class Hue:
    """Embeds a face by the colour beside its nose: what tells drawn people apart for certain."""

    def embed_landmarks(self, image: Image, landmarks: Floats) -> Floats:
        x, y = landmarks[[2, 14, 30]].mean(axis=0).astype(int)
        return image[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(axis=0) / np.float32(60)


@pytest.fixture
def hue(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (wanted, choose, measuring):
        monkeypatch.setattr(module, "IdentityEmbedder", Hue)


@pytest.mark.slow
@pytest.mark.usefixtures("hue")
def test_people_are_chosen_by_pictures_and_facesets_of_them(three: Path, tmp_path: Path):
    samples = []
    for identity in (1, 3):
        samples.append(tmp_path / f"person{identity}.png")
        write_image(samples[-1], draw_actor(identity).image)
    extract(samples[1], tmp_path / "third", config())

    def places(**asked: object) -> list[int]:
        folder = tmp_path / f"f{len(list(tmp_path.iterdir()))}"
        extract(three, folder, config(**asked))
        return sorted(round(float(row.box[0]) / 220) for row in Faceset.open(folder))

    assert places(like=samples[:1]) == [0]
    assert places(like=[samples[0], tmp_path / "third"]) == [0, 2]
    assert places(unlike=[samples[1]]) == [0, 1]
    assert places(unlike=samples, faces=1) == [1]
    assert places(like=samples, unlike=samples[1:], faces=1) == [0]


@pytest.mark.usefixtures("hue")
def test_other_samples_are_other_settings_by_their_content(three: Path, tmp_path: Path):
    sample = tmp_path / "jane.png"
    write_image(sample, draw_actor(1).image)
    extract(three, tmp_path / "f", config(like=[sample]))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.copy(sample, moved)
    again = extract(three, tmp_path / "f", config(like=[moved / "jane.png"]))
    assert again.sources[0].status == "already"
    write_image(sample, draw_actor(3).image)
    (source,) = extract(three, tmp_path / "f", config(like=[sample])).sources
    assert source.error is not None
    assert "--like jane.png (" in source.error


def test_samples_that_cannot_be_used_are_told_before_anything_is_written(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "f"
    monkeypatch.setattr(wanted, "IdentityEmbedder", Hue)
    monkeypatch.setattr(choose, "IdentityEmbedder", Hue)
    with pytest.raises(MediaError, match="shows 3 faces"):
        extract(three, out, config(like=[three]))
    with pytest.raises(FacesetError, match="is not a faceset"):
        extract(three, out, config(unlike=[tmp_path]))

    def absent() -> None:
        raise WeightsError("comparing identities needs dlib")

    monkeypatch.setattr(wanted, "IdentityEmbedder", absent)
    with pytest.raises(WeightsError, match="needs dlib"):
        extract(three, out, config(like=[three]))
    assert not out.exists()


# Finding and placing


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_face_is_looked_for_where_that_is_asked_for(tmp_path: Path, quarters: int):
    actor = draw_actor(2, size=320)
    degrees = 90 * quarters  # np.rot90 turns to the left, so this brings it back
    write_image(tmp_path / "a.png", np.ascontiguousarray(np.rot90(actor.image, quarters)))
    found = {}
    for asked in (str(degrees) if degrees >= 180 else f"0,{degrees}", "0"):
        extract(tmp_path / "a.png", tmp_path / asked, config(rotations=asked, size=256))
        found[asked] = list(Faceset.open(tmp_path / asked))
    (row,), none = found.values()
    assert row.pose is not None
    assert abs((row.pose.roll + degrees + 180) % 360 - 180) < 8
    points = actor.landmarks
    for _ in range(quarters):
        points = np.stack([points[:, 1], 319 - points[:, 0]], axis=1)
    eyes = np.linalg.norm(points[36] - points[45])
    assert np.linalg.norm(row.landmarks[17:] - points[17:], axis=1).mean() < 0.12 * eyes
    assert len(none) <= 1  # the shipped detectors find some of these as they lie


def test_a_face_that_the_detector_names_twice_gives_one_crop(clip: Path, tmp_path: Path):
    truth = draw_long_clip()
    boxes = {
        str(item.frame.index): [
            {"box": (item.actors[0].box + shift).tolist()} for shift in (0, 5, -6)
        ]
        for item in truth
    }
    (tmp_path / "list.json").write_text(json.dumps({"frames": boxes}))
    listed = config(face_detector=f"manual:{tmp_path / 'list.json'}", every=5)
    extract(clip, tmp_path / "f", listed)
    assert [row.frame_index for row in Faceset.open(tmp_path / "f")] == [0, 5, 10, 15]


@pytest.mark.slow
def test_landmarks_shake_less_where_they_are_smoothed(clip: Path, tmp_path: Path):
    shakes = []
    for smooth in (0, 1.5):
        extract(clip, tmp_path / str(smooth), config(smooth=smooth))
        rows = list(Faceset.open(tmp_path / str(smooth)))
        assert [row.frame_index for row in rows] == list(range(FRAMES))
        shakes.append(jitter([row.landmarks for row in rows]))
    assert shakes[1] < 0.8 * shakes[0]


def draw_moving(path: Path, places: list[list[tuple[int, float, float, float]]]) -> list[ClipFrame]:
    """A clip of actors (identity, x, y, eye distance), the first of a frame farthest away."""
    ground = np.random.default_rng(0).integers(60, 120, (15, 30, 3), np.uint8)
    ground = np.kron(ground, np.ones((16, 16, 1), np.uint8))
    frames = []
    for index, people in enumerate(places):
        image, actors = ground, []
        for identity, x, y, distance in people:
            where = np.array([x, y])
            actors.append(add_actor(image, identity, FRONTAL, NEUTRAL, where, distance))
            image = actors[-1].image
        frames.append(ClipFrame(Frame(image, index, Fraction(index, 24)), tuple(actors)))
    write_clip(path, frames)
    return frames


@pytest.mark.slow
def test_two_people_who_cross_keep_their_landmarks(tmp_path: Path):
    steps = range(24)
    places = [[(1, 90 + 13 * k, 90, 24), (2, 390 - 13 * k, 110, 34)] for k in steps]
    truth = draw_moving(tmp_path / "cross.mp4", places)
    extract(tmp_path / "cross.mp4", tmp_path / "f", config(smooth=1.5, detect_every=1))
    rows = list(Faceset.open(tmp_path / "f"))
    apart = [index for index in steps if abs(300 - 26 * index) > 80]  # else one hides the other
    for index in apart:
        actors = truth[index].actors
        nearest = []
        for row in (row for row in rows if row.frame_index == index):
            off = [(row.landmarks - a.landmarks)[17:].mean(axis=0) for a in actors]
            distances = np.linalg.norm(off, axis=1)
            nearest.append(int(distances.argmin()))
            assert distances.min() < 0.3 * 24, index
        assert sorted(nearest) == [0, 1], index


@pytest.mark.slow
def test_a_face_that_leaves_the_frame_comes_back(tmp_path: Path):
    outward = [[(1, x, 100.0, 34.0)] for x in range(240, 500, 40)]
    places = [*outward, *[[]] * 4, *outward[::-1]]
    truth = draw_moving(tmp_path / "leave.mp4", places)
    extract(tmp_path / "leave.mp4", tmp_path / "f", config(smooth=1.5))
    rows = {row.frame_index: row for row in Faceset.open(tmp_path / "f")}
    assert {0, 1, 2, 3, 4} <= rows.keys()
    assert not rows.keys() & set(range(7, 11))
    assert {15, 16, 17} <= rows.keys()
    for index, row in rows.items():
        if places[index][0][1] > 400:  # the edge of the picture cuts the face
            continue
        off = (row.landmarks - truth[index].actors[0].landmarks)[17:].mean(axis=0)
        assert np.linalg.norm(off) < 0.3 * 34


# Files


@pytest.mark.slow
@pytest.mark.parametrize(("form", "suffix"), [("jpeg", "jpg"), ("png", "png"), ("webp", "webp")])
def test_crops_of_each_format_are_read_by_all_that_reads_crops(
    three: Path, tmp_path: Path, form: str, suffix: str
):
    folder = tmp_path / "f"
    extract(three, folder, config(format=form))
    faceset = Faceset.open(folder)
    names = [row.file for row in faceset]
    assert len(names) == 3
    assert {Path(name).suffix for name in names} == {f".{suffix}"}
    assert verify(folder).problems == ()
    drawn = {row.file: faceset.read(row).image for row in faceset}
    sort(folder, SortConfig(by="blur", rename=True))
    assert {Path(row.file).suffix for row in Faceset.open(folder)} == {f".{suffix}"}
    restore_names(Faceset.open(folder))
    pack(folder, tmp_path / "packed.parquet")
    unpack(tmp_path / "packed.parquet", tmp_path / "back")
    back = Faceset.open(tmp_path / "back")
    assert [row.file for row in back] == names
    for row in back:
        assert np.array_equal(back.read(row).image, drawn[row.file])
    assert extract(three, folder, config(format=form)).sources[0].status == "already"


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_crops_of_each_format_have_masks_of_their_own(three: Path, tmp_path: Path, form: str):
    folder, given = tmp_path / "f", tmp_path / "given"
    extract(three, folder, config(format=form))
    before = content(folder)
    given.mkdir()
    for number, name in enumerate(before):
        grey = np.full((64, 64, 3), 60 * number, np.uint8)
        write_image(given / Path(name).with_suffix(".png"), grey)
    assert import_masks(folder, given).masks == 3
    assert content(folder) == before
    for number, row in enumerate(Faceset.open(folder)):
        assert row.mask == f"{MASKS}/{Path(row.file).stem}.png"
        assert (read_image(folder / row.mask) == 60 * number).all()
    assert verify(folder).problems == ()
    assert export_masks(folder, tmp_path / "back", "png").masks == 3
    for path in given.iterdir():
        assert np.array_equal(read_image(tmp_path / "back" / path.name), read_image(path))


@pytest.mark.slow
def test_facesets_of_several_formats_are_merged_byte_for_byte(tmp_path: Path):
    whole: dict[str, tuple[bytes, bytes]] = {}
    for identity, form in enumerate(("jpeg", "png", "webp"), start=1):
        picture = tmp_path / f"{form}.png"
        write_image(picture, draw_actor(identity, size=200).image)
        extract(picture, tmp_path / form, config(format=form))
        whole |= content(tmp_path / form)
    assert {Path(name).suffix for name in whole} == {".jpg", ".png", ".webp"}
    merge_facesets([tmp_path / form for form in ("jpeg", "png", "webp")], tmp_path / "all")
    assert content(tmp_path / "all") == whole
    assert verify(tmp_path / "all").problems == ()


def test_another_format_is_refused_and_replaces_all_crops_where_that_is_asked_for(
    three: Path, tmp_path: Path
):
    extract(three, tmp_path / "f", config(format="png"))
    (source,) = extract(three, tmp_path / "f", config(format="webp")).sources
    assert source.error is not None
    assert "--format png" in source.error
    extract(three, tmp_path / "f", config(format="webp"), redo=True)
    assert len(list((tmp_path / "f").glob("*.webp"))) == 3
    assert list((tmp_path / "f").glob("*.png")) == []
    assert verify(tmp_path / "f").problems == ()


def test_png_and_webp_lose_nothing(three: Path, tmp_path: Path):
    images = []
    for form in ("png", "webp", "jpeg"):
        extract(three, tmp_path / form, config(format=form))
        faceset = Faceset.open(tmp_path / form)
        images.append(np.stack([faceset.read(row).image for row in faceset]))
    assert np.array_equal(images[0], images[1])
    assert 0 < np.abs(images[0].astype(int) - images[2]).mean() < 4


def test_a_webp_picture_can_be_adopted(tmp_path: Path):
    extract_from = tmp_path / "a.png"
    write_image(extract_from, draw_actor(2, size=320).image)
    extract(extract_from, tmp_path / "f", ExtractConfig(format="webp"))
    extract(extract_from, tmp_path / "g", ExtractConfig(template="whole_face", faces=1))
    (row,) = Faceset.open(tmp_path / "f")
    shutil.copy(tmp_path / "f" / row.file, tmp_path / "g" / "foreign.webp")
    assert adopt(tmp_path / "g").adopted == ("foreign.webp",)


def test_debug_pictures_and_the_sheet_lie_beside_and_change_no_crop(three: Path, tmp_path: Path):
    extract(three, tmp_path / "plain", config(faces=2))
    debug, sheet = tmp_path / "debug", tmp_path / "sheet.png"
    summary = extract(three, tmp_path / "f", config(faces=2), debug_dir=debug, sheet=sheet)
    assert summary.sheet == str(sheet)
    assert content(tmp_path / "f") == content(tmp_path / "plain")
    rows = list(Faceset.open(tmp_path / "f"))
    (picture,) = debug.iterdir()
    assert rows[0].file.startswith(picture.stem)
    drawn, plain = (read_image(path).astype(int) for path in (picture, three))
    assert drawn.shape == plain.shape
    for row in rows:
        x, y = row.landmarks[30].round().astype(int)
        red, green, _ = drawn[y, x]
        assert green > red + 60  # what became a crop is green
    left_out = (drawn[..., 0] > 200) & (drawn[..., 2] < 80) & (drawn[..., 1] > 90)
    assert np.flatnonzero(left_out.any(axis=0)).min() > 420  # the smallest, on the right: orange
    assert read_image(sheet).shape[1] > 1000


def test_a_frame_without_a_face_gives_no_debug_picture_and_no_crop_no_sheet(tmp_path: Path):
    write_image(tmp_path / "empty.png", np.full((64, 64, 3), 90, np.uint8))
    places = {"debug_dir": tmp_path / "debug", "sheet": tmp_path / "sheet.png"}
    summary = extract(tmp_path / "empty.png", tmp_path / "f", config(), **places)
    assert summary.sheet is None
    assert not (tmp_path / "sheet.png").exists()
    assert list((tmp_path / "debug").iterdir()) == []


def test_pictures_that_would_be_taken_for_crops_or_footage_are_refused(
    three: Path, clip: Path, tmp_path: Path
):
    extract(three, tmp_path / "other", config())
    footage = tmp_path / "in"
    footage.mkdir()
    shutil.copy(three, footage)
    out = tmp_path / "f"
    for places, why in (
        ({"debug_dir": out / "debug"}, "taken for a crop"),
        ({"sheet": out / "sheet.png"}, "taken for a crop"),
        ({"debug_dir": footage / "debug"}, "taken for footage"),
        ({"debug_dir": tmp_path / "other"}, "is in a faceset"),
        ({"sheet": tmp_path / "other" / "sheet.png"}, "is in a faceset"),
    ):
        with pytest.raises(FacesetError, match=why):
            extract(footage, out, config(), **places)
    assert not out.exists()
