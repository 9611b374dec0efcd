"""A small tree of each registered layout; readers open no media, so files hold a few bytes.

Each function fills an empty folder and gives what a reader of that layout must say of it:
path -> (label, split, source, identities).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Facts = dict[str, tuple[int, str, str, tuple[str, ...]]]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def draw_dfdc(folder: Path) -> Facts:
    for part, (real, fake) in {"0": ("bb", "aa"), "1": ("dd", "cc")}.items():
        inner = folder / f"dfdc_train_part_{part}"
        touch(inner, f"{real}.mp4", f"{fake}.mp4")
        facts = {
            f"{fake}.mp4": {"label": "FAKE", "split": "train", "original": f"{real}.mp4"},
            f"{real}.mp4": {"label": "REAL", "split": "train", "original": None},
        }
        write_json(inner / "metadata.json", facts)
    return {
        "dfdc_train_part_0/aa.mp4": (1, "train", "dfdc:bb", ()),
        "dfdc_train_part_0/bb.mp4": (0, "train", "dfdc:bb", ()),
        "dfdc_train_part_1/cc.mp4": (1, "train", "dfdc:dd", ()),
        "dfdc_train_part_1/dd.mp4": (0, "train", "dfdc:dd", ()),
    }


def draw_dfdc_test(folder: Path) -> Facts:
    touch(folder, "aa.mp4", "deeper/bb.mp4")
    (folder / "labels.csv").write_text("filename,label\naa.mp4,1\nbb.mp4,0\n")
    return {
        "aa.mp4": (1, "test", "dfdc:aa", ()),
        "deeper/bb.mp4": (0, "test", "dfdc:bb", ()),
    }


def draw_dfdcp(folder: Path) -> Facts:
    real, fake = "original_videos/12/12_A_001.mp4", "method_A/12/34/12_34_A_001.mp4"
    touch(folder, real, fake)
    facts = {
        real: {"label": "real", "set": "test", "target_id": 12, "swapped_id": None},
        fake: {"label": "fake", "set": "train", "target_id": 12, "swapped_id": 34},
    }
    write_json(folder / "dataset.json", facts)
    return {
        real: (0, "test", f"dfdcp:{real[:-4]}", ("dfdcp:12",)),
        fake: (1, "train", f"dfdcp:{fake[:-4]}", ("dfdcp:12", "dfdcp:34")),
    }


def draw_faceforensics(folder: Path) -> Facts:
    facts: Facts = {}
    splits = {"train": [["000", "003"]], "val": [["101", "102"]], "test": [["205", "206"]]}
    for split, pairs in splits.items():
        write_json(folder / "splits" / f"{split}.json", pairs)
        for one, other in pairs:
            for number in (one, other):
                name = f"original_sequences/youtube/c23/videos/{number}.mp4"
                facts[name] = (0, split, f"ff:{number}", (f"ff:{number}",))
            for method in ("Deepfakes", "NeuralTextures"):
                for target, source in ((one, other), (other, one)):
                    name = f"manipulated_sequences/{method}/c23/videos/{target}_{source}.mp4"
                    facts[name] = (1, split, f"ff:{target}", (f"ff:{target}", f"ff:{source}"))
    facts |= draw_dfd(folder)
    touch(folder, *facts, "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4")
    return facts


def draw_dfd(folder: Path) -> Facts:
    real = "original_sequences/actors/c23/videos/01__walking_outside.mp4"
    fake = "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking_outside__A1B2C3D4.mp4"
    touch(folder, real, fake)
    clip = "dfd:01__walking_outside"
    return {real: (0, "", clip, ("dfd:01",)), fake: (1, "", clip, ("dfd:01", "dfd:02"))}


def draw_celeb_df(folder: Path) -> Facts:
    zero, one = "celeb_df:id0", "celeb_df:id1"
    facts: Facts = {
        "Celeb-real/id0_0005.mp4": (0, "train", f"{zero}_0005", (zero,)),
        "Celeb-real/id1_0002.mp4": (0, "test", f"{one}_0002", (one,)),
        "YouTube-real/00012.mp4": (0, "test", "celeb_df:youtube_00012", ()),
        "YouTube-real/00013.mp4": (0, "train", "celeb_df:youtube_00013", ()),
        "Celeb-synthesis/id0_id1_0005.mp4": (1, "train", f"{zero}_0005", (zero, one)),
        "Celeb-synthesis/id1_id0_0002.mp4": (1, "test", f"{one}_0002", (one, zero)),
    }
    touch(folder, *facts)
    flags = ("1 Celeb-real/id1_0002.mp4", "1 YouTube-real/00012.mp4")
    lines = [*flags, "0 Celeb-synthesis/id1_id0_0002.mp4", ""]
    (folder / "List_of_testing_videos.txt").write_text("\n".join(lines))
    return facts


def draw_deeper_forensics(folder: Path) -> Facts:
    facts: Facts = {}
    swaps = {"000_M101": "train", "001_W004": "val", "002_M005": "test"}
    for variant in ("end_to_end", "end_to_end_level_3"):
        for name, split in swaps.items():
            target, actor = name.split("_")
            ties = (f"ff:{target}", (f"ff:{target}", f"deeper:{actor}"))
            facts[f"manipulated_videos/{variant}/{name}.mp4"] = (1, split, *ties)
    touch(folder, *facts, "source_videos/M101/light_up/neutral/camera_front/M101_light_up.mp4")
    for name, split in swaps.items():
        touch(folder, f"lists/splits/{split}.txt")
        (folder / "lists" / "splits" / f"{split}.txt").write_text(f"{name}.mp4\n")
    return facts


def draw_ffiw(folder: Path) -> Facts:
    facts: Facts = {}
    for split, inner in (("train", "videos/"), ("val", "")):
        for label, part in enumerate(("source", "target")):
            facts[f"{part}/{split}/{inner}a.mp4"] = (label, split, f"ffiw:{split}/a", ())
    touch(folder, *facts, "target_mask/train/videos/a.mp4")
    return facts


def draw_uadfv(folder: Path) -> Facts:
    facts: Facts = {}
    for number in ("0000", "0001"):
        ties = (f"uadfv:{number}", (f"uadfv:{number}",))
        facts |= {f"real/{number}.mp4": (0, "", *ties), f"fake/{number}_fake.mp4": (1, "", *ties)}
    touch(folder, *facts)
    return facts


def draw_vidtimit(folder: Path) -> Facts:
    def ties(person: str, clip: str) -> tuple[int, str, str, tuple[str, ...]]:
        return (0, "", f"vidtimit:{person}/{clip}", (f"vidtimit:{person}",))

    facts = {f"fadg0/video/sa1/{n:03}": ties("fadg0", "sa1") for n in range(1, 4)}
    facts |= {"mccs0/video/sx1.avi": ties("mccs0", "sx1")}
    touch(folder, *facts, "fadg0/audio/sa1.wav")
    return facts


def draw_deepfake_timit(folder: Path) -> Facts:
    facts: Facts = {
        f"{quality}/{person}/sa1-video-{giver}.avi": (
            *(1, "", f"vidtimit:{person}/sa1"),
            (f"vidtimit:{person}", f"vidtimit:{giver}"),
        )
        for quality in ("lower_quality", "higher_quality")
        for person, giver in (("fadg0", "fram1"), ("fram1", "fadg0"))
    }
    touch(folder, *facts, "higher_quality/fadg0/sa1.wav")
    return facts


def draw_two_folders(folder: Path) -> Facts:
    facts: Facts = {
        "real/a.jpg": (0, "", "", ()),
        "real/deep/b.png": (0, "", "", ()),
        "fake/a.jpg": (1, "", "", ()),
    }
    touch(folder, *facts, "real/notes.txt")
    return facts


def draw_deepfakebench(folder: Path) -> Facts:
    """Celeb-DF as that benchmark writes it: all in `train`, the test videos in `test` and `val`."""
    root = "Celeb-DF-v1"
    names = {
        "id0_0005": (f"{root}/Celeb-real/frames/id0_0005", "CelebDFv1_real"),
        "id1_0002": (f"{root}/Celeb-real/frames/id1_0002", "CelebDFv1_real"),
        "id1_id0_0002": (f"{root}/Celeb-synthesis/frames/id1_id0_0002", "CelebDFv1_fake"),
    }
    table: dict[str, dict[str, dict[str, object]]] = {}
    for video, (place, label) in names.items():
        frames = [f"{place}/000.png", f"{place}/030.png".replace("/", "\\")]
        splits = table.setdefault(label, {"train": {}, "val": {}, "test": {}})
        for split in ("train",) if video == "id0_0005" else ("train", "val", "test"):
            splits[split][video] = {"label": label, "frames": frames}
    write_json(folder / f"{root}.json", {root: table})
    zero, one = "celeb_df:id0", "celeb_df:id1"
    of = {
        "id0_0005": (0, "train", f"{zero}_0005", (zero,)),
        "id1_0002": (0, "test", f"{one}_0002", (one,)),
        "id1_id0_0002": (1, "test", f"{one}_0002", (one, zero)),
    }
    facts: Facts = {
        f"{place}/{n}.png": of[video] for video, (place, _) in names.items() for n in ("000", "030")
    }
    touch(folder, *facts)
    return facts


def draw_csv(folder: Path) -> Facts:
    lines = [
        "file,label,method,source,identities,split",
        "real/a.mp4,real,footage,a,ann,train",
        "fake/b.mp4,1,face_swap,a,ann;bob,train",
    ]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    touch(folder, "real/a.mp4", "fake/b.mp4")
    return {
        "real/a.mp4": (0, "train", "a", ("ann",)),
        "fake/b.mp4": (1, "train", "a", ("ann", "bob")),
    }


def draw_asvspoof(folder: Path) -> Facts:
    lists = folder / "ASVspoof2019_LA_cm_protocols"
    lines = {
        "train.trn": ["LA_0079 LA_T_1 - - bonafide", "LA_0079 LA_T_2 - A01 spoof"],
        "dev.trl": ["LA_0069 LA_D_1 - A02 spoof"],
        "eval.trl": ["LA_0001 LA_E_1 - - bonafide"],
    }
    for name, rows in lines.items():
        path = lists / f"ASVspoof2019.LA.cm.{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(rows) + "\n")
    keys = folder / "keys" / "CM" / "trial_metadata.txt"
    keys.parent.mkdir(parents=True)
    keys.write_text(
        "LA_0009 LA_E_9 alaw ita_tx A07 spoof notrim eval\n"
        "LA_0009 DF_E_8 nocodec asvspoof - bonafide notrim progress - - - - -\n"
    )
    facts: Facts = {
        "ASVspoof2019_LA_train/flac/LA_T_1.flac": (0, "train", "", ("asvspoof:LA_0079",)),
        "ASVspoof2019_LA_train/flac/LA_T_2.flac": (1, "train", "", ("asvspoof:LA_0079",)),
        "ASVspoof2019_LA_dev/flac/LA_D_1.flac": (1, "val", "", ("asvspoof:LA_0069",)),
        "ASVspoof2019_LA_eval/flac/LA_E_1.flac": (0, "test", "", ("asvspoof:LA_0001",)),
        "ASVspoof2021_LA_eval/flac/LA_E_9.flac": (1, "test", "", ("asvspoof:LA_0009",)),
        "ASVspoof2021_DF_eval/flac/DF_E_8.flac": (0, "test", "", ("asvspoof:LA_0009",)),
    }
    touch(folder, *facts)
    return facts


DRAWN: dict[str, Callable[[Path], Facts]] = {
    "asvspoof": draw_asvspoof,
    "celeb_df": draw_celeb_df,
    "csv": draw_csv,
    "deeper_forensics": draw_deeper_forensics,
    "deepfake_timit": draw_deepfake_timit,
    "deepfakebench": draw_deepfakebench,
    "dfd": draw_dfd,
    "dfdc": draw_dfdc,
    "dfdc_test": draw_dfdc_test,
    "dfdcp": draw_dfdcp,
    "faceforensics": draw_faceforensics,
    "ffiw": draw_ffiw,
    "two_folders": draw_two_folders,
    "uadfv": draw_uadfv,
    "vidtimit": draw_vidtimit,
}
