"""Each measure follows what it is named for; the contract holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from actors import Expression, draw_actor

from counterface.faces.align import crop_matrix, warp_image
from counterface.faceset.measures import alike, light, shape, sharpness
from counterface.faceset.measures.cover import cover_places
from counterface.faceset.measures.measure import Measure, load_measure
from counterface.faceset.row import Row
from counterface.registry import FACESET_MEASURES
from counterface.testing import check_faceset_measure
from counterface.types import Floats, Image, Pose

AT_REST = Pose(0.0, 0.0, 0.0)


def row_of(pose: Pose = AT_REST, does: Expression = Expression(), identity: int = 1) -> Row:  # noqa: B008
    actor = draw_actor(identity, pose, does, size=200)
    return Row(
        file="a.jpg",
        source="clip.mp4",
        source_sha256="0" * 64,
        frame_index=0,
        pts=Fraction(0),
        face_index=0,
        frame_width=200,
        frame_height=200,
        box=actor.box,
        score=1.0,
        landmarks=actor.landmarks,
        pose=pose,
        frame_to_crop=crop_matrix(actor.landmarks, "whole_face", 128),
        blur=0.3,
    )


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    poses = [Pose(yaw, yaw / 4, 0.0) for yaw in (-30.0, -10.0, 0.0, 15.0)]
    return [row_of(pose, Expression(mouth_open=0.2 * n)) for n, pose in enumerate(poses)]


@pytest.fixture(scope="module")
def face() -> Image:
    actor = draw_actor(1, size=256)
    crop = warp_image(actor.image, crop_matrix(actor.landmarks, "whole_face", 256), 256)
    grain = np.random.default_rng(0).normal(0, 3, crop.shape)  # drawn skin has no detail
    return np.clip(crop + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", FACESET_MEASURES.names())
def test_every_measure_keeps_the_contract(name: str, rows: list[Row]):
    check_faceset_measure(name, load_measure(name), rows)


def test_the_contract_catches_a_measure_that_breaks_it(rows: list[Row]):
    with pytest.raises(AssertionError, match="registered as 'twice'"):
        check_faceset_measure("twice", load_measure("yaw"), rows)
    lost = replace(load_measure("final"), together=None)
    with pytest.raises(AssertionError, match="4 numbers"):
        check_faceset_measure("final", lost, rows)
    nameless = Measure(name="x", says="x", unit="x", reads="row", of=lambda row: row.blur)
    with pytest.raises(AssertionError, match="no function of a module"):
        check_faceset_measure("x", nameless, rows)


def test_soft_crops_are_less_sharp_by_both_measures(face: Image):
    soft = [face, *(cv2.GaussianBlur(face, (0, 0), sigma) for sigma in (0.7, 1.5, 3))]
    for of in (sharpness.laplacian_spread, sharpness.fine_energy):
        values = [of(image) for image in soft]
        assert values == sorted(values, reverse=True)
        assert values[0] > values[-1]


@pytest.mark.parametrize("degrees", [0, 45, 90, 120])
def test_motion_is_told_from_defocus_in_every_direction(face: Image, degrees: int):
    kernel = np.zeros((17, 17), np.float32)
    kernel[8] = 1
    turn = cv2.getRotationMatrix2D((8, 8), degrees, 1)
    kernel = cv2.warpAffine(kernel, turn, (17, 17))
    moved = cv2.filter2D(face, -1, kernel / kernel.sum())
    soft = cv2.GaussianBlur(face, (0, 0), 1.5)
    assert max(sharpness.smear(face), sharpness.smear(soft)) < 6
    assert sharpness.smear(moved) > 8


def test_mouth_and_eyes_are_measured_alike_in_all_poses():
    poses = [AT_REST, Pose(25.0, 0.0, 0.0), Pose(-25.0, 10.0, 15.0)]
    for pose in poses:
        shut, parted, wide = (
            shape.mouth_opening_of(row_of(pose, Expression(mouth_open=v))) for v in (0, 0.3, 1)
        )
        assert shut < 0.12 < parted < wide
        assert wide > 0.3
        open_, closed = (
            shape.eye_opening_of(row_of(pose, Expression(blink=v))) for v in (0.0, 1.0)
        )
        assert closed < 0.1 < open_
    at_rest, smiling = (shape.mouth_width_of(row_of(does=Expression(smile=v))) for v in (0.0, 1.0))
    assert smiling > at_rest + 0.02


def test_a_wrong_alignment_is_the_farthest_from_the_median_face(rows: list[Row]):
    wrong = rows[2].landmarks + np.float32(20)
    points = np.stack(
        [shape.landmarks_in_crop(row) for row in [*rows, replace(rows[2], landmarks=wrong)]]
    )
    far = shape.distance_from_mean_face(points)
    assert far.argmax() == len(rows)
    assert far[-1] > 2 * far[:-1].max()


def test_light_hue_and_black():
    grey = np.full((64, 64, 3), 90, np.uint8)
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    assert light.brightness_of(grey) == pytest.approx(90, abs=1)
    assert light.hue_of(red) == pytest.approx(0, abs=1)
    assert np.isnan(light.hue_of(grey))
    magenta = red.copy()
    magenta[..., 2] = 50
    assert -30 < light.hue_of(magenta) < 0  # beside red, not at the other end
    half = grey.copy()
    half[:32] = 0
    assert light.black_share_of(half) == 0.5


def test_a_chain_walks_from_an_end_to_the_other():
    line = np.random.default_rng(0).permutation(20).astype(np.float32)
    places = alike.chain_places(np.stack([line, 0 * line], axis=1))
    walked = line[np.argsort(places)]
    assert np.array_equal(walked, np.sort(line)) or np.array_equal(walked, np.sort(line)[::-1])
    assert np.array_equal(alike.chain_places_by_difference(line[:, None]), places)


def test_the_odd_one_is_the_most_unlike(face: Image):
    dark = (face // 3).astype(np.uint8)
    for of in (alike.grey_histogram, alike.colour_histogram):
        points = np.stack([of(image) for image in (face, np.roll(face, 3, axis=1), dark, face)])
        assert np.linalg.norm(points, axis=1) == pytest.approx(1, abs=1e-4)
        assert alike.distance_from_mean(points).argmax() == 2


def test_final_takes_the_sharpest_of_every_cell_first():
    #                yaw, pitch, mouth, blur
    points = np.array(
        [[0, 0, 0, 0.3], [1, 0, 0, 0.1], [2, 0, 0, 0.2], [40, 0, 0, 0.9], [0, 0, 0.5, 0.8]],
        np.float32,
    )
    assert cover_places(points).tolist() == [4, 0, 3, 2, 1]


def test_a_face_without_a_pose_has_no_yaw(rows: list[Row]):
    assert np.isnan(load_measure("yaw").of(replace(rows[0], pose=None)))


def plain(row: Row) -> Floats:
    return row.landmarks[0]


def test_a_plug_in_adds_a_measure(rows: list[Row], monkeypatch: pytest.MonkeyPatch):
    from importlib.metadata import EntryPoint

    from counterface import registry

    group = FACESET_MEASURES.group
    entry = EntryPoint("corner", f"{__name__}:CORNER", group)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__(__name__))
    check_faceset_measure("corner", load_measure("corner"), rows)


CORNER = Measure(
    name="corner", says="x", unit="px", reads="row", of=plain, together=alike.distance_from_mean
)
