"""Faces re-made by a trained decoder, run by ONNX Runtime so that workers need no torch."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from counterface.datasets.decoders.bank import DecoderFile
from counterface.datasets.pairs.self_blended import resample
from counterface.faces.align import crop_matrix, warp_image
from counterface.types import Floats, Image

SIDE = 128  # of the crop that is re-made, pixels


class AutoencoderRemake:
    """A `Remake`: the face through the decoder, or, by chance, through `resample`."""

    def __init__(self, path: Path, share: float = 0.6) -> None:
        """Open nothing yet: each worker process opens the file on first use.

        Args:
            path: a decoder of a bank, `.onnx`.
            share: how often it is used.
        """
        self.decoder, self.share = DecoderFile(path), share

    def __call__(self, image: Image, landmarks: Floats, rng: Generator) -> Image:
        """The image with its face re-made, RGB uint8 of the same shape."""
        if rng.random() >= self.share:
            return resample(image, landmarks, rng)
        zoom = float(rng.uniform(0.9, 1.25))
        to_net = crop_matrix(landmarks, "face", SIDE)
        middle = (SIDE - 1) / 2
        to_net = (to_net * zoom + [[0, 0, middle * (1 - zoom)]] * 2).astype(np.float32)
        made = self.decoder.redraw(warp_image(image, to_net, SIDE), rng)
        out = image.copy()
        size = image.shape[1::-1]
        flags = cv2.WARP_INVERSE_MAP | int(
            rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
        )
        cv2.warpAffine(made, to_net, size, out, flags, cv2.BORDER_TRANSPARENT)
        return out
