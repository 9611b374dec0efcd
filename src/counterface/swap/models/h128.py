"""H128: the autoencoder of `original` at 128 px with a learned mask; H64 is the half size.

H128 and H64 of DeepFaceLab's first generation (Perov et al. 2020,
https://arxiv.org/abs/2005.05535) and `dfl_h128` of faceswap. Ours differs in the weights it starts
from; nothing is taken from those projects but the sizes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from counterface.swap.models.blocks import Bottleneck, Decoder, Down, init_weights
from counterface.swap.swap_model import SwapConfig, SwapModel


class H128Config(SwapConfig):
    """The architecture; the defaults are the published one."""

    resolution: Literal[64, 128] = Field(128, description="side of input and output, pixels")
    width: int = Field(
        128, ge=8, le=512, multiple_of=8, description="channels of the first convolution"
    )
    code: int = Field(512, ge=8, le=8192, description="length of the flat code")


class H128(SwapModel):
    """RGB -> RGB and a mask, all of side `resolution`."""

    Config = H128Config
    PRESETS: ClassVar = {"h64": {"resolution": 64}}
    TINY: ClassVar = {"resolution": 64, "width": 8, "code": 16}

    def __init__(self, config: H128Config | None = None) -> None:
        """Start from fresh weights."""
        config = config or H128Config()
        w, size = config.width, config.resolution
        side = size // 16
        shape = (4 * w, 2 * side, 2 * side)
        super().__init__(config, in_size=size, out_size=size, code_shape=shape)
        self.encoder = nn.Sequential(
            Down(3, w),
            Down(w, 2 * w),
            Down(2 * w, 4 * w),
            Down(4 * w, 8 * w),
            Bottleneck(8 * w * side * side, config.code, (4 * w, side, side), upscale=4 * w),
        )
        widths = (4 * w, 2 * w, w)
        self.decoder_source = Decoder(4 * w, widths, widths)
        self.decoder_target = Decoder(4 * w, widths, widths)
        init_weights(self)
