"""Makes the shipped detector; run again to go on where it was stopped.

    python benchmarks/train_default.py            everything, about ten hours of one CPU core
    python benchmarks/train_default.py data | decoders | twins | faces | seam | texture | fit
                                       | pairs | families

`data` says what is learnt from: the build part of `generalisation_data.py`, at most 120 genuine
files of an origin and 150 of a maker. `fit` is `counterface detect fit` with the recipe
`recipes/many_methods.toml`; its table is of makers that the judging fits never met. `pairs` judges
the DeepFaceLab pairs by lines that knew other models of that program, on the backbone of the fold
that knew none.
"""

from __future__ import annotations

import json
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
from generalisation_data import FACES, all_entries, build_part, with_minted

from counterface.builds.blended import build_blended
from counterface.builds.twins import TwinsConfig, build_twins
from counterface.config import read_config, read_config_with, write_config
from counterface.datasets.decoders.train_bank import DecodersConfig, train_decoders
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
from counterface.detect.training.train import DataConfig, TrainConfig, train_detector
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
STEPS = 600  # of each tuning; with 800 the left-out makers of a fold stood no higher
FAMILIES = {  # how often the tuning draws each
    "swap": 0.2,
    "lipsync": 0.15,
    "gan": 0.15,
    "pasted": 0.12,
    "diffusion": 0.1,
    "edit": 0.08,
    "mouth": 0.07,
    "redrawn": 0.06,
    "reenact": 0.05,
    "self_blended": 0.02,
}
FULL_NAMES = {  # set -> who is one person, and on what ground it is used
    "faces_3dsk": ("file", "licence", "CC BY, educational wording"),
    "faces_celeb98": ("folder", "research", "RMFD"),
    "faces_deepface_pairs": ("file", "research", "demonstration material"),
    "faces_ffhq256": ("file", "research", "CC BY-NC-SA 4.0, FFHQ"),
    "faces_ffhq256_b": ("file", "research", "CC BY-NC-SA 4.0, FFHQ"),
    "faces_lfw10": ("folder", "research", "LFW"),
    "faces_lfw_small": ("file", "research", "LFW"),
    "faces_london_ccby": ("file", "consent", "Face Research Lab London Set, CC BY 4.0"),
    "faces_utkface": ("file", "research", "UTKFace"),
    "av_grid": ("file", "licence", "GRID, CC BY 4.0"),
    "clips_talking_heads": ("file", "research", "demonstration footage"),
}


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


def decoders() -> None:
    """The bank that re-draws faces; trained on genuine ones."""
    for name in FULL_NAMES:
        options = ExtractConfig(template="head", size=384, faces=1, every=6, max_outside=0.9)
        extract(DATA / name, RUN / "decoder_faces" / name, options)
    values = {
        "out": str(RUNS / "decoders"),
        "facesets": [str(RUN / "decoder_faces" / name) for name in FULL_NAMES],
        "taef2": str(DATA / "weights" / "taef2" / "taef2.safetensors"),
    }
    config = read_config_with(DecodersConfig, RECIPES / "decoders.toml", values)
    train_decoders(config, progress=lambda name, step, numbers: told(step, None, name))


def twins() -> None:
    """Fakes that differ from a genuine twin by a decoder's touch and a paste alone."""
    crowds = {
        name: {
            "clips": str(DATA / name),
            "person": person,
            "rights": {"shown": name, "basis": basis, "reference": reference},
        }
        for name, (person, basis, reference) in FULL_NAMES.items()
    }
    config = TwinsConfig.model_validate(
        {"out": RUNS / "twins", "people": crowds, "decoders": RUNS / "decoders", "pairs": 3960}
    )
    build_twins(config, marker=Marker(watermark=False), progress=told)


def faces() -> None:
    """All faces beside their twins, cut once, for the tuning."""
    store_faces(
        learnt_files(), RUN / "faces", FaceStoreConfig(moments=16, twins=True), progress=told
    )


def learnt_files() -> list[Entry]:
    """The files, and minted twins, which judge nothing."""
    minted = read_manifest(RUNS / "twins" / "manifest.parquet")
    return with_minted(read_manifest(FILES), minted, build_part(all_entries(HALVES)))


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
    values = {"out": str(RUN), "manifest": str(RUN / "learnt.parquet"), "faces": str(RUN / "faces")}
    recipe = read_config_with(FitConfig, RECIPES / "many_methods.toml", values)
    assert recipe.tuning is not None
    twins = {"data": {"twins": {"families": FAMILIES}}, "loop": {"steps": STEPS}}
    tuned = read_config_with(TrainConfig, RECIPES / "twin_witness.toml", twins)
    write_config(tuned, RUN / "tuning.toml")
    tuning = recipe.tuning.model_copy(update={"recipe": RUN / "tuning.toml"})
    met = {"seam": MET, "texture": RUN / "texture.parquet"}
    voters = tuple(
        v.model_copy(update={"weights": RUN / v.name / "last.safetensors", "met": met[v.name]})
        for v in recipe.voters
    )
    return recipe.model_copy(update={"voters": voters, "tuning": tuning})


def fit() -> None:
    """The detector, weighed by what folds say of makers that they never met."""
    write_manifest(learnt_files(), RUN / "learnt.parquet")
    path = RUN / "default.onnx"
    fit_weighed(fit_config(), path, progress=told)
    name_detector(path)


def name_detector(path: Path) -> None:
    """Writes name, version and card into the file."""
    info = Detector.load(str(path)).info
    card = json.loads((Path(__file__).parent / "default_card.json").read_text(encoding="utf-8"))
    named = {"name": "counterface-witnesses", "version": VERSION, "card": info.card | card}
    stamp_detector(path, info.model_copy(update=named))


def pairs() -> None:
    """Scores of the pairs, each by a line without its people and swap model, into oof.json."""
    config = fit_config()
    of_fold = [read_manifest(RUN / f"fold_{n}" / "manifest.parquet") for n in range(config.folds)]
    shut = next(
        number
        for number, entries in enumerate(of_fold)
        if any(e.split == "val" and e.generator == "deepfacelab" for e in entries)
    )
    assert config.tuning is not None
    update = {
        "tuned": RUN / f"fold_{shut}" / "tuned" / "last.safetensors",
        "tuned_share": config.tuning.share,
        "tuning": None,
    }
    plain = config.model_copy(update=update)
    info = Detector.load(str(RUN / "default.onnx")).info  # weighed as the shipped file is
    files, scores = read_manifest(FILES), []
    for fold in range(FOLDS):
        items = [e for n, e in held_back(HALVES) if n == fold]
        paths = {item.path for item in items}
        learnt = shares_nothing(files, [e for e in files if e.path in paths])
        path = RUN / f"pairs_{fold}.onnx"
        fit_items(plain, learnt, path, config.cutter, progress=told)
        stamp_detector(path, info)
        scores += score_files(items, ScanConfig(detector=str(path)))
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
    "decoders": decoders,
    "twins": twins,
    "faces": faces,
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
