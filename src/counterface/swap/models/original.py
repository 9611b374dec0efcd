"""The first face-swap autoencoder: 64 px, one shared encoder, two decoders.

deepfakes (2017) as kept in faceswap's `original` model, https://github.com/deepfakes/faceswap.
82.06 million parameters at the published sizes. Ours differs in the weights it starts from and in
a mask that each decoder can learn besides; nothing is taken from that project but the sizes.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from counterface.swap.models.blocks import Bottleneck, Decoder, Down, init_weights
from counterface.swap.swap_model import SwapConfig, SwapModel

SIZE = 64


class OriginalConfig(SwapConfig):
    """The architecture; the defaults are the published one."""

    width: int = Field(
        128, ge=8, le=512, multiple_of=8, description="channels of the first convolution"
    )
    code: int = Field(1024, ge=8, le=8192, description="length of the flat code")
    mask: bool = Field(False, description="let each decoder learn a mask as well")


class Original(SwapModel):
    """RGB 64 px -> RGB 64 px, and a mask where asked."""

    Config = OriginalConfig
    TINY: ClassVar = {"width": 8, "code": 16}

    def __init__(self, config: OriginalConfig | None = None) -> None:
        """Start from fresh weights."""
        config = config or OriginalConfig()
        w = config.width
        super().__init__(config, in_size=SIZE, out_size=SIZE, code_shape=(4 * w, 8, 8))
        self.encoder = nn.Sequential(
            Down(3, w),
            Down(w, 2 * w),
            Down(2 * w, 4 * w),
            Down(4 * w, 8 * w),
            Bottleneck(8 * w * 4 * 4, config.code, (8 * w, 4, 4), upscale=4 * w),
        )
        widths = (2 * w, w, w // 2)
        masks = widths if config.mask else None
        self.decoder_source = Decoder(4 * w, widths, masks)
        self.decoder_target = Decoder(4 * w, widths, masks)
        init_weights(self)
