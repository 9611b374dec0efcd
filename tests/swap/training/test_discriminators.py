"""The judges of swap training: sight, shapes, and that each can learn what it is for."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as loss

from counterface.errors import ShapeError
from counterface.swap.models.df import DF, DFConfig
from counterface.swap.training.discriminators import (
    AttentionDiscriminator,
    CodeDiscriminator,
    PatchUNet,
    patch_strides,
    receptive_field,
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def everything_learns(module: torch.nn.Module, *outputs: torch.Tensor) -> None:
    sum(output.square().sum() for output in outputs).backward()
    idle = [
        name
        for name, weight in module.named_parameters()
        if weight.grad is None or not weight.grad.abs().max() > 0
    ]
    assert not idle


@pytest.mark.parametrize("patch", [4, 8, 12, 16, 24, 32, 48, 64])
def test_the_layers_see_a_patch_of_about_the_size_asked_for(patch: int):
    strides = patch_strides(patch)
    assert abs(receptive_field(strides) - patch) <= 1
    assert len(strides) <= 7


def test_a_patch_logit_sees_the_pixels_that_it_says():
    net = PatchUNet(12, dims=4)
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    patches, _ = net(picture)
    patches[0, 0, 8, 8].backward()
    assert picture.grad is not None
    seen = picture.grad.abs().sum((0, 1)) > 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert int(rows.max() - rows.min()) + 1 == receptive_field(net.strides)
    assert int(columns.max() - columns.min()) + 1 == receptive_field(net.strides)


@pytest.mark.parametrize("patch", [8, 16, 40])
def test_a_patch_unet_judges_patches_and_pixels(patch: int):
    net = PatchUNet(patch, dims=8)
    patches, pixels = net(torch.rand(2, 3, 64, 96))
    halvings = net.strides.count(2)
    assert patches.shape == (2, 1, 64 >> halvings, 96 >> halvings)
    assert pixels.shape == (2, 1, 64, 96)
    everything_learns(net, patches, pixels)
    with pytest.raises(ShapeError, match="must be multiples of"):
        net(torch.rand(1, 3, 65, 64))


@pytest.mark.slow
def test_a_patch_unet_learns_to_tell_sharp_from_blurred():
    net = PatchUNet(8, dims=8)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    real = torch.rand(4, 3, 32, 32)
    made = torch.nn.functional.avg_pool2d(real, 5, 1, 2)
    for _ in range(80):
        optimizer.zero_grad()
        terms = [
            loss(logits, torch.full_like(logits, label))
            for pictures, label in ((real, 1.0), (made, 0.0))
            for logits in net(pictures)
        ]
        torch.stack(terms).sum().backward()
        optimizer.step()
    assert all((logits > 0).float().mean() > 0.9 for logits in net(real))
    assert all((logits < 0).float().mean() > 0.9 for logits in net(made))


@pytest.mark.parametrize("outputs", [1, 5])
def test_a_code_discriminator_takes_what_a_model_encodes(outputs: int):
    model = DF(DFConfig(**DF.TINY))
    judge = CodeDiscriminator(*model.code_shape[:2], outputs)
    code = model.encode(torch.rand(3, 3, 64, 64), 0)
    logits = judge(code)
    assert logits.shape[:2] == (3, outputs)
    assert torch.equal(logits, judge(code.unflatten(1, model.code_shape)))
    everything_learns(judge, logits)
    assert model.encoder.layers[0][0].weight.grad is not None  # the model is taught through it


@pytest.mark.parametrize("size", [4, 8, 16, 20, 40])
def test_a_code_of_any_size_can_be_judged(size: int):
    logits = CodeDiscriminator(8, size)(torch.randn(2, 8 * size * size))
    assert logits.shape[:2] == (2, 1)
    assert 1 <= logits.shape[-1] <= 4


@pytest.mark.parametrize("size", [64, 128])
def test_an_attention_discriminator_judges_a_picture_beside_its_input(size: int):
    judge = AttentionDiscriminator(size, width=8)
    with torch.no_grad():
        for weight in judge.parameters():
            weight += 0.02 * torch.randn_like(weight)  # off the attention's scale of 0
    image, source = torch.rand(2, 2, 3, size, size)
    logits = judge(image, source)
    assert logits.shape == (2, 1, 7, 7)
    assert not torch.allclose(logits, judge(image, image))
    assert torch.allclose(logits[:1], judge(image[:1], source[:1]), atol=1e-4)
    everything_learns(judge, logits)
    with pytest.raises(ShapeError, match="two RGB pictures"):
        judge(image, source[:1])
    with pytest.raises(ShapeError, match="two RGB pictures"):
        judge(image[:, :, ::2, ::2], source[:, :, ::2, ::2])
