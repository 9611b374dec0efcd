"""How strongly a picture or video was compressed, as far as its data shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, WithJsonSchema

from counterface.config import Record
from counterface.media.stream.color_tags import side_data_of
from counterface.types import Image

HEAVY_COMPRESSION = 0.7  # of `Compression.strength`; about x264 crf 34, JPEG quality 30

# H.264 scale on which all methods meet: step = 2 ** ((qp - 4) / 6) grey levels.
_LIGHT_QP, _HEAVY_QP = 12.0, 44.0  # strength 0 and 1: no visible loss, faces turn to blocks
_LOW_FREQUENCIES = (0, 1, 8, 16, 9, 2, 3, 10, 17, 24)  # raster positions of the first ten in zigzag
_EDGE = 12.0  # grey levels; larger steps are edges of the picture itself
_CODEC_OF_PARAMS = {0: "vp9", 1: "h264", 2: "mpeg2"}


def _describe(found: dict[str, Any]) -> str:
    bands = ((0.25, "light"), (0.5, "moderate"), (HEAVY_COMPRESSION, "strong"))
    strength, quantiser = found["strength"], found["quantiser"]
    band = next((word for most, word in bands if strength < most), "heavy")
    number = "" if quantiser is None else f", {quantiser:.3g} on average"
    known = {
        "quantiser": f"read from the coarseness that the encoder chose{number}",
        "jpeg_tables": f"read from the coarseness that the JPEG file states{number}",
        "blockiness": "guessed from the edges of blocks in the picture",
    }[found["method"]]
    return f"{band}, {strength:.2f} on a scale of 0 to 1 ({known})"


class Compression(Record):
    """How strongly the picture was compressed, as far as the file shows it."""

    model_config = ConfigDict(title="CompressionFacts")

    strength: float = Field(ge=0, le=1)  # 0: no visible loss; comparable between methods
    # What it was read from: the mean H.264 (0 to 51), VP9 (0 to 255) or MPEG-2 (1 to 62) quantiser,
    # or the mean low-frequency step of the JPEG luma table.
    quantiser: float | None
    method: Annotated[
        Literal["quantiser", "blockiness", "jpeg_tables"], WithJsonSchema({"type": "string"})
    ]
    words: str = Field(
        default_factory=_describe,
        description="strength of the compression in words",
        json_schema_extra={"default": ""},
    )


def from_quantisers(samples: Sequence[tuple[str, float]]) -> Compression | None:
    """The strength from (codec, mean quantiser) of several frames, or None without any."""
    if not samples:
        return None
    mean = float(np.mean([q for _, q in samples]))
    qp = float(np.mean([_as_h264(codec, q) for codec, q in samples]))
    return Compression(strength=_strength(qp), quantiser=round(mean, 2), method="quantiser")


def from_jpeg_tables(tables: Mapping[int, Sequence[int]]) -> Compression:
    """The strength that the luma quantisation table of a JPEG file states.

    Args:
        tables: `PIL.Image.quantization`: 64 steps in raster order, table 0 for luma.
    """
    table = tables[min(tables)]
    step = float(np.mean([table[i] for i in _LOW_FREQUENCIES]))
    strength = _strength(4 + 6 * math.log2(max(step, 1.0)))
    return Compression(strength=strength, quantiser=round(step, 2), method="jpeg_tables")


def from_blockiness(images: Sequence[Image]) -> Compression:
    """The strength guessed from steps along an 8-pixel grid: coarse, and blind after deblocking.

    Args:
        images: RGB uint8 (H, W, 3), at the size in which they were compressed.
    """
    scores = [_blockiness(image) for image in images if min(image.shape[:2]) >= 32]
    score = float(np.median(scores)) if scores else 0.0
    strength = round(min(1.0, max(0.0, score)), 3)
    return Compression(strength=strength, quantiser=None, method="blockiness")


def quantiser_of(decoded: Any) -> tuple[str, float] | None:
    """(codec, mean quantiser over the blocks) of a frame decoded with `venc_params`, or None."""
    for data in side_data_of(decoded):
        if data.type.name == "VIDEO_ENC_PARAMS":
            codec = _CODEC_OF_PARAMS.get(int(data.codec_type))
            if codec is not None:
                return codec, _mean_quantiser(data)
    return None


def _mean_quantiser(data: Any) -> float:
    if not data.nb_blocks:
        return float(data.qp)
    try:
        return float(data.qp_map().mean())
    except RuntimeError:  # interlaced: the rows of blocks do not make up the height of the picture
        blocks = (data.block_params(i).delta_qp for i in range(data.nb_blocks))
        return float(data.qp + np.mean(list(blocks)))


def _strength(qp: float) -> float:
    return round(min(1.0, max(0.0, (qp - _LIGHT_QP) / (_HEAVY_QP - _LIGHT_QP))), 3)


def _as_h264(codec: str, quantiser: float) -> float:
    if codec == "vp9":  # its steps grow by about 2 ** 7.8 over the 256 indices
        return 4 + 6 * 7.8 * quantiser / 255
    if codec == "mpeg2":  # the scale is half a step
        return 4 + 6 * math.log2(max(2.0 * quantiser, 1.0))
    return quantiser


def _blockiness(image: Image) -> float:
    """How far the best 8-pixel grid stands out, in mean steps between neighbours; 0 without one."""
    grey = image.astype(np.float32).mean(axis=2)
    scores = []
    for axis in (0, 1):
        steps = np.minimum(np.abs(np.diff(grey, axis=axis)), _EDGE)
        lines = steps.mean(axis=1 - axis)
        excess = lines[1:-1] - (lines[:-2] + lines[2:]) / 2  # against both neighbours: no content
        by_offset = np.array([excess[offset::8].mean() for offset in range(8)])
        best = float(by_offset.max())
        rest = float(np.sort(by_offset)[-2])
        scores.append((best - max(rest, 0.0)) / max(float(lines.mean()), 0.05))
    return min(scores)
