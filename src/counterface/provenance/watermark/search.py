"""The search for the mark in pictures that come one at a time, crops and turns included.

All frames are evened out and added up. First the sum is read as it is; then it is laid, for every
crop to 12 % a side and turn to 2.4 degrees on a grid, on the square that was marked: a product in
the Fourier plane with the synchronisation waves tells the best shift. The best few are refined
and read.

False finds: for any picture, place and payload, the keyed signs make the statistic t (the sum of
all waves along their signs, over the root of their energy) a sum of Rademacher variables, so that
P(t > x) <= exp(-x^2 / 2) (Hoeffding, 1963). The limits below are x for 1e-9 a file with all 2^32
payloads, views and places of the search counted; see docs/watermark.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.provenance.error_code import decode, encode
from counterface.provenance.watermark.carrier import CHANNEL_BITS, SIDE, Carrier, Waves
from counterface.types import Floats

CHANCE = 1e-9  # of a false find in a file, at most
VIEWS = 4  # as it is, mirrored, and both without bars

_SHARES = tuple(np.linspace(0.88, 1.0, 9).tolist())  # of the marked picture's width and height left
_TURNS = (0.0, -0.8, 0.8, -1.6, 1.6, -2.4, 2.4)  # degrees
_OVAL = 0.031  # a turned picture is searched where width and height are cropped about alike
_BEST = 6  # places refined
_ROUNDS = 3  # of refinement, each with half the step of the last
_FINE = 4  # shifts to a pixel, at last
# All places that the search and its refinement can come to.
PLACES = 2 * len(_SHARES) ** 2 * len(_TURNS) * (SIDE * _FINE) ** 2 * (2**_ROUNDS) ** 3


def limit(payloads: int, places: int) -> float:
    """What t must exceed: the chance of a false find is `CHANCE` / 4 for each kind of reading."""
    return math.sqrt(2 * (math.log(payloads) + math.log(places) + math.log(4 / CHANCE)))


class Place(NamedTuple):
    """Where the pictures lie in the marked one."""

    width: float = 1.0  # share of the marked picture's that is left
    height: float = 1.0
    turn: float = 0.0  # degrees


@dataclass(frozen=True, slots=True)
class Find:
    """What was read at one place."""

    payload: int
    agree: float  # share of the channel bits
    errors: int  # channel bits that the code corrected
    statistic: float


def read_waves(carrier: Carrier, waves: Waves, places: int, own: int) -> Find | None:
    """What the waves say, where that cannot be chance.

    Args:
        carrier: of the key.
        waves: (K,), of the pictures laid on the marked square.
        places: how many places the search looks at.
        own: a payload to be tried as it is, which takes less than reading an unknown one.
    """
    along = (waves * carrier.signs.conj()).real  # (K,)
    energy = np.abs(waves) ** 2
    said = along[carrier.sync :]
    soft = np.bincount(carrier.of_bit(), said, CHANNEL_BITS).astype(np.float32)
    message = decode(soft[None])[0]
    payload = int.from_bytes(np.packbits(message[:32]).tobytes(), "big")
    whole = float(along[: carrier.sync].sum() + (said * carrier.word(payload)).sum())
    statistic = whole / math.sqrt(energy.sum() + 1e-9)
    right = np.array_equal(message, carrier.message(payload))
    if not (right and statistic > limit(2**32, places)):
        payload = own
        said = said * carrier.word(own)
        whole = float(along[: carrier.sync].sum() + said.sum())
        statistic = whole / math.sqrt(energy.sum() + 1e-9)
        # Of a mark with another payload the synchronisation waves alone would speak.
        if statistic <= limit(1, places) or said.sum() < whole / 2:
            return None
    errors = int(((soft > 0) != encode(carrier.message(payload))).sum())
    return Find(payload, 1 - errors / CHANNEL_BITS, errors, statistic)


def find_moved(carrier: Carrier, square: Floats, aspect: float, own: int) -> Find | None:
    """What pictures say that were cropped or turned.

    Args:
        carrier: of the key.
        square: evened pictures added up, (256, 256).
        aspect: width over height of the pictures as they came.
        own: see `read_waves`.
    """
    template = np.zeros((SIDE, SIDE // 2 + 1), dtype=np.complex64)
    sync = slice(0, carrier.sync)
    template[carrier.row[sync], carrier.column[sync]] = carrier.signs[sync].conj()
    looks = [(*_best_shift(carrier, square, aspect, p, template), p) for p in _grid()]
    looks.sort(key=lambda look: -look[0])
    for score, shift, place in looks[:_BEST]:
        waves = _refined(carrier, square, aspect, place, (score, shift), template)
        if found := read_waves(carrier, waves, PLACES, own):
            return found
    return None


def _grid() -> Iterator[Place]:
    for turn in _TURNS:
        for width in _SHARES:
            for height in _SHARES:
                if not turn or abs(width - height) < _OVAL:
                    yield Place(width, height, turn)


def _laid(square: Floats, aspect: float, place: Place) -> Floats:
    """The picture in the middle of the marked square, at its size there and turned back."""
    angle = math.radians(place.turn)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    shape = np.diag([aspect, 1.0])  # turns are turns in the picture, not in the square
    matrix = np.diag([place.width, place.height]) @ np.linalg.inv(shape) @ turn @ shape
    middle = np.full(2, (SIDE - 1) / 2)
    whole = np.hstack([matrix, (middle - matrix @ middle)[:, None]])
    return np.asarray(cv2.warpAffine(square, whole, (SIDE, SIDE), flags=cv2.INTER_CUBIC))


def _best_shift(
    carrier: Carrier, square: Floats, aspect: float, place: Place, template: Waves
) -> tuple[float, tuple[int, int]]:
    """How well the synchronisation waves agree at the best shift, and that shift, (down, right)."""
    laid = _laid(square, aspect, place)
    plane = cv2.dft(laid, flags=cv2.DFT_COMPLEX_OUTPUT)[:, : SIDE // 2 + 1]
    waves = plane[..., 0] + 1j * plane[..., 1]
    rings = carrier.ring[: carrier.sync]
    there = waves[carrier.row[: carrier.sync], carrier.column[: carrier.sync]]
    power = np.bincount(rings, np.abs(there) ** 2) / np.bincount(rings) + 1e-12
    even = np.zeros_like(template)
    even[carrier.row[: carrier.sync], carrier.column[: carrier.sync]] = (
        there / np.sqrt(power)[rings]
    )
    product = even * template
    full = np.stack([product.real, product.imag], axis=-1)
    wide = np.zeros((SIDE, SIDE, 2), np.float32)
    wide[:, : SIDE // 2 + 1] = full
    surface = cv2.dft(wide, flags=cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT)
    _, top, _, (right, down) = cv2.minMaxLoc(surface)
    return float(top), (down, right)


def _refined(
    carrier: Carrier,
    square: Floats,
    aspect: float,
    place: Place,
    look: tuple[float, tuple[int, int]],
    template: Waves,
) -> Waves:
    """The waves at the best place near this one, shifted back by quarters of a pixel."""
    apart = _SHARES[1] - _SHARES[0]
    for halving in range(_ROUNDS):
        steps = [step / 2 ** (halving + 1) for step in (apart, apart, _TURNS[2])]
        for axis in range(3):
            for way in (-1, 1):
                moved = list(place)
                moved[axis] += way * steps[axis]
                near = Place(*moved)
                found = _best_shift(carrier, square, aspect, near, template)
                if found[0] > look[0]:
                    look, place = found, near
    waves = carrier.waves(_laid(square, aspect, place))
    rows = (carrier.row + SIDE // 2) % SIDE - SIDE // 2
    sync = slice(0, carrier.sync)

    def shifted(down: float, right: float, part: slice) -> NDArray[np.complex64]:
        phase = 2j * np.pi / SIDE * (rows[part] * down + carrier.column[part] * right)
        return np.asarray(waves[part] * np.exp(phase), dtype=np.complex64)

    down, right = look[1]
    parts = np.arange(-_FINE + 1, _FINE) / _FINE
    sums = {
        (down + y, right + x): float(
            (shifted(down + y, right + x, sync) * carrier.signs[sync].conj()).real.sum()
        )
        for y in parts
        for x in parts
    }
    return shifted(*max(sums, key=lambda at: sums[at]), slice(None))
