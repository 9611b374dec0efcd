"""Face detectors: recall by face height, false alarms and time, on real faces in drawn scenes.

    python benchmarks/face_detection.py [--data ../shared/data] [--json]
    python benchmarks/face_detection.py --conditions [--detectors NAME or NAME:PATH ...]

Each scene is one 1280x720 picture with one face photograph, reduced until the face (brows to chin
and a little more, as BlazeFace boxes it at full size) has the height asked for, placed at random on
a blurred ground, saved as JPEG at quality 85. A face counts as found if a box of half to double its
size lies within half its height. Everything else found is a false alarm; the photographs' own
surroundings are the only detailed ground, so false alarms in crowds of objects are not covered.
`tiles` runs the default detector on 3x3 overlapping tiles as well. Without --data, drawn actors.

With --conditions, scenes are 640x480, of people seen with their hair and shoulders: faces of 16 to
400 px; and of 96 px, turned in the picture by up to 90 degrees, in the dark (a twentieth of the
light, with noise), with mouth or eyes covered by a plain patch, and heads turned to the side, of
other photographs, in all of which MediaPipe finds the face.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from drawn import DATA, draw_actor

from counterface.errors import WeightsError
from counterface.faces.backends.centerface import CenterFaceDetector
from counterface.faces.face_detector import FaceDetector, find_faces, merge_faces
from counterface.faces.named_model import split_name
from counterface.media.image import read_image
from counterface.registry import FACE_DETECTORS
from counterface.types import Face, Floats, Image

WIDTH, HEIGHT = 1280, 720
HEIGHTS = (16, 24, 32, 48, 64, 96, 128)
COMPARED = ("auto", "centerface", "full", "mediapipe")  # by the height of faces
TILES, SHARE = 3, 0.42  # tiles a side, and each tile's part of the side


def detect_in_tiles(detector: FaceDetector, image: Image) -> list[Face]:
    """Faces of the whole image and of overlapping tiles; boxes cut by an inner edge are dropped."""
    found = list(detector.detect(image))
    height, width = round(image.shape[0] * SHARE), round(image.shape[1] * SHARE)
    for row in range(TILES):
        for column in range(TILES):
            y = round((image.shape[0] - height) * row / (TILES - 1))
            x = round((image.shape[1] - width) * column / (TILES - 1))
            for face in detector.detect(image[y : y + height, x : x + width].copy()):
                inner = (face.box[:2] > 2).all() and (face.box[2:] < (width - 2, height - 2)).all()
                if inner:
                    found.append(replace(face, box=face.box + np.float32([x, y, x, y])))
    return merge_faces(found)


def read_faces(data: Path, count: int, kind: str = "faces_celeb98") -> list[tuple[Image, Floats]]:
    """Pictures of a set with exactly one face, and its box."""
    find = FACE_DETECTORS.load("mediapipe")()
    if data.is_dir():
        paths = sorted((data / kind).rglob("*.jpg"))
        order = np.random.default_rng(0).permutation(len(paths))
        images = (read_image(paths[i]) for i in order)
    else:
        images = (draw_actor(i, size=400).image for i in range(count))
    chosen: list[tuple[Image, Floats]] = []
    for image in images:
        faces = merge_faces(find.detect(image))
        if len(faces) == 1:
            chosen.append((image, faces[0].box))
        if len(chosen) == count:
            break
    return chosen


def make_scene(
    image: Image,
    box: Floats,
    height: int,
    rng: np.random.Generator,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> tuple:
    scale = height / float(box[3] - box[1])
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=smooth)
    middle = (box[:2] + box[2:]) / 2 * scale  # what is too large is cut round the face
    cut = [
        int(np.clip(m - side / 2, 0, max(0, have - side)))
        for m, side, have in zip(middle, size, small.shape[1::-1], strict=True)
    ]
    small = small[cut[1] : cut[1] + size[1], cut[0] : cut[0] + size[0]]
    colours = rng.uniform(30, 210, (8, 12, 3)).astype(np.uint8)
    scene = cv2.resize(colours, size, interpolation=cv2.INTER_CUBIC)
    y = int(rng.integers(0, size[1] - small.shape[0] + 1))
    x = int(rng.integers(0, size[0] - small.shape[1] + 1))
    scene[y : y + small.shape[0], x : x + small.shape[1]] = small
    packed = cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    moved = box * scale + np.float32([x - cut[0], y - cut[1]] * 2)
    return cv2.imdecode(packed, cv2.IMREAD_COLOR), moved


def is_hit(face: Face, box: Floats) -> bool:
    side = box[3] - box[1]
    off = np.linalg.norm((face.box[:2] + face.box[2:] - box[:2] - box[2:]) / 2)
    return bool(off < 0.5 * side and 0.5 < (face.box[3] - face.box[1]) / side < 2.2)


def measure(
    detect: Callable[[Image], list[Face]],
    faces: list,
    height: int,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> dict:
    rng = np.random.default_rng(height)
    hits, alarms, seconds = 0, 0, []
    for image, box in faces:
        scene, truth = make_scene(image, box, height, rng, size)
        start = time.process_time()
        found = detect(scene)
        seconds.append(time.process_time() - start)
        right = sum(is_hit(face, truth) for face in found)
        hits += right > 0
        alarms += len(found) - min(right, 1)
    return {
        "recall": hits / len(faces),
        "false alarms": alarms / len(faces),
        "cpu ms": float(np.median(seconds) * 1000),
    }


CONDITIONS_SIZE = 640, 480
SIZES = (16, 24, 32, 48, 64, 96, 128, 200, 400)
TURNS = (15, 30, 45, 60, 75, 90)
YAWS = {"yaw 30 to 45": (30, 45), "yaw 45 to 60": (45, 60), "yaw over 60": (60, 90)}
SIDE = 96


def turn_in_picture(image: Image, box: Floats, degrees: float) -> tuple[Image, Floats]:
    """The photograph turned about the middle of its face, and a square box there."""
    centre = (box[:2] + box[2:]) / 2
    matrix = cv2.getRotationMatrix2D(tuple(float(v) for v in centre), degrees, 1.0)
    size = image.shape[1::-1]
    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT_101), box


def darken(image: Image, box: Floats) -> tuple[Image, Floats]:
    noise = np.random.default_rng(0).normal(0, 2, image.shape)
    return np.clip(image * 0.05 + noise, 0, 255).astype(np.uint8), box


def cover(image: Image, box: Floats, top: float, bottom: float) -> tuple[Image, Floats]:
    """A plain patch over the face from one share of its box's height to another."""
    covered = image.copy()
    left, low, right, high = (int(v) for v in box)
    rows = slice(max(0, round(low + top * (high - low))), round(low + bottom * (high - low)))
    covered[rows, max(0, left) : right] = (120, 140, 150)
    return covered, box


def read_turned(data: Path, count: int) -> dict[str, list[tuple[Image, Floats]]]:
    """Photographs by the yaw that the mesh reads off them; those that MediaPipe misses are none."""
    found: dict[str, list[tuple[Image, Floats]]] = {name: [] for name in YAWS}
    for path in sorted((data / "faces_ffhq256").iterdir()):
        if path.suffix not in (".jpg", ".png"):
            continue
        image = read_image(path)
        faces = [f for f in find_faces(image, "mediapipe") if f.landmarks is not None]
        if len(faces) != 1 or faces[0].pose is None:
            continue
        for name, (low, high) in YAWS.items():
            if low <= abs(faces[0].pose.yaw) < high and len(found[name]) < count:
                found[name].append((image, square(faces[0].landmarks)))
    return {name: faces for name, faces in found.items() if faces}


def square(landmarks: Floats) -> Floats:
    """A square round the landmarks from brows to chin."""
    centre = (landmarks.min(axis=0) + landmarks.max(axis=0)) / 2
    half = float(np.ptp(landmarks[:, 1])) / 2
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def make_conditions(faces: list, turned_heads: dict[str, list]) -> dict[str, tuple[list, int]]:
    """By name: photographs with the boxes of their faces, and the height that these are to have."""
    made = {f"{side} px": (faces, side) for side in SIZES}
    for degrees in TURNS:
        turned = [turn_in_picture(image, box, degrees) for image, box in faces]
        made[f"turned {degrees}"] = turned, SIDE
    made["dark"] = [darken(image, box) for image, box in faces], SIDE
    made["mouth covered"] = [cover(image, box, 0.55, 1.05) for image, box in faces], SIDE
    made["eyes covered"] = [cover(image, box, 0.0, 0.4) for image, box in faces], SIDE
    for name, heads in turned_heads.items():
        made[f"{name} ({len(heads)})"] = heads, SIDE
    return made


def measure_conditions(
    names: list[str], words: list[str], faces: list, turned_heads: dict[str, list]
) -> dict:
    results: dict = {}
    for name in names:
        try:
            kind, path = FACE_DETECTORS.load(split_name(name)[0]), split_name(name)[1]
            detect = (kind(weights=path) if path else kind()).detect  # here, for its time to count
        except WeightsError as error:
            print(f"{name}: {error}", flush=True)
            continue
        for condition, (scenes, side) in make_conditions(faces, turned_heads).items():
            if words and not any(word in condition for word in words):
                continue
            row = measure(detect, scenes, side, CONDITIONS_SIZE)
            results.setdefault(name, {})[condition] = row
            cells = "  ".join(f"{key} {value:7.2f}" for key, value in row.items())
            print(f"{name.split(':')[0]:<14} {condition:<16} {cells}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--conditions", nargs="*", help="all, or those with these words")
    parser.add_argument("--detectors", nargs="+", default=FACE_DETECTORS.names())
    options = parser.parse_args()
    if options.conditions is not None:
        faces = read_faces(options.data, options.count, "faces_london_ccby")
        turned_heads = read_turned(options.data, options.count)
        results = measure_conditions(options.detectors, options.conditions, faces, turned_heads)
        if options.json:
            print(json.dumps(results, indent=1))
        return
    faces = read_faces(options.data, options.count)
    models = {name: FACE_DETECTORS.load(name)() for name in COMPARED}
    ways = {name: model.detect for name, model in models.items()}
    ways["mediapipe, merged"] = lambda image: merge_faces(models["mediapipe"].detect(image))
    ways["mediapipe, tiles"] = lambda image: detect_in_tiles(models["mediapipe"], image)
    ways["centerface, 640 px"] = CenterFaceDetector(max_side=640).detect
    results: dict = {}
    for name, detect in ways.items():
        for height in HEIGHTS:
            row = measure(detect, faces, height)
            results.setdefault(name, {})[height] = row
            if not options.json:
                cells = "  ".join(f"{key} {value:7.2f}" for key, value in row.items())
                print(f"{name:<20} face {height:>3} px  {cells}", flush=True)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
