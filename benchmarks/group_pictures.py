"""Group pictures: recall by face height and picture size, and time, of `auto` and CenterFace alone.

    python benchmarks/group_pictures.py [--data ../shared/data] [--pictures 2]

Each picture holds up to ten people at the height asked for (the square that MediaPipe sees at full
size), spread over a blurred ground, JPEG 88. A face counts as found if its landmarks lie within
half its height of the true centre. Last come pictures without a face: smooth, grain, text.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from drawn import DATA
from face_detection import read_faces

from counterface.faces.face_detector import find_faces
from counterface.types import Floats, Image

SIZES = ((640, 480), (1920, 1080), (4000, 3000), (6000, 4000))
HEIGHTS = (20, 24, 32, 48, 64, 96, 160, 300)
WAYS = ("centerface", "auto")


def ground(width: int, height: int, rng: np.random.Generator) -> Image:
    colours = rng.uniform(30, 210, (8, 12, 3)).astype(np.uint8)
    return cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC)


def make_group(
    faces: list, size: tuple[int, int], face_height: int, rng: np.random.Generator
) -> tuple[Image, list[Floats]]:
    """A picture and the centres of its faces."""
    width, height = size
    picture, centres = ground(width, height, rng), []
    columns, rows = max(1, min(5, width // (3 * face_height))), 2
    if height < 6 * face_height:
        rows = 1
    cell = width // columns, height // rows
    for number in range(columns * rows):
        image, box = faces[rng.integers(len(faces))]
        scale = face_height / float(box[3] - box[1])
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=smooth)
        centre = (box[:2] + box[2:]) / 2 * scale
        low = np.maximum(centre - np.array(cell) / 2.2, 0).astype(int)
        small = small[low[1] : low[1] + cell[1], low[0] : low[0] + cell[0]]
        centre = centre - low
        free = np.maximum(np.array(cell) - small.shape[1::-1], 0)
        at = np.array([number % columns, number // columns]) * cell + rng.integers(0, free + 1)
        h = min(small.shape[0], height - at[1])
        w = min(small.shape[1], width - at[0])
        picture[at[1] : at[1] + h, at[0] : at[0] + w] = small[:h, :w]
        centres.append((centre + at).astype(np.float32))
    packed = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1]), centres


def without_faces(size: tuple[int, int], rng: np.random.Generator) -> dict[str, Image]:
    width, height = size
    smooth = ground(width, height, rng)
    text = np.full((height, width, 3), 250, np.uint8)
    for row in range(20, height, 24):
        words = "".join(rng.choice(list("etaoin shrdlu 0O@8:)B"), width // 9))
        cv2.putText(text, words, (4, row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1)
    grain = rng.integers(0, 90, (height, width, 1), np.uint8)
    return {"smooth": smooth, "grain": cv2.add(smooth, np.repeat(grain, 3, 2)), "text": text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=int, default=2)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    faces = read_faces(options.data, 40)
    for size in SIZES:
        for face_height in HEIGHTS:
            if face_height * 1.6 > size[1] / 2:
                continue
            rng = np.random.default_rng(face_height)
            groups = [make_group(faces, size, face_height, rng) for _ in range(options.pictures)]
            cells = []
            for way in WAYS:
                hits = total = extra = 0
                for picture, centres in groups:
                    placed = [f for f in find_faces(picture, way) if f.landmarks is not None]
                    at = np.array([f.landmarks[17:].mean(axis=0) for f in placed]).reshape(-1, 2)
                    near = [np.linalg.norm(at - c, axis=1) < face_height / 2 for c in centres]
                    hits += sum(bool(row.any()) for row in near)
                    extra += len(placed) - sum(bool(row.any()) for row in near)
                    total += len(centres)
                cells.append(f"{way} {hits / total:.2f} (+{extra})")
            print(
                f"{size[0]}x{size[1]}  {face_height:>3} px  {total:>2} faces  " + "  ".join(cells),
                flush=True,
            )
        for name, picture in without_faces(size, np.random.default_rng(0)).items():
            cells = []
            for way in WAYS:
                start = time.process_time()
                found = find_faces(picture, way)
                cells.append(f"{way} {time.process_time() - start:.2f} s, {len(found)} faces")
            print(f"{size[0]}x{size[1]}  {name:<7} " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()
