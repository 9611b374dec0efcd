"""What a network on the differences between frames sees of methods it has never met, and its file.

    python benchmarks/frame_difference.py            train in folds and on all, judge, and print
    python benchmarks/frame_difference.py --write    also write the file that ships

Methods, people and footage are left out together, in the folds of `cues.py`. What a fold's network
says of the videos that it has not met, as the cue of a scan, becomes a value of `cues.py`, which
fits the weight: run that next. A file whose maker or origin every fold without it has met gives no
value. Training takes half an hour of a core for each fold; what is done is not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
from cues import VIDEOS, interval, keep_values, read_values, scan_values
from default_data import RUNS
from generalisation_data import FOLDS, all_entries, build_part

from counterface.config import parse_settings, read_config_with
from counterface.datasets.face_store import FaceStoreConfig, store_faces
from counterface.datasets.leave_out import fold_splits, met_paths
from counterface.datasets.manifest import Entry, write_manifest
from counterface.datasets.split import linked_groups
from counterface.detect.cues.frame_difference import FrameDifference
from counterface.detect.detector import DetectorInfo
from counterface.detect.models.detector_model import DetectorModel
from counterface.detect.scanning.scan import ScanConfig, Scanner
from counterface.detect.training.export import describe_net, export_detector
from counterface.detect.training.recipe import TrainConfig
from counterface.detect.training.train import load_detector, train_detector
from counterface.errors import StoppedBySignal

NAME = FrameDifference.name
RUN = RUNS / "difference"
ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / f"src/counterface/detect/data/{NAME}.onnx"
VERSION = "2026.12"
CHOOSE = 5  # one group of footage in so many chooses the best epoch
SETTINGS = (
    "model.options.appearance=false",
    "epochs=6",
    "loop.batch_size=16",
    "loop.warmup=20",
    "loop.device=cpu",
)
CARD = {
    "summary": "Changes between three neighbouring frames beyond motion; a cue of scans, not "
    "calibrated, not a detector by itself.",
    "trained_on": "110 videos of talking people: genuine clips, swaps, reenactments and talking "
    "heads, 24 places of three frames in each",
    "licence": "research, not commercial use: GRID CC BY 4.0; demonstration footage of the makers "
    "without a grant",
}


def choose_epoch_by(entries: Sequence[Entry], fold: int) -> list[Entry]:
    """The entries with some of the training files set apart, and the judged ones as `test`."""
    found = []
    for entry, group in zip(entries, linked_groups(entries), strict=True):
        chooses = crc32(group.encode()) % CHOOSE == fold % CHOOSE
        split = "test" if entry.split == "val" else "val" if chooses else "train"
        found.append(replace(entry, split=split))
    return found


def train(name: str, entries: Sequence[Entry]) -> Path:
    """The exported file of a network that learnt from entries of the split `train`."""
    path = RUN / f"net_{name}.onnx"
    if path.exists():
        return path
    manifest = RUN / f"tf_{name}.parquet"
    write_manifest(entries, manifest)
    where = {
        "data.faces": RUN / "faces",
        "data.manifest": manifest,
        "out": RUN / f"net_{name}",
    }
    settings = [f"{key}={json.dumps(str(value))}" for key, value in where.items()]
    values = parse_settings([*SETTINGS, *settings])
    config = read_config_with(TrainConfig, ROOT / f"recipes/{NAME}.toml", values)
    done = train_detector(config)
    if done.signal is not None:
        raise StoppedBySignal(done.signal)
    net = load_detector(done.weights)
    export_detector(net, describe(net), path, half=True)
    return path


def describe(net: DetectorModel) -> DetectorInfo:
    """What the file says of itself."""
    info = describe_net(net, NAME)
    return info.model_copy(update={"version": VERSION, "card": CARD})


def judge(path: Path, entries: Iterable[Entry]) -> None:
    """Keep what the cue with this file says of entries for `cues.py`; those kept before stay."""
    scanner = Scanner(ScanConfig(cues="none", marks=False, pictures=False))
    scanner.cues = (FrameDifference(path),)
    found = read_values()
    for entry in entries:
        if NAME not in found.get(str(entry.path), {}):
            keep_values(found, entry, scan_values(scanner, entry, [NAME]))


def tell(title: str, entries: Iterable[Entry]) -> str:
    """What the kept logits of entries are worth."""
    found = read_values()
    known = [e for e in entries if found[str(e.path)][NAME] is not None]
    logits = np.array([found[str(e.path)][NAME] for e in known])
    labels = np.array([e.label for e in known])
    whole, low, high = interval(labels, logits, [e.source or str(e.path) for e in known])
    count = f"{labels.sum()} of {len(known)} videos fake"
    return f"{title}: {count}, AUC {whole:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file that ships")
    write = parser.parse_args().write
    entries = [e for e in build_part(all_entries()) if e.path.suffix.lower() in VIDEOS]
    config = FaceStoreConfig(template="whole_face", size=128, moments=24, frames=3)
    store_faces(entries, RUN / "faces", config)
    folds = fold_splits(entries, FOLDS)
    files = [train(str(n), choose_epoch_by(fold, n)) for n, fold in enumerate(folds)]
    judged: dict[str, Entry] = {}
    for path, fold in zip(files, folds, strict=True):
        unmet = [e for e in fold if e.split == "val" and e.path not in met_paths(fold)]
        judge(path, unmet)
        judged |= {str(e.path): e for e in unmet}
    found = read_values()
    for entry in entries:
        if str(entry.path) not in judged:
            keep_values(found, entry, {NAME: None})
    print(tell("makers and origins never met", judged.values()))
    learnt = choose_epoch_by([replace(e, split="train") for e in entries], CHOOSE - 1)
    path = train("all", learnt)
    if write:
        SHIPPED.write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
