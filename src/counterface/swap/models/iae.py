"""IAE: the identities differ in the middle; encoder and decoder are shared.

`iae` of faceswap, https://github.com/deepfakes/faceswap: three inters, one for the source, one for
the target, one for both; the decoder reads the identity's inter beside the common one. Ours
differs in the weights it starts from and in a mask that the decoder can learn besides; nothing is
taken from that project but the sizes.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.swap.models.blocks import Bottleneck, Decoder, Down, OneDecoder, init_weights
from counterface.swap.swap_model import SOURCE, SwapConfig

SIZE = 64


class IAEConfig(SwapConfig):
    """The architecture; the defaults are the published one."""

    width: int = Field(
        128, ge=8, le=512, multiple_of=8, description="channels of the first convolution"
    )
    code: int = Field(1024, ge=8, le=8192, description="length of each inter's code")
    mask: bool = Field(False, description="let the decoder learn a mask as well")


class IAE(OneDecoder):
    """RGB 64 px -> RGB 64 px, and a mask where asked."""

    Config = IAEConfig
    TINY: ClassVar = {"width": 8, "code": 16}
    INTERS: ClassVar = ("inter_source", "inter_both", "inter_target")

    def __init__(self, config: IAEConfig | None = None) -> None:
        """Start from fresh weights."""
        config = config or IAEConfig()
        w = config.width
        super().__init__(config, in_size=SIZE, out_size=SIZE, code_shape=(8 * w, 4, 4))
        self.encoder = nn.Sequential(
            Down(3, w), Down(w, 2 * w), Down(2 * w, 4 * w), Down(4 * w, 8 * w)
        )
        flat, half = 8 * w * 4 * 4, (4 * w, 4, 4)
        self.inter_source = Bottleneck(flat, config.code, half)
        self.inter_both = Bottleneck(flat, config.code, half)
        self.inter_target = Bottleneck(flat, config.code, half)
        widths = (4 * w, 2 * w, w, w // 2)
        self.decoder = Decoder(8 * w, widths, widths if config.mask else None)
        init_weights(self)

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """The identity's own inter, then the common one."""
        features = self.encoder(images)
        own = self.inter_source if identity == SOURCE else self.inter_target
        return torch.cat([own(features), self.inter_both(features)], 1)
