"""Names, plug-ins, and the one contract test of each registered kind."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from actors import Expression, draw_actor

from counterface import registry
from counterface.errors import RegistryError, WeightsError
from counterface.faces.backends.mediapipe import MediapipeFaceDetector
from counterface.faces.named_model import make_model
from counterface.registry import FACE_DETECTORS, LANDMARKERS, Registry
from counterface.testing import check_face_detector, check_landmarker
from counterface.types import Face, Pose

WEIGHTS = Path(__file__).parents[2] / "shared/data/weights"
NUMBERS = Registry("number", "counterface.test", {"pi": "math:pi", "broken": "math:absent"})


BY_PATH = {  # where a registered model's weights lie, if they are at hand
    "yunet": WEIGHTS / "yunet/yunet_n_640_640.onnx",
    "mtcnn": WEIGHTS / "mtcnn_npy",
}
SHIFT = {"dlib_cnn": 0.25}  # its pyramid has few levels
OTHERWISE = {  # tested in tests/faces/backends
    "haar_profile": "finds faces in profile",
    "manual": "reads a list and not the picture",
}


def model_here(registry: Registry, name: str) -> Any:
    """The model, with its weights if they are at hand; skips with the reason where they are not."""
    if name in OTHERWISE:
        pytest.skip(f"{name}: {OTHERWISE[name]}")
    path = BY_PATH.get(name)
    try:
        return make_model(registry, f"{name}:{path}" if path and path.exists() else name)
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("name", FACE_DETECTORS.names())
@pytest.mark.parametrize("identity", [0, 5])
def test_every_face_detector_keeps_the_contract(name: str, identity: int) -> None:
    model = model_here(FACE_DETECTORS, name)
    actor = draw_actor(identity, size=224)
    landmarks = actor.landmarks[17:]
    box = [*landmarks.min(axis=0), landmarks[:, 0].max(), actor.landmarks[8, 1]]
    check_face_detector(model, actor.image, box, SHIFT.get(name, 0.15))


@pytest.mark.slow
@pytest.mark.parametrize("name", LANDMARKERS.names())
@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(15, 5, 12)])
def test_every_landmarker_keeps_the_contract(name: str, pose: Pose) -> None:
    model = model_here(LANDMARKERS, name)
    actor = draw_actor(2, pose, Expression(smile=0.3), size=320)
    found = MediapipeFaceDetector().detect(actor.image)[0]
    face = Face(found.box, found.score, found.keypoints, actor.landmarks)
    check_landmarker(model, actor.image, face)


class Blind:
    """A face detector that finds nothing."""

    def detect(self, image: object) -> list[Face]:
        return []


def test_the_contract_catches_a_detector_that_breaks_it() -> None:
    with pytest.raises(AssertionError, match="not found"):
        check_face_detector(Blind(), draw_actor(0).image, [0, 0, 1, 1])
    with pytest.raises(AssertionError, match="has no method detect"):
        check_face_detector(object(), draw_actor(0).image, [0, 0, 1, 1])


def test_a_name_loads_what_stands_behind_it() -> None:
    assert NUMBERS.load("pi") == pytest.approx(3.14159, abs=1e-5)
    assert NUMBERS.names() == ["broken", "pi"]


def test_an_unknown_name_suggests_the_near_one_and_lists_all() -> None:
    with pytest.raises(
        RegistryError, match=r"no number is named 'pie'; did you mean 'pi'\? Known: broken, pi$"
    ):
        NUMBERS.load("pie")


def test_an_entry_that_cannot_be_loaded_says_where_it_points() -> None:
    with pytest.raises(RegistryError, match="math:absent"):
        NUMBERS.load("broken")


def test_a_plug_in_is_found_by_its_entry_point_and_cannot_shadow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def entry_points(group: str) -> list[EntryPoint]:
        assert group == "counterface.test"
        return [EntryPoint("e", "math:e", group), EntryPoint("pi", "math:tau", group)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert NUMBERS.names() == ["broken", "e", "pi"]
    assert NUMBERS.load("e") == pytest.approx(2.71828, abs=1e-5)
    assert NUMBERS.load("pi") == pytest.approx(3.14159, abs=1e-5)
