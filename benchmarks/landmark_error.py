"""Landmark error over the inter-ocular distance, pose error, and jitter.

    python benchmarks/landmark_error.py [--data ../shared/data] [--json]
    python benchmarks/landmark_error.py --landmarkers dlib68 --detectors auto --sets london

Compared points, by set:
- london: 60 adults, neutral, 189 hand-placed points. Only the 11 that mean the same in
  both schemes: eye corners, mouth corners, the three points of Cupid's bow, the middle of the lower
  lip's edge, and the base of the nose.
- dlib68: all 68 points, jaw shown apart; the "testing" half was itself placed by dlib's model and
  then looked over, so it measures agreement with dlib more than truth.
- drawn: all 68 points of drawn actors at many poses and expressions, exact.
The divisor is the true distance between the outer eye corners.

    python benchmarks/landmark_error.py --redo --landmarkers mediapipe_mesh fan2d --sets london

compares landmarks found again on crops, as `faceset align redo` does, with those on frames.
"""

from __future__ import annotations

import argparse
import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from drawn import DATA, Expression, draw_actor

from counterface.faces.align import align
from counterface.faces.face_detector import find_faces, load_models
from counterface.faces.landmarks import BROWS, INNER, JAW, LEFT_EYE, MOUTH, NOSE
from counterface.faces.smooth import jitter, smooth_points
from counterface.faceset.alignments.change import points_in_frame
from counterface.faceset.alignments.redo import face_on_crop, face_on_frame
from counterface.faceset.row import Row
from counterface.media.image import encode_image, read_image
from counterface.media.video_reader import read_video
from counterface.types import Floats, Image, Pose

EYES = slice(LEFT_EYE.start, 48)
# London's point for each iBUG point that means the same
LONDON = {36: 18, 39: 22, 42: 23, 45: 27, 48: 87, 54: 93, 50: 89, 51: 90, 52: 91, 57: 106, 33: 55}
LONDON_GROUPS = {
    "all 11": slice(None),
    "eye corners": slice(0, 4),
    "mouth corners": slice(4, 6),
    "lips": slice(6, 10),
    "nose base": slice(10, 11),
}
FULL_GROUPS = {
    "all 68": slice(None),
    "without jaw": INNER,
    "eyes": EYES,
    "mouth": MOUTH,
    "nose": NOSE,
    "brows": BROWS,
    "jaw": JAW,
}


@dataclass(frozen=True)
class Sample:
    """One face with known points; `index` says which iBUG points they are."""

    image: Image
    points: Floats
    index: list[int]
    divisor: float
    pose: Pose | None = None


def read_london(data: Path) -> Iterator[Sample]:
    for path in sorted((data / "faces_london_ccby").glob("*/*.tem")):
        lines = path.read_text().splitlines()
        count = int(lines[0])
        marks = np.array([line.split()[:2] for line in lines[1 : count + 1]], np.float32)
        points = marks[list(LONDON.values())]
        divisor = float(np.linalg.norm(marks[LONDON[36]] - marks[LONDON[45]]))
        yield Sample(read_image(path.with_suffix(".jpg")), points, list(LONDON), divisor)


def read_dlib68(data: Path) -> Iterator[Sample]:
    for name in ("training", "testing"):
        path = data / "landmarks_dlib68" / f"{name}_with_face_landmarks.xml"
        for entry in ET.parse(path).getroot().iter("image"):
            image = read_image(path.parent / entry.attrib["file"])
            for box in entry.iter("box"):
                parts = sorted(box.iter("part"), key=lambda part: int(part.attrib["name"]))
                points = np.array([[p.attrib["x"], p.attrib["y"]] for p in parts], np.float32)
                if len(points) == 68:
                    divisor = float(np.linalg.norm(points[36] - points[45]))
                    yield Sample(image, points, list(range(68)), divisor)


def draw_samples(count: int = 60) -> Iterator[Sample]:
    rng = np.random.default_rng(0)
    for identity in range(count):
        pose = Pose(*(rng.uniform(-1, 1, 3) * [30, 18, 25]))
        mouth, smile, brows = rng.uniform([0, -1, -1], [0.7, 1, 1])
        actor = draw_actor(identity, pose, Expression(mouth, smile, 0, brows), size=256)
        divisor = float(np.linalg.norm(actor.landmarks[36] - actor.landmarks[45]))
        yield Sample(actor.image, actor.landmarks, list(range(68)), divisor, pose)


def match(sample: Sample, found: list) -> object | None:
    """The found face nearest to the true points, within one inter-ocular distance."""
    centre = sample.points.mean(axis=0)

    def off(face) -> float:
        return float(np.linalg.norm(face.landmarks.mean(axis=0) - centre))

    near = min((f for f in found if f.landmarks is not None), key=off, default=None)
    return near if near is not None and off(near) < sample.divisor else None


def measure(samples: Iterator[Sample], groups: dict, detector: str, landmarker: str) -> dict:
    errors, turns, count = [], [], 0
    for sample in samples:
        count += 1
        face = match(sample, find_faces(sample.image, detector, landmarker))
        if face is None:
            continue
        off = np.linalg.norm(face.landmarks[sample.index] - sample.points, axis=1)
        errors.append(off / sample.divisor)
        if sample.pose is not None and face.pose is not None:
            seen, true = face.pose, sample.pose
            turns.append([seen.yaw - true.yaw, seen.pitch - true.pitch, seen.roll - true.roll])
    table = np.stack(errors)
    row = {"faces": count, "found": len(table)}
    row |= {f"mean error, {name}": float(table[:, part].mean()) for name, part in groups.items()}
    row["90th percentile of faces"] = float(np.percentile(table.mean(axis=1), 90))
    if turns:
        yaw, pitch, roll = (float(x) for x in np.abs(turns).mean(axis=0))
        row |= {"yaw error, degrees": yaw, "pitch error": pitch, "roll error": roll}
    return row


REDONE = (("whole_face", 256), ("whole_face", 128), ("face", 256), ("head", 256))


def measure_redone(
    samples: Iterator[Sample], groups: dict, detector: str, landmarker: str
) -> dict[str, dict]:
    """Errors of one landmarker on the frames and on crops of several kinds, of the same faces.

    The crops are cut by the default landmarker, as extraction does by default.
    """
    marker = load_models(detector, landmarker)[1]
    errors: dict[str, list] = {}
    missed: Counter[str] = Counter()
    for sample in samples:
        face = match(sample, find_faces(sample.image, detector))
        if face is None:
            continue
        found = {}
        for template, size in REDONE:
            crop = align(sample.image, face, template, size, outside="grey")
            row = Row.of(crop, "a.jpg", "a.jpg", "0")
            pixels = decode(encode_image(crop.image, "JPEG", 95))
            seen = marker.locate(pixels, [face_on_crop(row)])[0].landmarks
            points = None if seen is None else points_in_frame(seen, row)
            found[f"crop, {template} {size}"] = points
        found["frame"] = marker.locate(sample.image, [face_on_frame(row)])[0].landmarks
        for name, points in found.items():
            missed[name] += points is None
        if all(points is not None for points in found.values()):
            for name, points in found.items():
                off = np.linalg.norm(points[sample.index] - sample.points, axis=1)
                errors.setdefault(name, []).append(off / sample.divisor)
                moved = np.linalg.norm(points - found["frame"], axis=1)[INNER].mean()
                errors.setdefault(f"{name}: moved", []).append(moved / sample.divisor)
    rows = {}
    for name, count in missed.items():
        table = np.stack(errors[name])
        row = {"faces": len(table), "not found": count}
        row |= {f"mean error, {g}": float(table[:, part].mean()) for g, part in groups.items()}
        row["90th percentile of faces"] = float(np.percentile(table.mean(axis=1), 90))
        row["from that on the frame, 51 points"] = float(np.mean(errors[f"{name}: moved"]))
        rows[name] = row
    return rows


def decode(data: bytes) -> Image:
    """The picture in the bytes of a JPEG file."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].copy()


def measure_jitter(data: Path, frames: int = 60) -> dict:
    """Mean over the talking-head clips, of points 17..67, in parts of the face size."""
    raw, steady = [], []
    for path in sorted((data / "clips_talking_heads").glob("*.mp4")):
        points, times = [], []
        for frame in islice(read_video(path), frames):
            faces = [f for f in find_faces(frame.image) if f.landmarks is not None]
            if faces:
                points.append(faces[0].landmarks)
                times.append(float(frame.pts))
        smoothed = smooth_points(points, times)
        raw.append(jitter([p[INNER] for p in points], times))
        steady.append(jitter([p[INNER] for p in smoothed], times))
    return {"clips": len(raw), "raw": float(np.mean(raw)), "smoothed": float(np.mean(steady))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--landmarkers", nargs="+", default=["mediapipe_mesh"])
    parser.add_argument("--detectors", nargs="+", default=["mediapipe", "centerface"])
    parser.add_argument("--sets", nargs="+", default=["drawn", "london", "dlib68"])
    parser.add_argument("--no-jitter", action="store_true")
    parser.add_argument("--redo", action="store_true", help="on crops against on frames, instead")
    options = parser.parse_args()
    sets = {"drawn": (draw_samples, FULL_GROUPS)}
    if options.data.is_dir():
        sets["london"] = (lambda: read_london(options.data), LONDON_GROUPS)
        sets["dlib68"] = (lambda: read_dlib68(options.data), FULL_GROUPS)
    results: dict = {}

    def tell(name: str, row: dict) -> None:
        results[name] = row
        if not options.json:
            print(name)
            for key, value in row.items():
                print(
                    f"  {key:<28}{value if isinstance(value, int) else round(value, 4)}", flush=True
                )

    sets = {name: sets[name] for name in options.sets if name in sets}
    for landmarker in options.landmarkers:
        for detector in options.detectors:
            for name, (samples, groups) in sets.items():
                if options.redo:
                    rows = measure_redone(samples(), groups, detector, landmarker)
                    for kind, row in rows.items():
                        tell(f"{name}, {detector} + {landmarker}, {kind}", row)
                    continue
                row = measure(samples(), groups, detector, landmarker)
                tell(f"{name}, {detector} + {landmarker}", row)
    if options.data.is_dir() and not options.no_jitter and not options.redo:
        tell("jitter, mediapipe + mediapipe_mesh", measure_jitter(options.data))
    elif not options.data.is_dir():
        print(f"{options.data} is absent: only drawn actors were measured", file=sys.stderr)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
