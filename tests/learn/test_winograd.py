from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from counterface.learn import winograd
from counterface.learn.winograd import WinogradConv2d, convolve, use_winograd

SIZES = [(8, 8), (12, 20), (4, 4), (6, 10), (16, 2), (1, 1)]  # blocks of the stride


def drawn(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def layer(stride: int, inputs: int = 16, filters: int = 24) -> nn.Conv2d:
    torch.manual_seed(1)
    side = {1: 3, 2: 5}[stride]
    return nn.Conv2d(inputs, filters, side, stride, side // 2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_values_and_all_three_gradients_are_those_of_torch(
    stride: int, size: tuple[int, int], order: torch.memory_format
) -> None:
    conv = layer(stride).double()
    x = drawn(3, 16, size[0] * stride, size[1] * stride, dtype=torch.float64)
    x = x.to(memory_format=order)
    results = []
    for make in (
        lambda: F.conv2d(x, conv.weight, conv.bias, stride, conv.padding),
        lambda: convolve(x, conv.weight, conv.bias, stride),
    ):
        x.requires_grad_()
        y = make()
        inputs = (x, conv.weight, conv.bias)
        results.append((y, *torch.autograd.grad((y * drawn(*y.shape)).sum(), inputs)))
    for theirs, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("stride", [1, 2])
def test_single_precision_loses_little(stride: int) -> None:
    conv = layer(stride, 128, 128)
    x = drawn(2, 128, 16, 16)
    exact = F.conv2d(x.double(), conv.weight.double(), None, stride, conv.padding)
    error = convolve(x, conv.weight, None, stride).double() - exact
    assert error.abs().max() < 3e-5 * exact.abs().max()


def test_a_gradient_that_nobody_wants_is_not_made() -> None:
    conv = layer(1)
    conv(drawn(8, 16, 8, 8))
    y = convolve(drawn(8, 16, 8, 8), conv.weight, None)
    y.sum().backward()
    assert conv.bias is not None
    assert conv.weight.grad is not None
    assert conv.bias.grad is None


def test_layers_are_taken_over_in_place_and_keep_their_names() -> None:
    net = nn.Sequential(layer(1), nn.LeakyReLU(0.1), layer(2, 24, 32))
    names, weights = list(net.state_dict()), net.state_dict()
    same, x = deepcopy(net), drawn(4, 16, 8, 8)
    assert use_winograd(net) == 2
    assert use_winograd(net) == 0  # once is enough
    assert list(net.state_dict()) == names
    assert all(net.state_dict()[name] is not None for name in names)
    assert [type(net[0]), type(deepcopy(net)[2])] == [WinogradConv2d] * 2
    torch.testing.assert_close(net(x), same(x), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(weights[n], t) for n, t in same.state_dict().items())


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(16, 16, 3, 1, 0),
        nn.Conv2d(16, 16, 3, 2, 1),
        nn.Conv2d(16, 16, 3, 1, 2, dilation=2),
        nn.Conv2d(16, 16, 3, 1, 1, groups=2),
        nn.Conv2d(16, 16, 3, 1, 1, padding_mode="reflect"),
        nn.Conv2d(16, 16, 3, 1, "same"),
        nn.Conv2d(16, 16, 5, 1, 2),
        nn.Conv2d(3, 16, 3, 1, 1),
        nn.Conv2d(64, 3, 3, 1, 1),
    ],
)
def test_other_layers_are_left_alone(conv: nn.Conv2d) -> None:
    assert use_winograd(nn.Sequential(conv)) == 0
    assert type(conv) is nn.Conv2d


def test_it_is_used_where_it_pays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []
    real = winograd.convolve

    def watched(x: Tensor, *rest: object) -> Tensor:
        calls.append(tuple(x.shape))
        return real(x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(winograd, "convolve", watched)
    conv = layer(1)
    use_winograd(conv)
    conv(drawn(8, 16, 8, 8))
    assert calls == [(8, 16, 8, 8)]
    conv(drawn(1, 16, 4, 4))  # one tile
    conv(drawn(64, 16, 2, 2))  # three quarters of each tile would be waste
    with torch.no_grad():
        conv(drawn(8, 16, 8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        conv(drawn(8, 16, 8, 8))
    conv.requires_grad_(requires_grad=False)(drawn(8, 16, 8, 8).requires_grad_())
    conv.double().requires_grad_()(drawn(8, 16, 8, 8, dtype=torch.float64))
    odd = layer(2)
    use_winograd(odd)
    odd(drawn(8, 16, 9, 9))
    assert len(calls) == 1


def test_an_exported_graph_holds_plain_convolutions() -> None:
    net = nn.Sequential(layer(1))
    use_winograd(net)
    traced = torch.jit.trace(net, drawn(8, 16, 8, 8))  # type: ignore[no-untyped-call]
    assert "_convolution" in str(traced.inlined_graph)
