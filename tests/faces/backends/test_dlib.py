"""dlib's models: tiny ones that the test trains, and the real ones where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor

from counterface import weights
from counterface.errors import WeightsError
from counterface.faces.backends.dlib import Dlib68, DlibCnnDetector, DlibHogDetector
from counterface.faces.face_detector import box_overlaps
from counterface.faces.landmarks import interocular
from counterface.types import Face, Pose

dlib = pytest.importorskip("dlib")


def train_predictor(path: Path, points: int) -> Path:
    """A predictor of so many points, trained on one drawn face."""
    actor = draw_actor(0, size=128)
    low, high = (int(v) for v in (actor.box[:2].min(), actor.box[2:].max()))
    shape = dlib.full_object_detection(
        dlib.rectangle(low, low, high, high),
        [dlib.point(*(int(v) for v in np.round(p))) for p in actor.landmarks[:points]],
    )
    options = dlib.shape_predictor_training_options()
    options.tree_depth, options.cascade_depth, options.num_trees_per_cascade_level = 2, 2, 5
    options.oversampling_amount, options.random_seed = 2, "0"
    dlib.train_shape_predictor([actor.image] * 2, [[shape]] * 2, options).save(str(path))
    return path


@pytest.mark.slow
def test_a_predictor_of_68_points_is_taken_and_of_others_refused(tmp_path: Path) -> None:
    marker = Dlib68(train_predictor(tmp_path / "points.dat", 68))
    image = draw_actor(0, size=128).image
    (face,) = marker.locate(image, [Face(np.array([30, 30, 100, 100], np.float32), 0.9)])
    assert face.landmarks is not None
    assert face.landmarks.shape == (68, 2)
    with pytest.raises(WeightsError, match="a predictor of 5 points; name one of 68"):
        Dlib68(train_predictor(tmp_path / "points.dat", 5))


def test_hog_finds_a_drawn_face_in_the_pixels_of_a_large_picture() -> None:
    actor = draw_actor(2, size=200)
    large = np.full((1200, 1800, 3), 120, np.uint8)
    large[400:800, 700:1100] = np.repeat(np.repeat(actor.image, 2, axis=0), 2, axis=1)
    (face,) = DlibHogDetector().detect(large)
    truth = actor.box * 2 + np.array([700, 400, 700, 400], np.float32)
    assert box_overlaps(truth, face.box[None])[0][0] > 0.4


@pytest.mark.slow
@pytest.mark.parametrize("roll", [0, 70, 180])
def test_the_real_predictor_follows_the_eyes_of_a_turned_face(roll: float) -> None:
    try:
        marker = Dlib68(weights.path("dlib_68", fetch=False))
    except WeightsError as error:
        pytest.skip(str(error))
    actor = draw_actor(3, Pose(0, 0, roll), size=256)
    eyes = actor.landmarks[36:48].reshape(2, 6, 2).mean(axis=1)
    middle, half = actor.landmarks[17:].mean(axis=0), interocular(actor.landmarks) * 0.85
    box = np.concatenate([middle - half, middle + half]).astype(np.float32)
    (face,) = marker.locate(actor.image, [Face(box, 0.9, keypoints=eyes)])
    assert face.landmarks is not None
    off = np.linalg.norm(face.landmarks - actor.landmarks, axis=1)[17:].mean()
    assert off < 0.12 * interocular(actor.landmarks)


@pytest.mark.slow
def test_cnn_bears_tiny_pictures() -> None:
    try:
        detector = DlibCnnDetector(weights.path("dlib_mmod", fetch=False))
    except WeightsError as error:
        pytest.skip(str(error))
    for shape in ((1, 1, 3), (3, 300, 3)):
        assert detector.detect(np.zeros(shape, np.uint8)) == []
