"""MesoNet: two small nets on the middle scale of a face (Afchar et al. 2018).

https://arxiv.org/abs/1809.00888. Layers, paddings and Keras's constants (batch-norm epsilon 1e-3,
momentum 0.99) are those of the published nets, and so is the leaky slope 0.1 after the first dense
layer, which their files do not list: the published weights give the published scores. Ours differs
in the sign: our logit is for fake, so P(real) = 1 - sigmoid(logit). Published weights
(DariusAf/MesoNet, Apache-2.0) are read by `load_published`; their pictures are cut as widely as our
`whole_face`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from counterface.detect.models.detector_model import DetectorConfig, DetectorModel
from counterface.detect.models.parts.keras_file import read_keras_weights
from counterface.detect.models.parts.map_head import DenseMapHead
from counterface.errors import TrainingError
from counterface.project_files import reading
from counterface.types import Floats

STRIDE = 32
CHANNELS = 16  # that the head reads


class MesoConfig(DetectorConfig):
    """The architecture."""

    size: int = Field(256, ge=32, le=1024, multiple_of=STRIDE, description="crop side, pixels")
    hidden: int = Field(16, ge=1, description="width of the first dense layer")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout before each dense layer")


class Meso4(DetectorModel):
    """Four convolutions. RGB float32 [0, 1] (B, 3, S, S) -> logit (B,), activation (B, S/32, S/32).

    The activation is each cell's exact share of the logit, times the number of cells, with the
    constant part spread evenly: its mean is the logit. Shares hold for this input alone, for the
    dense layers are linear only as long as no hidden unit changes sides.
    """

    Config = MesoConfig
    TINY: ClassVar[Mapping[str, Any]] = {"size": 64}
    PUBLISHED = "DariusAf/MesoNet (Afchar et al. 2018), Apache-2.0"

    config: MesoConfig
    head: DenseMapHead

    def __init__(self, config: MesoConfig) -> None:
        super().__init__(config)
        self.layers = nn.Sequential(*self._layers())
        self.head = DenseMapHead(
            CHANNELS, config.size // STRIDE, config.hidden, slope=0.1, dropout=config.dropout
        )

    def _layers(self) -> Iterator[nn.Module]:
        yield from _conv_block(3, 8, kernel=3, pool=2)
        yield from _conv_block(8, 8, kernel=5, pool=2)
        yield from _conv_block(8, 16, kernel=5, pool=2)
        yield from _conv_block(16, CHANNELS, kernel=5, pool=4)

    def features(self, images: Tensor) -> Tensor:
        """The last convolution's features, (B, 16, S / 32, S / 32)."""
        found: Tensor = self.layers(images)
        return found

    def load_published(self, path: Path) -> None:
        """Fill the net from a file as published, such as `Meso4_DF.h5` or `Meso4_F2F.h5`."""
        with reading(path, TrainingError, what=f"not weights of {type(self).__name__}"):
            _load_keras(self, path)


class MesoInception4(Meso4):
    """Two dilated inception blocks, two convolutions. RGB [0, 1] (B, 3, S, S) as `Meso4` takes.

    The activation is `Meso4`'s: each cell's exact share of the logit, whose mean is the logit.
    """

    def _layers(self) -> Iterator[nn.Module]:
        first = _Inception(3, (1, 4, 4, 2))
        # its one point-wise channel sees colours, all positive: negative weights never fire
        first.point.weight.data.abs_()
        assert first.point.bias is not None
        nn.init.zeros_(first.point.bias)
        yield from (first, _norm(11), nn.MaxPool2d(2))
        yield from (_Inception(11, (2, 4, 4, 2)), _norm(12), nn.MaxPool2d(2))
        yield from _conv_block(12, 16, kernel=5, pool=2)
        yield from _conv_block(16, CHANNELS, kernel=5, pool=4)


class _Inception(nn.Module):
    """A point-wise branch, and three with a 3x3 convolution of dilation 1, 2 and 3."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.point = nn.Conv2d(channels, widths[0], 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 1),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation),
            )
            for dilation, width in enumerate(widths[1:], start=1)
        )

    def forward(self, images: Tensor) -> Tensor:
        found = [self.point(images), *(branch(images) for branch in self.branches)]
        return torch.relu(torch.cat(found, dim=1))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # torch's momentum is 1 - Keras's


def _conv_block(channels: int, width: int, kernel: int, pool: int) -> Iterator[nn.Module]:
    yield nn.Conv2d(channels, width, kernel, padding=kernel // 2)
    yield nn.ReLU(inplace=True)
    yield _norm(width)
    yield nn.MaxPool2d(pool)


@torch.no_grad()
def _load_keras(net: Meso4, path: Path) -> None:
    """Fill a net from a Keras file whose layers come in the same order.

    Raises:
        TrainingError: unreadable, or layers of another net.
    """
    found = read_keras_weights(path)
    layers = [part for part in net.modules() if isinstance(part, _KERAS_KINDS)]
    kinds = {kind: [n for n in found if n.startswith(kind)] for kind in _KERAS_NAMES.values()}
    for kind, names in kinds.items():  # conv2d_10 comes after conv2d_9
        names.sort(key=lambda name: int(name.removeprefix(kind).strip("_") or 0))
    for layer in layers:
        kind = _KERAS_NAMES[type(layer)]
        if not kinds[kind]:
            raise TrainingError(f"{path}: has too few {kind} layers for {type(net).__name__}")
        name = kinds[kind].pop(0)
        for key, values in _to_torch(layer, found[name], net).items():
            there = layer.get_parameter(key) if key in _WEIGHTS else layer.get_buffer(key)
            if there.shape != values.shape:
                raise TrainingError(
                    f"{path}: {name} is {tuple(values.shape)}, {type(net).__name__} at "
                    f"{net.config.size} px wants {tuple(there.shape)}; published nets are 256 px"
                )
            there.copy_(torch.from_numpy(np.ascontiguousarray(values)))
    left = [name for names in kinds.values() for name in names]
    if left:
        raise TrainingError(f"{path}: has layers that {type(net).__name__} lacks: {left}")
    net.head.out.weight.neg_()  # their 1 is real, ours is fake
    net.head.out.bias.neg_()


_KERAS_KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
_KERAS_NAMES: dict[type, str] = dict(
    zip(_KERAS_KINDS, ("conv2d", "batch_normalization", "dense"), strict=True)
)
_WEIGHTS = ("weight", "bias")


def _to_torch(layer: nn.Module, values: Mapping[str, Floats], net: Meso4) -> dict[str, Floats]:
    """A Keras layer's arrays by torch's names and in torch's order."""
    try:
        if isinstance(layer, nn.BatchNorm2d):
            return {
                "weight": values["gamma"],
                "bias": values["beta"],
                "running_mean": values["moving_mean"],
                "running_var": values["moving_variance"],
            }
        kernel, bias = values["kernel"], values["bias"]
    except KeyError as error:
        raise TrainingError(f"a layer of the file has no {error}: not a net of Keras") from error
    if kernel.ndim == 4:
        return {"weight": kernel.transpose(3, 2, 0, 1), "bias": bias}  # (h, w, in, out)
    side = net.config.size // STRIDE
    if layer is net.head.hidden and kernel.shape[0] == side * side * CHANNELS:
        # Keras flattens (h, w, C), we (C, h, w)
        cells = kernel.reshape(side, side, CHANNELS, -1).transpose(2, 0, 1, 3)
        kernel = cells.reshape(kernel.shape)
    return {"weight": kernel.T, "bias": bias}
