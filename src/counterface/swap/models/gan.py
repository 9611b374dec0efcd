"""faceswap-GAN v2.2: self-attention on both sides, and an alpha that lays the face over its input.

https://github.com/shaoanlu/faceswap-GAN, with the self-attention of Zhang et al. 2018
(https://arxiv.org/abs/1805.08318). Ours differs in that colour leaves as sigmoid on [0, 1] where
the original has tanh on [-1, 1] (the same function up to a factor of two within), and that every
norm keeps the pictures of a batch apart. Nothing is taken from that project but the sizes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from counterface.swap.models.blocks import (
    RESIDUAL_SLOPE,
    SLOPE,
    Bottleneck,
    Head,
    SelfAttention,
    activation,
    init_weights,
)
from counterface.swap.swap_model import Generated, SwapConfig, SwapModel

Norm = Literal["instance", "group", "none"]


class GANConfig(SwapConfig):
    """Options of the architecture; the defaults are the published ones."""

    resolution: Literal[64, 128, 256] = Field(64, description="side of input and output, pixels")
    width: int = Field(64, ge=8, le=256, multiple_of=8, description="channels of the first layer")
    code: int = Field(1024, ge=8, le=8192, description="length of the flat code")
    norm: Norm = Field("instance", description="normalisation of each picture after convolutions")


class GAN(SwapModel):
    """RGB -> RGB laid over the input by the alpha, which is the mask; all of side `resolution`.

    `Generated.raw` is the colour before that, `sides` the pictures of 64 px up to half the size.
    """

    Config = GANConfig
    TINY: ClassVar = {"width": 8, "code": 16}
    TRAINED_BY: ClassVar = "gan"

    def __init__(self, config: GANConfig | None = None) -> None:
        config = config or GANConfig()
        w, size = config.width, config.resolution
        super().__init__(config, in_size=size, out_size=size, code_shape=(8 * w, 8, 8))
        self.encoder = build_encoder(config)
        self.decoder_source = GANDecoder(config)
        self.decoder_target = GANDecoder(config)
        init_weights(self)

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """The shared code; identities differ in the decoder alone."""
        code: Tensor = self.encoder(images * 2 - 1)
        return code

    def forward(self, images: Tensor, identity: int | Tensor) -> Generated:
        """As `SwapModel.forward`; the image is alpha * colour + (1 - alpha) * input."""
        made = super().forward(images, identity)
        assert made.mask is not None  # its decoders always make one
        image = images + made.mask * (made.image - images)
        return made._replace(image=image, raw=made.image)


def build_encoder(config: GANConfig) -> nn.Sequential:
    """RGB [-1, 1] (B, 3, S, S) -> (B, 8 * width, 8, 8)."""
    w, norm = config.width, config.norm
    layers: list[nn.Module] = [nn.Conv2d(3, w, 5, 1, 2), *_down(w, 2 * w, "none")]
    layers += [*_down(2 * w, 4 * w, norm), SelfAttention(4 * w)]
    layers += [*_down(4 * w, 8 * w, norm), SelfAttention(8 * w)]
    layers += _down(8 * w, 16 * w, norm)
    side = config.resolution // 16
    while side > 4:
        layers += _down(16 * w, 16 * w, norm)
        side //= 2
    code = Bottleneck(16 * w * side * side, config.code, (16 * w, side, side), upscale=8 * w)
    return nn.Sequential(*layers, code)


class GANDecoder(nn.Module):
    """Code -> colour, alpha, and a picture at each size from 64 px on."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        w, norm = config.width, config.norm
        self.trunk = nn.Sequential(
            *_up(8 * w, 4 * w, norm),
            *_up(4 * w, 2 * w, norm),
            SelfAttention(2 * w),
            *_up(2 * w, w, norm),
            NormedResidual(w, norm),
            SelfAttention(w),
        )
        self.sides, self.doublings = nn.ModuleList(), nn.ModuleList()
        size = 64
        while size < config.resolution:
            self.sides.append(Head(w, 3, 5))
            again = nn.Conv2d(w, w, 3, 1, 1)
            self.doublings.append(nn.Sequential(*_up(w, w, norm), again, activation()))
            size *= 2
        self.alpha, self.color = Head(w, 1, 5), Head(w, 3, 5)

    def forward(self, code: Tensor) -> Generated:
        """Colour as `image`, alpha as `mask`, the smaller pictures as `sides`."""
        x, sides = self.trunk(code), []
        for side, doubling in zip(self.sides, self.doublings, strict=True):
            sides.append(side(x))
            x = doubling(x)
        return Generated(self.color(x), self.alpha(x), tuple(sides))


class NormedResidual(nn.Module):
    """Two 3x3 convolutions with norms, added to their input."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_conv(channels, channels, norm, stride=1),
            activation(RESIDUAL_SLOPE),
            *_conv(channels, channels, norm, stride=1),
        )
        self.last = activation(RESIDUAL_SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """The refined features, same shape."""
        out: Tensor = self.last(x + self.branch(x))
        return out


def _down(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    return [*_conv(inputs, outputs, norm, stride=2), nn.ReLU(inplace=True)]


def _up(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    return [*_conv(inputs, 4 * outputs, norm, stride=1), activation(SLOPE), nn.PixelShuffle(2)]


def _conv(inputs: int, outputs: int, norm: Norm, *, stride: int) -> list[nn.Module]:
    """A 3x3 convolution and its norm; a norm makes the convolution's bias superfluous."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=norm != "instance")
    if norm == "instance":
        return [convolution, nn.InstanceNorm2d(outputs, affine=True)]
    return [convolution, nn.GroupNorm(8, outputs)] if norm == "group" else [convolution]
