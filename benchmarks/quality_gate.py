"""Whom the quality gate keeps from a verdict: genuine files, fakes, soft copies, drawings.

    python benchmarks/quality_gate.py [--data ../shared/data] [--each 70] [--write]

`--each` files of every private set and class, spread evenly, are scanned once, `FRAMES` frames of a
clip; what the gate changes follows from the same findings, because a face keeps its score when it
is set aside (of a clip with a few soft frames the score with the gate off would differ a little).
Soft copies are genuine pictures blurred by a share of the face's height and stored as JPEG;
drawings are drawn here, or made of genuine pictures by OpenCV's filters. `--write` puts the tables
between the markers in docs/results.md.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from drawn import DATA, draw_actor, draw_cartoon
from tables import head, row, write_section

from counterface.detect.detector import Thresholds
from counterface.detect.findings import Report, TrackFinding
from counterface.detect.pool import judge_score
from counterface.detect.scanning.conclusion import conclude, lead
from counterface.detect.scanning.scan import ScanConfig, Scanner
from counterface.detect.scanning.standing import face_pixels
from counterface.errors import CounterfaceError
from counterface.faces.face_detector import find_faces
from counterface.learn.metrics import auc
from counterface.media.image import read_image, write_image
from counterface.types import Image, Verdict

GATED = ("soft", "toned", "drawing", "strange")
FRAMES = 8  # of a clip
BLURS = (0.0, 0.01, 0.015, 0.02, 0.025, 0.03)  # Gaussian, of the face's height
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
STILLS = (
    *("faces_3dsk", "faces_celeb98", "faces_deepface_pairs", "faces_ffhq256", "faces_ffhq256_b"),
    *("faces_lfw10", "faces_lfw_small", "faces_london_ccby", "faces_utkface"),
    *("clips_talking_heads", "synthetic_sdxl", "synthetic_stylegan256"),
)
LABELLED = (
    *("labelled_ffhq_vs_stylegan256", "labelled_ffhq_vs_stylegan2_512"),
    *("many_generators", "many_methods"),
)
Item = TypeVar("Item")
Row = tuple[str, int, Report]  # set, 1 = fake, findings


def files_of(data: Path) -> Iterator[tuple[str, int, Path]]:
    """(set, 1 = fake, file) of everything that is scanned."""
    for name in STILLS:
        for path in sorted((data / name).rglob("*")):
            if path.suffix.lower() in (*PICTURES, ".mp4"):
                yield name, int(name.startswith("synthetic")), path
    for name in LABELLED:
        with (data / name / "labels.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if (data / name / row["file"]).exists() and row["label"] in ("real", "fake"):
                    yield name, int(row["label"] == "fake"), data / name / row["file"]


def some_of(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many, spread evenly over the sequence."""
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def scan_all(scanner: Scanner, data: Path, each: int) -> list[Row]:
    """The findings of every file that has a face, of at most `each` a set and class."""
    rows = []
    every = list(files_of(data))
    kinds = dict.fromkeys(item[:2] for item in every)
    chosen = [item for kind in kinds for item in some_of([i for i in every if i[:2] == kind], each)]
    for number, (name, label, path) in enumerate(chosen):
        try:
            found = scanner.scan(path)
        except CounterfaceError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if found.tracks:
            rows.append((name, label, found))
        if number % 100 == 0:
            print(f"{number} of {len(chosen)} files, now {name}", file=sys.stderr, flush=True)
    return rows


def without_gate(track: TrackFinding, thresholds: Thresholds) -> TrackFinding:
    """The track as it would be judged with the gate off."""
    if track.aside is None or track.aside.code not in GATED:
        return track
    verdict = judge_score(track.score, thresholds)
    return track.model_copy(update={"aside": None, "verdict": verdict})


def verdict_without(found: Report) -> Verdict:
    """The verdict on the file with the gate off."""
    tracks = [without_gate(track, found.detector.thresholds) for track in found.tracks]
    return conclude(tracks, found.detector.thresholds, found.sampling.unaligned).verdict


def set_table(rows: Sequence[Row]) -> list[str]:
    """By set and class: how many files lose their verdict, and by what; alarms before and after."""
    calls = ("called likely manipulated", "the same without the gate")
    lines = head("set", "class", "files", *GATED, *calls)
    kinds = [(name, label) for name in (*STILLS, *LABELLED) for label in (0, 1)]
    groups = [([r for r in rows if r[:2] == kind], kind) for kind in kinds]
    every = [([r for r in rows if r[1] == label], ("all", label)) for label in (0, 1)]
    for mine, (name, label) in [*groups, *every]:
        if not mine:
            continue
        leads = [lead(found.tracks) for _, _, found in mine]
        codes = [track.aside.code if track and track.aside else "" for track in leads]
        shares = [f"{100 * codes.count(code) / len(mine):.1f} %" for code in GATED]
        fake = Verdict.LIKELY_MANIPULATED
        after = sum(found.verdict is fake for _, _, found in mine)
        before = sum(verdict_without(found) is fake for _, _, found in mine)
        shares += [f"{100 * count / len(mine):.1f} %" for count in (after, before)]
        lines.append(row(name, "fake" if label else "genuine", len(mine), *shares))
    return lines


def auc_table(rows: Sequence[Row]) -> list[str]:
    """AUC of the labelled sets over all scored files, and over those that the gate lets pass."""
    lines = head("set", "AUC, all scored files", "AUC, files with a face that counts")
    for name in LABELLED:
        mine = [(label, lead(found.tracks)) for kind, label, found in rows if kind == name]
        scored = [(label, track) for label, track in mine if track and track.score]
        passed = [(label, track) for label, track in scored if track.aside is None]
        cells = []
        for part in (scored, passed):
            labels = [label for label, _ in part]
            logits = [track.score.mean_logit for _, track in part if track.score]
            cells.append(f"{auc(labels, logits):.3f} ({len(part)})")
        lines.append(row(name, *cells))
    return lines


def blur_table(scanner: Scanner, pictures: Sequence[Image], folder: Path) -> list[str]:
    """False alarms of blurred genuine pictures, with and without the gate."""
    names = ("with a face", "set aside", "called likely manipulated", "without the gate")
    lines = head("blur, of the face's height", *names)
    sharp = [(image, find_faces(image)) for image in pictures]
    for blur in BLURS:
        found = []
        for image, faces in sharp:
            if faces:
                sigma = blur * face_pixels(faces[0])
                soft = cv2.GaussianBlur(image, (0, 0), sigma) if blur else image
                found.append(scan_image(scanner, np.asarray(soft), folder))
        found = [r for r in found if r.tracks]
        softs = [r for r in found if (t := lead(r.tracks)) and t.aside]
        alarms = sum(r.verdict is Verdict.LIKELY_MANIPULATED for r in found)
        before = sum(verdict_without(r) is Verdict.LIKELY_MANIPULATED for r in found)
        shares = [f"{100 * n / len(found):.0f} %" for n in (len(softs), alarms, before)]
        lines.append(row(f"{100 * blur:g} %", len(found), *shares))
    return lines


def drawing_table(scanner: Scanner, pictures: Sequence[Image], folder: Path) -> list[str]:
    """How many drawings that have a face for the face detector get no verdict."""
    filters: dict[str, Callable[[Image], Image]] = {
        "genuine, OpenCV `stylization`": lambda i: cv2.stylization(i, sigma_s=60, sigma_r=0.45),
        "genuine, OpenCV `pencilSketch`, colour": lambda i: cv2.pencilSketch(i)[1],
        "genuine, OpenCV `edgePreservingFilter`": lambda i: cv2.edgePreservingFilter(i),
    }
    sets: dict[str, list[Image]] = {
        "flat cartoons": [draw_cartoon(seed) for seed in range(40)],
        "shaded drawings (the tests' actors)": [
            draw_actor(seed, size=320).image for seed in range(24)
        ],
        **{
            name: [np.asarray(change(i), np.uint8) for i in some_of(pictures, 30)]
            for name, change in filters.items()
        },
    }
    names = ("with a face", "drawing", "strange", "soft", "other", "still judged clean")
    lines = head("drawings", *names)
    for name, images in sets.items():
        found = [r for i in images if (r := scan_image(scanner, i, folder)).tracks]
        codes = [t.aside.code if (t := lead(r.tracks)) and t.aside else "" for r in found]
        clean = sum(r.verdict is Verdict.NO_MANIPULATION_FOUND for r in found)
        counts = [codes.count(code) for code in ("drawing", "strange", "soft")]
        other = len(found) - sum(counts) - clean
        lines.append(row(name, f"{len(found)} of {len(images)}", *counts, other, clean))
    return lines


def scan_image(scanner: Scanner, image: Image, folder: Path) -> Report:
    """The findings of a picture, stored as JPEG of quality 90."""
    path = folder / "picture.jpg"
    write_image(path, np.ascontiguousarray(image), quality=90)
    return scanner.scan(path)


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--each", type=int, default=70)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    scanner = Scanner(ScanConfig(marks=False, pictures=False, frames=FRAMES, cues="none"))
    rows = scan_all(scanner, options.data, options.each)
    names = ("faces_ffhq256", "faces_london_ccby", "faces_3dsk", "faces_celeb98")
    paths = [p for name in names for p in sorted((options.data / name).rglob("*.jpg"))]
    pictures = [read_image(path) for path in some_of(paths, options.each)]
    with tempfile.TemporaryDirectory() as folder:
        parts = (
            set_table(rows),
            auc_table(rows),
            blur_table(scanner, pictures, Path(folder)),
            drawing_table(scanner, pictures, Path(folder)),
        )
    text = "\n\n".join("\n".join(part) for part in parts)
    print(text)
    if options.write:
        write_section("quality gate", [text])


if __name__ == "__main__":
    main()
