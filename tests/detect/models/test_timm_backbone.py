"""Backbones by name: what cannot be had is an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import timm
import torch

from counterface import weights
from counterface.detect.models.detector_model import build_detector
from counterface.detect.models.parts import timm_backbone
from counterface.detect.models.parts.timm_backbone import create_backbone, create_cut_backbone
from counterface.errors import ConfigError, TrainingError
from counterface.media.image import read_image


@pytest.mark.parametrize("name", ["frame_cnn", "pooled_cnn", "efficientnet_b4_attention"])
def test_an_unknown_backbone_is_refused_with_the_nearest(name: str):
    says = r"no model of timm is named .resnet43.; did you mean .resnet"
    with pytest.raises(ConfigError, match=says):
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


LITE = "tf_efficientnet_lite0"


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """A file of the store for a tiny net, under the name of EfficientNet-Lite0."""
    net = timm.create_model("test_efficientnet")
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean)
    file = tmp_path / "lite.pth"
    torch.save(net.state_dict(), file, _use_new_zipfile_serialization=False)
    monkeypatch.setattr(timm_backbone, "STORED", {"test_efficientnet": "efficientnet_lite0"})
    monkeypatch.setattr(weights, "path", lambda name: file)
    state: dict[str, torch.Tensor] = net.state_dict()
    return state


def test_a_backbone_of_the_store_starts_from_its_file_whole_or_cut(
    stored: dict[str, torch.Tensor],
):
    for net in (
        create_backbone("test_efficientnet", True),
        create_backbone("test_efficientnet.any", True, num_classes=0),
        create_cut_backbone("test_efficientnet", (2,), True)[0],
    ):
        assert len(net.state_dict()) > 10
        for name, tensor in net.state_dict().items():
            assert torch.equal(tensor, stored[name]), name
    fresh = create_backbone("test_efficientnet", False)
    assert not torch.equal(fresh.conv_stem.weight, stored["conv_stem.weight"])


def test_a_file_of_another_architecture_is_refused(stored: dict[str, torch.Tensor], tmp_path: Path):
    other = {name: tensor for name, tensor in stored.items() if "conv_stem" not in name}
    torch.save(other, tmp_path / "lite.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(TrainingError, match=r"conv_stem.weight is \(.*, the file's"):
        create_backbone("test_efficientnet", True)
    short = dict(list(stored.items())[:9])
    torch.save(short, tmp_path / "lite.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(TrainingError, match="holds 8 tensors, the backbone"):
        create_backbone("test_efficientnet", True)


EACH_KIND = [
    "frame_cnn", "texture_cnn", "pooled_cnn", "efficientnet_b4_attention", "witness",
    "convlstm_canny", "resnet3d_cutmix",
]  # fmt: skip


@pytest.mark.parametrize("name", EACH_KIND)
def test_nets_on_efficientnet_lite_see_what_it_was_trained_on(name: str):
    clips: dict[str, dict[str, object]] = {
        "convlstm_canny": {"input": "colour", "frames": 2},
        "resnet3d_cutmix": {"frames": 2, "width": 4},
    }
    net = build_detector(name, {"backbone": LITE, "size": 64, **clips.get(name, {})}).eval()
    seen: list[torch.Tensor] = []
    net.backbone.conv_stem.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    images = torch.rand(net.input_shape())
    net(images)
    crops = images.reshape(-1, 3, 64, 64)
    torch.testing.assert_close(seen[0], (crops * 255 - 127) / 128)


@pytest.mark.slow
@pytest.mark.skipif(weights.find("efficientnet_lite0") is None, reason="weights not fetched")
def test_efficientnet_lite0_knows_what_the_astronaut_wears():
    portrait = read_image(weights.path("astronaut"))
    small = cv2.resize(portrait, (224, 224), interpolation=cv2.INTER_AREA)
    net = create_backbone(LITE, True).eval()
    with torch.no_grad():
        signed = (torch.from_numpy(small).permute(2, 0, 1)[None].float() - 127) / 128
        best = net(signed).topk(5).indices[0].tolist()
    assert 560 in best  # "football helmet" of ImageNet; she holds one
