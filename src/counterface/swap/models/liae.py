"""DeepFaceLab's LIAE: one encoder, one decoder; a second inter for the target alone.

Perov et al. 2020, https://arxiv.org/abs/2005.05535. What both people share goes through one inter,
what only the target has through another; the swap feeds the target's picture through the shared one
twice, which keeps more of the footage's light than DF does. Options and blocks are those of `df`.
"""

from __future__ import annotations

from typing import ClassVar

from counterface.swap.models.blocks import Inters, init_weights
from counterface.swap.models.df import (
    DF,
    DFConfig,
    Encoder,
    build_decoder,
    build_inter,
    code_shape,
)


class LIAE(Inters):
    """RGB -> RGB and a mask, all of side `resolution`."""

    Config = DFConfig
    PRESETS: ClassVar = {"saehd": DF.PRESETS["saehd"]}
    TINY: ClassVar = DF.TINY

    def __init__(self, config: DFConfig | None = None) -> None:
        config = config or DFConfig()
        half, size = 2 * config.ae_dims, config.resolution  # channels of one inter's map
        shape = code_shape(config, 2 * half)
        super().__init__(config, in_size=size, out_size=size, code_shape=shape)
        self.encoder = Encoder(config)
        self.inter_both = build_inter(config, half)
        self.inter_target = build_inter(config, half)
        self.decoder = build_decoder(config, 2 * half)
        init_weights(self)
