"""Edges of a few frames, remembered by a convolutional LSTM (Shi et al. 2015).

https://arxiv.org/abs/1506.04214. After a course project on DFDC: a face crop's Canny edges in five
frames, a ConvLSTM over them, dense layers; with grey and coloured crops as its other two inputs.
Its report leaves the sizes of the layers open, so they are ours, and so are a strided convolution
ahead of the cells and edges found inside the net. The cells are Shi's without the peephole weights.
In place of that convolution a timm backbone, cut at stride 8, can read the frames: ours too, for
sets that are too small to learn how to see. Its weights: as for `frame_cnn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from counterface.detect.models.detector_model import ClipConfig, DetectorModel
from counterface.detect.models.parts.canny import CannyConfig, find_edges, grey_levels
from counterface.detect.models.parts.map_head import DenseMapHead
from counterface.detect.models.parts.timm_backbone import create_cut_backbone, signed_input
from counterface.learn.architecture import Template

STRIDE = 16
BACKBONE_STAGE = 2  # stride 8: 16 cells a side at 128 px, which two ConvLSTM cells can afford


class ConvLSTMConfig(ClipConfig):
    """The architecture."""

    template: Template = Field("face", description="how much of the head a crop shows")
    size: int = Field(128, ge=32, le=1024, multiple_of=STRIDE, description="crop side, pixels")
    input: Literal["canny", "grey", "colour"] = Field(
        "canny", description="what the net sees of a frame: its edges, grey levels or colours"
    )
    canny: CannyConfig = Field(CannyConfig(), description="settings of the edge finder")
    stem: int = Field(8, ge=1, description="channels of the convolution before the cells")
    backbone: str = Field(
        "",
        description="timm model that reads the frames, to stride 8, instead of that convolution; "
        "'' = none",
    )
    pretrained: bool = Field(False, description="start the backbone from ImageNet weights")
    widths: tuple[int, int] = Field((16, 32), description="channels of the two cells")
    hidden: int = Field(32, ge=1, description="width of the first dense layer")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout before each dense layer")


class ConvLSTM(DetectorModel):
    """Clips RGB float32 [0, 1] (B, T, 3, S, S) -> logit (B,) and activation (B, S / 16, S / 16).

    The activation is the exact share of the logit of each cell of the last memory, times the number
    of cells, the constant part spread evenly: its mean is the logit. A cell remembers what happened
    at and near its place in all frames.
    """

    Config = ConvLSTMConfig
    TINY: ClassVar[Mapping[str, Any]] = {
        "size": 48,
        "frames": 2,
        "widths": (4, 6),
        "stem": 4,
        "canny": {"reach": 4},
    }

    config: ConvLSTMConfig

    def __init__(self, config: ConvLSTMConfig) -> None:
        """Start from random weights; the cells remember at first."""
        super().__init__(config)
        seen, channels = (3 if config.input == "colour" else 1), config.stem
        if config.backbone:
            self.backbone, (channels,) = create_cut_backbone(
                config.backbone, (BACKBONE_STAGE,), config.pretrained
            )
        else:
            self.stem = nn.Conv2d(seen, channels, 3, stride=2, padding=1)
        self.factor, self.subtrahend = signed_input(config.backbone)
        self.pools = (1, 2) if config.backbone else (2, 4)  # after each cell: stride 16 in the end
        first, second = config.widths
        self.cells = nn.ModuleList([_Cell(channels, first), _Cell(first, second)])
        self.head = DenseMapHead(
            second, config.size // STRIDE, config.hidden, dropout=config.dropout
        )

    def features(self, images: Tensor) -> Tensor:
        """What the second cell remembers after the last frame, (B, C, S / 16, S / 16)."""
        seen = self.see(images.flatten(0, 1))
        seen = seen * self.factor - self.subtrahend
        if self.config.backbone:
            clips: Tensor = self.backbone(seen.expand(-1, 3, -1, -1))[0]
        else:
            clips = torch.relu(self.stem(seen))
        clips = clips.reshape(-1, self.frames, *clips.shape[1:])
        between, after = self.pools
        first = [max_pool2d(memory, between) for memory in self.cells[0](list(clips.unbind(1)))]
        last: Tensor = self.cells[1](first)[-1]
        return max_pool2d(last, after)

    def see(self, frames: Tensor) -> Tensor:
        """What the net looks at: edges or grey levels (N, 1, S, S), or colours (N, 3, S, S)."""
        if self.config.input == "canny":
            return find_edges(frames, self.config.canny)
        return grey_levels(frames) / 255 if self.config.input == "grey" else frames


class _Cell(nn.Module):
    """A ConvLSTM layer: a list of (B, C, h, w), one a frame -> what it says after each."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.gates = nn.Conv2d(channels + width, 4 * width, 3, padding=1)
        assert self.gates.bias is not None
        with torch.no_grad():
            self.gates.bias[width : 2 * width] = 1.0  # forget gates start open

    def forward(self, frames: list[Tensor]) -> list[Tensor]:
        # zeros made from the input: an export would keep the batch size of any others
        said = (frames[0][:, :1] * 0).repeat(1, self.width, 1, 1)
        memory, all_said = said, []
        for frame in frames:
            gates = self.gates(torch.cat([frame, said], dim=1))
            enter, keep, show, new = gates.chunk(4, dim=1)
            memory = torch.sigmoid(keep) * memory + torch.sigmoid(enter) * torch.tanh(new)
            said = torch.sigmoid(show) * torch.tanh(memory)
            all_said.append(said)
        return all_said
