"""Faces that are too soft or look drawn get no verdict; a sharp photograph does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_cartoons import draw_cartoon
from scan_media import drawn_clip, tiny_config

import counterface
from counterface.detect.findings import Report
from counterface.detect.scanning.crop_quality import (
    LEAST_COLOR,
    LEAST_SHARPNESS,
    LEAST_TEXTURE,
    SIDE,
    measure_quality,
)
from counterface.detect.scanning.scan import ScanConfig
from counterface.faces.align import align
from counterface.faces.face_detector import find_faces
from counterface.media.image import read_image, write_image
from counterface.types import Image, Verdict

PORTRAIT = (
    Path(__file__).parents[2] / "cases" / "portrait.jpg"
)  # Eileen Collins, NASA, public domain


@pytest.fixture(scope="module")
def portrait() -> Image:
    return read_image(PORTRAIT)


def crop_of(image: Image) -> Image:
    return align(image, find_faces(image)[0], "whole_face", SIDE).image


def scan(image: Image, folder: Path, **changes: object) -> Report:
    write_image(folder / "a.png", image)
    return counterface.scan(
        folder / "a.png", tiny_config(folder, gain=400.0, marks=False, **changes)
    )


def test_blur_lowers_sharpness_step_by_step(portrait: Image):
    crop = crop_of(portrait)
    blurred = [crop] + [np.asarray(cv2.GaussianBlur(crop, (0, 0), s)) for s in (1, 2, 3, 4)]
    values = [measure_quality(image).sharpness for image in blurred]
    assert values == sorted(values, reverse=True)
    assert values[0] > LEAST_SHARPNESS > values[3]


def test_neither_measure_depends_on_exposure_or_contrast(portrait: Image):
    crop = crop_of(portrait)
    plain = measure_quality(crop)
    darker = measure_quality((crop * 0.4 + 20).astype(np.uint8))
    assert darker.sharpness == pytest.approx(plain.sharpness, rel=0.05)
    assert darker.texture == pytest.approx(plain.texture, rel=0.1)


TONES = {"sepia": (240, 200, 145), "bronze": (190, 140, 80), "blue": (150, 200, 240)}


@pytest.mark.parametrize("tone", TONES)
def test_one_tone_over_a_picture_in_grey_is_no_colour(portrait: Image, tone: str):
    assert measure_quality(crop_of(portrait)).color > LEAST_COLOR
    grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None] / 255
    toned = np.clip(grey**1.2 * TONES[tone] + 15, 0, 255).astype(np.uint8)
    code = cv2.imencode(".jpg", toned[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    again = np.ascontiguousarray(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
    assert measure_quality(crop_of(again)).color < LEAST_COLOR
    assert measure_quality(crop_of(np.repeat((grey * 255).astype(np.uint8), 3, 2))).color < 0.1


def test_a_burnt_out_face_has_no_texture_to_speak_of():
    assert measure_quality(np.full((SIDE, SIDE, 3), 255, np.uint8)).texture is None
    assert measure_quality(np.zeros((SIDE, SIDE, 3), np.uint8)).texture is None


@pytest.mark.parametrize("seed", range(4))
def test_a_cartoon_is_flat_between_its_lines_however_it_was_stored(seed: int):
    cartoon = draw_cartoon(seed)
    for width in (400, 240):
        small = np.asarray(cv2.resize(cartoon, (width, width), interpolation=cv2.INTER_AREA))
        jpeg = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], 1)
        assert measure_quality(crop_of(np.asarray(jpeg, np.uint8))).texture < LEAST_TEXTURE


def test_a_sharp_photograph_is_judged(portrait: Image, tmp_path: Path):
    found = scan(portrait, tmp_path, quality_gate=True)
    assert found.tracks[0].aside is None
    assert found.decided_by == 0


def test_a_soft_face_is_inconclusive_with_a_notice_that_comes_first(
    portrait: Image, tmp_path: Path
):
    face = find_faces(portrait)[0]
    sigma = 0.025 * float(np.ptp(face.landmarks, axis=0).max())
    soft = np.asarray(cv2.GaussianBlur(portrait, (0, 0), sigma))
    found = scan(soft, tmp_path, quality_gate=True)
    assert (found.verdict, found.decided_by) == (Verdict.INCONCLUSIVE, None)
    assert found.tracks[0].aside.code == "soft"
    assert (found.notices[0].code, found.notices[0].level) == ("soft", "trust")
    assert "too soft" in found.reasons[0]
    assert scan(soft, tmp_path, quality_gate=False).verdict is not Verdict.INCONCLUSIVE


def test_a_drawing_is_inconclusive_and_called_so(tmp_path: Path):
    cartoon = draw_cartoon(0)
    found = scan(cartoon, tmp_path, quality_gate=True)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.tracks[0].aside.code == "drawing"
    assert found.notices[0].code == "not_a_photograph"
    assert "not photographed" in found.reasons[0]


@pytest.mark.slow
def test_the_gate_is_on_unless_it_is_switched_off(tmp_path: Path):
    assert ScanConfig().quality_gate
    clip = drawn_clip(tmp_path / "clip.mp4", frames=12)
    (track,) = counterface.scan(clip, tiny_config(tmp_path, frames=12)).tracks
    assert track.aside is None
    assert all(f.sharpness is f.texture is f.strangeness is None for f in track.frames)
