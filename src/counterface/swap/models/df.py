"""DeepFaceLab's DF: one encoder and one inter shared, a decoder for each identity.

Perov et al. 2020, https://arxiv.org/abs/2005.05535. The flags of its SAEHD trainer are named
options here: `normalize_code` (u), `double_output` (d), `extra_depth` (t) and `cosine_activation`
(c). Ours differs in the padding of the strided convolutions (two pixels on each side) and in the
weights it starts from. 10.11 million parameters with ae 64, e 32, d 32, mask 16 at 64 px; the
preset `quick96` has 38.29 million.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from counterface.swap.models.blocks import (
    Bottleneck,
    Decoder,
    Down,
    Residual,
    init_weights,
)
from counterface.swap.swap_model import SwapConfig, SwapModel


class DFConfig(SwapConfig):
    """Options of `df` and `liae`; the defaults are those of SAEHD with no flag set."""

    resolution: int = Field(
        128, ge=64, le=640, multiple_of=16, description="side of input and output, pixels"
    )
    ae_dims: int = Field(256, ge=32, le=1024, description="length of an inter's code")
    e_dims: int = Field(64, ge=16, le=256, description="channels of the encoder's first layer")
    d_dims: int = Field(
        64, ge=16, le=256, description="an eighth of the channels of the decoder's widest layer"
    )
    d_mask_dims: int = Field(22, ge=16, le=256, description="the same for the mask branch")
    normalize_code: bool = Field(False, description="divide the flat code by its RMS (flag u)")
    double_output: bool = Field(
        False, description="let the last layer double the side, which saves time (flag d)"
    )
    extra_depth: bool = Field(False, description="add a level to encoder and decoder (flag t)")
    cosine_activation: bool = Field(
        False, description="use x cos(x) instead of leaky rectifiers (flag c)"
    )

    @model_validator(mode="after")
    def _divides(self) -> DFConfig:
        step = 32 if self.double_output or self.extra_depth else 16
        if self.resolution % step:
            raise ValueError(
                f"resolution {self.resolution} must be a multiple of {step} with double_output or "
                "extra_depth"
            )
        return self


class DF(SwapModel):
    """RGB -> RGB and a mask, all of side `resolution`."""

    Config = DFConfig
    PRESETS: ClassVar = {
        "quick96": {
            "resolution": 96,
            "ae_dims": 128,
            "e_dims": 64,
            "d_dims": 64,
            "d_mask_dims": 16,
            "normalize_code": True,
            "double_output": True,
        },
        "saehd": {"normalize_code": True, "double_output": True},
    }
    TINY: ClassVar = {
        "resolution": 64,
        "ae_dims": 32,
        "e_dims": 16,
        "d_dims": 16,
        "d_mask_dims": 16,
    }
    INTERS: ClassVar = ("inter",)

    def __init__(self, config: DFConfig | None = None) -> None:
        config = config or DFConfig()
        shape = code_shape(config, config.ae_dims)
        size = config.resolution
        super().__init__(config, in_size=size, out_size=size, code_shape=shape)
        self.encoder = Encoder(config)
        self.inter = build_inter(config, config.ae_dims)
        self.decoder_source = build_decoder(config, config.ae_dims)
        self.decoder_target = build_decoder(config, config.ae_dims)
        init_weights(self)

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """The shared code; identities differ in the decoder alone."""
        code: Tensor = self.inter(self.encoder(images))
        return code


class Encoder(nn.Module):
    """RGB (B, 3, S, S) -> flat features (B, `flat_features(config)`)."""

    def __init__(self, config: DFConfig) -> None:
        super().__init__()
        e, cosine = config.e_dims, config.cosine_activation
        layers: list[nn.Module] = [Down(3, e, cosine)]
        if config.extra_depth:
            layers.append(Residual(e, cosine))
        layers += [Down(e, 2 * e, cosine), Down(2 * e, 4 * e, cosine), Down(4 * e, 8 * e, cosine)]
        if config.extra_depth:
            layers += [Down(8 * e, 8 * e, cosine), Residual(8 * e, cosine)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.normalize = config.normalize_code

    def forward(self, images: Tensor) -> Tensor:
        """The features, of root mean square 1 where the code is normalised."""
        flat: Tensor = self.layers(images)
        if self.normalize:  # in float32: a mean of squares loses too much in half precision
            flat = flat.float()
            flat = flat * torch.rsqrt(flat.square().mean(1, keepdim=True) + 1e-6)
        return flat


def flat_features(config: DFConfig) -> int:
    """How many numbers the encoder gives for a picture."""
    side = config.resolution // (32 if config.extra_depth else 16)
    return 8 * config.e_dims * side * side


def code_shape(config: DFConfig, channels: int) -> tuple[int, int, int]:
    """The shape of an inter's map: what the decoder's doublings bring up to the resolution."""
    doublings = 3 + config.double_output + config.extra_depth
    side = config.resolution // 2**doublings
    return channels, side, side


def build_inter(config: DFConfig, channels: int) -> Bottleneck:
    """Flat features -> code of `ae_dims` -> map (B, channels, h, w)."""
    _, side, _ = code_shape(config, channels)
    inputs, cosine = flat_features(config), config.cosine_activation
    if config.extra_depth:
        return Bottleneck(inputs, config.ae_dims, (channels, side, side))
    shape = (channels, side // 2, side // 2)
    return Bottleneck(inputs, config.ae_dims, shape, upscale=channels, cosine=cosine)


def build_decoder(config: DFConfig, channels: int) -> Decoder:
    """Map -> RGB and mask."""
    steps = (8, 8, 4, 2) if config.extra_depth else (8, 4, 2)
    widths = [step * config.d_dims for step in steps]
    masks = [
        step * config.d_mask_dims for step in (*steps, *((1,) if config.double_output else ()))
    ]
    return Decoder(
        channels,
        widths,
        masks,
        residuals=len(widths),
        kernel=1,
        double=config.double_output,
        cosine=config.cosine_activation,
    )
