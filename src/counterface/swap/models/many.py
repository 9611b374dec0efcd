"""One encoder and one decoder for N identities, each identity a learned code.

Our own, after the wish for one model of all people that many projects name. The identity reaches
the decoder by adaptive instance normalisation (Huang and Belongie 2017,
https://arxiv.org/abs/1703.06868) or by FiLM (Perez et al. 2018, https://arxiv.org/abs/1709.07871)
in each residual block, as in StyleGAN (Karras et al. 2019, https://arxiv.org/abs/1812.04948), and
as a map beside the picture's code, like the second inter of LIAE: what a person always looks like
then needs no room in the picture's code, which is kept short, so that it carries pose, expression
and light. Trained on N facesets at once, it turns any of them into any other.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from counterface.errors import ShapeError
from counterface.swap.models.blocks import (
    RESIDUAL_SLOPE,
    Bottleneck,
    Down,
    Head,
    Up,
    activation,
    init_weights,
)
from counterface.swap.swap_model import Generated, SwapConfig, SwapModel

Modulation = Literal["adain", "film"]


class ManyConfig(SwapConfig):
    """Options of the architecture."""

    resolution: int = Field(
        64, ge=64, le=512, multiple_of=16, description="side of input and output, pixels"
    )
    ae_dims: int = Field(
        64, ge=8, le=1024, description="length of a picture's code; a short one forgets who it is"
    )
    e_dims: int = Field(64, ge=8, le=256, description="channels of the encoder's first layer")
    d_dims: int = Field(
        48, ge=8, le=256, description="an eighth of the channels of the decoder's widest layer"
    )
    identity_dims: int = Field(128, ge=8, le=1024, description="length of an identity's code")
    modulation: Modulation = Field(
        "adain",
        description="how an identity enters; adain: normalise each channel first; film: scale and "
        "shift alone",
    )
    mask: bool = Field(True, description="let the decoder learn a mask as well")


class Many(SwapModel):
    """RGB and an identity -> RGB of that identity, and a mask where asked."""

    Config = ManyConfig
    TINY: ClassVar = {"ae_dims": 16, "e_dims": 8, "d_dims": 8, "identity_dims": 8}
    MAX_IDENTITIES: ClassVar = 10_000
    INTERS: ClassVar = ("inter",)

    def __init__(self, config: ManyConfig | None = None, identities: int = 2) -> None:
        config = config or ManyConfig()
        size, channels = config.resolution, config.ae_dims
        side = size // 16
        shape = (channels, 2 * side, 2 * side)
        super().__init__(
            config, in_size=size, out_size=size, code_shape=shape, identities=identities
        )
        e = config.e_dims
        self.encoder = nn.Sequential(
            Down(3, e), Down(e, 2 * e), Down(2 * e, 4 * e), Down(4 * e, 8 * e)
        )
        flat = 8 * e * side * side
        self.inter = Bottleneck(flat, config.ae_dims, (channels, side, side), upscale=channels)
        self.people = People(config, identities, shape)
        self.decoder = ManyDecoder(config, 2 * channels)
        init_weights(self)

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """The picture's code; it should not tell whose picture it was."""
        code: Tensor = self.inter(self.encoder(images))
        return code

    def decode(self, code: Tensor, identity: int | Tensor) -> Generated:
        """The identity's face from a picture's code."""
        style, person = self.people(identity, code.device)
        person = person.expand_as(code)  # of one row where identity is an int
        generated: Generated = self.decoder(torch.cat([code, person], 1), style)
        return generated

    def check(self, images: Tensor, identity: int | Tensor) -> None:
        """Refuse inputs that do not fit; a tensor on an accelerator is not looked into.

        Raises:
            ShapeError: pictures of another shape, or an identity that the model does not know.
        """
        super().check(images, identity)
        if isinstance(identity, Tensor) and identity.device.type == "cpu" and len(identity):
            low, high = int(identity.min()), int(identity.max())
            if low < 0 or high >= self.identities:
                raise ShapeError(
                    f"identities {low} to {high} were asked for; this model knows 0 to "
                    f"{self.identities - 1}"
                )


class People(nn.Module):
    """What the model knows of each identity: a code, what styles and what map follow from it."""

    def __init__(self, config: ManyConfig, identities: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        d = config.identity_dims
        self.codes = nn.Embedding(identities, d, _weight=torch.empty(identities, d))
        self.style = nn.Sequential(
            nn.Linear(d, d), activation(RESIDUAL_SLOPE), nn.Linear(d, d), activation(RESIDUAL_SLOPE)
        )
        self.map = nn.Sequential(
            nn.Linear(d, shape[0] * shape[1] * shape[2]), nn.Unflatten(1, shape)
        )

    def forward(self, identity: int | Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Style (B, identity_dims) and map (B, C, h, w); of one row where identity is an int."""
        if isinstance(identity, Tensor):
            codes = self.codes(identity)
        else:
            codes = self.codes.weight[identity : identity + 1]
        return self.style(codes), self.map(codes)


class ModulatedResidual(nn.Module):
    """Two 3x3 convolutions whose channels the identity scales and shifts, added to their input."""

    def __init__(self, channels: int, config: ManyConfig) -> None:
        super().__init__()
        self.adaptive = config.modulation == "adain"
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=not self.adaptive) for _ in range(2)
        )
        self.styles = nn.ModuleList(nn.Linear(config.identity_dims, 2 * channels) for _ in range(2))
        self.middle, self.last = activation(RESIDUAL_SLOPE), activation(RESIDUAL_SLOPE)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """The features in the identity's style, same shape."""
        out = self.middle(self.styled(0, x, style))
        styled: Tensor = self.last(x + self.styled(1, out, style))
        return styled

    def styled(self, step: int, x: Tensor, style: Tensor) -> Tensor:
        """The features after one of the two convolutions, scaled and shifted by the identity."""
        x = self.convs[step](x)
        if self.adaptive:
            x = functional.instance_norm(x)
        scale, shift = self.styles[step](style)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(x + shift, x, scale)


class ManyDecoder(nn.Module):
    """Code beside identity map -> RGB and mask, styled by the identity at every size."""

    def __init__(self, config: ManyConfig, inputs: int) -> None:
        super().__init__()
        self.ups, self.residuals = nn.ModuleList(), nn.ModuleList()
        for width in (8 * config.d_dims, 4 * config.d_dims, 2 * config.d_dims):
            self.ups.append(Up(inputs, width))
            self.residuals.append(ModulatedResidual(width, config))
            inputs = width
        self.color = Head(inputs, 3, 1)
        self.mask = Head(inputs, 1, 1) if config.mask else None

    def forward(self, x: Tensor, style: Tensor) -> Generated:
        """Image, and mask where the decoder has one."""
        for up, residual in zip(self.ups, self.residuals, strict=True):
            x = residual(up(x), style)
        return Generated(self.color(x), None if self.mask is None else self.mask(x))
