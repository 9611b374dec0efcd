"""Dfaker: 64 px in, 128 px out, residuals in the decoders, a mask learned besides.

https://github.com/dfaker/df and DeepFake_tf. The encoder is that of `original`; the picture that
comes out has twice the side, so the decoders learn to add detail. Ours differs in the weights it
starts from; nothing is taken from those projects but the sizes.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from counterface.swap.models.blocks import Bottleneck, Decoder, Down, init_weights
from counterface.swap.swap_model import SwapConfig, SwapModel

IN_SIZE, OUT_SIZE = 64, 128


class DFakerConfig(SwapConfig):
    """The architecture; the defaults are the published one."""

    width: int = Field(
        128, ge=8, le=512, multiple_of=8, description="channels of the first convolution"
    )
    code: int = Field(1024, ge=8, le=8192, description="length of the flat code")


class DFaker(SwapModel):
    """RGB 64 px -> RGB 128 px and its mask."""

    Config = DFakerConfig
    TINY: ClassVar = {"width": 8, "code": 16}

    def __init__(self, config: DFakerConfig | None = None) -> None:
        """Start from fresh weights."""
        config = config or DFakerConfig()
        w = config.width
        super().__init__(config, in_size=IN_SIZE, out_size=OUT_SIZE, code_shape=(4 * w, 8, 8))
        self.encoder = nn.Sequential(
            Down(3, w),
            Down(w, 2 * w),
            Down(2 * w, 4 * w),
            Down(4 * w, 8 * w),
            Bottleneck(8 * w * 4 * 4, config.code, (8 * w, 4, 4), upscale=4 * w),
        )
        widths = (4 * w, 2 * w, w, w // 2)
        self.decoder_source = Decoder(4 * w, widths, widths, residuals=3)
        self.decoder_target = Decoder(4 * w, widths, widths, residuals=3)
        init_weights(self)
