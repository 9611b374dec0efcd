"""Face detectors: recall by face height, false alarms and time, on real faces in drawn scenes.

    python benchmarks/face_detection.py [--data ../shared/data] [--json]

Each scene is one 1280x720 picture with one face photograph, reduced until the face (brows to chin
and a little more, as BlazeFace boxes it at full size) has the height asked for, placed at random on
a blurred ground, saved as JPEG at quality 85. A face counts as found if a box of half to double its
size lies within half its height. Everything else found is a false alarm; the photographs' own
surroundings are the only detailed ground, so false alarms in crowds of objects are not covered.
`tiles` runs the default detector on 3x3 overlapping tiles as well. Without --data, drawn actors.
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

from counterface.faces.backends.centerface import CenterFaceDetector
from counterface.faces.face_detector import FaceDetector, merge_faces
from counterface.media.image import read_image
from counterface.registry import FACE_DETECTORS
from counterface.types import Face, Floats, Image

WIDTH, HEIGHT = 1280, 720
HEIGHTS = (16, 24, 32, 48, 64, 96, 128)
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


def read_faces(data: Path, count: int) -> list[tuple[Image, Floats]]:
    """Pictures with exactly one face, and its box."""
    find = FACE_DETECTORS.load("mediapipe")()
    if data.is_dir():
        paths = sorted((data / "faces_celeb98").rglob("*.jpg"))
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


def make_scene(image: Image, box: Floats, height: int, rng: np.random.Generator) -> tuple:
    scale = height / float(box[3] - box[1])
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=smooth)[:HEIGHT, :WIDTH]
    colours = rng.uniform(30, 210, (8, 12, 3)).astype(np.uint8)
    scene = cv2.resize(colours, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    y = int(rng.integers(0, HEIGHT - small.shape[0] + 1))
    x = int(rng.integers(0, WIDTH - small.shape[1] + 1))
    scene[y : y + small.shape[0], x : x + small.shape[1]] = small
    packed = cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return cv2.imdecode(packed, cv2.IMREAD_COLOR), box * scale + np.float32([x, y, x, y])


def is_hit(face: Face, box: Floats) -> bool:
    side = box[3] - box[1]
    off = np.linalg.norm((face.box[:2] + face.box[2:] - box[:2] - box[2:]) / 2)
    return bool(off < 0.5 * side and 0.5 < (face.box[3] - face.box[1]) / side < 2.2)


def measure(detect: Callable[[Image], list[Face]], faces: list, height: int) -> dict:
    rng = np.random.default_rng(height)
    hits, alarms, seconds = 0, 0, []
    for image, box in faces:
        scene, truth = make_scene(image, box, height, rng)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    faces = read_faces(options.data, options.count)
    models = {name: FACE_DETECTORS.load(name)() for name in FACE_DETECTORS.names()}
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
