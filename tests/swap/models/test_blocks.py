"""The blocks: known answers, and float32 where half precision would hurt."""

from __future__ import annotations

import math

import pytest
import torch

from counterface.swap.models.blocks import (
    Cosine,
    DoublingHead,
    Head,
    SelfAttention,
    Up,
    init_weights,
)


@torch.no_grad()
def test_the_cosine_activation():
    x = torch.tensor([0.0, 1.0, math.pi])
    assert torch.allclose(Cosine()(x), torch.tensor([0.0, math.cos(1), -math.pi]), atol=1e-6)


@torch.no_grad()
def test_each_convolution_of_the_doubling_head_makes_one_pixel_of_four():
    head = DoublingHead(1, 2)
    for place, conv in enumerate(head.convs):
        conv.weight.zero_()
        conv.bias.copy_(torch.tensor([place - 2.0, place + 2.0]))  # a value a colour and place
    made = head(torch.zeros(1, 1, 3, 3))
    for colour, offset in enumerate((-2.0, 2.0)):
        block = torch.sigmoid(torch.tensor([[0.0, 1.0], [2.0, 3.0]]) + offset)
        assert torch.allclose(made[0, colour], block.repeat(3, 3))


@torch.no_grad()
def test_attention_starts_as_nothing_and_then_averages_what_is_alike():
    attention = SelfAttention(8)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(attention(x), x)
    attention.scale.fill_(1.0)
    for part in (attention.query, attention.key):
        part.weight.zero_()  # all alike: everybody sees the mean
    seen = attention(x) - x
    mean = attention.value(x).mean((2, 3), keepdim=True)
    assert torch.allclose(seen, mean.expand_as(seen), atol=1e-5)


@torch.no_grad()
def test_attention_is_the_published_formula():
    attention = SelfAttention(16)
    attention.scale.fill_(0.7)
    x = torch.randn(2, 16, 3, 5)
    f, g, h = (m(x).flatten(2) for m in (attention.query, attention.key, attention.value))
    weights = torch.softmax(f.transpose(1, 2) @ g, -1)  # (B, places, places seen)
    expected = x + 0.7 * (h @ weights.transpose(1, 2)).reshape(x.shape)
    assert torch.allclose(attention(x), expected, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("head", [Head(4, 3, 5), DoublingHead(4, 3)])
def test_pictures_leave_in_float32_whatever_the_precision(head: torch.nn.Module):
    x = torch.randn(1, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        made = head(x)
    assert made.dtype == torch.float32
    assert torch.allclose(made, head(x), atol=0.02)


@torch.no_grad()
def test_fresh_layers_keep_the_strength_of_what_passes():
    torch.manual_seed(0)
    chain = torch.nn.Sequential(*[Up(32, 32) for _ in range(4)])
    init_weights(chain)
    strength = chain(torch.randn(4, 32, 4, 4)).square().mean().sqrt()
    assert 0.3 < strength < 3
