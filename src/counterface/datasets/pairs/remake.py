"""Faces re-made by a trained autoencoder, run by ONNX Runtime so that workers need no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from counterface.datasets.pairs.self_blended import resample
from counterface.device import onnx_options
from counterface.faces.align import crop_matrix, warp_image
from counterface.types import Floats, Image

SIDE = 128  # of the autoencoder's input, pixels
CODE = 24  # channels of its code


class AutoencoderRemake:
    """A `Remake`: the face through the autoencoder, or, by chance, through `resample`."""

    def __init__(self, path: Path, share: float = 0.6) -> None:
        """Opens nothing yet: each worker process opens the file on first use.

        Args:
            path: what `export_autoencoder` wrote.
            share: how often the autoencoder is used.
        """
        self.path, self.share = path, share
        self._session: Any = None

    def __call__(self, image: Image, landmarks: Floats, rng: Generator) -> Image:
        """The image with its face re-made, RGB uint8 of the same shape."""
        if rng.random() >= self.share:
            return resample(image, landmarks, rng)
        zoom = float(rng.uniform(0.9, 1.25))
        kept = int(rng.integers(6, CODE + 1))
        to_net = crop_matrix(landmarks, "face", SIDE)
        middle = (SIDE - 1) / 2
        to_net = (to_net * zoom + [[0, 0, middle * (1 - zoom)]] * 2).astype(np.float32)
        face = warp_image(image, to_net, SIDE).astype(np.float32).transpose(2, 0, 1)[None] / 255
        mask = (np.arange(CODE) < kept).astype(np.float32)[None]
        made = self._open().run(None, {"image": face, "kept": mask})[0][0]
        made = np.clip(made.transpose(1, 2, 0) * 255 + 0.5, 0, 255).astype(np.uint8)
        out = image.copy()
        size = image.shape[1::-1]
        flags = cv2.WARP_INVERSE_MAP | int(
            rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
        )
        cv2.warpAffine(made, to_net, size, out, flags, cv2.BORDER_TRANSPARENT)
        return out

    def _open(self) -> Any:
        if self._session is None:
            import onnxruntime

            self._session = onnxruntime.InferenceSession(
                str(self.path), onnx_options(), providers=["CPUExecutionProvider"]
            )
        return self._session

    def __getstate__(self) -> dict[str, object]:
        """Without the session, which cannot cross a process border."""
        return {**self.__dict__, "_session": None}
