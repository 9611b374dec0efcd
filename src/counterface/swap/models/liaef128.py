"""LIAEF128: 128 px, one decoder, a second inter for the target alone.

LIAEF128 of DeepFaceLab's first generation (Perov et al. 2020, https://arxiv.org/abs/2005.05535):
what source and target share goes through one inter, what only the target has through another, so
the light of the target's footage can reach the swap. Ours differs in the weights it starts from;
nothing is taken from that project but the sizes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from counterface.swap.models.blocks import Bottleneck, Decoder, Down, TwoInters, init_weights
from counterface.swap.swap_model import SwapConfig


class LIAEF128Config(SwapConfig):
    """The architecture; the defaults are the published one."""

    resolution: Literal[64, 128] = Field(128, description="side of input and output, pixels")
    width: int = Field(
        128, ge=8, le=512, multiple_of=8, description="channels of the first convolution"
    )
    code: int = Field(512, ge=8, le=8192, description="length of each inter's code")


class LIAEF128(TwoInters):
    """RGB -> RGB and a mask, all of side `resolution`."""

    Config = LIAEF128Config
    TINY: ClassVar = {"resolution": 64, "width": 8, "code": 16}

    def __init__(self, config: LIAEF128Config | None = None) -> None:
        """Start from fresh weights."""
        config = config or LIAEF128Config()
        w, size = config.width, config.resolution
        side = size // 16
        shape = (8 * w, 2 * side, 2 * side)
        super().__init__(config, in_size=size, out_size=size, code_shape=shape)
        self.encoder = nn.Sequential(
            Down(3, w), Down(w, 2 * w), Down(2 * w, 4 * w), Down(4 * w, 8 * w)
        )
        flat, half = 8 * w * side * side, (4 * w, side, side)
        self.inter_both = Bottleneck(flat, config.code, half, upscale=4 * w)
        self.inter_target = Bottleneck(flat, config.code, half, upscale=4 * w)
        widths = (4 * w, 2 * w, w)
        self.decoder = Decoder(8 * w, widths, widths)
        init_weights(self)
