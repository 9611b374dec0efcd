"""Networks that tell made from real while a swap model trains; they are no part of the model.

`PatchUNet` judges places and neighbourhoods (the idea of U-Net discriminators, Schoenfeld et al.
2020, https://arxiv.org/abs/2002.12655, as used by DeepFaceLab's GAN option), `CodeDiscriminator`
whose face a code comes from (DeepFaceLab's true-face option), `AttentionDiscriminator` a picture
beside its input (faceswap-GAN v2.2, https://github.com/shaoanlu/faceswap-GAN). Logits throughout:
no sigmoid at the end. They differ from those projects in the choice of layers for a patch size and
in norms that keep the pictures of a batch apart; nothing is taken from them but sizes.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from counterface.errors import ShapeError
from counterface.swap.models.blocks import RESIDUAL_SLOPE, SelfAttention, activation, init_weights


def patch_strides(patch_size: int, most: int = 7) -> tuple[int, ...]:
    """The strides of 3x3 convolutions, first to last, that together see about `patch_size` pixels.

    Stride-2 layers stand first, for speed; at most `most` layers. Of equally near choices, the one
    with most layers wins: it judges with more depth at no other sight.
    """
    choices = [
        tuple(sorted(strides, reverse=True))
        for count in range(1, most + 1)
        for strides in combinations_with_replacement((1, 2), count)
        if 2 in strides
    ]
    return min(choices, key=lambda s: (abs(receptive_field(s) - patch_size), -len(s), s))


def receptive_field(strides: tuple[int, ...]) -> int:
    """How many pixels one output of 3x3 convolutions with these strides sees, along one side."""
    seen, step = 1, 1
    for stride in strides:
        seen += 2 * step
        step *= stride
    return seen


class PatchUNet(nn.Module):
    """RGB [0, 1] (B, 3, H, W) -> logits of patches and of single pixels, > 0 is real.

    The patches' logits come from the bottom of a U-Net, the pixels' from its top, which sees both
    the neighbourhood and the pixel. Any H and W that the strides divide.
    """

    def __init__(self, patch_size: int, dims: int = 16, channels: int = 3) -> None:
        """Start from fresh weights.

        Args:
            patch_size: side of the patch that a bottom logit sees, about, pixels.
            dims: features of the first layer; each halving of the side doubles them, up to 512.
        """
        super().__init__()
        self.strides = patch_strides(patch_size)
        widths = [dims]
        for stride in self.strides:
            widths.append(min(512, widths[-1] * stride))
        self.entry = nn.Sequential(nn.Conv2d(channels, dims, 1), activation(RESIDUAL_SLOPE))
        pairs = zip(widths, widths[1:], self.strides, strict=False)
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(low, high, 3, stride, 1), activation(RESIDUAL_SLOPE))
            for low, high, stride in pairs
        )
        self.patches = nn.Conv2d(widths[-1], 1, 1)
        self.ups = nn.ModuleList()
        below = widths[-1]
        for width, stride in zip(reversed(widths[:-1]), reversed(self.strides), strict=True):
            up = nn.Upsample(scale_factor=2) if stride == 2 else nn.Identity()
            convolution = nn.Conv2d(below, width, 3, 1, 1)
            self.ups.append(nn.Sequential(up, convolution, activation(RESIDUAL_SLOPE)))
            below = 2 * width  # joined with what came down at this level
        self.pixels = nn.Conv2d(below, 1, 1)
        init_weights(self, RESIDUAL_SLOPE)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 1, h, w) of patches and (B, 1, H, W) of pixels.

        Raises:
            ShapeError: a side that the strides do not divide.
        """
        step = 2 ** self.strides.count(2)
        if images.shape[-1] % step or images.shape[-2] % step:
            raise ShapeError(
                f"this PatchUNet halves {self.strides.count(2)} times: sides must be multiples of "
                f"{step}, got {tuple(images.shape)}; choose a smaller patch_size"
            )
        x = self.entry(images * 2 - 1)
        levels = []
        for down in self.downs:
            levels.append(x)
            x = down(x)
        patches: Tensor = self.patches(x)
        for up in self.ups:
            x = torch.cat([up(x), levels.pop()], 1)
        pixels: Tensor = self.pixels(x)
        return patches, pixels


class CodeDiscriminator(nn.Module):
    """A code -> logits of whose face it is: of one decision, or one for each identity.

    Takes what `SwapModel.encode` gives, (B, C * h * w), or the map (B, C, h, w):
    `CodeDiscriminator(*model.code_shape[:2])`.
    """

    def __init__(self, ae_dims: int, code_size: int = 8, outputs: int = 1) -> None:
        """Start from fresh weights.

        Args:
            ae_dims: channels of the code's map.
            code_size: its side.
            outputs: 1 for source against target; the number of identities where there are more.
        """
        super().__init__()
        self.shape = (ae_dims, code_size, code_size)
        layers: list[nn.Module] = []
        inputs, width, side = ae_dims, 256, code_size
        while True:
            layers += [nn.Conv2d(inputs, width, 3, 2, 1), activation(RESIDUAL_SLOPE)]
            inputs, width, side = width, min(512, 2 * width), (side + 1) // 2
            if side <= 4:
                break
        self.layers = nn.Sequential(*layers, nn.Conv2d(inputs, outputs, 1))
        init_weights(self, RESIDUAL_SLOPE)

    def forward(self, code: Tensor) -> Tensor:
        """Logits (B, outputs, h, w), one for each region of the code."""
        logits: Tensor = self.layers(code.reshape(-1, *self.shape))
        return logits


class AttentionDiscriminator(nn.Module):
    """A picture and the input it was made from, RGB [0, 1] -> logits (B, 1, h, w), > 0 is real."""

    def __init__(self, size: int, width: int = 64) -> None:
        """Start from fresh weights.

        Args:
            size: side of the pictures, pixels: 64, 128 or 256 (a power of two from 32 on).
            width: features of the first layer.
        """
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), activation(RESIDUAL_SLOPE)]
        layers += _normed(width, 2 * width)
        layers += [*_normed(2 * width, 4 * width), SelfAttention(4 * width)]
        side = size // 8
        while side > 8:
            layers += [*_normed(4 * width, 4 * width), SelfAttention(4 * width)]
            side //= 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 4, 1, 1))
        self.size = size
        init_weights(self, RESIDUAL_SLOPE)

    def forward(self, image: Tensor, input_image: Tensor) -> Tensor:
        """One logit for each region.

        Args:
            image: the real or made picture, RGB [0, 1] (B, 3, size, size).
            input_image: the warped picture that it was made from or belongs to, same shape.

        Raises:
            ShapeError: pictures of another size, or of two.
        """
        wanted = (3, self.size, self.size)
        if image.shape[1:] != wanted or input_image.shape != image.shape:
            raise ShapeError(
                f"this discriminator takes two RGB pictures (B, 3, {self.size}, {self.size}), got "
                f"{tuple(image.shape)} and {tuple(input_image.shape)}"
            )
        logits: Tensor = self.layers(torch.cat([image, input_image], 1) * 2 - 1)
        return logits


def _normed(inputs: int, outputs: int) -> list[nn.Module]:
    """4x4 convolution of stride 2, instance norm (which makes a bias superfluous), activation."""
    return [
        nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
        nn.InstanceNorm2d(outputs, affine=True),
        activation(RESIDUAL_SLOPE),
    ]
