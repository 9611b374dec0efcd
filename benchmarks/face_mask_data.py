"""Crops for the shipped face mask, and the labels that are made of them without a hand.

Of each picture: the face in a square half as wide again as the template `whole_face`, with the
face mesh. The label is what lies inside the mesh's outline, raised to the hair line, without the
hair over forehead, temples and cheeks: skin and hair are told apart by the colours of this one
picture (GrabCut: Rother et al. 2004), seeded from the cheeks and the nose, and from beside and
above the head. Below the nose everything inside the outline is face: beards, lips, teeth. Pictures
whose split cannot be right are left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from default_data import RUNS
from drawn import DATA

from counterface.errors import CounterfaceError
from counterface.faces.align import crop_matrix, warp_image, warp_points
from counterface.faces.face_detector import find_faces
from counterface.media.image import read_image
from counterface.media.video_reader import read_video
from counterface.types import Floats, Image

RUN = RUNS / "face_mask"
TEMPLATE = "whole_face"
INNER, CANVAS = 208, 288  # side of the template in the square, and of the square, pixels
STILLS = {  # set -> every n-th picture is used
    "faces_ffhq256": 1,
    "faces_ffhq256_b": 1,
    "faces_3dsk": 1,
    "faces_celeb98": 1,
    "faces_lfw10": 1,
    "faces_deepface_pairs": 1,
    "faces_london_ccby": 1,
    "faces_utkface": 2,
    "faces_lfw_small": 4,
    "synthetic_stylegan256": 1,
    "synthetic_sdxl": 1,
}
CLIPS, FRAMES = "clips_talking_heads", 10
HELD_BACK = 8  # one person of so many, and London whole
LONDON = "faces_london_ccby"
SMALLEST = 60  # pixels of the template in the picture; smaller faces are left out
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)  # the mesh's outline, from the middle of the forehead on


class Crops(NamedTuple):
    """The faces of the sets."""

    pictures: Image  # uint8 (N, CANVAS, CANVAS, 3)
    dense: Floats  # (N, 468, 2)
    landmarks: Floats  # (N, 68, 2)
    sets: list[str]
    held_back: np.ndarray  # bool (N,)


def read_crops() -> Crops:
    """The faces of all sets, cut once and kept."""
    kept = RUN / "crops.npz"
    if not kept.exists():
        RUN.mkdir(parents=True, exist_ok=True)
        found = list(_cut_all())
        np.savez(
            kept,
            pictures=np.stack([cut for cut, *_ in found]),
            dense=np.stack([dense for _, dense, *_ in found]),
            landmarks=np.stack([points for _, _, points, *_ in found]),
            sets=np.array([name for *_, name, _ in found]),
            held_back=np.array([back for *_, back in found]),
        )
    with np.load(kept) as arrays:
        return Crops(
            arrays["pictures"],
            arrays["dense"],
            arrays["landmarks"],
            arrays["sets"].tolist(),
            arrays["held_back"],
        )


def _cut_all() -> Iterator[tuple[Image, Floats, Floats, str, bool]]:
    for name, image, person in _pictures():
        faces = [face for face in find_faces(image, "mediapipe") if face.landmarks is not None]
        for face in faces[:1]:
            matrix = crop_matrix(face.landmarks, TEMPLATE, INNER)
            scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
            if INNER / scale < SMALLEST:
                continue
            matrix[:, 2] += (CANVAS - INNER) / 2
            back = name == LONDON or zlib.crc32(person.encode()) % HELD_BACK == 0
            cut = warp_image(image, matrix, CANVAS, "grey")
            dense = warp_points(face.dense[:468], matrix)
            yield cut, dense, warp_points(face.landmarks, matrix), name, back


def _pictures() -> Iterator[tuple[str, Image, str]]:
    """Set, picture, person."""
    for name, step in STILLS.items():
        paths = sorted((DATA / name).rglob("*.jpg"))[::step]
        for path in paths:
            person = path.parent.name if name in ("faces_celeb98", "faces_lfw10") else path.name
            try:
                yield name, read_image(path), f"{name}/{person}"
            except CounterfaceError as error:
                print(path.name, error)
        print(name, len(paths), flush=True)
    for path in sorted((DATA / CLIPS).glob("*.mp4")):
        frames = [frame.image for frame in read_video(path)]
        for index in np.linspace(0, len(frames) - 1, FRAMES).astype(int):
            yield CLIPS, frames[index], f"{CLIPS}/{path.name}"


LIFT = 0.16  # how far the outline rises above the mesh's, in heights of the mesh
LEAST_FACE, LEAST_FOREHEAD = 0.62, 0.1  # shares of the mesh's outline, and of its part over brows
ALIKE = 0.45  # share of what surrounds a head that may have the skin's colours
NEAR_SKIN = 3.0  # deviations from the skin's colours that still are skin's


def make_label(picture: Image, dense: Floats, landmarks: Floats) -> Image | None:
    """Where the face of a crop is visible, uint8 (CANVAS, CANVAS), 255 = face; None: not known."""
    oval, outer, height = _outlines(dense)
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
    up = (dense[10] - dense[152]) / height  # (2,) unit vector

    def above(point: Floats) -> np.ndarray:
        return (columns - point[0]) * up[0] + (rows - point[1]) * up[1]

    inside = _filled(oval) > 0
    bound = _filled(outer) > 0
    upper = above(landmarks[30]) > 0  # over the tip of the nose
    parts = np.zeros((CANVAS, CANVAS), np.uint8)
    for piece in (landmarks[17:22], landmarks[22:27], landmarks[36:42], landmarks[42:48]):
        cv2.fillPoly(parts, [np.round(piece).astype(np.int32)], 255)
        cv2.polylines(
            parts, [np.round(piece).astype(np.int32)], True, 255, max(2, int(height / 30))
        )
    parts = cv2.dilate(parts, np.ones((5, 5), np.uint8)) > 0
    sure = _sure_skin(landmarks, inside, parts)
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = lab[sure]
    if len(skin) < 150:
        return None
    known = (picture != 128).any(axis=2)
    gap = max(3, int(0.07 * height))
    far = ~(cv2.dilate(bound.astype(np.uint8), np.ones((2 * gap + 1,) * 2, np.uint8)) > 0)
    around = far & known & (above(landmarks[36:48].mean(axis=0)) > 0)
    if around.sum() < 300:
        return None
    spread = np.sqrt(skin.var(axis=0) + np.array([60, 9, 9]))
    alike = (np.abs(lab[around] - np.median(skin, axis=0)) / spread).max(axis=1) < NEAR_SKIN
    if alike.mean() > ALIKE:
        return None
    others = picture[around]
    painted = picture.copy()
    hidden = ((~upper & bound) | (parts & bound)) & ~sure
    painted[hidden] = picture[sure][rng.integers(len(skin), size=int(hidden.sum()))]
    aside = ~bound & ~around  # neck, ears and what lies close to the outline say nothing of hair
    painted[aside] = others[rng.integers(len(others), size=int(aside.sum()))]
    marks = np.full((CANVAS, CANVAS), cv2.GC_BGD, np.uint8)
    marks[bound] = cv2.GC_PR_BGD
    marks[inside] = cv2.GC_PR_FGD
    marks[sure | (inside & ~upper)] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(
        painted, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK
    )
    face = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8) & bound
    found = _whole_face(face, landmarks[30], height)
    forehead = inside & (above(landmarks[[19, 24]].mean(axis=0)) > 0)
    if (
        found is None
        or found[inside].mean() < LEAST_FACE
        or found[forehead].mean() < LEAST_FOREHEAD
    ):
        return None
    return np.asarray(cv2.GaussianBlur(found * np.uint8(255), (0, 0), 1.2))


def _sure_skin(landmarks: Floats, inside: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Nose and cheeks, which hardly anything grows over."""
    cheeks = _filled(np.stack([*landmarks[[1, 2, 3, 13, 14, 15]], landmarks[33]])) > 0
    sure = inside & ~parts & (_filled(landmarks[[39, 42, 35, 31]]) > 0)
    for eye, nose in ((slice(36, 42), 31), (slice(42, 48), 35)):
        low = landmarks[eye].mean(axis=0) * 0.6 + landmarks[nose] * 0.4
        out = landmarks[36 if nose == 31 else 45] * 0.5 + landmarks[48 if nose == 31 else 54] * 0.5
        cheek = np.stack([low, landmarks[nose], (landmarks[nose] + out) / 2, out])
        sure |= (_filled(cheek) > 0) & inside & cheeks & ~parts
    return np.asarray(sure)


def _whole_face(face: Image, nose: Floats, height: float) -> Image | None:
    """The part with the nose, smoothed and without small holes; None where the nose is not face."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    face = cv2.morphologyEx(face, cv2.MORPH_OPEN, disc)
    face = cv2.morphologyEx(face, cv2.MORPH_CLOSE, disc)
    _, numbers, _table, _ = cv2.connectedComponentsWithStats(face)
    x, y = np.clip(np.round(nose).astype(int), 0, CANVAS - 1)
    if numbers[y, x] == 0:
        return None
    face = (numbers == numbers[y, x]).astype(np.uint8)
    holes, marked, sizes, _ = cv2.connectedComponentsWithStats(1 - face)
    for hole in range(1, holes):
        if sizes[hole, cv2.CC_STAT_AREA] < 0.004 * height**2:
            face[marked == hole] = 1
    return face


def _outlines(dense: Floats) -> tuple[Floats, Floats, float]:
    """The mesh's outline, the same raised to where hair lines can be, and the mesh's height."""
    oval = dense[list(OVAL)]
    rise = dense[10] - dense[152]
    height = float(np.linalg.norm(rise))
    up = rise / height
    level = (oval - dense[[33, 263]].mean(axis=0)) @ up / height  # 0 at the eyes
    lift = np.clip(level / level.max(), 0, 1)[:, None]
    return oval, oval + lift * LIFT * height * up, height


def _filled(points: Floats) -> Image:
    mask = np.zeros((CANVAS, CANVAS), np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 255)
    return mask
