"""The small autoencoders of faceswap, dfaker and DeepFaceLab's first generation: one family.

Halvings, a flat code, doublings; what differs is how many and how wide, a line or two a model.

- `original`: deepfakes (2017) as kept in faceswap, https://github.com/deepfakes/faceswap. 82.06
  million parameters at the published sizes.
- `lightweight`, of faceswap: one convolution less, half the code; 51.07 million.
- `dfaker`, https://github.com/dfaker/df and DeepFake_tf: the encoder of `original`, residuals in
  the decoders, and a picture of twice the side, to which the decoders learn to add detail.
- `h128`: H128 and H64 of DeepFaceLab (Perov et al. 2020, https://arxiv.org/abs/2005.05535) and
  `dfl_h128` of faceswap.
- `iae`, of faceswap: the identities differ in the middle; three inters, one for the source, one for
  the target, one for both, and one decoder.
- `liaef128`: LIAEF128 of DeepFaceLab: what both share goes through one inter, what only the target
  has through another, so the light of the target's footage can reach the swap.

Ours differ in the weights they start from, and `original`, `lightweight` and `iae` in a mask that
can be learned besides; nothing is taken from those projects but the sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from counterface.swap.models.blocks import Bottleneck, Decoder, Down, Inters, init_weights
from counterface.swap.swap_model import SwapConfig, SwapModel

SIZE = 64  # of models without the option `resolution`


class SmallConfig(SwapConfig):
    """Options of the architecture; the defaults are the published ones."""

    width: int = Field(128, ge=8, le=512, multiple_of=8, description="channels of the first layer")
    code: int = Field(1024, ge=8, le=8192, description="length of a flat code, numbers")


class MaskedConfig(SmallConfig):
    """Options of the architecture; the defaults are the published ones."""

    mask: bool = Field(False, description="a decoder also learns a mask")


class LightweightConfig(MaskedConfig):
    """Options of the architecture; the defaults are the published ones."""

    code: int = Field(512, ge=8, le=8192, description="length of a flat code, numbers")


class SizedConfig(SmallConfig):
    """Options of the architecture; the defaults are the published ones."""

    resolution: Literal[64, 128] = Field(128, description="side of input and output, pixels")
    code: int = Field(512, ge=8, le=8192, description="length of a flat code, numbers")


class Original(SwapModel):
    """RGB 64 px -> RGB 64 px, and a mask where asked; the parent of those with two decoders.

    Channels are in multiples of `width`.
    """

    Config: ClassVar[type[SmallConfig]] = MaskedConfig
    TINY: ClassVar = {"width": 8, "code": 16}
    HALVINGS: ClassVar[int] = 4  # by the encoder, each to twice the channels
    FLAT: ClassVar[int] = 8  # channels of the map that the flat code becomes,
    MAP: ClassVar[int] = 4  # and of the one that it is doubled to
    DOUBLINGS: ClassVar[tuple[float, ...]] = (2, 1, 0.5)  # channels of the decoders
    RESIDUALS: ClassVar[int] = 0  # so many doublings are followed by one

    def __init__(self, config: SmallConfig | None = None) -> None:
        config = config or self.Config()
        w, size = config.width, getattr(config, "resolution", SIZE)
        side, code = size // 16, self.MAP * w
        out, shape = (2 * side) << len(self.DOUBLINGS), (code, 2 * side, 2 * side)
        super().__init__(config, in_size=size, out_size=out, code_shape=shape)
        flat = (w << self.HALVINGS - 1) * (size >> self.HALVINGS) ** 2
        self.encoder = nn.Sequential(
            *_halve(w, self.HALVINGS),
            Bottleneck(flat, config.code, (self.FLAT * w, side, side), upscale=code),
        )
        self.decoder_source = _decoder(config, code, self.DOUBLINGS, self.RESIDUALS)
        self.decoder_target = _decoder(config, code, self.DOUBLINGS, self.RESIDUALS)
        init_weights(self)


class Lightweight(Original):
    """RGB 64 px -> RGB 64 px, and a mask where asked."""

    Config = LightweightConfig
    HALVINGS, FLAT, MAP, DOUBLINGS = 3, 4, 2, (4, 2, 1)


class DFaker(Original):
    """RGB 64 px -> RGB 128 px and its mask."""

    Config = SmallConfig
    DOUBLINGS, RESIDUALS = (4, 2, 1, 0.5), 3


class H128(Original):
    """RGB -> RGB and a mask, all of side `resolution`."""

    Config = SizedConfig
    PRESETS: ClassVar = {"h64": {"resolution": 64}}
    TINY: ClassVar = {"resolution": 64, "width": 8, "code": 16}
    FLAT, MAP, DOUBLINGS = 4, 4, (4, 2, 1)


class IAE(Inters):
    """RGB 64 px -> RGB 64 px, and a mask where asked; the parent of those with one decoder."""

    Config: ClassVar[type[SmallConfig]] = MaskedConfig
    TINY: ClassVar = {"width": 8, "code": 16}
    INTERS: ClassVar[tuple[str, ...]] = ("inter_source", "inter_both", "inter_target")
    MAP: ClassVar[int] = 0  # channels that an inter's map is doubled to; 0 = it is not
    DOUBLINGS: ClassVar[tuple[float, ...]] = (4, 2, 1, 0.5)

    def __init__(self, config: SmallConfig | None = None) -> None:
        config = config or self.Config()
        w, size = config.width, getattr(config, "resolution", SIZE)
        side = size // 16
        grid = 2 * side if self.MAP else side
        super().__init__(config, in_size=size, out_size=size, code_shape=(8 * w, grid, grid))
        self.encoder = nn.Sequential(*_halve(w, 4))
        flat, half = 8 * w * side**2, (4 * w, side, side)
        for name in self.INTERS:
            self.add_module(name, Bottleneck(flat, config.code, half, upscale=self.MAP * w))
        self.decoder = _decoder(config, 8 * w, self.DOUBLINGS)
        init_weights(self)


class LIAEF128(IAE):
    """RGB -> RGB and a mask, all of side `resolution`."""

    Config = SizedConfig
    TINY: ClassVar = {"resolution": 64, "width": 8, "code": 16}
    INTERS = ("inter_both", "inter_target")
    MAP, DOUBLINGS = 4, (4, 2, 1)


def _halve(width: int, times: int) -> list[nn.Module]:
    inputs = [3, *(width << step for step in range(times - 1))]
    return [Down(channels, width << step) for step, channels in enumerate(inputs)]


def _decoder(
    config: SmallConfig, inputs: int, doublings: Sequence[float], residuals: int = 0
) -> Decoder:
    """With a mask, unless the model has that option and it is off."""
    widths = [int(step * config.width) for step in doublings]
    masks = widths if getattr(config, "mask", True) else None
    return Decoder(inputs, widths, masks, residuals=residuals)
