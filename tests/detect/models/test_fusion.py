"""A fusion says the mean of what its members say, and refuses members that cannot be fused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from counterface.detect.detector import Detector
from counterface.detect.models.detector_model import DetectorModel, build_detector
from counterface.detect.models.fusion import Fusion, bring_to_cells, resize_matrix
from counterface.detect.training.export import export_detector, uncalibrated
from counterface.errors import ConfigError


def cnn(size: int, template: str = "whole_face") -> DetectorModel:
    torch.manual_seed(size)
    options = {"size": size, "template": template, "widths": (6, 8)}
    net = build_detector("cnn_images", options).eval()
    for weight in net.parameters():
        weight.data.add_(torch.randn_like(weight), alpha=0.2)
    return net


@torch.no_grad()
def test_the_logit_is_the_mean_of_calibrated_logits(tmp_path: Path):
    one, two = cnn(64), cnn(64)
    other = cnn(32)
    two.load_state_dict(other.state_dict())  # the same layers fit any side
    members = [("cnn_images", one, 2.0, -0.5), ("cnn_images", two, 0.5, 1.0)]
    fused = Fusion.of(members).eval()
    images = torch.rand(3, 3, 64, 64)
    (first, map_one), (second, map_two) = one(images), two(images)
    logit, activation = fused(images)
    assert torch.allclose(logit, (2 * first - 0.5 + 0.5 * second + 1) / 2, atol=1e-5)
    assert torch.allclose(activation, (2 * map_one - 0.5 + 0.5 * map_two + 1) / 2, atol=1e-5)
    path = tmp_path / "fused.onnx"
    export_detector(fused, uncalibrated("fused", "whole_face", 64), path)
    crops = (images * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    scored, _ = Detector.load(path).score(crops)
    rounded = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    assert np.allclose(scored, fused(rounded)[0], atol=1e-3)


@torch.no_grad()
def test_a_member_sees_the_crop_at_its_own_side():
    large, small = cnn(64), cnn(40)
    fused = Fusion.of([("cnn_images", large, 1.0, 0.0), ("cnn_images", small, 1.0, 0.0)]).eval()
    assert fused.config.size == 64
    images = torch.rand(2, 3, 6, 6)
    images = torch.nn.functional.interpolate(images, (64, 64), mode="bilinear")
    matrix = resize_matrix(64, 40)
    wanted = (large(images)[0] + small(matrix @ images @ matrix.T)[0]) / 2
    logit, activation = fused(images)
    assert torch.allclose(logit, wanted, atol=1e-5)
    assert activation.shape == large(images)[1].shape
    assert fused.embedding(images).shape == (2, 16)


@pytest.mark.parametrize(("side", "wanted"), [(224, 112), (96, 64), (50, 50)])
def test_resizing_is_pillows_bilinear_with_a_filter(side: int, wanted: int):
    values = np.random.default_rng(0).random((side, side), np.float32)
    pillow = Pillow.fromarray(values).resize((wanted, wanted), Pillow.Resampling.BILINEAR)
    matrix = resize_matrix(side, wanted)
    ours = matrix @ torch.from_numpy(values) @ matrix.T
    assert np.allclose(ours, np.asarray(pillow), atol=1e-4)


def test_a_map_of_whole_multiples_keeps_its_mean():
    maps = torch.rand(2, 4, 4)
    assert torch.allclose(bring_to_cells(maps, (8, 8)).mean((1, 2)), maps.mean((1, 2)), atol=1e-6)
    assert bring_to_cells(maps, (7, 7)).shape == (2, 7, 7)


def test_members_that_cannot_be_fused_are_refused():
    one = ("cnn_images", cnn(64), 1.0, 0.0)
    for members in ([], [one]):
        with pytest.raises(ConfigError, match="two or more"):
            Fusion.of(members)
    with pytest.raises(ConfigError, match="one template"):
        Fusion.of([one, ("cnn_images", cnn(64, "face"), 1.0, 0.0)])
    options = {"size": 48, "frames": 2, "widths": (4, 4), "template": "whole_face"}
    clip = build_detector("convlstm_canny", options)
    with pytest.raises(ConfigError, match="judges 2 frames"):
        Fusion.of([one, ("convlstm_canny", clip, 1.0, 0.0)])
    member = {"architecture": "cnn_images", "options": {"size": 64, "template": "whole_face"}}
    with pytest.raises(ConfigError, match="set size to the largest"):
        build_detector("fusion", {"size": 32, "members": [member, member]})
    with pytest.raises(ConfigError, match="no detector architecture is named"):
        build_detector("fusion", {"members": [{"architecture": "cnn_image"}, member]})
