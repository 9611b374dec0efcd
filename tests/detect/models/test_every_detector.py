"""Every registered architecture passes the contract, and the contract catches those that do not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from counterface.detect.models.detector_model import (
    ClipConfig,
    DetectorConfig,
    DetectorModel,
    build_detector,
    detector_kind,
)
from counterface.detect.models.parts.map_head import MapHead
from counterface.errors import ConfigError, TrainingError
from counterface.registry import DETECTORS
from counterface.testing import check_detector_model

NAMES = sorted(DETECTORS.built_in)
KINDS = sorted({DETECTORS.load(name): name for name in NAMES}.values())  # presets share a class
OWN_HEAD = {"frame_cnn"}  # the map has a head of its own


@pytest.mark.parametrize("name", KINDS)
def test_a_detector_keeps_the_contract(name: str):
    check_detector_model(detector_kind(name))


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(set(KINDS) - OWN_HEAD))
def test_the_logit_is_the_mean_of_its_map(name: str):
    torch.manual_seed(0)
    net = build_detector(name, detector_kind(name).TINY).eval()
    for weight in net.parameters():
        weight.add_(torch.randn_like(weight), alpha=0.05)  # heads start near 0
    logit, activation = net(torch.rand(net.input_shape(3)))
    assert logit.abs().max() > 1e-4
    assert torch.allclose(activation.mean(dim=(1, 2)), logit, rtol=1e-3, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", sorted(set(KINDS) - {"resnet3d_cutmix"}))  # of pictures only
def test_the_order_in_memory_changes_nothing(name: str):
    torch.manual_seed(0)
    net = build_detector(name, detector_kind(name).TINY).eval()
    images = torch.rand(net.input_shape(2))
    plain = net(images)
    if images.ndim == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    for one, two in zip(plain, net.to(memory_format=torch.channels_last)(images), strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-4)


class FlatConfig(DetectorConfig):
    pass


class Flat(DetectorModel):
    """The activation is a gain times the grey values."""

    Config = FlatConfig
    TINY: ClassVar[Mapping[str, Any]] = {"size": 32}

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.layer = nn.Conv2d(3, 4, 3)
        self.head = MapHead(4)

    def features(self, images: Tensor) -> Tensor:
        found: Tensor = self.layer(images)
        return found


class ShapeFault(Flat):
    """The activation is fine, the logit has an axis too many."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logit, activation = super().forward(images)
        return logit[:, None], activation


class NeighbourFault(Flat):
    """The activation is fine, the logit looks at the other crops."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logit, activation = super().forward(images)
        return logit - logit.mean(), activation


class IdleFault(Flat):
    """The activation knows nothing of one of the weights."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.idle = nn.Linear(2, 2)


class LooseFault(Flat):
    """The activation is there for crops of any side."""

    def check(self, images: Tensor) -> None:
        return None


class ForgetfulFault(Flat):
    """The activation depends on a number that is not in the state."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.gain = float(torch.rand(()))

    def features(self, images: Tensor) -> Tensor:
        return super().features(images) * self.gain


def test_the_contract_lets_a_plain_architecture_pass():
    check_detector_model(Flat)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (ShapeFault, r"logit \(2, 1\)"),
        (NeighbourFault, "crops beside it"),
        (IdleFault, "idle.weight"),
        (LooseFault, "no ShapeError|Dimension"),
        (ForgetfulFault, "state does not hold"),
    ],
)
def test_the_contract_catches_an_architecture_that_breaks_it(fault: type[Flat], says: str):
    with pytest.raises((AssertionError, RuntimeError, IndexError), match=says):
        check_detector_model(fault)


def test_options_are_checked_by_name():
    with pytest.raises(ConfigError, match="did you mean 'dropout'"):
        build_detector("cnn_images", {"dropuot": 0.1})
    with pytest.raises(ConfigError, match="did you mean 'meso4'"):
        build_detector("meso5")


def test_weights_that_are_there_already_are_not_fetched():
    kind = detector_kind("resnet34_frames")
    config = kind.Config.model_validate({"pretrained": True})
    assert not config.without_fetch().pretrained  # type: ignore[attr-defined]
    assert ClipConfig().without_fetch() == ClipConfig()
    build_detector("pooled_cnn", {**kind.TINY, "pretrained": True}, fetch=False)


def test_an_architecture_without_published_weights_says_so(tmp_path: Path):
    with pytest.raises(TrainingError, match="no published weights are known for CNNImages"):
        build_detector("cnn_images", {"size": 32}).load_published(tmp_path / "any.h5")


PAGE = Path(__file__).parents[3] / "docs" / "detector_models.md"


def test_the_page_knows_every_architecture_and_its_examples_run(
    capsys: pytest.CaptureFixture[str],
):
    text = PAGE.read_text(encoding="utf-8")
    missing = [name for name in NAMES if f"\n| `{name}` |" not in text]
    assert not missing
    for name in NAMES:
        own = set(detector_kind(name).Config.model_fields) - set(ClipConfig.model_fields)
        unknown = [option for option in own if not re.search(rf"\n\| `{option}[`.]", text)]
        assert not unknown, f"options of {name} that the page lacks: {unknown}"
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), {"__name__": "example"})
    assert "True" in capsys.readouterr().out
