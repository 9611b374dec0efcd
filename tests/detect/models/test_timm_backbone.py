"""Backbones by name: what cannot be had is an error that says what to do."""

from __future__ import annotations

import pytest
import timm

from counterface.detect.models.detector_model import build_detector
from counterface.errors import ConfigError, TrainingError


@pytest.mark.parametrize("name", ["frame_cnn", "pooled_cnn", "efficientnet_b4_attention"])
def test_an_unknown_backbone_is_refused_with_the_nearest(name: str):
    with pytest.raises(ConfigError, match=r"no model 'resnet43'.*did you mean 'resnet"):
        build_detector(name, {"backbone": "resnet43"})


@pytest.mark.parametrize("name", ["frame_cnn", "pooled_cnn"])
def test_weights_that_cannot_be_fetched_are_our_error(name: str, monkeypatch: pytest.MonkeyPatch):
    def offline(*args: object, **options: object) -> None:
        raise OSError("the hub is out of reach\nand more lines")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(TrainingError, match=r"the hub is out of reach\).*pretrained = false"):
        build_detector(name, {"backbone": "test_efficientnet", "pretrained": True})
    with pytest.raises(OSError, match="hub"):  # not blamed on the network where none was asked for
        build_detector(name, {"backbone": "test_efficientnet"})
