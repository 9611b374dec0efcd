"""What is left of a detector's numbers when files come as users have them.

    python benchmarks/everyday_copies.py [--detector new.onnx]

Pictures (`labelled_ffhq_vs_stylegan256`, never trained on): as they are, through a messenger
(longest side 1,600 at most, JPEG 70 with halved colour), as a screenshot (0.8 of the size on a grey
page, PNG). Clips (the DeepFaceLab pairs, out of fold by `train_default.py pairs`, and genuine
talking heads): as they are, and uploaded again at 360 lines (x264, crf 30).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from default_data import FOLDS, RUNS, held_back, measured_only
from train_default import HALVES, RUN

from counterface.datasets.manifest import Entry
from counterface.detect.evaluate import evaluate_files
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.scanning.scan import ScanConfig
from counterface.files import write_bytes
from counterface.media.image import encode_image, read_image
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.types import Frame, Image

COPIES = RUNS / "everyday"
LONGEST, LINES = 1600, 360


def messenger(image: Image) -> bytes:
    """As messengers send pictures."""
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = (round(width * scale), round(height * scale))
    return encode_image(cv2.resize(image, size, interpolation=cv2.INTER_AREA), "JPEG", 70)


def screenshot(image: Image) -> bytes:
    """Shown smaller on a page, and photographed by the system."""
    height, width = (round(side * 0.8) for side in image.shape[:2])
    page = np.full((height + 160, width + 240, 3), 244, np.uint8)
    page[80 : 80 + height, 120 : 120 + width] = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA
    )
    return encode_image(page, "PNG")


PICTURES: dict[str, tuple[str, Callable[[Image], bytes]]] = {
    "messenger": (".jpg", messenger),
    "screenshot": (".png", screenshot),
}


def copied(items: Sequence[Entry], name: str) -> list[Entry]:
    """The pictures, each through one of `PICTURES`."""
    suffix, change = PICTURES[name]
    found = []
    for item in items:
        target = COPIES / name / str(item.label) / f"{item.path.stem}{suffix}"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, change(read_image(item.path)))
        found.append(replace(item, path=target))
    return found


def uploaded(item: Entry) -> Entry:
    """The clip at 360 lines or fewer."""
    target = COPIES / "360p" / f"{item.label}_{item.path.stem}.mp4"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        height, width = next(iter(read_video(item.path))).image.shape[:2]
        scale = min(1.0, LINES / height)
        size = (round(width * scale / 2) * 2, round(height * scale / 2) * 2)
        with VideoWriter(target, *size, crf=30, preset="veryfast") as writer:
            for frame in read_video(item.path):
                small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
                writer.write(Frame(small, frame.index, Fraction(frame.pts)))
    return replace(item, path=target)


def shown(name: str, scores: Sequence[FileScore]) -> str:
    """A row."""
    found = evaluate_files(scores, 0.5)
    auc = "-" if found.auc is None else "{:.2f} [{:.2f}, {:.2f}]".format(*found.auc)
    called = [[s.verdict for s in scores if s.label == label] for label in (0, 1)]
    counts = " | ".join(f"{v.count('likely_manipulated')} of {len(v)}" for v in called)
    return f"| {name} | {auc} | {counts} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--detector", default="default")
    parser.add_argument("--run", type=Path, default=RUN, help="that has pairs_0.onnx and further")
    words = parser.parse_args()
    scan = ScanConfig(detector=words.detector, cues="none")
    pictures = next(items for name, items in measured_only() if name.endswith("stylegan256"))
    print("| material | AUC | genuine called manipulated | fakes called |\n|---|---|---|---|")
    print(shown("pictures as they are", score_files(pictures, scan)), flush=True)
    for name in PICTURES:
        print(shown(f"pictures, {name}", score_files(copied(pictures, name), scan)), flush=True)
    for name, change in (("clips as they are", lambda item: item), ("clips at 360p", uploaded)):
        scores: list[FileScore] = []
        for fold in range(FOLDS):
            items = [
                change(e) for n, e in held_back(HALVES) if n == fold and e.method != "old_clip"
            ]
            pairs = str(words.run / f"pairs_{fold}.onnx")
            scores += score_files(items, ScanConfig(detector=pairs, cues="none"))
        print(shown(name, scores), flush=True)


if __name__ == "__main__":
    main()
