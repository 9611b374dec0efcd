"""The small relative of `original`: 64 px, one convolution less, half the code.

`lightweight` of faceswap, https://github.com/deepfakes/faceswap; 51.07 million parameters at the
published sizes. Ours differs in the weights it starts from and in a mask that each decoder can
learn besides; nothing is taken from that project but the sizes.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from counterface.swap.models.blocks import Bottleneck, Decoder, Down, init_weights
from counterface.swap.swap_model import SwapConfig, SwapModel

SIZE = 64


class LightweightConfig(SwapConfig):
    """The architecture; the defaults are the published one."""

    width: int = Field(
        128, ge=8, le=512, multiple_of=8, description="channels of the first convolution"
    )
    code: int = Field(512, ge=8, le=8192, description="length of the flat code")
    mask: bool = Field(False, description="let each decoder learn a mask as well")


class Lightweight(SwapModel):
    """RGB 64 px -> RGB 64 px, and a mask where asked."""

    Config = LightweightConfig
    TINY: ClassVar = {"width": 8, "code": 16}

    def __init__(self, config: LightweightConfig | None = None) -> None:
        """Start from fresh weights."""
        config = config or LightweightConfig()
        w = config.width
        super().__init__(config, in_size=SIZE, out_size=SIZE, code_shape=(2 * w, 8, 8))
        self.encoder = nn.Sequential(
            Down(3, w),
            Down(w, 2 * w),
            Down(2 * w, 4 * w),
            Bottleneck(4 * w * 8 * 8, config.code, (4 * w, 4, 4), upscale=2 * w),
        )
        widths = (4 * w, 2 * w, w)
        masks = widths if config.mask else None
        self.decoder_source = Decoder(2 * w, widths, masks)
        self.decoder_target = Decoder(2 * w, widths, masks)
        init_weights(self)
