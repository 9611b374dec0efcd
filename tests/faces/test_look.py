"""The walk over sampled frames: what it finds, leaves out, cuts and tells apart."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import actors
import numpy as np
import pytest

from counterface.faces.align import align
from counterface.faces.look import FaceLook
from counterface.media.image import write_image
from counterface.media.probe import probe
from counterface.types import Face, Frame, Image


@pytest.fixture
def look(tmp_path: Path) -> FaceLook:
    write_image(tmp_path / "one.png", np.zeros((64, 64, 3), np.uint8))
    return FaceLook(probe(tmp_path / "one.png"), "face", 96)


def test_faces_without_landmarks_are_counted_and_left_out(
    look: FaceLook, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = actors.draw_actor(1, size=128)
    face, unsure = actor.face, replace(actor.face, landmarks=None)
    monkeypatch.setattr(look.search, "find", lambda image, frame: [unsure, face, unsure])
    frame = Frame(actor.image, 0, Fraction(0))
    assert look.find(frame) == [face]
    look.find(frame)
    assert look.unaligned == 4


def test_crops_are_those_of_align_with_the_place_and_the_person_of_each(look: FaceLook) -> None:
    def drawn(*identities: int) -> tuple[Image, list[Face]]:
        parts = [actors.draw_actor(identity, size=128) for identity in identities]
        shifts = [np.array([128 * place, 0], np.float32) for place in range(len(parts))]
        faces = [
            replace(p.face, box=p.box + np.tile(s, 2), landmarks=p.landmarks + s)
            for p, s in zip(parts, shifts, strict=True)
        ]
        return np.concatenate([part.image for part in parts], axis=1), faces

    numbers = []
    for index, identities in enumerate([(3, 6), (6, 3)]):
        image, faces = drawn(*identities)
        found = look.cut_people(Frame(image, index, Fraction(index, 25)), faces)
        numbers.append([number for number, _ in found])
        for face, (_, crop) in zip(faces, found, strict=True):
            assert np.array_equal(crop.image, align(image, face, "face", 96).image)
            assert (crop.frame_index, crop.pts) == (index, Fraction(index, 25))
            assert crop.frame_shape == (128, 256)
    assert numbers == [[0, 1], [1, 0]]
