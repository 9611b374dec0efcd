"""Drawn clips and pictures for the tests of scan, and a scanner with the tiny detector."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import actors
import numpy as np
from tiny_detector import metadata, write_detector

from counterface.detect.scanning.scan import ScanConfig
from counterface.media.image import write_image


def tiny_config(folder: Path, *, gain: float = 8.0, info: Any = None, **changes: Any) -> ScanConfig:
    """A scan by the tiny detector, of drawings too; `info` are changes of its metadata."""
    changes = {"quality_gate": False, **changes}
    name = f"tiny-{abs(hash((gain, str(info))))}.onnx"
    path = write_detector(folder / name, metadata(**(info or {})), gain=gain)
    return ScanConfig(detector=str(path), **changes)


def drawn_clip(
    path: Path, people: tuple[int, ...] = (1,), frames: int = 48, cut_at: int | None = None
) -> Path:
    """An H.264 clip of drawn people, 24 frames a second; each picture stays for two."""
    rate, cut = Fraction(12), None if cut_at is None else cut_at // 2
    drawn = actors.draw_clip(people, (frames + 1) // 2, 480, 270, rate, cut)
    return actors.write_clip(path, [drawn[number // 2] for number in range(frames)])


def drawn_picture(path: Path, person: int = 1, size: int = 320) -> Path:
    """A PNG of one drawn person."""
    write_image(path, actors.draw_actor(person, size=size).image)
    return path


def empty_picture(path: Path) -> Path:
    """A PNG without any face."""
    ramp = np.tile(np.linspace(0, 255, 320).astype(np.uint8)[None, :, None], (240, 1, 3))
    write_image(path, np.ascontiguousarray(ramp))
    return path
