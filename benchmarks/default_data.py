"""The data of the shipped detector: which sets, how they become facesets, and the folds.

The private data lie in `../shared/data` beside the project; nothing of it is written into the
project but into `runs/`, which git ignores.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from counterface.datasets.manifest import Entry
from counterface.datasets.split import fold_groups
from counterface.faceset.extract import ExtractConfig, extract
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.types import Frame

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
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
SYNTHETIC = {"synthetic_stylegan256": "faces_ffhq256", "synthetic_sdxl": "faces_london_ccby"}
CLIPS = "clips_talking_heads"
PAIRS = "labelled_dfl_pairs"
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


def extract_all(out: Path) -> None:
    """Makes the facesets of the pretraining under `out`; what is done is left alone."""
    folders = {name: (DATA / name, 1) for name in (*STILLS, *SYNTHETIC)}
    for name, (source, every) in folders.items():
        config = ExtractConfig(template="head", size=384, faces=1, every=every)
        summary = extract(source, out / name, config)
        print(f"{name}: {summary.crops} crops, {len(summary.failed)} files failed", flush=True)


def pair_model(stem: str) -> str:
    """The swap model of a pair's file name: `Dean_Wiesel_0` and `fake_only_Dean_Wiesel_2` alike."""
    return stem.removeprefix("fake_only_").rsplit("_", 1)[0]


def held_back(halves: Path) -> list[tuple[int, Entry]]:
    """Each labelled clip with its fold: whole swap models and people share one."""
    items: list[Entry] = []
    for side, label in (("real", 0), ("fake", 1)):
        for path in sorted((halves / side).glob("*.mp4")):
            items.append(Entry(path, label, "dfl", pair_model(path.stem)))
    for path in sorted((DATA / CLIPS).glob("*.mp4")):
        items.append(Entry(path, 0, "clip", SAME_PERSON.get(path.stem, path.stem)))
    # the pairs fill the folds evenly first; the other clips then follow
    swaps = [item for item in items if item.method == "dfl"]
    fold_of = dict(
        zip((i.source for i in swaps), fold_groups([i.source for i in swaps], FOLDS), strict=True)
    )
    others = [item.source for item in items if item.source not in fold_of]
    fold_of |= dict(zip(others, fold_groups(others, FOLDS), strict=True))
    return [(fold_of[item.source], item) for item in items]


def training_items(halves: Path) -> list[Entry]:
    """Everything that the statistics heads are fitted on; methods: pair, clip, still, generated."""
    items = [
        Entry(i.path, i.label, {"dfl": "pair"}.get(i.method, i.method), i.source)
        for _, i in held_back(halves)
    ]
    for name, step in (*STILLS.items(), *((name, 1) for name in SYNTHETIC)):
        made = name in SYNTHETIC
        method = "generated" if made else "still"
        pictures = sorted((DATA / name).rglob("*.jpg"))[::step]
        items += [Entry(path, int(made), method, path.name) for path in pictures]
    return items


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
