"""The building blocks that the shared-encoder autoencoders have in common.

Convention: feature maps are float (B, C, h, w), any memory format; every block keeps the batch
apart (no batch statistics). Sizes are those published for faceswap and DeepFaceLab (Perov et al.
2020, https://arxiv.org/abs/2005.05535); the code is our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from counterface.swap.swap_model import SOURCE, Generated, SwapModel

SLOPE, RESIDUAL_SLOPE = 0.1, 0.2  # of the leaky rectifiers: after a convolution, within a residual


class Cosine(nn.Module):
    """x * cos(x), DeepFaceLab's third activation."""

    def forward(self, x: Tensor) -> Tensor:
        """The activated features."""
        return x * torch.cos(x)


def activation(slope: float = SLOPE, cosine: bool = False) -> nn.Module:
    """A leaky rectifier that overwrites its input, or x * cos(x)."""
    return Cosine() if cosine else nn.LeakyReLU(slope, inplace=True)


class Down(nn.Sequential):
    """5x5 convolution of stride 2 and activation: half the side."""

    def __init__(self, inputs: int, outputs: int, cosine: bool = False) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 5, 2, 2), activation(SLOPE, cosine))


class Up(nn.Sequential):
    """3x3 convolution to four times the channels, activation, pixel shuffle: twice the side."""

    def __init__(self, inputs: int, outputs: int, cosine: bool = False) -> None:
        convolution = nn.Conv2d(inputs, 4 * outputs, 3, 1, 1)
        super().__init__(convolution, activation(SLOPE, cosine), nn.PixelShuffle(2))


class Residual(nn.Module):
    """Two 3x3 convolutions added to their input."""

    def __init__(self, channels: int, cosine: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.middle = activation(RESIDUAL_SLOPE, cosine)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)
        self.last = activation(RESIDUAL_SLOPE, cosine)

    def forward(self, x: Tensor) -> Tensor:
        """The refined features, same shape."""
        out: Tensor = self.last(x + self.second(self.middle(self.first(x))))
        return out


class Bottleneck(nn.Sequential):
    """Features -> a short flat code -> a map: where a face is cut down to what decoders share.

    Two dense layers without an activation between, then, where `upscale` is not 0, one `Up`.
    """

    def __init__(
        self,
        inputs: int,
        code: int,
        shape: tuple[int, int, int],
        upscale: int = 0,
        cosine: bool = False,
    ) -> None:
        """`inputs` flat features; the map has `shape` (C, h, w), or (upscale, 2h, 2w)."""
        channels, height, width = shape
        layers: list[nn.Module] = [
            nn.Flatten(),
            nn.Linear(inputs, code),
            nn.Linear(code, channels * height * width),
            nn.Unflatten(1, shape),
        ]
        super().__init__(*layers, *([Up(channels, upscale, cosine)] if upscale else []))


class Branch(nn.Sequential):
    """A chain of `Up`s, each followed by a residual where asked."""

    def __init__(
        self, inputs: int, widths: Sequence[int], residuals: int = 0, cosine: bool = False
    ) -> None:
        """The first `residuals` of the widths get a residual."""
        layers: list[nn.Module] = []
        for step, width in enumerate(widths):
            layers.append(Up(inputs, width, cosine))
            if step < residuals:
                layers.append(Residual(width, cosine))
            inputs = width
        super().__init__(*layers)


class Head(nn.Module):
    """A convolution and a sigmoid, in float32 whatever the precision before it."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, h, w) in [0, 1]."""
        return torch.sigmoid(self.conv(x).float())


class DoublingHead(nn.Module):
    """Four convolutions (one 1x1, three 3x3) interleaved by depth-to-space: twice the side.

    Each convolution makes one of the four pixels of a 2x2 block.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2) for kernel in (1, 3, 3, 3)
        )
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, 2h, 2w) in [0, 1]."""
        four = torch.stack([conv(x) for conv in self.convs], 2).flatten(1, 2)  # colour, then place
        return torch.sigmoid(functional.pixel_shuffle(four, 2).float())


class Decoder(nn.Module):
    """Code map -> RGB, and a mask by a branch of its own where asked."""

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int],
        mask_widths: Sequence[int] | None = None,
        *,
        residuals: int = 0,
        kernel: int = 5,
        double: bool = False,
        cosine: bool = False,
    ) -> None:
        """Each width doubles the side; `double` doubles the picture once more, in its head."""
        super().__init__()
        self.color = Branch(inputs, widths, residuals, cosine)
        self.color_head = DoublingHead(widths[-1], 3) if double else Head(widths[-1], 3, kernel)
        self.mask: nn.Module | None = None
        self.with_mask = True  # False leaves the branch out where nobody wants masks
        if mask_widths is not None:
            self.mask = nn.Sequential(
                *Branch(inputs, mask_widths, 0, cosine), Head(mask_widths[-1], 1, kernel)
            )

    def forward(self, code: Tensor) -> Generated:
        """Image, and mask where the decoder has that branch and it is wanted."""
        mask = self.mask(code) if self.mask is not None and self.with_mask else None
        return Generated(self.color_head(self.color(code)), mask)


class SelfAttention(nn.Module):
    """Each place looks at all others; what it sees is added by a learned scale that starts at 0.

    SAGAN, Zhang et al. 2018, https://arxiv.org/abs/1805.08318: queries and keys of an eighth of the
    channels, no scaling before the softmax.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few = max(1, channels // 8)
        self.query = nn.Conv2d(channels, few, 1)
        self.key = nn.Conv2d(channels, few, 1, bias=False)  # the softmax would cancel a bias
        self.value = nn.Conv2d(channels, channels, 1)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """x and what it attends to, same shape."""
        maps = (self.query(x), self.key(x), self.value(x))
        # in float32, (B, 1, places, channels): half precision was 5 times slower here on a CPU
        q, k, v = (m.float().flatten(2).transpose(1, 2).contiguous().unsqueeze(1) for m in maps)
        # with equal widths torch takes its kernel that does not hold places x places numbers
        room = (0, v.shape[-1] - q.shape[-1])
        q, k = functional.pad(q, room), functional.pad(k, room)
        with torch.autocast(x.device.type, enabled=False):
            seen = functional.scaled_dot_product_attention(q, k, v, scale=1.0)
        out: Tensor = x + self.scale * seen.squeeze(1).transpose(1, 2).reshape(x.shape)
        return out


@torch.no_grad()
def init_weights(model: nn.Module, slope: float = SLOPE) -> None:
    """Set weights: Kaiming for convolutions, Xavier for dense layers and heads, variance 1 for
    codes, bias 0.

    A dense layer has no activation after it here, and a head ends in a sigmoid that should start
    in its steep middle: both want the variance kept, not doubled. All are uniform: on the meta
    device, where a model is built before its weights are read, torch's normal takes 8 s to import.
    """
    heads = {
        conv
        for head in model.modules()
        if isinstance(head, Head | DoublingHead)
        for conv in head.modules()
    }
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -(3**0.5), 3**0.5)
        if isinstance(module, nn.Conv2d) and module not in heads:
            nn.init.kaiming_uniform_(module.weight, slope, nonlinearity="leaky_relu")
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


class Inters(SwapModel):
    """One decoder, which reads the identity's own inter beside the one for both.

    Who has no inter of their own is read by the one for both twice.
    """

    SHARED_CODE: ClassVar = False
    INTERS: ClassVar[tuple[str, ...]] = ("inter_both", "inter_target")
    decoder: nn.Module

    def code(self, images: Tensor, identity: int | Tensor) -> Tensor:
        """The identity's own inter, then the common one."""
        features = self.encoder(images)
        both: Tensor = self.get_submodule("inter_both")(features)
        own = "inter_source" if identity == SOURCE else "inter_target"
        first = self.get_submodule(own)(features) if own in self.INTERS else both
        return torch.cat([first, both], 1)

    def decode(self, code: Tensor, identity: int | Tensor) -> Generated:
        """The face; identities differ in the code alone."""
        generated: Generated = self.decoder(code)
        return generated
