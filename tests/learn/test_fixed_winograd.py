"""Convolutions by Winograd are the direct ones, for any map, batch and thread, when inferring."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from counterface.learn.winograd import FixedConv2d, fix_convolutions


def pair(channels: int, filters: int, bias: bool = True) -> tuple[nn.Conv2d, nn.Conv2d]:
    """The same layer, direct and fixed."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(channels, filters, 3, 1, 1, bias=bias) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    assert fix_convolutions(layers[1]) == 1
    return layers[0], layers[1]


# the last two are worked on in strips: of five rows of tiles, and of one
@pytest.mark.parametrize("shape", [(16, 16), (13, 30), (4, 64), (9, 9), (45, 200), (9, 1030)])
def test_the_result_is_that_of_the_direct_convolution(shape: tuple[int, int]) -> None:
    for channels, filters, bias in ((16, 24, True), (32, 16, False)):
        direct, fixed = pair(channels, filters, bias)
        x = torch.randn(3, channels, *shape).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            wanted, made = direct(x), fixed(x)
        assert made.shape == wanted.shape
        assert (made - wanted).abs().max() < 2e-5 * wanted.abs().max()


def test_layers_share_memory_and_not_their_results() -> None:
    _, fixed = pair(16, 16)
    x, other = torch.randn(2, 1, 16, 12, 12)
    with torch.inference_mode():
        kept = fixed(x)
        before = kept.clone()
        fixed(other)
        assert torch.equal(kept, before)
        chain = nn.Sequential(nn.Conv2d(16, 32, 3, 1, 1), nn.ReLU(True), nn.Conv2d(32, 16, 3, 1, 1))
        wanted = chain(x)
        assert fix_convolutions(chain) == 2
        assert torch.allclose(chain(x), wanted, atol=1e-5)


def test_threads_do_not_disturb_each_other() -> None:
    direct, fixed = pair(32, 32)
    xs = torch.randn(24, 1, 32, 20, 20).unbind()

    def run(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return fixed(x)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(run, xs))
    with torch.inference_mode():
        assert all(torch.allclose(y, direct(x), atol=1e-4) for x, y in zip(xs, made, strict=True))


def test_gradients_and_new_weights_go_the_direct_way() -> None:
    direct, fixed = pair(16, 16)
    x = torch.randn(1, 16, 8, 8)
    assert torch.equal(fixed(x), direct(x))
    fixed(x).sum().backward()
    assert fixed.weight.grad is not None


def test_other_layers_stay_as_they_are() -> None:
    others = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1),
        nn.Conv2d(16, 16, 5, 1, 2),
        nn.Conv2d(16, 16, 3, 2, 1),
        nn.Conv2d(16, 16, 3, 1, 1, groups=2),
        nn.Conv2d(16, 16, 3, 1, 1, padding_mode="reflect"),
        nn.Conv2d(16, 16, 3, 1, 1).to(torch.bfloat16),
    )
    assert fix_convolutions(others) == 0
    assert not any(isinstance(part, FixedConv2d) for part in others)


def test_names_and_weights_of_the_network_stay() -> None:
    _, fixed = pair(16, 16)
    with torch.inference_mode():
        fixed(torch.randn(1, 16, 8, 8))
    assert list(fixed.state_dict()) == ["weight", "bias"]
