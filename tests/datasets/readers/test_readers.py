"""Every registered reader keeps the contract, and says of a drawn tree what is true of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from drawn_trees import DRAWN, touch, write_json

from counterface.datasets.manifest import Entry
from counterface.datasets.readers.layout import DatasetReader, load_reader
from counterface.errors import ConfigError, DatasetError, RegistryError
from counterface.registry import DATASET_READERS
from counterface.testing import check_dataset_reader


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("layout", DATASET_READERS.names())
def test_every_reader_keeps_the_contract(layout: str, tree: Path):
    DRAWN[layout](tree)
    check_dataset_reader(DATASET_READERS.load(layout), tree)


class Sloppy(DatasetReader):
    """A reader whose faults can be switched on."""

    expected: ClassVar[str] = "FOLDER/\n  a.jpg\n"
    fault: ClassVar[str] = ""

    def entries(self, folder: Path) -> Iterator[Entry]:
        if self.fault == "writes":
            (folder / f"{len(list(folder.iterdir()))}.txt").touch()
        for path in sorted(folder.glob("*.jpg")):
            yield Entry(path, 0, sha256="1" * (self.fault == "hashes"))
            if self.fault in ("repeats", "contradicts"):
                yield Entry(path, int(self.fault == "contradicts"))


class Mute(Sloppy):
    """A reader with an option that nobody explains."""

    every: int = 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("writes", "reading changed the folder"),
        ("hashes", "it knows no hash"),
    ],
)
def test_the_contract_finds_faults(
    fault: str, says: str, tree: Path, monkeypatch: pytest.MonkeyPatch
):
    touch(tree, "a.jpg", "b.jpg")
    check_dataset_reader(Sloppy, tree)
    monkeypatch.setattr(Sloppy, "fault", fault)
    with pytest.raises(AssertionError, match=says):
        check_dataset_reader(Sloppy, tree)


def test_a_file_with_two_labels_is_refused_in_any_layout(
    tree: Path, monkeypatch: pytest.MonkeyPatch
):
    touch(tree, "a.jpg")
    monkeypatch.setattr(Sloppy, "fault", "repeats")
    assert len(Sloppy().read(tree)) == 1
    monkeypatch.setattr(Sloppy, "fault", "contradicts")
    with pytest.raises(DatasetError, match=r"a\.jpg' stands there as real and as fake"):
        Sloppy().read(tree)


def test_the_contract_wants_every_option_described(tree: Path):
    touch(tree, "a.jpg")
    with pytest.raises(AssertionError, match="option 'every' has no description"):
        check_dataset_reader(Mute, tree)


@pytest.mark.parametrize("layout", DATASET_READERS.names())
def test_every_reader_says_what_is_true_of_its_tree(layout: str, tree: Path):
    facts = DRAWN[layout](tree)
    found = {
        entry.path.relative_to(tree).as_posix(): (
            *(entry.label, entry.split, entry.source),
            entry.identities,
        )
        for entry in load_reader(layout).read(tree)
    }
    assert found == facts


@pytest.mark.parametrize(
    ("layout", "part"),
    [
        ("dfdc", "dfdc_train_part_0/bb.mp4"),
        ("dfdc_test", "labels.csv"),
        ("dfdc_test", "deeper/bb.mp4"),
        ("dfdcp", "dataset.json"),
        ("dfdcp", "original_videos/12/12_A_001.mp4"),
        ("faceforensics", "original_sequences"),
        ("faceforensics", "original_sequences/youtube"),
        ("faceforensics", "manipulated_sequences"),
        ("faceforensics", "splits"),
        ("faceforensics", "splits/val.json"),
        ("dfd", "original_sequences/actors"),
        ("dfd", "manipulated_sequences/DeepFakeDetection/c23"),
        ("celeb_df", "YouTube-real"),
        ("celeb_df", "List_of_testing_videos.txt"),
        ("celeb_df", "Celeb-real/id1_0002.mp4"),
        ("deeper_forensics", "manipulated_videos"),
        ("deeper_forensics", "lists/splits/test.txt"),
        ("ffiw", "target"),
        ("uadfv", "fake"),
        ("vidtimit", "fadg0/video/sa1/001"),
        ("asvspoof", "ASVspoof2019_LA_train"),
        ("asvspoof", "ASVspoof2021_LA_eval/flac/LA_E_9.flac"),
        ("two_folders", "fake"),
        ("deepfakebench", "Celeb-DF-v1/Celeb-real/frames/id0_0005/000.png"),
        ("csv", "real/a.mp4"),
    ],
)
def test_a_missing_part_is_an_error_that_shows_the_tree(layout: str, part: str, tree: Path):
    DRAWN[layout](tree)
    gone = tree / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    if layout == "vidtimit":  # a sequence may have any pictures; but not none
        shutil.rmtree(gone.parent)
        shutil.rmtree(tree / "mccs0")
    with pytest.raises(DatasetError) as caught:
        load_reader(layout).read(tree)
    reader = DATASET_READERS.load(layout)
    assert str(caught.value).endswith(f"expected:\n{reader.expected}")
    assert "found" in caught.value.args[0]


def test_absent_files_are_counted_and_can_be_left_out(tree: Path):
    DRAWN["dfdc"](tree)
    for name in ("dfdc_train_part_0/aa.mp4", "dfdc_train_part_1/dd.mp4"):
        (tree / name).unlink()
    with pytest.raises(DatasetError, match=r"2 of 4 listed files are absent, first .*aa\.mp4"):
        load_reader("dfdc").read(tree)
    left = load_reader("dfdc", {"leave_out_missing": True}).read(tree)
    assert [entry.path.name for entry in left] == ["bb.mp4", "cc.mp4"]


def test_an_unknown_layout_and_an_unknown_option_are_refused():
    with pytest.raises(RegistryError, match="did you mean 'celeb_df'"):
        load_reader("celeb_dff")
    with pytest.raises(ConfigError, match="unknown key 'fakes'; did you mean 'fake'"):
        load_reader("two_folders", {"fakes": "x"})
    with pytest.raises(ConfigError, match="every"):
        load_reader("vidtimit", {"every": 0})


class TestCelebDf:
    def test_one_means_real_in_the_list_of_test_videos(self, tree: Path):
        DRAWN["celeb_df"](tree)
        held = {e.path.name: e.label for e in load_reader("celeb_df").read(tree) if e.split}
        assert held["id1_0002.mp4"] == 0  # flagged 1 in the list
        assert held["id1_id0_0002.mp4"] == 1  # flagged 0

    def test_a_list_whose_classes_were_turned_round_is_refused(self, tree: Path):
        DRAWN["celeb_df"](tree)
        path = tree / "List_of_testing_videos.txt"
        turned = {"1": "0", "0": "1"}
        lines = [turned[line[0]] + line[1:] for line in path.read_text().split("\n") if line]
        path.write_text("\n".join(lines))
        with pytest.raises(DatasetError, match="1 means real, this one seems to have been turned"):
            load_reader("celeb_df").read(tree)

    @pytest.mark.parametrize("line", ["2 Celeb-real/id1_0002.mp4", "1 /etc/passwd", "nonsense"])
    def test_a_line_that_names_no_video_is_refused(self, line: str, tree: Path):
        DRAWN["celeb_df"](tree)
        (tree / "List_of_testing_videos.txt").write_text(line)
        with pytest.raises(DatasetError, match="is not '1 Folder/name"):
            load_reader("celeb_df").read(tree)

    def test_a_name_that_does_not_fit_its_folder_is_refused(self, tree: Path):
        DRAWN["celeb_df"](tree)
        touch(tree, "Celeb-real/id0_id1_0001.mp4")
        with pytest.raises(DatasetError, match="is not named as expected"):
            load_reader("celeb_df").read(tree)


class TestFaceForensics:
    def test_methods_families_masks_and_compressions_are_told(self, tree: Path):
        DRAWN["faceforensics"](tree)
        touch(tree, "original_sequences/youtube/c40/videos/000.mp4")
        entries = {
            e.path.relative_to(tree).as_posix(): e for e in load_reader("faceforensics").read(tree)
        }
        fake = entries["manipulated_sequences/Deepfakes/c23/videos/000_003.mp4"]
        assert (fake.method, fake.generator, fake.compression) == ("face_swap", "Deepfakes", "c23")
        assert fake.mask == tree / "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4"
        other = entries["manipulated_sequences/NeuralTextures/c23/videos/000_003.mp4"]
        assert (other.method, other.mask) == ("reenactment", None)
        assert entries["original_sequences/youtube/c40/videos/000.mp4"].compression == "c40"

    def test_one_compression_can_be_asked_for_and_must_be_there(self, tree: Path):
        DRAWN["faceforensics"](tree)
        touch(tree, "original_sequences/youtube/c40/videos/000.mp4")
        found = load_reader("faceforensics", {"compression": "c23"}).read(tree)
        assert {entry.compression for entry in found} == {"c23"}
        with pytest.raises(DatasetError, match="no folder c40 of Deepfakes"):
            load_reader("faceforensics", {"compression": "c40"}).read(tree)

    def test_splits_may_lie_beside_the_folders_or_be_done_without(self, tree: Path):
        DRAWN["faceforensics"](tree)
        for path in list((tree / "splits").iterdir()):
            path.rename(tree / path.name)
        (tree / "splits").rmdir()
        given = {entry.split for entry in load_reader("faceforensics").read(tree)}
        assert given == {"", "train", "val", "test"}  # none for the actors
        free = load_reader("faceforensics", {"official_splits": False}).read(tree)
        assert {entry.split for entry in free} == {""}

    def test_a_folder_that_is_no_method_is_refused(self, tree: Path):
        DRAWN["faceforensics"](tree)
        touch(tree, "manipulated_sequences/FaceSwaps/c23/videos/000_003.mp4")
        with pytest.raises(DatasetError, match=r"'FaceSwaps'.*no methods"):
            load_reader("faceforensics").read(tree)

    def test_lists_that_hold_no_pairs_are_refused(self, tree: Path):
        DRAWN["faceforensics"](tree)
        write_json(tree / "splits" / "val.json", ["101", "102"])
        with pytest.raises(DatasetError, match="not pairs of numbers"):
            load_reader("faceforensics").read(tree)
        (tree / "splits" / "val.json").write_text("[[")
        with pytest.raises(DatasetError, match=r"val\.json: is not JSON"):
            load_reader("faceforensics").read(tree)


class TestDfdc:
    def test_one_part_is_read_by_itself_and_labels_must_be_known(self, tree: Path):
        DRAWN["dfdc"](tree)
        part = tree / "dfdc_train_part_0"
        assert [e.label for e in load_reader("dfdc").read(part)] == [1, 0]
        write_json(part / "metadata.json", {"aa.mp4": {"label": "fake"}})
        with pytest.raises(DatasetError, match="has no label REAL or FAKE"):
            load_reader("dfdc").read(part)


class TestDeeperForensics:
    def test_the_genuine_half_comes_from_where_it_is_named(self, tree: Path, tmp_path: Path):
        DRAWN["deeper_forensics"](tree)
        touch(tmp_path / "ff", "000.mp4", "002.mp4")
        options = {"targets": tmp_path / "ff", "variant": "end_to_end", "source_videos": True}
        entries = load_reader("deeper_forensics", options).read(tree)
        real = {entry.path.name: entry for entry in entries if entry.label == 0}
        assert real["002.mp4"].split == "test"  # as its fake, 002_M005
        assert real["M101_light_up.mp4"].split == "train"
        assert real["M101_light_up.mp4"].identities == ("deeper:M101",)
        assert sum(entry.label for entry in entries) == 3


class TestVidTimit:
    def test_pictures_can_be_thinned_out(self, tree: Path):
        DRAWN["vidtimit"](tree)
        names = [entry.path.name for entry in load_reader("vidtimit", {"every": 2}).read(tree)]
        assert names == ["001", "003", "sx1.avi"]

    def test_swaps_and_their_footage_share_names(self, tree: Path, tmp_path: Path):
        DRAWN["vidtimit"](tree)
        made = tmp_path / "made"
        DRAWN["deepfake_timit"](made)
        clips = {entry.source for entry in load_reader("vidtimit").read(tree)}
        fakes = load_reader("deepfake_timit").read(made)
        assert {entry.compression for entry in fakes} == {"lq", "hq"}
        assert clips & {entry.source for entry in fakes} == {"vidtimit:fadg0/sa1"}


class TestTwoFolders:
    def test_any_names_will_do_and_splits_are_taken(self, tree: Path):
        for split in ("train", "valid", "Test"):
            touch(tree, f"{split}/genuine/a.jpg", f"{split}/made/b.jpg")
        options = {"real": "genuine", "fake": "made", "generator": "stylegan"}
        entries = load_reader("two_folders", options).read(tree)
        assert sorted({entry.split for entry in entries}) == ["test", "train", "val"]
        assert {(e.label, e.path.parent.name) for e in entries} == {(0, "genuine"), (1, "made")}
        assert {e.generator for e in entries if e.label == 0} == {""}

    def test_wrong_names_are_answered_with_what_is_there(self, tree: Path):
        touch(tree, "authentic/a.jpg", "forged/b.jpg")
        with pytest.raises(DatasetError, match="found 'authentic/', 'forged/'"):
            load_reader("two_folders").read(tree)
        with pytest.raises(DatasetError, match="it is no folder"):
            load_reader("two_folders").read(tree / "forged" / "b.jpg")


class TestDeepfakeBench:
    def test_a_level_of_compressions_may_lie_between(self, tree: Path):
        frames = {
            level: [f"FaceForensics++/x/{level}/frames/000/000.png"] for level in ("c23", "c40")
        }
        touch(tree, *(path for found in frames.values() for path in found))
        table = {c: {"000": {"label": "FF-real", "frames": f}} for c, f in frames.items()}
        write_json(tree / "FF-DF.json", {"FF-DF": {"FF-real": {"train": table, "val": {}}}})
        entries = load_reader("deepfakebench").read(tree)
        assert [(e.compression, e.source) for e in entries] == [
            ("c23", "ff:000"),
            ("c40", "ff:000"),
        ]
        (one,) = load_reader("deepfakebench", {"compression": "c40"}).read(tree / "FF-DF.json")
        assert one.compression == "c40"

    @pytest.mark.parametrize(
        ("table", "says"),
        [
            ([], "in place of a table"),
            ({"A": {"real": {"dev": {}}}}, "splits"),
            ({"A": {"real": {"train": {"v": {"label": "real"}}}}}, "has no list of frames"),
        ],
    )
    def test_what_is_no_such_list_is_refused(self, table: object, says: str, tree: Path):
        write_json(tree / "a.json", table)
        with pytest.raises(DatasetError, match=says):
            load_reader("deepfakebench").read(tree)


def test_celeb_df_needs_its_list_for_its_split_alone(tree: Path):
    DRAWN["celeb_df"](tree)
    (tree / "List_of_testing_videos.txt").unlink()
    with pytest.raises(DatasetError, match="--set official_split=false"):
        load_reader("celeb_df").read(tree)
    found = load_reader("celeb_df", {"official_split": False}).read(tree)
    assert len(found) == 6
    assert {entry.split for entry in found} == {""}


def test_a_part_of_dfdc_without_its_list_is_told(tree: Path):
    DRAWN["dfdc"](tree)
    (tree / "dfdc_train_part_1" / "metadata.json").unlink()
    (tree / "notes").mkdir()  # holds no media: nobody misses a list
    (tree / "notes" / "readme.txt").write_text("x")
    said = r"1 folder without metadata\.json: 'dfdc_train_part_1'; .*leave_out_missing=true"
    with pytest.raises(DatasetError, match=said):
        load_reader("dfdc").read(tree)
    left = load_reader("dfdc", {"leave_out_missing": True}).read(tree)
    assert [entry.path.name for entry in left] == ["aa.mp4", "bb.mp4"]


def bench(folder: Path, classes: dict[str, dict[str, list[str]]], name: str = "FF.json") -> Path:
    """A list of DeepfakeBench: class -> split -> frames of its one video."""
    table = {
        kind: {
            split: {"c23": {"000": {"label": kind, "frames": frames}}}
            for split, frames in splits.items()
        }
        for kind, splits in classes.items()
    }
    write_json(folder / name, {"FF": table})
    return folder / name


@pytest.mark.parametrize("order", [("FF-real", "FF-DF"), ("FF-DF", "FF-real")])
@pytest.mark.parametrize("splits", [("train", "train"), ("train", "test")])
def test_a_frame_of_two_classes_is_refused(
    tree: Path, order: tuple[str, str], splits: tuple[str, str]
):
    touch(tree, "FF/000/000.png")
    frames = ["FF/000/000.png"]
    one = {kind: {split: frames} for kind, split in zip(order, splits, strict=True)}
    with pytest.raises(DatasetError, match=r"000\.png' stands there as real and as fake"):
        load_reader("deepfakebench", {"frames": tree}).read(bench(tree, one))
    (tree / "FF.json").unlink()
    for kind, split in zip(order, splits, strict=True):
        bench(tree, {kind: {split: frames}}, f"{kind}.json")
    with pytest.raises(DatasetError, match="as real and as fake"):
        load_reader("deepfakebench").read(tree)


def test_a_video_labelled_against_its_class_is_refused(tree: Path):
    touch(tree, "a.png")
    video = {"000": {"label": "FF-DF", "frames": ["a.png"]}}
    write_json(tree / "l.json", {"FF": {"FF-real": {"train": {"c23": video}}}})
    with pytest.raises(DatasetError, match="'000' of class 'FF-real' is labelled 'FF-DF'"):
        load_reader("deepfakebench").read(tree)


@pytest.mark.parametrize("start", ["/data/sets", "D:\\sets", "sets"])
def test_the_start_of_a_lists_paths_can_be_stripped(tree: Path, start: str):
    touch(tree, "FF/000/000.png")
    slash = "\\" if "\\" in start else "/"
    name = slash.join([start, "FF", "000", "000.png"])
    bench(tree, {"FF-real": {"train": [name]}})
    found = load_reader("deepfakebench", {"strip": start}).read(tree)
    assert [entry.path for entry in found] == [tree / "FF/000/000.png"]
    (tree / "labels.csv").write_text(f"path,label,mask\n{name},real,{name}\n")
    (entry,) = load_reader("csv", {"strip": start}).read(tree)
    assert (entry.path, entry.mask) == (tree / "FF/000/000.png", tree / "FF/000/000.png")


@pytest.mark.parametrize("name", ["frames", "images"])
def test_frames_of_faceforensics_are_entries_of_their_clip(tree: Path, name: str):
    DRAWN["faceforensics"](tree)
    for part in ("original_sequences/youtube", "manipulated_sequences/Deepfakes"):
        for video in sorted((tree / part / "c23" / "videos").iterdir()):
            touch(tree, f"{part}/c23/{name}/{video.stem}/0000.png")
        shutil.rmtree(tree / part / "c23" / "videos")
    touch(tree, "manipulated_sequences/Deepfakes/c23/masks/000_003/0000.png")
    found = load_reader("faceforensics").read(tree)
    frames = {e.path.parent.name: e for e in found if e.path.suffix == ".png"}
    assert len(frames) == 12
    fake = frames["000_003"]
    assert (fake.label, fake.split, fake.source) == (1, "train", "ff:000")
    assert fake.mask is not None
    assert (frames["205"].label, frames["205"].split, frames["205"].mask) == (0, "test", None)


def test_labels_of_the_dfdc_test_set_are_spelt_in_several_ways(tree: Path):
    touch(tree, "a.mp4", "b.mp4")
    (tree / "labels.csv").write_text("filename;label\na.mp4;REAL\nb.mp4;1.0\n")
    assert [entry.label for entry in load_reader("dfdc_test").read(tree)] == [0, 1]
    (tree / "labels.csv").write_text("filename,label\na.mp4,0.5\n")
    with pytest.raises(DatasetError, match=r"labels\.csv, line 2: 'a\.mp4' has label '0\.5'"):
        load_reader("dfdc_test").read(tree)


def test_a_list_with_its_own_columns_and_a_third_class_is_read_by_naming_them(tmp_path: Path):
    rows = [
        "file,label,family,method,pair,person,repo,path",
        "a.mp4,real,real,original,p1,ann,x/y,src/a",
        "b.mp4,fake,swap,roop,p1,ann;bob,x/y,src/b",
        "c.mp4,restored,restore,gpen,,,x/z,src/c",
    ]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    for name in "abc":
        (tmp_path / f"{name}.mp4").touch()
    columns = {
        "path": "file",
        "method": "family",
        "generator": "method",
        "source": "pair",
        "identities": "person",
        "origin": "repo",
    }
    options = {"columns": columns, "prefix": "mm:", "only": {"label": "real, fake"}}
    real, fake = load_reader("csv", options).read(tmp_path)
    assert (real.label, real.method, real.generator, real.origin) == (0, "real", "original", "x/y")
    assert fake == Entry(
        tmp_path / "b.mp4",
        1,
        "swap",
        "mm:p1",
        ("mm:ann", "mm:bob"),
        generator="roop",
        origin="x/y",
    )
    third = {"columns": columns, "only": {"label": "restored"}, "labels": {"restored": "fake"}}
    (restored,) = load_reader("csv", third).read(tmp_path)
    assert (restored.path.name, restored.label, restored.generator) == ("c.mp4", 1, "gpen")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": {"path": "file"}}, "line 4: label 'restored'; use real or fake"),
        ({"columns": {"method": "kind"}}, r"lacks the columns \['kind'\]; it has \['file'"),
        ({"columns": {"who": "person"}}, "no column is named 'who'; known: path, label"),
        ({"only": {"label": "maybe"}}, "no row has label maybe; it has 3 rows"),
        ({"only": {"kind": "a"}}, r"lacks the columns \['kind'\]"),
    ],
)
def test_a_list_read_by_wrong_names_is_refused(tmp_path: Path, options: dict, says: str):
    (tmp_path / "labels.csv").write_text("file,label\na.mp4,real\nb.mp4,fake\nc.mp4,restored\n")
    with pytest.raises(ConfigError, match=says):
        load_reader("csv", options).read(tmp_path)
