"""Parameter counts: the published ones, and those that follow from the published layers."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from counterface.swap.models.df import DF
from counterface.swap.swap_model import build_model, count_parameters


def conv(kernel: int, inputs: int, outputs: int) -> int:
    return kernel * kernel * inputs * outputs + outputs


def dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def up(inputs: int, outputs: int) -> int:
    return conv(3, inputs, 4 * outputs)


def chain(layer, *widths: int) -> int:
    return sum(layer(low, high) for low, high in pairwise(widths))


def downs(*widths: int) -> int:
    return chain(lambda low, high: conv(5, low, high), *widths)


def residual(width: int) -> int:
    return 2 * conv(3, width, width)


def counts(name: str, **options: object) -> dict[str, int]:
    with torch.device("meta"):  # counted without being made
        return count_parameters(build_model(name, options))


SMALL = {"resolution": 64, "ae_dims": 64, "e_dims": 32, "d_dims": 32, "d_mask_dims": 16}


@pytest.mark.parametrize(
    ("name", "options", "millions"),
    [
        ("original", {}, 82.06),
        ("lightweight", {}, 51.07),
        ("df", SMALL, 10.11),
        ("df", DF.PRESETS["quick96"], 38.29),
    ],
)
def test_the_published_counts(name: str, options: dict[str, object], millions: float):
    assert round(counts(name, **options)["total"] / 1e6, 2) == millions


def test_a_mask_costs_original_a_second_decoder_without_two_channels():
    plain, masked = counts("original"), counts("original", mask=True)
    branch = chain(up, 512, 256, 128, 64) + conv(5, 64, 1)
    assert masked["decoder_source"] - plain["decoder_source"] == branch
    assert masked["encoder"] == plain["encoder"]


def test_dfaker():
    found = counts("dfaker")
    assert found["encoder"] == counts("original")["encoder"]
    colour = chain(up, 512, 512, 256, 128, 64) + sum(map(residual, (512, 256, 128)))
    mask = chain(up, 512, 512, 256, 128, 64)
    assert found["decoder_target"] == colour + conv(5, 64, 3) + mask + conv(5, 64, 1)


@pytest.mark.parametrize(("resolution", "side"), [(128, 8), (64, 4)])
def test_h128_and_h64(resolution: int, side: int):
    found = counts("h128", resolution=resolution)
    flat, grid = 1024 * side**2, 512 * side**2
    code = dense(flat, 512) + dense(512, grid) + up(512, 512)
    assert found["encoder"] == downs(3, 128, 256, 512, 1024) + code
    branches = 2 * chain(up, 512, 512, 256, 128) + conv(5, 128, 3) + conv(5, 128, 1)
    assert found["decoder_source"] == branches


def test_iae():
    found = counts("iae")
    inter = dense(16 * 1024, 1024) + dense(1024, 16 * 512)
    assert found["inter_source"] == found["inter_both"] == found["inter_target"] == inter
    assert found["decoder"] == chain(up, 1024, 512, 256, 128, 64) + conv(5, 64, 3)
    assert found["total"] == downs(3, 128, 256, 512, 1024) + 3 * inter + found["decoder"]


def test_liaef128():
    found = counts("liaef128")
    inter = dense(64 * 1024, 512) + dense(512, 64 * 512) + up(512, 512)
    decoder = 2 * chain(up, 1024, 512, 256, 128) + conv(5, 128, 3) + conv(5, 128, 1)
    assert found["total"] == downs(3, 128, 256, 512, 1024) + 2 * inter + decoder


def df_decoder(inputs: int, d: int, m: int) -> int:
    colour = chain(up, inputs, 8 * d, 4 * d, 2 * d) + sum(residual(k * d) for k in (8, 4, 2))
    return colour + conv(1, 2 * d, 3) + chain(up, inputs, 8 * m, 4 * m, 2 * m) + conv(1, 2 * m, 1)


def test_df_and_liae_at_their_defaults():
    ae, e, d, m, flat = 256, 64, 64, 22, 8 * 64 * 8 * 8
    encoder = downs(3, e, 2 * e, 4 * e, 8 * e)
    inter = dense(flat, ae) + dense(ae, 8 * 8 * ae) + up(ae, ae)
    assert counts("df")["total"] == encoder + inter + 2 * df_decoder(ae, d, m)
    half = 2 * ae
    inter = dense(flat, ae) + dense(ae, 8 * 8 * half) + up(half, half)
    assert counts("liae")["total"] == encoder + 2 * inter + df_decoder(2 * half, d, m)


def test_what_the_flags_of_df_cost():
    plain = counts("df")
    ae, e, d, m, flat = 256, 64, 64, 22, 8 * 64 * 8 * 8
    assert counts("df", normalize_code=True, cosine_activation=True) == plain

    double = counts("df", double_output=True)  # three 3x3 convolutions, one more doubling of masks
    extra = 3 * conv(3, 2 * d, 3) + up(2 * m, m) + conv(1, m, 1) - conv(1, 2 * m, 1)
    assert double["decoder_source"] - plain["decoder_source"] == extra
    assert double["inter"] == dense(flat, ae) + dense(ae, 4 * 4 * ae) + up(ae, ae)

    deep = counts("df", extra_depth=True)
    assert deep["encoder"] - plain["encoder"] == (
        residual(e) + conv(5, 8 * e, 8 * e) + residual(8 * e)
    )
    assert deep["inter"] == dense(flat // 4, ae) + dense(ae, 8 * 8 * ae)
    step = up(8 * d, 8 * d) + residual(8 * d) + up(8 * m, 8 * m)
    assert deep["decoder_source"] - plain["decoder_source"] == step


def attention(width: int) -> int:
    few = width // 8
    return conv(1, width, few) + width * few + conv(1, width, width) + 1  # keys have no bias


def normed(kernel: int, inputs: int, outputs: int) -> int:
    return kernel * kernel * inputs * outputs + 2 * outputs  # the norm's scale and shift, no bias


def normed_up(inputs: int, outputs: int) -> int:
    return normed(3, inputs, 4 * outputs)


@pytest.mark.parametrize("resolution", [64, 128, 256])
def test_gan(resolution: int):
    found = counts("gan", resolution=resolution)
    more = {64: 0, 128: 1, 256: 2}[resolution]
    encoder = conv(5, 3, 64) + conv(3, 64, 128)
    encoder += normed(3, 128, 256) + attention(256) + normed(3, 256, 512) + attention(512)
    encoder += normed(3, 512, 1024) + more * normed(3, 1024, 1024)
    encoder += dense(16 * 1024, 1024) + dense(1024, 16 * 1024) + up(1024, 512)
    assert found["encoder"] == encoder
    decoder = normed_up(512, 256) + normed_up(256, 128) + attention(128) + normed_up(128, 64)
    decoder += 2 * normed(3, 64, 64) + attention(64)
    decoder += more * (conv(5, 64, 3) + normed_up(64, 64) + conv(3, 64, 64))
    decoder += conv(5, 64, 1) + conv(5, 64, 3)
    assert found["decoder_source"] == found["decoder_target"] == decoder


def test_another_identity_costs_many_its_code_alone():
    with torch.device("meta"):
        two = count_parameters(build_model("many", {"identity_dims": 96}, identities=2))
        five = count_parameters(build_model("many", {"identity_dims": 96}, identities=5))
    assert five["total"] - two["total"] == 3 * 96
