"""The data of the shipped detector: which sets, how they become manifests, and the folds.

The private data lie in `../shared/data` beside the project; nothing of it is written into the
project but into `runs/`, which git ignores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2

from counterface.builds.blended import BlendConfig
from counterface.builds.plan import PersonClips
from counterface.datasets.manifest import Entry
from counterface.datasets.split import fold_groups
from counterface.faceset.extract import ExtractConfig
from counterface.files import write_bytes
from counterface.media.image import encode_image, read_image
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.provenance.rights import Rights
from counterface.types import Frame

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDED = DATA / "weights" / "mobilenet_v2_imagenet" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
FOLDS = 5

STILLS = {  # set -> every n-th picture is used
    "faces_ffhq256": 1,
    "faces_ffhq256_b": 1,
    "faces_3dsk": 1,
    "faces_celeb98": 2,
    "faces_lfw10": 1,
    "faces_deepface_pairs": 1,
    "faces_london_ccby": 1,
    "faces_utkface": 15,
    "faces_lfw_small": 8,
}
SYNTHETIC = {"synthetic_stylegan256": "generated", "synthetic_sdxl": "diffusion"}  # set -> method
CLIPS = "clips_talking_heads"
PAIRS = "labelled_dfl_pairs"
OLD_CLIPS = "av_grid"  # MPEG-1 at 360x288: nothing else looks like them
RUNS = Path(__file__).resolve().parents[1] / "runs"
KEPT_BACK = 6
BLENDED = 60  # pictures of a set that self-blended ones are made of
BITS = 1.2  # a pixel, of pictures that are made alike
SAME_PERSON = {"deepfacelive_twitch1": "David_Kovalniy"}  # clip -> swap model whose footage it is


def write_halves(out: Path) -> None:
    """Writes the left (real) and right (fake) half of each pair as `out/real|fake/NAME.mp4`.

    Cut at half the width and coded by x264 at crf 0, so neither half gains or loses anything that
    the other does not.
    """
    for path in sorted((DATA / PAIRS).glob("*.mp4")):
        whole = path.stem.startswith("fake_only")
        for side in ("fake",) if whole else ("real", "fake"):
            target = out / side / path.name
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_half(path, target, None if whole else side)


def _write_half(path: Path, target: Path, side: str | None) -> None:
    first = next(iter(read_video(path)))
    width = first.image.shape[1] if side is None else first.image.shape[1] // 2
    width, height = width // 2 * 2, first.image.shape[0] // 2 * 2
    with VideoWriter(target, width, height, crf=0, preset="ultrafast") as writer:
        for frame in read_video(path):
            start = frame.image.shape[1] // 2 if side == "fake" else 0
            part = frame.image[:height, start : start + width]
            writer.write(Frame(part, frame.index, Fraction(frame.pts)))


def pair_model(stem: str) -> str:
    """The swap model of a pair's file name: `Dean_Wiesel_0` and `fake_only_Dean_Wiesel_2` alike."""
    return stem.removeprefix("fake_only_").rsplit("_", 1)[0]


def held_back(halves: Path) -> list[tuple[int, Entry]]:
    """Each clip with its fold: whole swap models and people share one.

    Methods: dfl (the pairs), clip (talking heads), old_clip (GRID as it was published).
    """
    items: list[Entry] = []
    for side, label in (("real", 0), ("fake", 1)):
        for path in sorted((halves / side).glob("*.mp4")):
            items.append(Entry(path, label, "dfl", pair_model(path.stem)))
    for path in sorted((DATA / CLIPS).glob("*.mp4")):
        items.append(Entry(path, 0, "clip", SAME_PERSON.get(path.stem, path.stem)))
    for path in sorted((DATA / OLD_CLIPS).glob("*.mpg")):
        items.append(Entry(path, 0, "old_clip", path.stem))
    fold_of: dict[str, int] = {}
    for kind in ("dfl", "clip", "old_clip"):  # each kind fills the folds evenly
        sources = [i.source for i in items if i.method == kind and i.source not in fold_of]
        if sources:
            folds = fold_groups(sources, min(FOLDS, len(set(sources))))
            fold_of |= dict(zip(sources, folds, strict=True))
    return [(fold_of[item.source], item) for item in items]


def stills() -> list[Entry]:
    """Pictures: genuine (still), of StyleGAN (generated), of SDXL (diffusion).

    Every sixth of each set is of the split `val`: judged and calibrated on, never fitted on. FFHQ
    is drawn more often than other genuine pictures: it is what StyleGAN was made to look like.
    """
    entries = []
    for name, step in (*STILLS.items(), *((name, 1) for name in SYNTHETIC)):
        method = SYNTHETIC.get(name, "still")
        for number, path in enumerate(sorted((DATA / name).rglob("*.jpg"))[::step]):
            split = "train" if number % KEPT_BACK else "val"
            often = 4 if name.startswith("faces_ffhq") else 1
            entry = Entry(path, int(name in SYNTHETIC), method, f"{name}/{path.name}", split=split)
            entries.append(replace(entry, repeat=often))
    return entries


def family_blends(out: Path) -> BlendConfig:
    """Self-blended pictures of the stills (split `train`) and of the talking heads."""
    rights = Rights(shown="various", basis="research", reference="test data, not for publication")
    files: dict[str, list[Path]] = {}
    for item in stills():
        if item.label == 0 and item.split == "train":
            files.setdefault(item.source.split("/")[0], []).append(item.path)
    for path in sorted((DATA / CLIPS).glob("*.mp4")):
        files[path.stem] = [path]
    people = {n: PersonClips(clips=tuple(f[:BLENDED]), rights=rights) for n, f in files.items()}
    extract = ExtractConfig(
        template="head", size=384, faces=1, quality=100, every=10, max_outside=0.9
    )
    return BlendConfig(out=out, people=people, pairs=12, quality=92, degrade=0.5, extract=extract)


def measured_only() -> Iterator[tuple[str, list[Entry]]]:
    """The sets that are measured and never trained on, by name."""
    for name in (
        "labelled_ffhq_vs_stylegan256",
        "labelled_ffhq_vs_stylegan2_512",
        "labelled_lipsync_wav2lip",
    ):
        yield (
            name,
            [
                Entry(path, int(folder == "fake"), name, path.name)
                for folder in ("real", "fake")
                for path in sorted((DATA / name / folder).glob("*.*"))
            ],
        )


def equalised(items: list[Entry], out: Path, side: int) -> list[Entry]:
    """The pictures at one side and about one file size, so that neither tells the classes apart.

    Each is reduced to `side` pixels and stored as the JPEG nearest to `BITS` bits a pixel.
    """
    wanted = side * side * BITS / 8
    found = []
    for item in items:
        target = out / f"{item.method}_{side}" / str(item.label) / f"{item.path.stem}.jpg"
        if not target.exists():
            image = read_image(item.path)
            size = (side, side) if image.shape[0] == image.shape[1] else None
            if size is None:
                raise SystemExit(f"{item.path}: {image.shape[:2]}, expected a square picture")
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            coded = [encode_image(small, "JPEG", quality) for quality in range(40, 99, 2)]
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, min(coded, key=lambda data: abs(len(data) - wanted)))
        found.append(replace(item, path=target))
    return found
