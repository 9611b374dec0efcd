"""How sharp the middle of a crop is, and whether it was smeared in one direction.

Values of one measure may be compared between crops of one size, not between measures. The variance
of the Laplacian is the focus measure of Pech-Pacheco et al., "Diatom autofocusing in brightfield
microscopy: a comparative study", 2000.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.faceset.measures.measure import Measure
from counterface.faceset.row import Row
from counterface.types import Floats, Image

MIDDLE = 0.6  # share of the side that is looked at: brows to chin in all templates but `head`
FINE = 0.125  # cycles a pixel from which on detail is fine
SMEARED = 0.15  # and from which on it is looked at by direction
_SECTORS = 12  # of half a turn
_FAINT = 1e-10  # share of energy: nothing but rounding
_ROUNDING = 10.0  # power of a place in the spectrum: less is the rounding of grey values

Array = NDArray[np.float64]


def middle_grey(image: Image) -> Floats:
    """The luma of the middle of a crop, float32 (M, M) in [0, 255]."""
    edge = round(len(image) * (1 - MIDDLE) / 2)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    inner = grey[edge : len(image) - edge, edge : len(image) - edge]
    return np.ascontiguousarray(inner, dtype=np.float32)


def row_blur(row: Row) -> float:
    """The blur that was measured at extraction, [0, 1]; see `faceset.blur`."""
    return row.blur


def laplacian_spread(image: Image) -> float:
    """The standard deviation of the Laplacian, grey values; 0 for a flat crop."""
    return float(cv2.Laplacian(middle_grey(image), cv2.CV_32F).std())


def fine_energy(image: Image) -> float:
    """The share of fine detail in the energy of the spectrum, dB, at most 0; -100 if there is none.

    The mean is taken off and the edge is faded out, as a cut edge is fine detail of its own.
    """
    power, radius, _ = _spectrum(image)
    share = float(power[radius >= FINE].sum()) / max(float(power.sum()), 1.0)
    return float(10 * np.log10(max(share, _FAINT)))


def smear(image: Image) -> float:
    """How much more fine detail one direction has than the direction across it, dB, from 0 on.

    Defocus takes detail from all directions alike; motion, only from the one that it goes in. Still
    faces have up to 7 dB, sharp or soft; motion by 5 pixels or more gives 8 to 20.
    """
    power, radius, turn = _spectrum(image)
    fine = radius >= SMEARED
    sector = np.rint(turn[fine] / (180 / _SECTORS)).astype(int) % _SECTORS
    energy = np.bincount(sector, power[fine], _SECTORS) / np.bincount(sector, minlength=_SECTORS)
    energy = (energy + np.roll(energy, 1) + np.roll(energy, -1)) / 3
    level = 10 * np.log10(energy + _ROUNDING)
    return float((level - np.roll(level, _SECTORS // 2)).max())


def _spectrum(image: Image) -> tuple[Array, Array, Array]:
    """Power of the middle, cycles a pixel, and direction in degrees of each place of its FFT."""
    grey = middle_grey(image)
    side = len(grey)
    fade = np.hanning(side).astype(np.float32)
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * fade[:, None] * fade)) ** 2
    return power, *_places(side)


@cache
def _places(side: int) -> tuple[Array, Array]:
    down, across = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    return np.hypot(down, across), np.degrees(np.arctan2(down, across)) % 180


BLUR = Measure(name="blur", says="blur, 1 is beyond use", unit="0 to 1", reads="row", of=row_blur)
LAPLACIAN = Measure(
    name="sharpness_laplacian",
    says="sharpness by the spread of the Laplacian, larger is sharper",
    unit="grey values",
    reads="crop",
    of=laplacian_spread,
    largest_first=True,
)
FFT = Measure(
    name="sharpness_fft",
    says="sharpness by the share of fine detail, nearer to 0 is sharper",
    unit="dB",
    reads="crop",
    of=fine_energy,
    largest_first=True,
)
MOTION = Measure(
    name="motion_blur",
    says="detail that one direction has less of than another: still below 7, smeared above 8",
    unit="dB",
    reads="crop",
    of=smear,
)
