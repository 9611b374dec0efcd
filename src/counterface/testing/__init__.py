"""Contract tests for plug-in authors: what every registered part must do, as plain functions.

Each raises AssertionError with the reason, so that they run under pytest or without it:

    from counterface.testing import check_face_detector
    def test_my_detector():
        check_face_detector(MyDetector(), portrait, box=(120, 80, 310, 300))

`weights.path("astronaut")` gives a public-domain portrait to test with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np

from counterface.errors import ShapeError
from counterface.faces.align import TEMPLATES
from counterface.faces.face_detector import FaceDetector, Landmarker, box_overlaps
from counterface.faces.landmarks import interocular
from counterface.faces.segment import FaceSegmenter
from counterface.testing.refusal import check_refused
from counterface.types import Face, Floats, Image

HALF = 0.4  # boxes of one face by two detectors: some include the forehead, some the ears


def check_face_detector(
    detector: object, image: Image, box: Sequence[float], shift: float = 0.15
) -> None:
    """Pass if a face detector keeps the promises of `FaceDetector`.

    Args:
        detector: made by calling its registered class, with its weights file if it needs one.
        image: RGB uint8 (H, W, 3) with exactly one face, at least 1/6 of the longer side.
        box: xyxy of that face, brows to chin or somewhat more.
        shift: how far a border beside the picture may move the box, over its longer side.
    """
    assert isinstance(detector, FaceDetector), f"{detector!r} has no method detect(image)"
    before = image.copy()
    faces = detector.detect(image)
    assert np.array_equal(image, before), "detect changed the image"
    assert isinstance(faces, list), f"detect gave {type(faces).__name__}, not a list of faces"
    assert faces, "the face was not found"
    for face in faces:
        _check_face(face)
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True), f"best score is not first: {scores}"
    union = float(box_overlaps(np.array(box, np.float32), faces[0].box[None])[0][0])
    assert union > HALF, f"box {faces[0].box} overlaps the face {list(box)} by only {union:.2f}"
    _check_same(faces, detector.detect(image), "a second call on the same image")
    _check_shift(detector, image, faces[0], shift)
    plain = np.full((120, 160, 3), 127, np.uint8)
    assert detector.detect(plain) == [], "a grey image has a face"
    for size in ((1, 1), (3, 500), (500, 3)):
        detector.detect(np.zeros((*size, 3), np.uint8))  # must not raise
    wrongs: list[Any] = [image[..., 0], image.astype(np.float32), np.zeros((0, 5, 3), np.uint8)]
    for wrong in wrongs:
        check_refused(ShapeError, f"{wrong.dtype} {wrong.shape}", detector.detect, wrong)


def check_face_segmenter(segmenter: object, crop: Image, mask: Floats, least: float = 0.8) -> None:
    """Pass if a face segmenter keeps the promises of `FaceSegmenter`.

    Args:
        segmenter: made by calling its registered class, with its weights file if it needs one.
        crop: RGB uint8 (S, S, 3) of a face, aligned to the segmenter's template.
        mask: (S, S) in [0, 1], where the face is visible in it.
        least: intersection over union that the found mask must have with it.
    """
    assert isinstance(segmenter, FaceSegmenter), f"{segmenter!r} has no template, size, segment"
    assert segmenter.template in TEMPLATES, f"template {segmenter.template!r} is none"
    before = crop.copy()
    shifted = np.roll(crop, len(crop) // 8, axis=1)
    masks = segmenter.segment(np.stack([crop, shifted]))
    assert np.array_equal(crop, before), "segment changed the crop"
    assert masks.shape == (2, *crop.shape[:2]), f"masks {masks.shape} for 2 crops {crop.shape}"
    assert masks.dtype == np.float32, f"masks are {masks.dtype}, not float32"
    assert 0 <= masks.min() <= masks.max() <= 1, f"masks go from {masks.min()} to {masks.max()}"
    alone = segmenter.segment(crop[None])[0]
    assert np.abs(alone - masks[0]).max() < 1e-3, "a crop alone has another mask than beside one"
    found, wanted = masks[0] > 0.5, mask > 0.5
    overlap = (found & wanted).sum() / max((found | wanted).sum(), 1)
    assert overlap >= least, f"the mask's IoU with the face is {overlap:.2f}, below {least}"
    assert segmenter.segment(crop[None][:0]).shape == (0, *crop.shape[:2]), "no crops, no masks"
    wrongs: list[Any] = [crop, crop[None].astype(np.float32), crop[None, :, :-1]]
    for wrong in wrongs:
        check_refused(ShapeError, f"{wrong.dtype} {wrong.shape}", segmenter.segment, wrong)


def check_landmarker(landmarker: object, image: Image, face: Face, tolerance: float = 0.12) -> None:
    """Pass if a landmarker keeps the promises of `Landmarker`.

    Args:
        landmarker: made by calling its registered class, with its weights file if it needs one.
        image: RGB uint8 (H, W, 3).
        face: with `box` as a face detector gives it, and the true `landmarks`.
        tolerance: mean distance of points 17..67 to the truth, over the distance between the
            outer eye corners.
    """
    assert isinstance(landmarker, Landmarker), f"{landmarker!r} has no method locate(image, faces)"
    assert face.landmarks is not None, "the contract needs the true landmarks"
    bare = Face(box=face.box, score=face.score, keypoints=face.keypoints)
    before = image.copy()
    found = landmarker.locate(image, [bare, bare])
    assert np.array_equal(image, before), "locate changed the image"
    assert len(found) == 2, f"{len(found)} faces came back for 2"
    for one in found:
        _check_face(one)
        assert one.landmarks is not None, "no landmarks on a clear face"
        assert np.array_equal(one.box, bare.box), "locate changed the box"
    _check_same(found[:1], found[1:], "the same face twice")
    assert bare.landmarks is None, "locate changed the face that it was given"
    seen = found[0].landmarks
    assert seen is not None
    off = np.linalg.norm(seen - face.landmarks, axis=1)[17:].mean() / interocular(face.landmarks)
    assert off < tolerance, f"mean error {off:.3f} of the inter-ocular distance, over {tolerance}"
    assert landmarker.locate(image, []) == [], "no face in, no face out"


def check_detector_model(kind: Any) -> None:
    """Pass if a class keeps the promises of `detect.models.detector_model.DetectorModel`.

    Needs torch and onnx, unlike the first part of this module.

    Args:
        kind: the registered class; its `TINY` options make it small.
    """
    import torch

    from counterface.detect.models.detector_model import DetectorModel
    from counterface.testing import architecture as shared
    from counterface.testing import detect as parts

    assert issubclass(kind, DetectorModel), f"{kind.__name__} is no DetectorModel"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts.check_config(kind)
        model = parts.build(kind)
        parts.check_outputs(model)
        parts.check_errors(model)
        images = parts.pictures(model, 1)
        shared.check_state(model, parts.build(kind), lambda net: net(images)[0])
        parts.check_export(model)
        parts.check_gradients(model)
        parts.check_embedding(model)


def check_dataset_reader(kind: Any, folder: Path) -> None:
    """Pass if a reader's class keeps the promises of `datasets.readers.layout.DatasetReader`.

    Args:
        kind: the registered class.
        folder: a small tree of its layout, complete; files may hold any bytes.
    """
    from counterface.testing import datasets as parts

    with TemporaryDirectory() as place:
        parts.check_options(kind)
        entries = parts.check_reading(kind, folder)
        parts.check_manifest(entries, Path(place) / "manifest.parquet")
        for wrong in (Path(place) / "absent", Path(mkdtemp(dir=place))):
            parts.check_no_tree(kind, wrong)


def check_swap_model(kind: Any, identities: int = 2) -> None:
    """Pass if a swap model's class keeps the promises of `swap.swap_model.SwapModel`.

    Needs torch, unlike the first part of this module.

    Args:
        kind: the registered class; its `TINY` options make it small.
        identities: how many people the tiny model is to know.
    """
    import torch

    from counterface.swap.swap_model import SwapModel
    from counterface.testing import architecture as shared
    from counterface.testing import swap as parts

    assert issubclass(kind, SwapModel), f"{kind.__name__} is no SwapModel"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts.check_config(kind)
        for template in ("face", "whole_face", "head"):
            model = parts.build(kind, identities, template=template)
            assert model.template == template, f"built for {template!r}, says {model.template!r}"
        parts.check_parts(model)
        parts.check_outputs(model)
        parts.check_errors(model)
        parts.check_identities(model)
        parts.check_gradients(model)
        fresh, images = parts.build(kind, identities, template="head"), parts.pictures(model, 1)
        shared.check_state(model, fresh, lambda net: net(images, 1).image)


def check_color_transfer(transfer: Any) -> None:
    """Pass if a colour transfer keeps the promises of `faces.color.ColorTransfer`.

    Args:
        transfer: the function as its entry is loaded: `f(face, like, face_mask, like_mask)`.
    """
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 70, 48)[:, None, None] + np.linspace(0, 40, 64)[None, :, None]
    face = ramp + np.array([60, 40, 20]) + rng.integers(0, 24, (48, 64, 3))
    like = ramp[:40, :40] * 0.7 + np.array([90, 80, 90]) + rng.integers(0, 12, (40, 40, 3))
    face, like = face.astype(np.uint8), like.astype(np.uint8)
    mask, like_mask = (np.zeros(image.shape[:2], np.float32) for image in (face, like))
    mask[8:40, 8:56] = like_mask[6:34, 6:34] = 1.0
    given: list[Any] = [face, like, mask, like_mask]
    before = [part.copy() for part in given]
    out = transfer(*given)
    for part, was in zip(given, before, strict=True):
        assert np.array_equal(part, was), "the transfer changed what it was given"
    assert isinstance(out, np.ndarray), f"gave {type(out).__name__}"
    assert out.dtype == np.uint8, f"gave {out.dtype}, not uint8"
    assert out.shape == face.shape, f"gave {out.shape}, not the face's {face.shape}"
    assert np.array_equal(out, transfer(face, like, mask, like_mask)), "a second call differs"
    inside, goal = mask > 0.5, like[like_mask > 0.5].mean(axis=0)
    off = np.abs(out[inside].mean(axis=0) - goal).max()
    was_off = np.abs(face[inside].mean(axis=0) - goal).max()
    assert off <= was_off + 1, f"the mean went away from its goal: {was_off:.1f} to {off:.1f}"
    own = transfer(face, face, mask, mask).astype(int)
    assert np.abs(own - face).max() <= 3, "a face in its own colours is another face"
    assert transfer(face, like).shape == face.shape, "masks are not optional"
    nothing = np.zeros_like(mask), np.zeros_like(like_mask)
    for masks in ((nothing[0], like_mask), (mask, nothing[1])):
        assert np.array_equal(transfer(face, like, *masks), face), "an empty mask changed the face"
    flat = np.full_like(face, 90)
    for one, two in ((flat, like), (face, flat), (flat, flat)):
        assert transfer(one, two, mask).shape == one.shape, "a flat colour was not taken"
    wrongs: list[Any] = [face[..., 0], face.astype(np.float32)]
    for wrong in wrongs:
        check_refused(ShapeError, f"{wrong.dtype} {wrong.shape}", transfer, wrong, like)


def check_faceset_measure(name: str, measure: Any, rows: Sequence[Any]) -> None:
    """Pass if a measure keeps the promises of `faceset.measures.measure.Measure`.

    Args:
        name: the name under which it is registered.
        measure: as it is registered.
        rows: rows of a few crops of one faceset, all with a pose.
    """
    from counterface.testing.measures import check_measure

    check_measure(name, measure, rows)


def _check_face(face: Face) -> None:
    assert face.box.shape == (4,), f"box {face.box.shape}"
    assert face.box.dtype == np.float32, f"box {face.box.dtype}"
    assert np.isfinite(face.box).all(), f"box {face.box}"
    assert (face.box[2:] > face.box[:2]).all(), f"box {face.box} is not xyxy"
    assert 0 <= face.score <= 1, f"score {face.score}"
    for name, columns in (("keypoints", None), ("landmarks", 68), ("dense", None)):
        points: Floats | None = getattr(face, name)
        if points is not None:
            assert points.ndim == 2, f"{name} {points.shape}"
            assert points.shape[1] == 2, f"{name} {points.shape}"
            assert columns in (None, len(points)), f"{name} {points.shape}"
            assert points.dtype == np.float32, f"{name} {points.dtype}"
    if face.keypoints is not None and len(face.keypoints) > 1:
        assert face.keypoints[0, 0] < face.keypoints[1, 0], "the image's left eye is not first"


def _check_same(one: list[Face], two: list[Face], when: str) -> None:
    assert len(one) == len(two), f"{when} gave {len(two)} faces, not {len(one)}"
    for a, b in zip(one, two, strict=True):
        assert np.allclose(a.box, b.box, atol=1e-3), f"{when} moved the box"
        if a.landmarks is not None and b.landmarks is not None:
            assert np.allclose(a.landmarks, b.landmarks, atol=1e-3), f"{when} moved landmarks"


def _check_shift(detector: FaceDetector, image: Image, face: Face, shift: float) -> None:
    """Check that a border of 32 pixels moves the box by 32, give or take a share of the face."""
    moved = detector.detect(np.pad(image, ((32, 0), (32, 0), (0, 0)), mode="edge"))
    assert moved, "the face was not found once a border was added"
    side = float((face.box[2:] - face.box[:2]).max())
    off = float(np.abs(moved[0].box - face.box - 32).max())
    assert off < shift * side, f"a border of 32 pixels moved the box by {off:.1f} too much"
