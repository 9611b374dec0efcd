"""The data that generalisation is measured on: every private set as entries, and the gate.

    python benchmarks/generalisation_data.py          counts of the parts and of what is in neither
    python benchmarks/generalisation_data.py OUT      and OUT/build.parquet, gate, fold_0 to 3

`method` is the family, `generator` the method itself, `source` the footage (a fake and its genuine
twin share it), `origin` the collection or repository. People that are known by name bear one name
in all sets. Of the sets `labelled_*` only the pairs are in it: the rest is measured apart.
"""

from __future__ import annotations

import argparse
import csv
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from default_data import CLIPS, DATA, OLD_CLIPS, PAIRS, RUNS, SAME_PERSON, pair_model

from counterface.datasets.leave_out import fold_splits, shares_nothing
from counterface.datasets.manifest import Entry, write_manifest
from counterface.datasets.readers.csv_list import CsvList

FOLDS = 4
GATE = Path(__file__).with_name("generalisation_gate.toml")
HALVES = RUNS / "default" / "halves"  # `default_data.write_halves` writes them

FACES = {  # set -> (origin, who is shown by the path below the set; "" where it is not known)
    "faces_ffhq256": ("zoya2244/AI-Lab-Final-Project-FALL25", lambda path: ""),
    "faces_ffhq256_b": ("zoya2244/AI-Lab-Final-Project-FALL25", lambda path: ""),
    "faces_3dsk": ("debruine/webmorphR.stim", lambda path: f"3dsk:{path.stem}"),
    "faces_celeb98": ("RMFD", lambda path: f"celeb98:{path.parts[0]}"),
    "faces_lfw10": ("LFW", lambda path: path.parts[0]),
    "faces_deepface_pairs": ("serengil/deepface", lambda path: f"deepface:{path.name}"),
    "faces_london_ccby": ("debruine/webmorphR.stim", lambda path: f"london:{path.stem[:3]}"),
    "faces_utkface": ("UTKFace", lambda path: ""),
    "faces_lfw_small": ("LFW", lambda path: path.stem.rsplit("_", 1)[0]),
}
SYNTHETIC = {  # set -> (family, generator, origin)
    "synthetic_stylegan256": ("gan", "stylegan1", "zoya2244/AI-Lab-Final-Project-FALL25"),
    "synthetic_sdxl": ("diffusion", "sdxl", "SelfishGene/SFHQ-T2I-dataset"),
}
CLIP_ORIGIN = {
    "deepfacelive": "iperov/DeepFaceLive",
    "liveportrait": "KwaiVGI/LivePortrait",
    "real3dportrait": "yerfor/Real3DPortrait",
}
SAME = {  # one person under several names
    "mm:p_may": "clip:real3dportrait_may_5s",
    "mm:p_conan": "person:conan_obrien",
    "mm:p_melgibson": "person:mel_gibson",
    "mm:p_tomcruise": "person:tom_cruise",
    "mm:p_clinton": "person:hillary_clinton",
    "mm:p_hinton": "person:hinton",
    "mm:p_feifei": "person:lifeifei",
    "person:freeman": "person:morgan_freeman",
    "celeb98:chenglong": "person:jackie_chan",
    "celeb98:liudehua": "person:andy_lau",
    "celeb98:zhourunfa": "mm:p_chow",
}
GIVER = re.compile(r"source ([A-Z]\w+(?: [A-Z]\w+)?)")  # in a note: who gave the face


def all_entries(halves: Path = HALVES) -> list[Entry]:
    """Everything that may be built on or gated; restorations are `restored_entries`."""
    return [
        *many_methods(),
        *many_generators(),
        *pair_halves(halves),
        *genuine_clips(),
        *faces(),
        *synthetic(),
    ]


def many_methods() -> list[Entry]:
    """Swaps, reenactments and talking heads, and their genuine footage."""
    reader = CsvList(
        columns={
            "path": "file",
            "method": "family",
            "generator": "method",
            "source": "pair",
            "identities": "person",
            "origin": "repo",
        },
        prefix="mm:",
    )
    notes = _column(DATA / "many_methods", "note")
    return [
        _named(entry, _givers(notes[str(entry.path)]) if entry.label else ())
        for entry in reader.read(DATA / "many_methods")
    ]


def many_generators() -> list[Entry]:
    """Generated and edited pictures, and genuine ones."""
    reader = _generator_list("real,fake", {})
    return [_named(_with_ties(entry)) for entry in reader.read(DATA / "many_generators")]


def restored_entries() -> list[Entry]:
    """Restored photographs, labelled fake for want of a third class: reported apart, in no AUC."""
    reader = _generator_list("restored", {"restored": "fake"})
    return reader.read(DATA / "many_generators")


def _generator_list(labels: str, words: dict[str, str]) -> CsvList:
    return CsvList(
        columns={"path": "file", "method": "family", "origin": "repo"},
        only={"label": labels},
        labels=words,
    )


def pair_halves(halves: Path = HALVES) -> list[Entry]:
    """The left (genuine) and right (swapped) halves of the pairs; one person a swap model."""
    found = []
    for side, label in (("real", 0), ("fake", 1)):
        for path in sorted((halves / side).glob("*.mp4")):
            method, maker = ("swap", "deepfacelab") if label else ("real", "")
            known = f"dfl:{path.stem}", (f"dfl:{pair_model(path.stem)}",)
            origin = CLIP_ORIGIN["deepfacelive"]
            found.append(Entry(path, label, method, *known, maker, origin=origin))
    if not found:
        raise SystemExit(f"{halves}: no halves of {PAIRS}; run default_data.write_halves")
    return found


def genuine_clips() -> list[Entry]:
    """Talking heads and GRID."""
    found = []
    for path in sorted((DATA / CLIPS).glob("*.mp4")):
        who = f"clip:{path.stem}"
        known = SAME_PERSON.get(path.stem)
        origin = CLIP_ORIGIN[path.stem.split("_")[0]]
        people = (who, f"dfl:{known}") if known else (who,)
        found.append(Entry(path, 0, "real", who, people, origin=origin))
    for path in sorted((DATA / OLD_CLIPS).glob("*.mpg")):
        found.append(Entry(path, 0, "real", f"grid:{path.stem}", origin="GRID"))
    return found


def faces() -> list[Entry]:
    """Genuine pictures."""
    found = []
    same = _deepface_people()
    for name, (origin, who_of) in FACES.items():
        for path in sorted((DATA / name).rglob("*.jpg")):
            inner = path.relative_to(DATA / name)
            who = who_of(inner)
            who = same.get(who, who)
            if who and ":" not in who:
                who = f"person:{who.lower()}"
            people = (SAME.get(who, who),) if who else ()
            source = f"{name}/{inner.as_posix()}"
            found.append(Entry(path, 0, "real", source, people, origin=origin))
    return found


def synthetic() -> list[Entry]:
    """StyleGAN and SDXL."""
    return [
        Entry(path, 1, family, f"{name}/{path.name}", generator=generator, origin=origin)
        for name, (family, generator, origin) in SYNTHETIC.items()
        for path in sorted((DATA / name).rglob("*.jpg"))
    ]


def gate_part(entries: Iterable[Entry], gate: Path = GATE) -> list[Entry]:
    """The gate's makers, and the genuine files of their repositories and footage."""
    entries = list(entries)
    fakes = _gate_fakes(entries, gate)
    origins = {entry.origin for entry in fakes}
    sources = {entry.source for entry in fakes} - {""}
    paths = {entry.path for entry in fakes}
    return [
        entry
        for entry in entries
        if entry.path in paths
        or (not entry.label and (entry.origin in origins or entry.source in sources))
    ]


def build_part(entries: Iterable[Entry], gate: Path = GATE) -> list[Entry]:
    """What shares no maker, person, footage or repository with the gate: choose anything on it."""
    entries = list(entries)
    shut = gate_part(entries, gate)
    origins = {entry.origin for entry in shut} - {""}
    makers = {entry.generator for entry in shut if entry.label}
    return [
        entry
        for entry in shares_nothing(entries, shut)
        if entry.origin not in origins and not (entry.label and entry.generator in makers)
    ]


def _gate_fakes(entries: Sequence[Entry], gate: Path) -> list[Entry]:
    named = tomllib.loads(gate.read_text(encoding="utf-8"))
    methods = set(named["many_methods"]["methods"])
    repositories = set(named["many_generators"]["repositories"])
    generators, folder = DATA / "many_generators", DATA / "many_methods"
    absent = methods - {entry.generator for entry in entries if entry.label}
    absent |= repositories - {entry.origin for entry in entries}
    if absent:
        raise SystemExit(f"{gate}: no files of {sorted(absent)}")
    return [
        entry
        for entry in entries
        if entry.label
        and (
            (entry.path.is_relative_to(folder) and entry.generator in methods)
            or (entry.path.is_relative_to(generators) and entry.origin in repositories)
        )
    ]


def _named(entry: Entry, more: tuple[str, ...] = ()) -> Entry:
    people = dict.fromkeys(SAME.get(name, name) for name in (*entry.identities, *more))
    maker = entry.generator if entry.label else ""  # genuine files are called `original` there
    return replace(entry, identities=tuple(people), generator=maker)


def _givers(note: str) -> tuple[str, ...]:
    return tuple(f"person:{'_'.join(name.lower().split())}" for name in GIVER.findall(note))


def _with_ties(entry: Entry) -> Entry:
    """Footage and people of `many_generators`, which its list names in the file names alone."""
    folder, stem = entry.path.parent.name, entry.path.stem
    source = next((s for s in (rule(folder, stem) for rule in _SOURCES) if s), "")
    who = next((w for w in (rule(folder, stem) for rule in _PEOPLE) if w), "")
    return replace(entry, source=source and f"mg:{source}", identities=(who,) if who else ())


def _rule(folders: str, stems: str, name: str) -> Callable[[str, str], str]:
    """A name by pattern, "" where folder or stem differ."""

    def named(folder: str, stem: str) -> str:
        found = re.fullmatch(stems, stem) if re.fullmatch(folders, folder) else None
        return found.expand(name) if found else ""

    return named


_SOURCES = (
    _rule("edit_hrfae_age65", r"(\d+)_age_65", r"hrfae_\1"),
    _rule("real_ffhq1024", r"hrfae_(\d+)", r"hrfae_\1"),
    _rule("edit_gpen_inpainting", r"(\d+)", r"gpen_\1"),
    _rule("real_ffhq1024", r"gpen_(\d+)", r"gpen_\1"),
    _rule("gan_attgan128", r"(?:out|input)_(\d+)(?:_\d+)?", r"attgan_\1"),
    _rule("gan_stgan384", r"(?:out|input)_(\d)\d?", r"stgan_\1"),
    _rule("gan_stylegan2_omi", r"omi_(\d+)", r"omi_\1"),
    _rule("edit_stylegan2_omi_attr", r"(\d+)_.*", r"omi_\1"),
    _rule("edit_sam_age", r"(\d+)_.*", r"sam_\1"),
    _rule("diff_sd15_deepfakeface", r"r\d_(\d)", r"dff_\1"),
)
_PEOPLE = (
    _rule("edit_stylegan2_inversion_cfd", r"(CFD-\w+-\d+)-.*", r"cfd:\1"),
    _rule("gan_attr128_.*", ".*", "mg:attr128"),  # one person in all three
    _rule("diff_sd15_arc2face", "samples.*", "person:joaquin_phoenix"),
    _rule("diff_sd15_arc2face", "exp.*", "mg:arc2face_exp"),
    _rule("real_us_congress", r"\w+?_(.*)", r"congress:\1"),
    _rule("real_press_demo", r"[^_]+_([a-z-]+?)(?:_resize)?", r"person:\1"),
)


def _deepface_people() -> dict[str, str]:
    """Names of pictures -> one of the person, by the list of pairs that show the same one."""
    root: dict[str, str] = {}

    def of(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    with (DATA / "faces_deepface_pairs" / "master.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["Decision"] == "Yes":
                root[of(row["file_x"])] = of(row["file_y"])
    return {f"deepface:{name}": f"deepface:{of(name)}" for name in list(root)}


def _column(folder: Path, name: str) -> dict[str, str]:
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return {str(folder / row["file"]): row[name] for row in csv.DictReader(file)}


def count_makers(entries: Iterable[Entry]) -> str:
    """Makers with their numbers of files, and of genuine ones by origin."""
    entries = list(entries)
    makers = Counter(f"{e.method}/{e.generator}" for e in entries if e.label)
    origins = Counter(e.origin for e in entries if not e.label)
    lines = [f"{count:5} fake {name}" for name, count in sorted(makers.items())]
    return "\n".join(lines + [f"{n:5} real {name}" for name, n in sorted(origins.items())])


def main() -> None:
    """Print the parts; write their manifests where a folder is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", nargs="?", type=Path, help="folder of the manifests")
    words = parser.parse_args()
    entries = all_entries()
    build, gate = build_part(entries), gate_part(entries)
    kept = {e.path for e in (*build, *gate)}
    for name, part in (
        ("build", build),
        ("gate", gate),
        ("in neither", [e for e in entries if e.path not in kept]),
    ):
        fakes = sum(e.label for e in part)
        print(f"{name}: {len(part)} files, {fakes} fake\n{count_makers(part)}\n")
    if words.out is None:
        return
    words.out.mkdir(parents=True, exist_ok=True)
    write_manifest(build, words.out / "build.parquet")
    write_manifest([replace(e, split="test") for e in gate], words.out / "gate.parquet")
    for number, part in enumerate(fold_splits(build, FOLDS)):
        write_manifest(part, words.out / f"fold_{number}.parquet")


if __name__ == "__main__":
    main()
