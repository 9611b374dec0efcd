"""How strong a mark each place of a picture hides: a just-noticeable-difference mask.

Contrast masking after Watson ("DCTune: a technique for visual optimization of DCT quantization
matrices", 1993): a change goes unseen up to a threshold, which a texture of the same wavelengths
raises by its contrast to the power 0.7. Places next to an edge are judged by their flatter side,
after Chou and Li ("A perceptually tuned subband image coder based on the measure of
just-noticeable-distortion profile", 1995). Ours works on one band, that of the mark, and leaves out
their luminance term: marks that were raised in the dark showed on black cloth.
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.types import Floats

FLAT = 0.4  # grey levels rms on a plain wall: what x264 changes there at crf 18
_MOST = 3.0  # grey levels rms, however busy
_TEXTURE = 0.8  # grey levels of texture in the mark's band at which it begins to hide more
_POWER = 0.7  # Watson's
_FINE, _COARSE = 0.9, 3.0  # sigmas at working size: their difference passes the mark's band
_NEAR = 9  # pixels at working size: side of the window whose flattest place counts


def hidden_rms(luma: Floats) -> Floats:
    """The strength that the mark may have at each place, rms grey levels, (256, 256).

    Args:
        luma: at working size, (256, 256), [0, 255].
    """
    coarse = cv2.GaussianBlur(luma, (0, 0), _COARSE)
    texture = np.abs(cv2.GaussianBlur(luma, (0, 0), _FINE) - coarse)
    # The mean of roots, squared: a lone edge counts far less than texture of the same mean.
    texture = cv2.blur(cv2.sqrt(texture), (7, 7)) ** 2 * 1.5
    texture = cv2.blur(cv2.erode(texture, np.ones((_NEAR, _NEAR), np.uint8)), (5, 5))
    strength = FLAT * cv2.pow(np.maximum(texture / _TEXTURE, 1.0), _POWER)
    return np.asarray(np.minimum(strength, _MOST), dtype=np.float32)
