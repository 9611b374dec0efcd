"""Transfer functions: from the numbers of a file to light and back.

PQ and HLG are those of Recommendation ITU-R BT.2100-3 (2025), table 4 and 5; the gamma of an SDR
display is that of ITU-R BT.1886 (2011). All take and give floating-point arrays of any shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Light = NDArray[np.float64]

PQ_PEAK = 10_000.0  # cd/m2 at the signal 1
SDR_GAMMA = 2.4  # of a BT.1886 display with black at 0

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def pq_to_light(signal: ArrayLike) -> Light:
    """The light of a PQ signal in [0, 1], cd/m2 in [0, 10000]."""
    power = np.power(np.clip(signal, 0, 1), 1 / _M2)
    ratio = np.maximum(power - _C1, 0) / (_C2 - _C3 * power)
    return np.asarray(PQ_PEAK * np.power(ratio, 1 / _M1))


def light_to_pq(light: ArrayLike) -> Light:
    """The PQ signal in [0, 1] of light, cd/m2 in [0, 10000]."""
    power = np.power(np.clip(light, 0, PQ_PEAK) / PQ_PEAK, _M1)
    return np.asarray(np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2))


def hlg_to_scene(signal: ArrayLike) -> Light:
    """The light before the camera, [0, 1], of an HLG signal in [0, 1]."""
    values = np.clip(signal, 0, 1)
    low = values**2 / 3
    return np.where(values <= 0.5, low, (np.exp((values - _C) / _A) + _B) / 12)


def scene_to_hlg(scene: ArrayLike) -> Light:
    """The HLG signal in [0, 1] of light before the camera, [0, 1]."""
    values = np.clip(scene, 0, 1)
    high = _A * np.log(np.maximum(12 * values - _B, 1e-6)) + _C  # the floor is never chosen
    return np.where(values <= 1 / 12, np.sqrt(3 * values), high)


def hlg_gamma(peak: float) -> float:
    """The exponent from light before the camera to light of an HLG display of a peak in cd/m2.

    The extended formula of ITU-R BT.2100 (note 5f) and BT.2390, for displays under 400 cd/m2 too.
    """
    return float(1.2 * 1.111 ** np.log2(peak / 1000))
