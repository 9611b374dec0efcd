"""Damage: real, repeatable, stronger from step to step, and done before faces are looked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import actors
import numpy as np
import pytest
from drawn_scores import some_scores
from scan_media import drawn_picture, tiny_config

from counterface.datasets.manifest import Entry, write_manifest
from counterface.detect.evaluation.degradation import KINDS, STRENGTHS, Degradation
from counterface.detect.evaluation.robustness import (
    RobustnessConfig,
    draw_files,
    measure_robustness,
    summarise_levels,
)
from counterface.detect.evaluation.score_files import score_files
from counterface.errors import ConfigError
from counterface.types import Frame, Image


def picture(size: int = 160) -> Image:
    """A drawn face on a textured ground."""
    image = actors.draw_actor(2, size=size).image.astype(np.float32)
    grain = np.random.default_rng(0).normal(0, 8, (*image.shape[:2], 1))  # grey: colour is halved
    return np.clip(image * 0.6 + 40 + grain, 0, 255).astype(np.uint8)


def damaged(kind: str, strength: int, image: Image) -> Image:
    (frame,) = Degradation(kind, strength)([Frame(image, 0, Fraction(0))])
    return frame.image


def distance(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_takes_more_away_and_never_touches_the_frame(kind: str):
    image = picture()
    before = image.copy()
    found = [damaged(kind, strength, image) for strength in STRENGTHS]
    assert (image == before).all()
    assert all(f.shape == image.shape and f.dtype == np.uint8 for f in found)
    far = [distance(f, image) for f in found]
    if kind == "brightness":  # darker and brighter in turn, by distance from 1 on a log scale
        steps = [abs(np.log(value)) for value in KINDS[kind].values]
        assert steps == sorted(steps)
        assert far[0] > 5
    else:
        assert far == sorted(far)
        assert far[0] < 0.8 * far[-1]


def test_damage_is_repeatable_and_differs_from_file_to_file():
    image = picture()
    assert (damaged("noise", 3, image) == damaged("noise", 3, image)).all()
    other = np.ascontiguousarray(image[::-1])
    grain = damaged("noise", 3, image).astype(int) - image
    assert not (grain == damaged("noise", 3, other).astype(int) - other).all()


def test_frames_of_a_moment_stay_a_moment():
    frames = [Frame(picture(), i, Fraction(i, 25)) for i in range(3)]
    for kind in KINDS:
        found = Degradation(kind, 2)(frames)
        assert [(f.index, f.pts) for f in found] == [(f.index, f.pts) for f in frames]


def test_what_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="known: jpeg"):
        Degradation("fog", 1)
    with pytest.raises(ConfigError, match="strength 6; use 1"):
        Degradation("jpeg", 6)
    with pytest.raises(ValueError, match="fog"):
        RobustnessConfig(kinds=("fog",))


def test_frames_change_before_faces_are_looked_for(tmp_path: Path):
    """A frame that is turned black has no face: nothing was kept from the clean picture."""
    items = [Entry(drawn_picture(tmp_path / "a.png"), 0)]

    def black(frames: list[Frame]) -> list[Frame]:
        return [Frame(np.zeros_like(f.image), f.index, f.pts) for f in frames]

    config = tiny_config(tmp_path)
    (clean,), (dark,) = score_files(items, config), score_files(items, config, change=black)
    assert clean.logit is not None
    assert (dark.logit, dark.verdict) == (None, "no_face")
    assert dark.strength is None  # of the file as it was: says nothing of what was judged


def test_drawn_files_come_from_as_many_people_as_there_are():
    items = [Entry(Path(f"{i}.mp4"), i % 2, identities=(f"p{i // 8}",)) for i in range(64)]
    drawn = draw_files(items, 8, 0)
    assert [sum(e.label == label for e in drawn) for label in (0, 1)] == [8, 8]
    assert len({e.identities for e in drawn if e.label == 0}) == 8
    assert drawn == draw_files(items, 8, 0) != draw_files(items, 8, 1)
    assert draw_files(items, 0, 0) == items


def test_means_are_those_of_the_levels_and_losses_are_paired():
    plan = [None, *(Degradation("blur", s) for s in STRENGTHS)]
    clean = some_scores(80, 2.0)
    scores = [clean] + [some_scores(80, 2.0 - 0.35 * s) for s in STRENGTHS]
    gone = {"logit": None, "probability": None, "verdict": "no_face"}
    scores[5] = [s.model_copy(update=gone) if i < 3 else s for i, s in enumerate(scores[5])]
    found = summarise_levels(plan, scores, 0.8, RobustnessConfig(rounds=100))
    areas = [level.numbers.values["auc"].value for level in found.levels]
    assert found.mean_auc["blur"].value == pytest.approx(np.mean(areas))
    assert found.mean_auc["all"] == found.mean_auc["blur"]
    clean_auc = found.clean.numbers.values["auc"].value
    assert found.drop["blur"].value == pytest.approx(clean_auc - np.mean(areas))
    assert [level.lost for level in found.levels] == [0, 0, 0, 0, 3]
    low, high = found.drop["blur"].low, found.drop["blur"].high
    assert low is not None
    assert high is not None
    assert high - low < 0.1  # the same noise on both sides of the difference cancels


@pytest.mark.slow
def test_a_run_over_files_continues_and_agrees_with_itself(tmp_path: Path):
    items = []
    for person in range(2):
        path = drawn_picture(tmp_path / f"{person}.png", person, 200)
        items.append(Entry(path, person % 2, identities=(f"p{person}",)))
    write_manifest(items, tmp_path / "set.csv")
    detector = tiny_config(tmp_path).detector
    config = RobustnessConfig(kinds=("blur",), rounds=100, cache=tmp_path / "scores")
    told: list[tuple[int, int | None]] = []
    found = measure_robustness(
        tmp_path / "set.csv", detector, config, progress=lambda d, n, _: told.append((d, n))
    )
    assert told[-1] == (12, 12)  # two files as they are and at five strengths
    assert len(found.levels) == 5
    told.clear()
    again = measure_robustness(tmp_path / "set.csv", detector, config)
    assert again == found
    assert told == []
