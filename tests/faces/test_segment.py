"""Segmenters tell where a face is visible; the one that ships does so on faces it never met."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
from actors import Expression, draw_actor

from counterface.errors import RegistryError, ShapeError, WeightsError
from counterface.faces.align import crop_matrix, warp_image
from counterface.faces.mask import hull_mask
from counterface.faces.segment import FaceSegmenter, load_segmenter, segment_crops, segment_face
from counterface.registry import FACE_SEGMENTERS
from counterface.testing import check_face_segmenter
from counterface.types import Floats, Image, Pose


def overlap(found: Floats, wanted: Floats) -> float:
    both, either = (found > 0.5) & (wanted > 0.5), (found > 0.5) | (wanted > 0.5)
    return float(both.sum() / either.sum())


@pytest.mark.parametrize("side", [64, 192, 300])
def test_masks_have_the_side_of_the_crops(side: int) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (9, side, side, 3)).astype(np.uint8)
    masks = segment_crops(crops)
    assert (masks.shape, masks.dtype) == ((9, side, side), np.float32)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert np.allclose(segment_crops(crops[8:]), masks[8:], atol=1e-4)  # alone or in a batch
    assert segment_crops(crops[:0]).shape == (0, side, side)


def test_it_is_a_segmenter_by_contract() -> None:
    segmenter = load_segmenter("generic")
    assert isinstance(segmenter, FaceSegmenter)
    assert load_segmenter("generic") is segmenter
    assert {"generic", "xseg"} <= set(FACE_SEGMENTERS.names())


def drawn_crop() -> tuple[Image, Floats]:
    """An actor's crop of the template that the shipped net was made on, and its exact mask."""
    actor = draw_actor(20_003, Pose(5, 0, 0), Expression(), 320)
    matrix = crop_matrix(actor.landmarks, "whole_face", 192)
    mask = cv2.warpAffine(actor.mask.astype(np.float32), matrix, (192, 192))
    return warp_image(actor.image, matrix, 192), mask


OF_A_FILE = {"xseg"}  # run in a process of their own


@pytest.mark.parametrize("name", FACE_SEGMENTERS.names())
def test_every_segmenter_keeps_the_contract(name: str, tmp_path: Path) -> None:
    if name in OF_A_FILE:
        path = tmp_path / "own.onnx"
        path.write_bytes(files("counterface.faces.data").joinpath("face_mask.onnx").read_bytes())
        name = f"{name}:{path}"
    check_face_segmenter(load_segmenter(name), *drawn_crop(), least=0.93)


class Careless:
    template, size = "whole_face", 192

    def segment(self, crops: Image) -> Floats:
        return np.ones(crops.shape[:3], np.float32)


def test_one_that_does_not_is_told() -> None:
    with pytest.raises(AssertionError, match="IoU with the face"):
        check_face_segmenter(Careless(), *drawn_crop())
    with pytest.raises(AssertionError, match="no ShapeError"):
        check_face_segmenter(Careless(), *drawn_crop(), least=0.0)
    with pytest.raises(AssertionError, match="has no template"):
        check_face_segmenter(object(), *drawn_crop())


@pytest.mark.parametrize("identity", [3, 40, 77])
def test_the_shipped_mask_is_nearer_to_a_drawn_face_than_its_hull(identity: int) -> None:
    actor = draw_actor(20_000 + identity, Pose(12, -5, 6), Expression(mouth_open=0.4), 256)
    mask = segment_face(actor.image, actor.landmarks, load_segmenter())
    assert mask.shape == actor.image.shape[:2]
    found = overlap(mask, actor.mask)
    assert found > 0.93
    assert found > overlap(hull_mask(actor.landmarks, mask.shape), actor.mask)


def test_what_is_held_before_the_face_is_left_out() -> None:
    actor = draw_actor(20_001, Pose(0, 0, 0), Expression(), 256)
    image = actor.image.copy()
    x, y = actor.landmarks[57].astype(int)
    cv2.circle(image, (int(x), int(y) + 6), 26, (24, 24, 28), -1)  # the foam of a microphone
    cv2.line(image, (int(x), int(y) + 6), (int(x) + 30, 255), (30, 30, 34), 22)
    mask = segment_face(image, actor.landmarks, load_segmenter())
    assert mask[y - 5 : y + 15, x - 8 : x + 8].mean() < 0.25
    nose = actor.landmarks[30].astype(int)
    assert mask[nose[1], nose[0]] > 0.9


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((2, 8, 9, 3), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 0, 0, 3), np.uint8),
    ],
)
def test_what_are_no_crops_is_refused(crops: Image) -> None:
    with pytest.raises(ShapeError, match="crops"):
        segment_crops(crops)


def test_names_and_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="nobody"):
        load_segmenter("nobody")
    with pytest.raises(WeightsError, match="'xseg:PATH'"):
        load_segmenter("xseg")
    with pytest.raises(WeightsError, match="no such file"):
        load_segmenter(f"xseg:{tmp_path / 'none.onnx'}")
    with pytest.raises(WeightsError, match="takes no weights file"):
        load_segmenter(f"generic:{tmp_path / 'none.onnx'}")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no net")
    with pytest.raises(WeightsError, match=r"bad\.onnx"):
        load_segmenter(f"xseg:{bad}")


def test_another_net_is_refused() -> None:
    from counterface.detect import data

    other = Path(str(data.__file__)).parent / "lip_sync.onnx"
    with pytest.raises(WeightsError, match="not the file of a face mask"):
        load_segmenter(f"xseg:{other}")


def test_a_crop_of_another_template_is_segmented_alike() -> None:
    actor = draw_actor(20_002, Pose(0, 0, 0), Expression(), 320)
    matrix = crop_matrix(actor.landmarks, "head", 256)
    crop = warp_image(actor.image, matrix, 256)
    points = (np.c_[actor.landmarks, np.ones(68)] @ matrix.T).astype(np.float32)
    truth = cv2.warpAffine(actor.mask.astype(np.float32), matrix, (256, 256))
    assert overlap(segment_face(crop, points, load_segmenter()), truth) > 0.93
