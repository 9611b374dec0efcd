"""A folder of decoders as ONNX files, and pictures that they re-draw; workers need no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from counterface.errors import ConfigError, WeightsError
from counterface.onnx.session import GuardedSession
from counterface.project_files import read_bytes, reading
from counterface.types import Floats, Image

TAEF2 = "taef2"
NESTED = "counterface.nested"  # in the file of a decoder that can do without part of its code
STEP = 16  # sides are padded to multiples of this: the most that any decoder halves


class DecoderFile:
    """One ONNX file that re-draws pictures; opened on first use, so it can cross to a worker."""

    def __init__(self, path: Path) -> None:
        """The name is the file's, the file what `train_decoders` wrote."""
        self.path, self.name = path, path.stem
        self._session: GuardedSession | None = None

    def redraw(self, image: Image, rng: Generator) -> Image:
        """The picture as the decoder draws it, RGB uint8 of the same shape.

        Args:
            image: RGB uint8 (H, W, 3), any size.
            rng: how much of the code is kept, where the decoder can do without some.
        """
        session = self._open()
        height, width = image.shape[:2]
        bottom, right = -height % STEP, -width % STEP
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        inputs: dict[str, Floats] = {
            "image": padded.astype(np.float32).transpose(2, 0, 1)[None] / 255
        }
        for given in session.get_inputs()[1:]:
            nested = NESTED in session.metadata
            inputs["kept"] = kept_channels(int(given.shape[1]), nested, rng)
        made = session.run(None, inputs)[0][0].transpose(1, 2, 0)[:height, :width]
        return np.asarray(np.clip(made * 255 + 0.5, 0, 255), dtype=np.uint8)

    def _open(self) -> GuardedSession:
        if self._session is None:
            with reading(self.path, WeightsError):
                content = read_bytes(self.path)
            self._session = GuardedSession(content, self.path, "decoder", WeightsError)
        return self._session

    def __getstate__(self) -> dict[str, object]:
        """The state without the session, which cannot cross a process border."""
        return {**self.__dict__, "_session": None}


def kept_channels(channels: int, nested: bool, rng: Generator) -> Floats:
    """Which channels of a decoder's code are kept, float32 (1, channels) of 0 and 1.

    All of them, or the first quarter at least of a decoder that was trained with some dropped.
    """
    kept = int(rng.integers(channels // 4, channels + 1)) if nested else channels
    return (np.arange(channels) < kept).astype(np.float32)[None]


def open_bank(folder: Path, names: Sequence[str] = ()) -> list[DecoderFile]:
    """The decoders of a folder, in order of their names.

    Args:
        folder: what `train_decoders` wrote.
        names: only these; all by default.

    Raises:
        ConfigError: there are none, or one of the names is not there.
    """
    found = {path.stem: path for path in sorted(folder.glob("*.onnx"))}
    absent = [name for name in names if name not in found]
    if absent or not found:
        what = f"no decoder {absent[0]!r}; it has {sorted(found)}" if absent else "no decoders"
        raise ConfigError(f"{folder}: {what}; train them: counterface dataset decoders RECIPE")
    return [DecoderFile(found[name]) for name in sorted(names or found)]
