"""Fitting the family head: distances, honest limits, and a file that tells the family."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scan_media import drawn_picture
from torch import Tensor, nn

from counterface.datasets.manifest import Entry
from counterface.detect.attribute import UNKNOWN, attribute
from counterface.detect.detector import Detector
from counterface.detect.scanning.scan import ScanConfig, scan
from counterface.detect.training.export import export_detector, uncalibrated
from counterface.detect.training.families import (
    FamilyConfig,
    FamilyData,
    add_families,
    assess,
    fit_head,
)
from counterface.errors import DetectorError, TrainingError
from counterface.media.image import read_image, write_image

CONFIG = FamilyConfig(directions=6, folds=3)
WHERE = {"genuine": 0.0, "gan": 4.0, "swap": -4.0}


def data(per_family: int = 12, crops: int = 3, seed: int = 0, apart: float = 1.0) -> FamilyData:
    """Families are clouds round places on the first axis; files have an offset of their own."""
    rng = np.random.default_rng(seed)
    entries, features, item = [], [], []
    for name, place in WHERE.items():
        for _ in range(per_family):
            label = int(name != "genuine")
            path = Path(f"{len(entries)}.png")
            entries.append(Entry(path, label, method=name, generator=f"{name} 1" if label else ""))
            own = rng.normal(0, 0.3, 10)
            own[0] += apart * place
            features.append(own + rng.normal(0, 0.5, (crops, 10)))
            item += [len(entries) - 1] * crops
    stacked = np.concatenate(features).astype(np.float32) * np.float32(7) + np.float32(3)
    return FamilyData(stacked, np.array(item, np.intp), entries)


def test_families_that_lie_apart_are_named_and_a_foreign_one_is_unknown():
    families = assess(data(), CONFIG)
    assert [m.name for m in families.members] == ["gan", "genuine", "swap"]
    assert families.members[0].generators == ("gan 1",)
    assert families.right > 0.8
    assert families.wrong == 0
    assert families.foreign_unknown > 0.9


def test_families_that_cannot_be_told_apart_are_unknown_or_wrong_half_of_the_time():
    families = assess(data(apart=0.0), CONFIG)
    assert families.right < 0.6


def test_the_limit_holds_for_files_that_nobody_fitted():
    known = data(40)
    families = assess(known, CONFIG)
    head = fit_head(known, [m.name for m in families.members], CONFIG)
    new = data(60, seed=1)
    distances = head.distances(new.features).reshape(-1, 3, 3).mean(axis=1)
    names = [m.name for m in families.members]
    inside = [
        d[names.index(truth)] <= families.members[names.index(truth)].limit
        for d, truth in zip(distances, new.families(), strict=True)
    ]
    assert 0.88 < np.mean(inside) <= 1
    away = new.features[:3] + np.float32(200)
    assert attribute(head.distances(away), families).family == UNKNOWN


def test_a_file_with_many_crops_weighs_as_one_with_few():
    few, many = data(), data()
    doubled = np.flatnonzero(many.item == 20)
    many = FamilyData(
        np.concatenate([many.features, *[many.features[doubled]] * 5]),
        np.concatenate([many.item, *[many.item[doubled]] * 5]),
        many.entries,
    )
    names = sorted(WHERE)
    probe = few.features[:5]
    one, other = (fit_head(d, names, CONFIG).distances(probe) for d in (few, many))
    assert one == pytest.approx(other, rel=1e-6)


def test_too_few_files_or_families_are_refused_with_the_counts():
    with pytest.raises(TrainingError, match=r"families need 5 files each.*'gan': 4"):
        assess(data(4), CONFIG)
    only = data()
    entries = [Entry(e.path, 0) for e in only.entries]
    with pytest.raises(TrainingError, match="two at least, got"):
        assess(FamilyData(only.features, only.item, entries), CONFIG)


class Colours(nn.Module):
    """Features: mean and deviation of each colour; the logit is the red one."""

    def embedding(self, image: Tensor) -> Tensor:
        return torch.cat([image.mean(dim=(2, 3)), image.std(dim=(2, 3))], dim=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.embedding(image)
        return 10 * features[:, 0], image[:, 0, ::8, ::8]


def test_a_family_of_one_footage_cannot_be_held_back_and_is_named():
    given = data()
    tied = tuple(
        replace(entry, source="one clip") if entry.method == "gan" else entry
        for entry in given.entries
    )
    with pytest.raises(TrainingError, match=r"\['gan'\].*share people or footage"):
        assess(replace(given, entries=tied), CONFIG)


@pytest.fixture(scope="module")
def tinted(tmp_path_factory) -> list[Entry]:
    """Drawn faces, genuine, tinted green or tinted blue."""
    folder = tmp_path_factory.mktemp("tinted")
    entries = []
    for number in range(18):
        path = drawn_picture(folder / f"{number}.png", person=number % 6, size=200)
        family = number % 3
        image = read_image(path).astype(np.int64)
        if family:
            image[..., family] += 60 + 3 * (number % 4)
        write_image(path, np.clip(image, 0, 255).astype(np.uint8))
        method = ("", "green", "blue")[family]
        entries.append(Entry(path, int(family > 0), method=method, generator=method))
    return entries


@pytest.mark.slow
def test_a_detector_file_learns_families_and_a_scan_tells_them(tmp_path: Path, tinted):
    path = tmp_path / "own.onnx"
    export_detector(Colours(), uncalibrated("colours", "whole_face", 64), path)
    before = Detector.load(path)
    families = add_families(path, tinted, FamilyConfig(directions=3, folds=2))
    after = Detector.load(path)
    assert after.info.families == families
    assert families.right > 0.6
    crops = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3)).astype(np.uint8)
    judged = after.judge(crops)
    assert judged.logits == pytest.approx(before.score(crops)[0])
    assert judged.families.shape == (3, 3)
    found = scan(
        tinted[1].path, ScanConfig(detector=str(path), marks=False, quality_gate=False)
    ).tracks[0]
    assert found.attribution.family == "green"
    add_families(path, tinted, FamilyConfig(directions=3, folds=2))  # a second head takes its place
    assert Detector.load(path).judge(crops).families == pytest.approx(judged.families, rel=1e-4)


def test_a_file_without_features_cannot_learn_families(tmp_path: Path, tinted):
    from tiny_detector import write_detector

    path = write_detector(tmp_path / "tiny.onnx")
    with pytest.raises(DetectorError, match="has no output 'features'"):
        add_families(path, tinted)
    assert Detector.load(path).info.families is None
