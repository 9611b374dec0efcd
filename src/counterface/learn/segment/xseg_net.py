"""The segmentation net of DeepFaceLab's family: a U-Net with anti-aliased pooling.

Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597) for the shape, Zhang 2019
(https://arxiv.org/abs/1904.11486) for the pooling, Singh and Krishnan 2019
(https://arxiv.org/abs/1911.09737) for the normalisation, which looks at no other picture of the
batch. 256 px, six levels and 32 channels at the first are those of XSeg in DeepFaceLab; the code is
ours. With its skips closed the net is an autoencoder, which is how it can be trained first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad

EPS = 1e-6
WIDEST = 8  # channels of a level, in those of the first


class FilterResponse(nn.Module):
    """Each channel divided by its root mean square, then cut at a learnt threshold."""

    def __init__(self, channels: int) -> None:
        """Begin as a rectifier.

        Args:
            channels: of the features.
        """
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.threshold = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        power = (x * x).mean(dim=(2, 3), keepdim=True)
        scaled = x * torch.rsqrt(power + EPS) * self.scale + self.shift
        return torch.maximum(scaled, self.threshold)


class BlurPool(nn.Module):
    """Half the side: a binomial blur, then every second pixel."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        """Make the fixed kernel.

        Args:
            channels: of the features.
        """
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = (line[:, None] * line).expand(channels, 1, 3, 3).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features of half the side."""
        return conv2d(pad(x, (1, 1, 1, 1), "replicate"), self.kernel, stride=2, groups=x.shape[1])


def _twice(before: int, after: int) -> nn.Sequential:
    """Two convolutions, each normalised."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        FilterResponse(after),
        nn.Conv2d(after, after, 3, padding=1),
        FilterResponse(after),
    )


class XSegNet(nn.Module):
    """RGB float32 [0, 1] (B, 3, S, S) -> logits of the mask (B, 1, S, S)."""

    def __init__(self, size: int = 256, base: int = 32, levels: int = 6, bottleneck: int = 512):
        """Build the net.

        Args:
            size: S, a multiple of 2 to the power of `levels`.
            base: channels of the first level; each next one has twice as many, up to 8 times.
            levels: how often the side is halved.
            bottleneck: numbers that a whole picture is pressed into at the lowest level.
        """
        super().__init__()
        channels = [base * min(2**level, WIDEST) for level in range(levels)]
        before = [3, *channels[:-1]]
        self.encoders = nn.ModuleList(_twice(a, b) for a, b in zip(before, channels, strict=True))
        self.pools = nn.ModuleList(BlurPool(count) for count in channels)
        self.side = size // 2**levels
        self.lowest = channels[-1]
        flat = self.lowest * self.side**2
        self.press = nn.Linear(flat, bottleneck)
        self.unpress = nn.Linear(bottleneck, flat)
        self.decoders = nn.ModuleList(
            _twice(
                (channels[level + 1] if level + 1 < levels else self.lowest) + channels[level],
                channels[level],
            )
            for level in range(levels)
        )
        self.mask = nn.Conv2d(base, 1, 3, padding=1)
        self.picture = nn.Conv2d(base, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the mask."""
        logits: Tensor = self.mask(self._features(images, 1.0))
        return logits

    def reconstruct(self, images: Tensor) -> Tensor:
        """The pictures (B, 3, S, S) from what passes the lowest level alone; not bounded."""
        found: Tensor = self.picture(self._features(images, 0.0))
        return found

    def _features(self, images: Tensor, open_: float) -> Tensor:
        x: Tensor = images * 2 - 1
        skips: list[Tensor] = []
        for encode, pool in zip(self.encoders, self.pools, strict=True):
            x = encode(x)
            skips.append(x * open_)
            x = pool(x)
        x = self.unpress(self.press(x.flatten(1))).reshape(-1, self.lowest, self.side, self.side)
        for level in reversed(range(len(skips))):
            x = interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.decoders[level](torch.cat([x, skips[level]], dim=1))
        return x
