"""Writes a segmentation net as an ONNX file that scans, facesets and conversions can use."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from counterface.errors import TrainingError
from counterface.faces.segment import INPUT, METADATA, OUTPUT, SegmenterInfo
from counterface.learn.write_net import write_net

CLOSE = 2e-3  # probabilities of the file and of the net may differ by this


class _Masks(nn.Module):
    """Probabilities (B, S, S) of a net that gives logits (B, 1, S, S)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = torch.sigmoid(self.net(images))[:, 0]
        return found


def export_segmenter(net: nn.Module, path: Path, info: SegmenterInfo) -> None:
    """Write a net and what is known of it; the file is checked before it replaces another.

    Args:
        net: RGB float32 [0, 1] (B, 3, S, S) -> logits (B, 1, S, S).
        path: ends in .onnx.
        info: `size` is S.

    Raises:
        TrainingError: the file says something else than the net, or cannot be written.
    """
    inputs, outputs = {INPUT: {0: "batch"}}, {OUTPUT: {0: "batch"}}
    examples = (_example(1, info.size),), (_example(3, info.size),)
    masks = _Masks(net).eval()
    write_net(
        masks, path, (METADATA, info), inputs, outputs, examples, CLOSE, "masks", TrainingError
    )


def _example(count: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand((count, 3, size, size), generator=generator)
