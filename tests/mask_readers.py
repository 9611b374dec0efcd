"""Readers of masks: polygons of the project, and those in DeepFaceLab's crops."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from counterface.faceset.masks.polygons import Polygon, Polygons, draw_mask, read_polygons
from counterface.faceset.masks.xseg import read_xseg
from counterface.media.image import encode_image

Reader = tuple[Path, Callable[[], object]]
SQUARE = ((1.0, 1.0), (6.0, 1.0), (6.0, 6.0), (1.0, 6.0))


def polygons(folder: Path) -> Reader:
    """Polygons of one crop, read and drawn at the crop's own size."""
    path = folder / "a.polygons.json"
    drawn = Polygons(size=8, polygons=(Polygon(kind="include", points=SQUARE),))
    path.write_text(drawn.model_dump_json())
    return path, lambda: draw_mask(read_polygons(path).scaled(16))


def xseg_crop(folder: Path) -> Reader:
    """A crop of DeepFaceLab with polygons."""
    path = folder / "a.jpg"
    outlines = [{"type": 1, "pts": np.array(SQUARE, np.float32)}]
    values = {
        "seg_ie_polys": {"polys": outlines},
        "source_rect": [1, 2, 3, 4],
        "image_to_face_mat": np.eye(2, 3),
        "source_filename": "a.png",
    }
    content = pickle.dumps(values, 4)
    head = b"\xff\xef" + (len(content) + 2).to_bytes(2, "big")
    picture = encode_image(np.zeros((8, 8, 3), np.uint8), "JPEG")
    path.write_bytes(picture[:2] + head + content + picture[2:])
    return path, lambda: read_xseg(path, 8)
