"""The finest detail of the face: how its power spectrum ends.

What a lens and an encoder leave falls to the end of the spectrum. Generators draw small and
up-sample, which leaves copies of coarser detail near the end, where the fall stops. The power of
the finest tenth of the frequencies is compared with that two tenths below, in the pixels of the
frame, so that the face's size and light matter little.

Sources: Durall et al., "Watch your up-convolution", CVPR 2020 (https://arxiv.org/abs/2003.01826);
Frank et al., "Leveraging frequency analysis for deep fake image recognition", ICML 2020
(https://arxiv.org/abs/2003.08685). They learn from whole spectra; ours is one ratio.
"""

from __future__ import annotations

import numpy as np

from counterface.detect.cues.cue import Still
from counterface.detect.cues.parents import StillCue
from counterface.detect.cues.regions import grey
from counterface.faces.landmarks import INNER
from counterface.types import Floats

REACH = 0.8  # half the side of the square, in distances of the eyes
MOST = 128  # pixels of half the side
FINEST, BELOW = (0.9, 1.0), (0.7, 0.8)  # of half the sampling rate
LEAST = 1e-3  # power: none is left out of the logarithm


class Spectrum(StillCue):
    """Power of the finest detail of the face against that of slightly coarser detail."""

    name = "spectrum"
    title = "Finest detail of the face"
    unit = "log ratio"
    looks_for = "a face whose finest detail does not fade as a camera's does"
    source = "https://arxiv.org/abs/2003.01826"
    min_eye_px = 32.0
    nothing = "no picture shows the whole face"

    def measure_still(self, still: Still) -> float | None:
        """The ratio in a square on the face; None where the square leaves the picture."""
        square = cut_square(still)
        if square is None:
            return None
        power, radius = power_spectrum(square)
        finest, below = (_mean(power, radius, *part) for part in (FINEST, BELOW))
        return float(np.log((finest + LEAST) / (below + LEAST)))


def cut_square(still: Still) -> Floats | None:
    """The brightness (S, S) between brows and mouth; None where it leaves the picture."""
    middle = still.landmarks[INNER].mean(axis=0)
    half = int(min(REACH * still.eye_px, MOST))
    left, top = (int(v) for v in np.round(middle) - half)
    height, width = still.image.shape[:2]
    if min(left, top) < 0 or left + 2 * half > width or top + 2 * half > height:
        return None
    return grey(still)[top : top + 2 * half, left : left + 2 * half]


def power_spectrum(square: Floats) -> tuple[Floats, Floats]:
    """Power (S, S / 2 + 1) of a square (S, S), and each frequency over half the sampling rate."""
    side = len(square)
    fade = np.hanning(side).astype(np.float32)
    faded = (square - square.mean()) * fade[:, None] * fade
    power = np.abs(np.fft.rfft2(faded)) ** 2
    radius = 2 * np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    return power.astype(np.float32), radius.astype(np.float32)


def _mean(power: Floats, radius: Floats, low: float, high: float) -> float:
    return float(power[(radius >= low) & (radius < high)].mean())
