"""The data sets of `published_systems.py`: our own pairs, generated pictures, minted twins.

swaps       `dataset build` on clips of 18 people: 18 genuine clips and 18 swaps, in folds by
            people; unseen are the halves of `labelled_dfl_pairs`, another program's swaps
generated   pictures of every maker of `generalisation_data.build_part` and genuine ones;
            "identity" keeps a whole maker on one side; unseen is a labelled StyleGAN set
twins       `runs/gen`: many methods and minted twins, split so that methods, people and footage
            of `val` are nowhere in `train` (`generalisation_data.py`, `dataset build --twins`)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from default_data import CLIPS, DATA, OLD_CLIPS, PAIRS, RUNS, pair_model, write_halves
from generalisation_data import HALVES, all_entries, build_part

from counterface.builds.build import BuildConfig, build
from counterface.builds.plan import MANIFEST_FILE, PersonClips
from counterface.config import read_config_with
from counterface.datasets.face_store import FaceStoreConfig, store_faces
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.faceset.extract import ExtractConfig, extract
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.provenance.rights import Rights
from counterface.swap.training.train import SwapTrainConfig, train_swap
from counterface.types import Frame

RUN = RUNS / "published"
BUILT = RUN / "built"
GEN = RUNS / "gen"
RECIPES = Path(__file__).with_name("footage")
HEADS = 13  # clips of talking heads that are swapped, beside five of GRID
CUT_S, CUT_SIDE = 2.4, 400  # what is kept of a clip: seconds, pixels of its shorter side
RIGHTS = Rights(
    shown="an unnamed performer or GRID speaker",
    basis="research",
    reference="research test data, not for publication",
)
FACES = ExtractConfig(template="face", size=96, faces=1)
BASES = {"small_df": ("bbaf2n", "liveportrait_d6"), "small_original": ("brbk7n", "lbbc2a")}
BASE_STEPS = 240
SIDES = ("source", "target")
GENERATED_FAMILIES = ("gan", "diffusion", "edit")
GENUINE_PICTURES = (
    *("faces_ffhq256", "faces_ffhq256_b", "faces_3dsk", "faces_london_ccby", "many_generators"),
)


@dataclass(frozen=True)
class Store:
    """How the faces of a data set are cut; a store of clips serves nets of single crops, too."""

    data: str
    template: str
    size: int
    moments: int = 8
    frames: int = 1

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return GEN / "faces" if self.data == "twins" else RUN / "faces" / self.data


SWAPS = Store("swaps", "whole_face", 96, moments=3, frames=8)
GENERATED = Store("generated", "head", 96)
TWINS = Store("twins", "whole_face", 224)  # was cut with the manifests


def cut_all() -> None:
    """Build the pairs, write the manifests and cut the faces; what is there is left alone."""
    write_halves(HALVES)
    cut_faces(GENERATED, generated())
    build_pairs()
    cut_faces(SWAPS, swaps())


def cut_faces(store: Store, entries: list[Entry]) -> None:
    """Write the manifest of a data set and cut its faces."""
    write_manifest(entries, RUN / f"{store.data}.parquet")
    config = FaceStoreConfig(
        moments=store.moments, frames=store.frames, template=store.template, size=store.size
    )
    summary = store_faces(entries, store.folder, config)
    empty = sum(file.clips == 0 for file in summary.files)
    print(f"{store.data}: {summary.crops} crops, {empty} files without", flush=True)


def swaps() -> list[Entry]:
    """What was built here, and the halves as the unseen test."""
    entries = read_manifest(BUILT / MANIFEST_FILE)
    found = [replace(entry, split="") for entry in entries]
    for label, side in enumerate(("real", "fake")):
        for path in sorted((HALVES / side).glob("*.mp4")):
            method = "deepfacelab" if label else "genuine"
            source = pair_model(path.stem)
            found.append(Entry(path, label, method, source, generator=PAIRS, split="test"))
    return found


def generated() -> list[Entry]:
    """Generated, edited and genuine pictures; unseen is a labelled set, which nothing learns."""
    found = []
    for entry in build_part(all_entries()):
        if entry.label and entry.method in GENERATED_FAMILIES:
            maker = f"maker:{entry.generator}"
            found.append(replace(entry, identities=(*entry.identities, maker)))
        elif not entry.label and set(entry.path.parts) & set(GENUINE_PICTURES):
            found.append(entry)
    for label, side in enumerate(("real", "fake")):
        for path in sorted((DATA / "labelled_ffhq_vs_stylegan256" / side).glob("*.*")):
            found.append(Entry(path, label, "gan" if label else "real", split="test"))
    return found


def twins_manifest(fold: int) -> Path:
    """Labels and splits of a fold of methods."""
    return GEN / f"fold_{fold}_minted.parquet"


def build_pairs() -> None:
    """Swap the talking heads and GRID speakers in pairs, both ways; run again to continue."""
    people = {path.stem: PersonClips(clips=(cut(path),), rights=RIGHTS) for path in footage()}
    for recipe, two in BASES.items():
        train_base(recipe, two)
    config = BuildConfig(
        out=BUILT,
        people=people,
        methods=tuple(RECIPES / f"{recipe}.toml" for recipe in BASES),
        crf=(18, 23, 28),
        extract=FACES,
    )
    print(build(config), flush=True)


def train_base(recipe: str, two: tuple[str, str]) -> None:
    """Train the model of two people that every pair's goes on from."""
    out = RUN / "base" / recipe
    if (out / "last.safetensors").exists():
        return
    faces = {side: RUN / "base" / "faces" / name for side, name in zip(SIDES, two, strict=True)}
    for name, folder in zip(two, faces.values(), strict=True):
        extract((RUN / "cut" / f"{name}.mp4",), folder, FACES.model_copy(update={"rights": RIGHTS}))
    values = {side: [str(folder)] for side, folder in faces.items()}
    values |= {"out": str(out), "init_from": None, "loop": {"steps": BASE_STEPS, "batch_size": 8}}
    train_swap(read_config_with(SwapTrainConfig, RECIPES / f"{recipe}.toml", values))


def footage() -> list[Path]:
    """The clips that are swapped, one a person: 18."""
    heads = sorted((DATA / CLIPS).glob("*.mp4"))[:HEADS]
    return [*heads, *sorted((DATA / OLD_CLIPS).glob("*.mpg"))]


def cut(path: Path) -> Path:
    """The beginning of a clip, made smaller where it is large."""
    out = RUN / "cut" / f"{path.stem}.mp4"
    if out.exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    frames: list[Frame] = []
    for frame in read_video(path):
        if frames and frame.pts - frames[0].pts > CUT_S:
            break
        height, width = frame.image.shape[:2]
        scale = min(1.0, CUT_SIDE / min(height, width))
        size = int(width * scale) // 2 * 2, int(height * scale) // 2 * 2
        image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        frames.append(Frame(np.ascontiguousarray(image), frame.index, frame.pts))
    height, width = frames[0].image.shape[:2]
    with VideoWriter(out, width, height, crf=12, preset="veryfast") as writer:
        for frame in frames:
            writer.write(frame)
    return out
