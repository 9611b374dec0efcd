"""Fitting heads: the closed form, shares, groups left out, and the whole way to a detector file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scan_media import drawn_picture, empty_picture

from counterface.datasets.manifest import Entry
from counterface.detect.detector import Detector
from counterface.detect.generalisation.face_crops import FaceCutter
from counterface.detect.models.detector_model import build_detector
from counterface.detect.models.frame_statistics import FrameStatistics, FrameStatisticsConfig
from counterface.detect.training.fit import (
    FitConfig,
    HeadConfig,
    VoterConfig,
    fit_heads,
    join_evidence,
    real_faces,
    start_statistics,
)
from counterface.detect.training.statistics import Statistics, collect_statistics
from counterface.detect.training.weighed_fit import fit_weighed
from counterface.errors import TrainingError

TINY = FrameStatisticsConfig(backbone="test_efficientnet", cells=4)
ONE = HeadConfig(name="swap", fakes={"swap": 1.0}, reals={"clip": 1.0})


@dataclass
class Heads:
    """Stands for the net: keeps what was fitted."""

    fitted: dict[int, tuple[np.ndarray, float]] = field(default_factory=dict)

    def set_head(self, head: int, weight: torch.Tensor, bias: float) -> None:
        self.fitted[head] = weight.numpy().astype(np.float64), bias

    def score(self, values: np.ndarray, head: int = 0) -> np.ndarray:
        weight, bias = self.fitted[head]
        return values @ weight + bias


@dataclass
class Files:
    """Entry files with statistics, one row a crop."""

    items: list[Entry] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    item: list[int] = field(default_factory=list)

    def add(self, label: int, method: str, values: np.ndarray, group: str = "g") -> Files:
        self.items.append(Entry(Path(f"{len(self.items)}.mp4"), label, method, group))
        self.rows += list(values)
        self.item += [len(self.items) - 1] * len(values)
        return self

    def fit(self, *heads: HeadConfig, ridge: float = 0.3) -> Heads:
        net = Heads()
        found = Statistics(np.array(self.rows, np.float32), np.array(self.item, np.intp))
        fit_heads(net, found, self.items, FitConfig(heads=heads or (ONE,), ridge=ridge))  # type: ignore[arg-type]
        return net


def cloud(count: int, seed: int, shift: float = 0.0, width: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1 + np.arange(width), (count, width)) + np.arange(width)


@pytest.mark.parametrize("ridge", [0.1, 0.3, 2.0])
def test_one_clean_feature_has_the_closed_form(ridge: float):
    """Real at 4, fake at 6, so z is -1 and 1 and the score is z / (1 + ridge)."""
    files = Files().add(0, "clip", np.full((7, 1), 4.0)).add(1, "swap", np.full((3, 1), 6.0))
    net = files.fit(ridge=ridge)
    wanted = 1 / (1 + ridge)
    assert net.score(np.array([[4.0], [5.0], [6.0], [7.0]])) == pytest.approx(
        [-wanted, 0.0, wanted, 2 * wanted], abs=1e-3
    )


@pytest.mark.parametrize("width", [5, 90])  # more crops than numbers, and fewer
def test_the_fit_is_the_least_squares_solution(width: int):
    real, fake = cloud(40, 1, width=width), cloud(25, 2, 0.7, width=width)
    net = Files().add(0, "clip", real).add(1, "swap", fake).fit(ridge=0.3)
    values = np.concatenate([real, fake]).astype(np.float32).astype(np.float64)
    target = np.repeat([-1.0, 1.0], [40, 25])
    share = np.repeat([0.5 / 40, 0.5 / 25], [40, 25])
    mean = share @ values
    spread = np.sqrt(share @ (values - mean) ** 2)
    z = (values - mean) / spread
    system = np.vstack([z * np.sqrt(share)[:, None], np.sqrt(0.3) * np.eye(width)])
    solved = np.linalg.lstsq(system, np.concatenate([target * np.sqrt(share), np.zeros(width)]))[0]
    assert net.score(values) == pytest.approx(z @ solved, abs=1e-3)


def test_a_dead_channel_does_no_harm():
    real, fake = cloud(30, 1), cloud(30, 2, 1.0)
    real[:, 2] = fake[:, 2] = 3.25
    net = Files().add(0, "clip", real).add(1, "swap", fake).fit()
    assert np.isfinite(net.fitted[0][0]).all()
    assert abs(net.fitted[0][0][2]) < 1e-3


def test_units_of_a_channel_do_not_matter():
    real, fake = cloud(30, 1), cloud(30, 2, 1.0)
    scale = np.array([1, 50, 0.5, 3, 20])
    plain = Files().add(0, "clip", real).add(1, "swap", fake).fit()
    scaled = Files().add(0, "clip", real * scale).add(1, "swap", fake * scale).fit()
    assert scaled.score(real * scale) == pytest.approx(plain.score(real), abs=2e-3)


def shared(copies: int = 1, share: float = 1.0) -> Heads:
    head = HeadConfig(name="h", fakes={"a": share, "b": 1.0}, reals={"clip": 1.0})
    files = Files().add(0, "clip", cloud(30, 1)).add(1, "b", cloud(30, 3, 1.0))
    for _ in range(copies):
        files.add(1, "a", cloud(20, 2, 2.0))
    return files.fit(head)


def test_in_an_even_head_a_generator_and_an_origin_weigh_the_same_whatever_they_count():
    def fitted(many: int, *, even: bool = True) -> Heads:
        head = HeadConfig(name="h", fakes={"swap": 1.0}, reals={"clip": 1.0}, even=even)
        files = Files()
        made = [(0, "a", 30, 1, 0.0), (0, "b", 30 * many, 2, 0.3)]
        made += [(1, "roop", 20, 3, 1.0), (1, "dfl", 20 * many, 4, 2.0)]
        for label, name, count, seed, shift in made:
            files.add(label, "swap" if label else "clip", cloud(count, seed, shift))
            column = "generator" if label else "origin"
            files.items[-1] = replace(files.items[-1], **{column: name})
        return files.fit(head)

    probe = cloud(10, 9)
    few, many = fitted(1).score(probe), fitted(20).score(probe)
    crowded = fitted(20, even=False).score(probe)
    assert np.abs(many - few).mean() < np.abs(crowded - few).mean() / 2
    assert fitted(1, even=False).score(probe) == pytest.approx(few, abs=1e-4)  # of equal counts


def test_a_head_may_leave_the_mouth_out():
    net = FrameStatistics(FrameStatisticsConfig(backbone="test_efficientnet", mouth=True, heads=2))
    values = np.random.default_rng(0).normal(size=(20, net.read.length)).astype(np.float32)
    items = [Entry(Path("r.png"), 0, "still"), Entry(Path("f.png"), 1, "gan")]
    heads = [
        HeadConfig(name=name, fakes={"gan": 1.0}, reals={"still": 1.0}, mouth=name == "all")
        for name in ("all", "face")
    ]
    found = Statistics(values, np.repeat([0, 1], 10))
    fit_heads(net, found, items, FitConfig(heads=tuple(heads)))
    lips = ~net.read.without_mouth()
    assert net.weight[0][lips].abs().min() > 0
    assert not net.weight[1][lips].any()
    assert net.weight[1][~lips].abs().min() > 0


def test_a_share_of_one_generator_stands_in_place_of_its_methods():
    def fitted(fakes: dict[str, float], crowd: int = 20) -> Heads:
        head = HeadConfig(name="h", fakes=fakes, reals={"clip": 1.0}, even=True)
        files = Files().add(0, "clip", cloud(30, 1))
        for maker, count, shift in (("roop", 20, 1.0), ("dfl", crowd, 2.0)):
            files.add(
                1, "swap", cloud(count, 3, shift)[:, ::-1] if maker == "dfl" else cloud(20, 3)
            )
            files.items[-1] = replace(files.items[-1], generator=maker)
        return files.fit(head)

    probe = cloud(10, 9)
    plain = fitted({"swap": 1.0}).score(probe)
    assert fitted({"swap": 1.0, "dfl": 1.0}).score(probe) == pytest.approx(plain, abs=1e-4)
    heavy = fitted({"swap": 1.0, "dfl": 9.0}).score(probe)
    assert np.abs(heavy - plain).max() > 0.05
    assert fitted({"swap": 1.0, "dfl": 9.0}, 200).score(probe) != pytest.approx(plain, abs=1e-2)


def test_lines_of_one_question_are_added_in_the_join_without_weights():
    net = FrameStatistics(TINY.model_copy(update={"heads": 3}))
    heads = [
        HeadConfig(name=name, question=question, fakes={"f": 1}, reals={"r": 1}, scale=scale)
        for name, question, scale in (("a", "q", 1.0), ("b", "q", 2.0), ("c", "", 3.0))
    ]
    joined = join_evidence(net, FitConfig(heads=tuple(heads)))
    assert joined.mix.tolist() == [[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]]


def test_a_method_has_its_share_however_many_crops_it_has():
    probe = cloud(10, 9)
    assert shared(copies=6).score(probe) == pytest.approx(shared().score(probe), abs=1e-4)


def test_shares_are_respected():
    probe = cloud(10, 9)
    assert shared(share=3.0).score(probe) != pytest.approx(shared().score(probe), abs=1e-3)
    without = (
        Files().add(0, "clip", cloud(30, 1)).add(1, "b", cloud(30, 3, 1.0))
        .fit(HeadConfig(name="h", fakes={"b": 1.0}, reals={"clip": 1.0}))
    )  # fmt: skip
    assert shared(share=0.0).score(probe) == pytest.approx(without.score(probe), abs=1e-4)


def test_the_classes_weigh_the_same():
    many = Files().add(0, "clip", cloud(30, 1)).add(1, "swap", cloud(30, 2, 1.0))
    plain = many.fit()
    for _ in range(5):
        many.add(0, "clip", cloud(30, 1))
    assert many.fit().score(cloud(10, 9)) == pytest.approx(plain.score(cloud(10, 9)), abs=1e-4)


def test_a_method_that_no_head_names_is_not_fitted_on():
    files = Files().add(0, "clip", cloud(30, 1)).add(1, "swap", cloud(30, 2, 1.0))
    plain = files.fit().score(cloud(10, 9))
    files.add(1, "generated", cloud(30, 4, 99.0)).add(0, "still", cloud(30, 5, -99.0))
    assert np.array_equal(files.fit().score(cloud(10, 9)), plain)


def test_each_head_answers_its_own_question():
    left, right = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    noise = np.random.default_rng(0).normal(0, 0.1, (20, 2))
    files = Files().add(0, "clip", noise).add(1, "swap", noise + left)
    files.add(1, "generated", noise + right)
    second = HeadConfig(name="g", fakes={"generated": 1.0}, reals={"clip": 1.0})
    net = files.fit(ONE, second)
    assert net.score(left)[0] > 0.5 > -0.5 > net.score(right)[0]
    assert net.score(right, 1)[0] > 0.5 > -0.5 > net.score(left, 1)[0]


def test_a_head_without_a_class_is_refused():
    files = Files().add(0, "clip", cloud(5, 1), "ann").add(1, "swap", cloud(5, 2), "bob")
    missing = HeadConfig(name="made up", fakes={"generated": 1.0}, reals={"clip": 1.0})
    says = r"'made up': no fake crops of \['generated'\]; methods in the manifest: .*'clip', 'swap'"
    with pytest.raises(TrainingError, match=says):
        files.fit(missing)
    with pytest.raises(TrainingError, match=r"'swap': no real crops of \['clip'\]"):
        Files().add(1, "swap", cloud(5, 2), "bob").fit()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Four drawn people as real pictures, and the same with a green cast as fakes."""
    from counterface.media.image import read_image, write_image

    folder = tmp_path_factory.mktemp("pictures")
    items = []
    for person in range(1, 5):
        path = drawn_picture(folder / f"real{person}.png", person, 240)
        image = read_image(path).copy()
        image[..., 1] = np.minimum(image[..., 1].astype(int) + 50, 255)
        write_image(folder / f"fake{person}.png", image)
        items += [
            Entry(path, 0, "clip", f"p{person}"),
            Entry(folder / f"fake{person}.png", 1, "swap", f"p{person}"),
        ]
    return items


def tiny_config(out: Path, **changes: Any) -> FitConfig:
    return FitConfig(
        **{"out": out, "size": 64, "frames": 2, "model": TINY, "heads": (ONE,)} | changes
    )


def test_statistics_are_kept_by_file_and_read_again(
    pictures: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = tiny_config(tmp_path)
    net = start_statistics(config, real_faces(pictures[:2], config))
    empty = Entry(empty_picture(tmp_path / "empty.png"), 0, "clip", "e")
    missing = Entry(tmp_path / "gone.png", 0, "clip", "x")
    failures: list[str] = []

    def collect(items: list[Entry], **changes: Any) -> Statistics:
        cutter = tiny_config(tmp_path, **changes).cutter
        return collect_statistics(net, items, cutter, tmp_path / "kept", failed=tell)

    def tell(item: Entry, why: str) -> None:
        failures.append(item.path.name)

    first = collect([empty, *pictures[:3], missing])
    assert first.values.shape == (3, net.weight.shape[1])
    assert first.item.tolist() == [1, 2, 3]
    assert failures == ["gone.png"]  # told, and the rest went on
    cut: list[str] = []
    cut_before = FaceCutter._cut

    def spy(self: FaceCutter, path: Path, sha256: str):
        cut.append(path.name)
        return cut_before(self, path, sha256)

    monkeypatch.setattr(FaceCutter, "_cut", spy)
    again = collect([pictures[2], empty, pictures[0]])
    assert again.item.tolist() == [0, 2]
    assert np.array_equal(again.values, first.values[[2, 0]])
    assert cut == []
    collect(pictures[:4])
    assert cut == [pictures[3].path.name]  # the only one that is new
    cut.clear()
    collect(pictures[:1], template="face")
    assert len(cut) == 1
    with torch.no_grad():
        next(net.backbone.parameters()).add_(0.1)
    collect(pictures[:1])
    assert len(cut) == 2  # another backbone has seen nothing


def test_files_without_faces_are_refused(tmp_path: Path):
    items = [Entry(empty_picture(tmp_path / "empty.png"), 0, "clip", "e")]
    with pytest.raises(TrainingError, match="no face in 1 real files"):
        real_faces(items, tiny_config(tmp_path))


@pytest.mark.slow
def test_a_recipe_becomes_a_detector_that_tells_the_classes_apart(
    pictures: list[Entry], tmp_path: Path
):
    lines = [f"{i.path},{i.label},{i.method},{i.source}" for i in pictures]
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(["file,label,method,group", *lines]) + "\n")
    torch.manual_seed(0)
    config = tiny_config(tmp_path / "run", manifest=manifest)
    said = tuple(head.model_copy(update={"looks_for": "a cast"}) for head in config.heads)
    config = config.model_copy(update={"heads": said})
    fit_weighed(config, tmp_path / "own.onnx")
    detector = Detector.load(tmp_path / "own.onnx")
    assert detector.info.size == 64
    assert detector.info.weighing is not None
    assert [witness.looks_for for witness in detector.info.weighing.witnesses] == ["a cast"]
    crops = real_faces(pictures, config)
    cast = np.array([0, 50, 0])
    green = np.minimum(np.stack(crops).astype(int) + cast, 255).astype(np.uint8)
    real, maps = detector.score(np.stack(crops))
    fake, _ = detector.score(green)
    assert maps.shape == (4, 4, 4)
    assert real.max() < fake.min()
    assert (real < 0).all()
    assert (fake > 0).all()


def test_voters_join_a_question_or_ask_their_own(tmp_path: Path):
    from counterface.learn.checkpoint import write_weights

    torch.manual_seed(0)
    net = build_detector("texture_cnn", {"backbone": "test_efficientnet", "size": 96})
    torch.nn.init.normal_(net.head.line.weight)
    about = {"model": {"name": "texture_cnn", "options": net.config.model_dump(mode="json")}}
    weights = tmp_path / "last.safetensors"
    write_weights(weights, {"net": net}, {"about": about})
    heads = [HeadConfig(name=n, fakes={}, reals={}, scale=s) for n, s in (("a", 2.0), ("b", 3.0))]
    voters = [
        VoterConfig(weights=weights, question="b", scale=0.5),
        VoterConfig(weights=weights, question="c", scale=0.25, offset=-1.0),
    ]
    config = FitConfig(heads=tuple(heads), voters=tuple(voters), model=TINY, size=96)
    statistics = FrameStatistics(TINY.model_copy(update={"heads": 2, "cells": 6})).eval()
    joined = join_evidence(statistics, config)
    assert joined.mix.tolist() == [[2, 0, 0, 0], [0, 3, 0.5, 0], [0, 0, 0, 0.25]]
    assert joined.offset.tolist() == [0, 0, -1]
    image = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        own = net.eval()(image)[0]
        odds = torch.stack([torch.zeros(2), 0.5 * own, 0.25 * own - 1], dim=1)
        assert torch.allclose(joined(image)[0], odds.logsumexp(dim=1), atol=1e-5)


def test_heads_and_voters_that_say_what_they_look_for_are_witnesses(tmp_path: Path):
    head = ONE.model_copy(update={"looks_for": "a decoder's skin"})
    voter = VoterConfig(weights=tmp_path / "w.safetensors", question="swap", name="pasted")
    mute = FitConfig(heads=(ONE,), voters=(voter,))
    assert mute.witnesses == ()
    voter = voter.model_copy(update={"looks_for": "a seam"})
    found = FitConfig(heads=(head,), voters=(voter,)).witnesses
    assert [(w.name, w.question, w.looks_for) for w in found] == [
        ("swap", "swap", "a decoder's skin"),
        ("pasted", "swap", "a seam"),
    ]
    assert [w.methods for w in found] == [tuple(ONE.fakes), ()]
    narrow = head.model_copy(update={"speaks_to": ("one_maker",)})  # not by what it leans on
    assert FitConfig(heads=(narrow,)).witnesses[0].methods == ("one_maker",)
    with pytest.raises(ValueError, match=r"only \['pasted'\] say what they look for"):
        FitConfig(heads=(ONE,), voters=(voter,))
    with pytest.raises(ValueError, match="names of their own"):
        FitConfig(heads=(head,), voters=(voter.model_copy(update={"name": ""}),))


def test_a_recipe_without_a_manifest_is_refused(tmp_path: Path):
    with pytest.raises(TrainingError, match="no manifest is named"):
        fit_weighed(tiny_config(tmp_path), tmp_path / "own.onnx")


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_tuned_backbone_is_mixed_with_its_start(share: float, tmp_path: Path):
    from counterface.learn.checkpoint import write_weights

    torch.manual_seed(0)
    start = start_statistics(tiny_config(tmp_path))  # random weights, by the seed
    torch.manual_seed(1)
    tuned = start_statistics(tiny_config(tmp_path))
    write_weights(tmp_path / "last.safetensors", {"net": tuned}, {})
    torch.manual_seed(0)
    config = tiny_config(tmp_path, tuned=tmp_path / "last.safetensors", tuned_share=share)
    mixed = start_statistics(config).backbone.state_dict()
    for name, value in start.backbone.state_dict().items():
        if value.is_floating_point():
            other = tuned.backbone.state_dict()[name]
            assert torch.allclose(mixed[name], (1 - share) * value + share * other, atol=1e-6)


def test_a_tuned_backbone_of_another_kind_is_refused(tmp_path: Path):
    from counterface.learn.checkpoint import write_weights

    write_weights(tmp_path / "last.safetensors", {"net": torch.nn.Linear(2, 2)}, {})
    config = tiny_config(tmp_path, tuned=tmp_path / "last.safetensors")
    with pytest.raises(TrainingError, match="is not the recipe's"):
        start_statistics(config)
