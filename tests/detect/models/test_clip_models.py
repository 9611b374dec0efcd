"""Architectures that judge several frames: what they make of order, motion and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from actors import draw_actor
from torch import Tensor
from torchvision.models.video.resnet import BasicBlock, BasicStem, Conv3DSimple, VideoResNet

from counterface.detect.models.conv_lstm import ConvLSTM, ConvLSTMConfig
from counterface.detect.models.detector_model import DetectorModel, build_detector
from counterface.detect.models.frame_difference import FrameDifference, FrameDifferenceConfig
from counterface.detect.models.parts.motion import follow_motion, shifted_copies
from counterface.detect.models.resnet3d import ResNet3D, ResNet3DConfig
from counterface.errors import ConfigError
from counterface.testing import check_detector_model

MARGIN = 8


def face(identity: int = 1, side: int = 96) -> Tensor:
    """RGB float32 (1, 3, side, side) with a little noise of its own."""
    image = draw_actor(identity, size=side).image
    grain = np.random.default_rng(3).normal(0, 3, image.shape)
    levels = (image + grain).clip(0, 255).astype(np.float32) / 255
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


def moved(image: Tensor, right: int, down: int) -> tuple[Tensor, Tensor]:
    """The middle of the picture, and the middle after everything moved."""
    size = image.shape[2] - 2 * MARGIN
    one = image[..., MARGIN : MARGIN + size, MARGIN : MARGIN + size]
    top, left = MARGIN - down, MARGIN - right
    return one, image[..., top : top + size, left : left + size]


@pytest.mark.parametrize("shift", [(2, -1), (-3, 3), (0, 1)])
def test_following_motion_takes_away_what_moving_alone_changed(shift: tuple[int, int]):
    before, now = moved(face(), *shift)
    inside = (..., slice(4, -4), slice(4, -4))
    plain = (now - before)[inside].abs().mean()
    left = (now - follow_motion(before, now, reach=3))[inside].abs().mean()
    assert plain > 0.01
    assert left < 0.2 * plain


def test_half_a_pixel_is_followed_too():
    before, now = moved(face(), 1, 0)
    middle = (before + now) / 2
    plain = (middle - before).abs().mean()
    assert (middle - follow_motion(before, middle, reach=2)).abs().mean() < 0.75 * plain


def test_a_still_picture_stays_as_it_is():
    image = face()
    assert (follow_motion(image, image, reach=3) - image).abs().mean() < 0.004  # one level
    flat = torch.full((1, 3, 32, 32), 0.4)
    assert torch.allclose(follow_motion(flat, flat, reach=2), flat, atol=1e-5)


def test_what_changes_in_place_is_not_explained_away():
    before, now = moved(face(), 2, 1)
    flickered = now.clone()
    flickered[..., 20:60, 20:60] = (flickered[..., 20:60, 20:60] + 0.08).clamp(max=1)
    net = FrameDifference(FrameDifferenceConfig(size=80, frames=2, gain=1.0, widths=(4,)))
    change = net.differences(torch.stack([before, flickered], dim=1))[0, 0]
    colour = change[:3].mean(dim=0)
    assert colour[26:54, 26:54].mean() > 0.04
    assert colour[66:, 66:].abs().mean() < 0.01


def test_softening_one_frame_shows_as_a_loss_of_detail():
    image = face()[..., 8:88, 8:88]
    soft = torch.nn.functional.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)
    net = FrameDifference(FrameDifferenceConfig(size=80, frames=2, gain=1.0, widths=(4,)))
    still = net.differences(torch.stack([image, image], dim=1))[0, 0, 3].mean()
    change = net.differences(torch.stack([image, soft], dim=1))[0, 0, 3].mean()
    assert change < still - 0.002


def test_a_copy_for_each_shift_row_by_row():
    image = torch.arange(25.0).view(1, 1, 5, 5)
    lengths, copies = zip(*shifted_copies(image, 1), strict=True)
    assert lengths == pytest.approx([2**0.5, 1, 2**0.5, 1, 0, 1, 2**0.5, 1, 2**0.5])
    assert torch.equal(copies[4], image)
    assert torch.equal(copies[5][0, 0, :, :4], image[0, 0, :, 1:])  # the next one to the right
    assert torch.equal(copies[5][0, 0, :, 4], image[0, 0, :, 4])


@pytest.mark.parametrize(("name", "seen"), [("canny", 1), ("grey", 1), ("colour", 3)])
def test_the_three_inputs_of_the_conv_lstm(name: str, seen: int):
    net = ConvLSTM(ConvLSTMConfig(size=64, frames=2, input=name)).eval()  # type: ignore[arg-type]
    frames = face(side=64)
    looked = net.see(frames)
    assert looked.shape == (1, seen, 64, 64)
    kinds = {"canny": {0.0, 1.0}}
    if name in kinds:
        assert set(looked.unique().tolist()) == kinds[name]
    if name == "grey":
        grey = (frames[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=0)
        assert (looked[0, 0] - grey).abs().max() < 0.01
    if name == "colour":
        assert torch.equal(looked, frames)


@torch.no_grad()
@pytest.mark.parametrize("name", ["convlstm_canny", "resnet3d_cutmix", "frame_difference"])
def test_the_order_of_the_frames_counts(name: str):
    torch.manual_seed(0)
    net = build_detector(name, {"size": 64, "frames": 4} | SMALL.get(name, {})).eval()
    clip = torch.cat([face(identity, 64) for identity in (1, 2, 3, 4)])[None]
    forth, back = net.embedding(clip), net.embedding(clip.flip(1))
    assert (forth - back).abs().max() > 0.01 * forth.abs().max()


SMALL: dict[str, dict[str, object]] = {
    "resnet3d_cutmix": {"width": 4, "blocks": (1, 1, 1, 1)},
    "frame_difference": {"widths": (8, 8), "reach": 1},
}


@torch.no_grad()
def test_the_conv_lstm_remembers_the_first_frame():
    torch.manual_seed(0)
    net = ConvLSTM(ConvLSTMConfig(size=64, frames=4, input="grey")).eval()
    clip = torch.cat([face(1, 64)] * 4)[None]
    other = clip.clone()
    other[:, 0] = face(2, 64)
    change = (net.embedding(other) - net.embedding(clip)).abs().mean()
    assert change > 1e-3


def test_resnet3d_has_the_layout_of_34_layers():
    with torch.device("meta"):
        ours = ResNet3D(ResNet3DConfig())
        theirs = VideoResNet(BasicBlock, [Conv3DSimple] * 4, [3, 4, 6, 3], BasicStem, num_classes=1)
    counts = [sum(w.numel() for w in net.parameters()) for net in (ours, theirs)]
    assert counts[0] == counts[1]  # 63.5 million
    convs = [
        [tuple(w.shape) for w in net.parameters() if w.ndim == 5 and w.shape[-1] == 3]
        for net in (ours, theirs)
    ]
    assert convs[0] == convs[1]


class _DifferencesOnBackbone(FrameDifference):
    """`FrameDifference` whose frames a backbone reads; the activation is the mean of the pairs'."""

    TINY: ClassVar[Mapping[str, Any]] = {
        **FrameDifference.TINY, "size": 64, "backbone": "test_efficientnet",
    }  # fmt: skip


class _ResNet3DOnBackbone(ResNet3D):
    """`ResNet3D` whose frames a backbone reads; the activation is averaged over time."""

    TINY: ClassVar[Mapping[str, Any]] = {
        **ResNet3D.TINY, "size": 64, "backbone": "test_efficientnet",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", [_DifferencesOnBackbone, _ResNet3DOnBackbone])
def test_a_backbone_may_read_the_frames_of_clips(kind: type[DetectorModel]):
    check_detector_model(kind)


def test_differences_on_a_backbone_keep_seeing_the_differences():
    torch.manual_seed(0)
    config = FrameDifferenceConfig.model_validate(_DifferencesOnBackbone.TINY)
    net = FrameDifference(config).eval()
    assert next(net.layers.children()).weight.shape[1] == 4  # the frame is the backbone's alone
    still = face(side=64)[:, None].repeat(1, 3, 1, 1, 1)
    flicker = still.clone()
    flicker[:, 0] *= 0.8  # a frame that the backbone does not read
    channels = config.widths[-1]
    before, after = net.features(still)[0], net.features(flicker)[0]
    assert torch.allclose(before[channels:], after[channels:], atol=1e-5)
    assert not torch.allclose(before[:channels], after[:channels], atol=1e-2)


def test_a_backbone_cannot_read_what_appearance_hides():
    with pytest.raises(ConfigError, match="appearance = false"):
        build_detector("frame_difference", {"backbone": "test_efficientnet", "appearance": False})


class _OnBackbone(ConvLSTM):
    """`ConvLSTM` whose frames a backbone reads; the activation is the exact share of each cell."""

    TINY: ClassVar[Mapping[str, Any]] = {
        **ConvLSTM.TINY, "size": 64, "backbone": "test_efficientnet", "input": "colour",
    }  # fmt: skip


@pytest.mark.slow
def test_a_backbone_may_read_the_frames_of_the_conv_lstm():
    check_detector_model(_OnBackbone)


@pytest.mark.parametrize("seen", ["canny", "grey"])
@torch.no_grad()
def test_a_backbone_sees_edges_and_grey_levels_in_three_channels(seen: str):
    net = _OnBackbone(ConvLSTMConfig.model_validate({**_OnBackbone.TINY, "input": seen})).eval()
    given: list[Tensor] = []
    net.backbone.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    clip = torch.stack([face(side=64), face(2, side=64)], dim=1)
    logit, activation = net(clip)
    assert torch.equal(given[0][:, 0], given[0][:, 2])
    assert given[0].min() >= -1
    assert given[0].std() > 0.1
    assert activation.shape == (1, 4, 4)
    assert torch.allclose(activation.mean(dim=(1, 2)), logit, atol=1e-4)
