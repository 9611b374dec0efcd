"""HDR and wide-gamut pictures brought to what an SDR display shows: BT.709 colours, gamma 2.4.

White is where broadcasting puts it (ITU-R BT.2408): 203 cd/m2 in PQ, 75 % of the signal in HLG.
What lies above it is rolled off by the EETF of ITU-R BT.2390, channel by channel, towards the
highest light that the file states. HLG is rendered for the display on which its white is the 100
cd/m2 of SDR; that is a peak of 400 and, by BT.2390, a gamma of 1.04.

A picture goes through a table (signal to light on the scale of the SDR display), a matrix (its
primaries to BT.709) and a table back: 54 to 62 ms for a frame of 1920x1080 on one busy core, and 23
for the 16-bit RGB that it starts from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.media.color.transfer import (
    SDR_GAMMA,
    hlg_gamma,
    hlg_to_scene,
    light_to_pq,
    pq_to_light,
)
from counterface.media.notes import MediaNote
from counterface.types import Image

PQ, HLG = 16, 18  # transfer characteristics of ITU-T H.273, as in every container
BT709, UNSPECIFIED, BT2020, P3 = 1, 2, 9, 12  # colour primaries of H.273

PQ_WHITE = 203.0  # cd/m2, BT.2408
SDR_WHITE = 100.0  # cd/m2, BT.1886 and BT.2035
HLG_PEAK = 400.0  # cd/m2; there 75 % of the signal is SDR_WHITE
USUAL_PEAK = 1000.0  # cd/m2, of PQ that states none: what most of it is mastered for
_PEAKS = (PQ_WHITE, 4000.0)  # what is stated beyond is an error or a display that few have

_SDR = frozenset({1, 2, 4, 5, 6, 13, 14, 15})  # gamma curves near enough to BT.1886
_CHROMATICITIES = {  # x and y of red, green and blue; all with white D65
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_D65 = (0.3127, 0.3290)
_LEVELS = 65_536
_ROWS = 64  # at a time: what lies between the steps stays in the cache


@dataclass(frozen=True, slots=True)
class ColorTags:
    """What a file says about its numbers, in the code points of ITU-T H.273.

    Attributes:
        transfer: 16 is PQ, 18 HLG.
        primaries: 9 is BT.2020, 12 P3 with white D65.
        peak: highest light that the file states, cd/m2; None where it states none.
        unread: name of the way in which colour is coded, where no frame can be brought back from
            it; its brightness can, and frames are grey.
    """

    transfer: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    peak: float | None = None
    unread: str | None = None

    @property
    def hdr(self) -> Literal["PQ", "HLG"] | None:
        """The name of the HDR transfer function, None for SDR."""
        return "PQ" if self.transfer == PQ else "HLG" if self.transfer == HLG else None

    @property
    def gamut(self) -> int:
        """The primaries, those of BT.2020 where HDR does not state them."""
        unstated = BT2020 if self.hdr else BT709
        return self.primaries if self.primaries in _CHROMATICITIES else unstated

    @property
    def note(self) -> MediaNote | None:
        """The note for whoever relies on the frames; None where they are as they were."""
        if self.unread:
            text = f"Its colours ({self.unread}) cannot be read: only its brightness was looked at,"
            return MediaNote("grey", f"{text} in grey.")
        if self.is_plain:
            return None
        if self.hdr:
            return MediaNote(
                "hdr",
                f"High dynamic range ({self.hdr}) was tone-mapped to the standard range before "
                "anything looked at it; colours and highlights differ from the original.",
            )
        name = "BT.2020" if self.gamut == BT2020 else "P3"
        return MediaNote("wide_gamut", f"Colours of the wide gamut {name} were brought to BT.709.")

    @property
    def is_plain(self) -> bool:
        """Whether an SDR display shows the numbers as they are."""
        wide = self.gamut != BT709 and self.transfer in _SDR
        return self.hdr is None and not wide


@dataclass(frozen=True, slots=True, eq=False)
class ToneMap:
    """The way from a file's RGB to SDR; make it with `tone_map_for`."""

    to_light: NDArray[np.float32]  # (65536,): light of each level, 1 is SDR white
    to_bt709: NDArray[np.float32]  # (3, 3)

    def apply(self, image: NDArray[np.uint16] | Image) -> Image:
        """RGB uint8 (H, W, 3) for an SDR display.

        Args:
            image: RGB uint8 or uint16 (H, W, 3) with the whole range of its type in use, in the
                file's own colours.
        """
        to_light = self.to_light
        if image.dtype == np.uint8:
            to_light = np.ascontiguousarray(to_light[::257])
        result = np.empty(image.shape, np.uint8)
        for top in range(0, len(image), _ROWS):
            light = cv2.LUT(image[top : top + _ROWS], to_light)
            light = cv2.transform(light, self.to_bt709)
            root = cv2.sqrt(cv2.max(light, 0))  # even steps for the eye, so that 16 bits do
            levels: Any = cv2.multiply(root, _LEVELS - 1, dtype=cv2.CV_16U)  # rounds and clips
            result[top : top + _ROWS] = cv2.LUT(levels, _from_root())
        return result


def tone_map_for(tags: ColorTags) -> ToneMap | None:
    """The way from a file's RGB to SDR; None where there is nothing to do."""
    return None if tags.is_plain else _tone_map(tags.transfer, tags.gamut, tags.peak)


@lru_cache(maxsize=8)
def _tone_map(transfer: int, gamut: int, peak: float | None) -> ToneMap:
    signal = np.arange(_LEVELS) / (_LEVELS - 1)
    if transfer == PQ:
        most = float(np.clip(peak or USUAL_PEAK, *_PEAKS))
        light = roll_off(pq_to_light(signal), most, PQ_WHITE) / PQ_WHITE
    elif transfer == HLG:
        shown = HLG_PEAK * hlg_to_scene(signal) ** hlg_gamma(HLG_PEAK)
        light = roll_off(shown, HLG_PEAK, SDR_WHITE) / SDR_WHITE
    else:
        light = signal**SDR_GAMMA
    matrix = np.linalg.inv(_to_xyz(BT709)) @ _to_xyz(gamut)
    return ToneMap(light.astype(np.float32), matrix.astype(np.float32))


def roll_off(light: NDArray[np.float64], peak: float, white: float) -> NDArray[np.float64]:
    """Light of up to `peak` laid into a display of up to `white`, cd/m2: the EETF of BT.2390.

    Nothing changes below a knee (86 cd/m2 for 1000 into 203); above it, a Hermite spline in PQ.
    """
    top, most = light_to_pq(peak), light_to_pq(white) / light_to_pq(peak)
    if most >= 1:
        return np.minimum(light, white)
    knee = 1.5 * most - 0.5
    signal = np.minimum(light_to_pq(light) / top, 1)
    t = np.maximum(signal - knee, 0) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    return pq_to_light(np.where(signal < knee, signal, spline) * top)


@lru_cache(maxsize=1)
def _from_root() -> NDArray[np.uint8]:
    """The 8-bit level of each square root of light."""
    root = np.arange(_LEVELS) / (_LEVELS - 1)
    return np.rint(255 * root ** (2 / SDR_GAMMA)).astype(np.uint8)


def _to_xyz(primaries: int) -> NDArray[np.float64]:
    """The matrix from linear RGB to CIE XYZ, from chromaticities (SMPTE RP 177)."""
    corners = np.array([[x / y, 1, (1 - x - y) / y] for x, y in _CHROMATICITIES[primaries]]).T
    x, y = _D65
    return np.asarray(corners * np.linalg.solve(corners, [x / y, 1, (1 - x - y) / y]))
