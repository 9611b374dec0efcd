"""DeepFaceLab's LIAE: one encoder, one decoder; a second inter for the target alone.

Perov et al. 2020, https://arxiv.org/abs/2005.05535. What both people share goes through one inter,
what only the target has through another; the swap feeds the target's picture through the shared one
twice, which keeps more of the footage's light than DF does. Options and blocks are those of `df`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from counterface.swap.models.blocks import init_weights
from counterface.swap.models.df import (
    DF,
    DFConfig,
    Encoder,
    build_decoder,
    build_inter,
    code_shape,
)
from counterface.swap.swap_model import SOURCE, Generated, SwapModel


class LIAE(SwapModel):
    """RGB -> RGB and a mask, all of side `resolution`."""

    Config = DFConfig
    PRESETS: ClassVar = {"saehd": DF.PRESETS["saehd"]}
    TINY: ClassVar = DF.TINY
    INTERS: ClassVar = ("inter_both", "inter_target")
    SHARED_CODE: ClassVar = False

    def __init__(self, config: DFConfig | None = None) -> None:
        """Fresh weights."""
        config = config or DFConfig()
        half, size = 2 * config.ae_dims, config.resolution  # channels of one inter's map
        shape = code_shape(config, 2 * half)
        super().__init__(config, in_size=size, out_size=size, code_shape=shape)
        self.encoder = Encoder(config)
        self.inter_both = build_inter(config, half)
        self.inter_target = build_inter(config, half)
        self.decoder = build_decoder(config, 2 * half)
        init_weights(self)

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """Source: the common inter twice. Target: its own, then the common one."""
        features = self.encoder(images)
        both = self.inter_both(features)
        return torch.cat([both if identity == SOURCE else self.inter_target(features), both], 1)

    def decode(self, code: Tensor, identity: int | Tensor) -> Generated:
        """The face; identities differ in the code alone."""
        generated: Generated = self.decoder(code)
        return generated
