"""Makes the shipped detector; run again to go on where it was stopped.

    python benchmarks/train_default.py            everything, about three hours of one CPU core
    python benchmarks/train_default.py data | seam | texture | fit | pairs | families

`data` says what is learnt from: the build part of `generalisation_data.py`, at most 120 genuine
files of an origin and 150 of a maker. `fit` is `counterface detect fit` with the recipe
`recipes/many_methods.toml`; its table is of makers that the judging fits never met. `pairs` judges
the DeepFaceLab pairs by lines that knew other people and models of that program.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from default_data import (
    DATA,
    FOLDED,
    FOLDS,
    KEPT_BACK,
    RUNS,
    family_blends,
    held_back,
    write_halves,
)
from generalisation_data import FACES, all_entries, build_part

from counterface.builds.blended import build_blended
from counterface.config import read_config, read_config_with
from counterface.datasets.face_store import FaceStoreConfig, store_faces
from counterface.datasets.leave_out import draw_evenly, shares_nothing
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.detect.detector import Detector
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.training.export import stamp_detector
from counterface.detect.training.families import add_families
from counterface.detect.training.fit import FitConfig, fit_items
from counterface.detect.training.recipe import DataConfig, TrainConfig
from counterface.detect.training.train import train_detector
from counterface.detect.training.weighed_fit import fit_weighed
from counterface.faceset.extract import ExtractConfig, extract
from counterface.provenance.mark import Marker

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
RUN = RUNS / "default"
HALVES = RUN / "halves"
FACESETS = RUN / "facesets"
FILES, MET = RUN / "files.parquet", RUN / "met.parquet"
GENUINE, MADE = 120, 150  # files of an origin, and of a maker
SEAM_FILES = 140  # of a set
TEXTURE_FILES = 280  # of a set
TEXTURE_MAKERS = ("stylegan1", "sdxl")
VERSION = "2026.12"
JOBS = os.cpu_count() or 1


def data() -> None:
    """What is learnt from, and the genuine pictures that the seam's net is trained on."""
    write_halves(HALVES)
    entries = build_part(all_entries(HALVES))
    genuine = draw_evenly([e for e in entries if not e.label], GENUINE)
    write_manifest([*genuine, *draw_evenly([e for e in entries if e.label], MADE)], FILES)
    drawn = seam_pictures(entries)
    people = {name for entry in drawn for name in entry.identities}
    known = {entry.path for entry in drawn}
    met = [e for e in entries if not e.label and (e.path in known or people & set(e.identities))]
    write_manifest(met, MET)


def seam_pictures(entries: Sequence[Entry]) -> list[Entry]:
    """Half of the people of each set of genuine pictures, by a hash of their names."""
    found = []
    for name in FACES:
        own = [e for e in entries if not e.label and e.path.is_relative_to(DATA / name)]
        half = [e for e in own if zlib.crc32((e.identities or (str(e.path),))[0].encode()) % 2 == 0]
        found += half[:: max(1, -(-len(half) // SEAM_FILES))]
    return found


def seam() -> None:
    """The net that looks for seams: of self-blended pictures alone, no fake of any program."""
    drawn = seam_pictures(build_part(all_entries(HALVES)))
    sets: dict[str, list[Path]] = {}
    for entry in drawn:
        sets.setdefault(entry.source.split("/")[0], []).append(entry.path)
    options = ExtractConfig(template="head", size=384, faces=1, max_outside=0.9)
    for name, paths in sets.items():
        for path in paths:
            extract(path, FACESETS / name, options)
    recipe = read_config(TrainConfig, RECIPES / "self_blended.toml")
    stills = tuple(FACESETS / name for name in sets)
    update = {"out": RUN / "seam", "data": DataConfig(stills=stills)}
    train_detector(recipe.model_copy(update=update), say)


def texture() -> None:
    """The net that looks at the texture of wholly generated pictures, of two makers alone."""
    drawn = texture_pictures(build_part(all_entries(HALVES)))
    write_manifest(drawn, RUN / "texture.parquet")
    store_faces(drawn, RUN / "texture_faces", FaceStoreConfig(), progress=told)
    values = {
        "out": str(RUN / "texture"),
        "folded": str(FOLDED),
        "data": {
            "faces": str(RUN / "texture_faces"),
            "manifest": str(RUN / "texture.parquet"),
        },
    }
    train_detector(read_config_with(TrainConfig, RECIPES / "texture_cnn.toml", values), say)


def texture_pictures(entries: Sequence[Entry]) -> list[Entry]:
    """Genuine pictures that judge nothing, and two thirds of the fakes.

    They are those of the net for seams, and of people of whom nothing else is learnt. FFHQ is
    drawn more often than the others: it is what StyleGAN was made to look like.
    """
    learnt = [e for e in read_manifest(FILES) if not e.label]
    known, people = {e.path for e in learnt}, {p for e in learnt for p in e.identities}
    shut = {e.path for e in seam_pictures(entries)}
    drawn = []
    for name in FACES:
        own = [e for e in entries if not e.label and e.path.is_relative_to(DATA / name)]
        free = [
            e for e in own if e.path in shut or not (e.path in known or people & set(e.identities))
        ]
        often = 4 if name.startswith("faces_ffhq") else 1
        part = free[:: max(1, len(free) // TEXTURE_FILES)]
        drawn += [replace(e, repeat=often) for e in part]
    drawn += [
        e for e in entries if e.generator in TEXTURE_MAKERS and zlib.crc32(e.path.name.encode()) % 3
    ]
    return [replace(e, split="train" if n % KEPT_BACK else "val") for n, e in enumerate(drawn)]


def fit_config() -> FitConfig:
    """The recipe of the shipped detector, on its data."""
    values = {"out": str(RUN), "manifest": str(FILES)}
    recipe = read_config_with(FitConfig, RECIPES / "many_methods.toml", values)
    met = {"seam": MET, "texture": RUN / "texture.parquet"}
    voters = tuple(
        v.model_copy(update={"weights": RUN / v.name / "last.safetensors", "met": met[v.name]})
        for v in recipe.voters
    )
    return recipe.model_copy(update={"voters": voters})


def fit() -> None:
    """The detector, weighed by what folds say of makers that they never met."""
    path = RUN / "default.onnx"
    fit_weighed(fit_config(), path, jobs=JOBS, progress=told)
    name_detector(path)


def name_detector(path: Path) -> None:
    """Writes name, version and card into the file."""
    info = Detector.load(str(path)).info
    card = json.loads((Path(__file__).parent / "default_card.json").read_text(encoding="utf-8"))
    named = {
        "name": "counterface-witnesses",
        "version": VERSION,
        "card": info.calibrated_card | card,
    }
    stamp_detector(path, info.model_copy(update=named))


def pairs() -> None:
    """Scores of the pairs, each by a line without its people and swap model, into oof.json."""
    config = fit_config()
    info = Detector.load(str(RUN / "default.onnx")).info  # weighed as the shipped file is
    files, scores = read_manifest(FILES), []
    for fold in range(FOLDS):
        items = [e for n, e in held_back(HALVES) if n == fold]
        paths = {item.path for item in items}
        learnt = shares_nothing(files, [e for e in files if e.path in paths])
        path = RUN / f"pairs_{fold}.onnx"
        fit_items(config, learnt, path, config.cutter, progress=told)
        stamp_detector(path, info)
        scores += score_files(items, ScanConfig(detector=str(path), cues="none"), jobs=JOBS)
    write_scores(RUN / "oof.json", scores)


def write_scores(path: Path, scores: list[FileScore]) -> None:
    """One JSON list."""
    path.write_text(json.dumps([score.model_dump(mode="json") for score in scores], indent=1))


def families() -> None:
    """The head that names the family of methods, into the file that `fit` wrote."""
    blended = RUN / "blended"
    build_blended(family_blends(blended), marker=Marker(watermark=False))
    made = [e for e in read_manifest(blended / "manifest.parquet") if e.label]
    items = [*read_manifest(FILES), *(replace(e, method="self_blended") for e in made)]
    items = [e for e in items if e.method != "reenact"]  # few, and tied: none can be held back
    found = add_families(RUN / "default.onnx", items)
    print(found.model_dump_json(indent=1))


def say(phase: str, step: int, steps: int, numbers: dict[str, float]) -> None:
    """One line of progress."""
    shown = " ".join(f"{name}={value:.3f}" for name, value in numbers.items())
    print(f"{phase} {step}/{steps} {shown}", flush=True)


def told(done: int, total: int | None, name: str) -> None:
    """A line now and then."""
    if done % 100 == 0:
        print(f"{done} of {total}, {name}", flush=True)


PHASES = {
    "data": data,
    "seam": seam,
    "texture": texture,
    "fit": fit,
    "pairs": pairs,
    "families": families,
}

if __name__ == "__main__":
    for phase in sys.argv[1:] or PHASES:
        began = time.perf_counter()
        PHASES[phase]()
        print(f"{phase}: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)
