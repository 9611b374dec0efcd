"""The search for the mark in pictures that were cropped or turned.

The sum of the evened pictures is laid on the marked square for every place of a grid: crops to 12 %
a side and turns to 2.4 degrees. A first look reads some 1,300 waves of all these places from one
Fourier transform of the sum, because laying a picture at another place only moves its waves; one
product of matrices gives the best shift of each. Only places that stand out are refined, laid pixel
by pixel, and read.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.provenance.watermark.carrier import SIDE, Carrier, Waves
from counterface.provenance.watermark.search import Find, read_waves
from counterface.types import Floats

_LEAST = 0.88  # of the marked picture's width and height left
_SHARE = 0.015  # steps of the grid
_TURN, _TURNS = 0.8, 3  # degrees, and steps to each side
_OVAL = 2.5  # steps; a turned picture is searched where width and height are cropped about alike
_FINE = 8  # steps of refinement to a step of the grid
_QUARTERS = 4  # steps of refinement to a pixel of shift
_APART = 6  # quarters of a pixel between the shifts of the first look
_FURTHEST = 72  # quarters of a pixel: half of what the strongest crop leaves out, and a little

_STEPS = round((1 - _LEAST) / _SHARE)
# Every place the search can come to lies on the finest grid, whose ends it does not leave.
PLACES = (
    2  # as it is, mirrored
    * (_STEPS * _FINE + 1) ** 2
    * (2 * _TURNS * _FINE + 1)
    * (2 * _FURTHEST + 1) ** 2
)

_STANDS_OUT = 4.7  # t of a first look; pictures without a mark seldom reach it
_BEST = 6  # places refined
_DENSE = 4  # samples of the Fourier plane to a wave
_REACH = 72 * _DENSE  # of the samples kept: the finest wave, moved


class GridPlace(NamedTuple):
    """A place of the pictures in the marked one, in steps of the finest grid."""

    width: int = 0  # cropped, in `_SHARE / _FINE`
    height: int = 0
    turn: int = 0  # in `_TURN / _FINE`
    down: int = 0  # in quarters of a pixel of the square
    right: int = 0


class MovedSearch:
    """The search with one key, prepared once; safe to share between threads."""

    def __init__(self, carrier: Carrier, own: int) -> None:
        """Pick the waves of the first look, and prepare the effect of each shift on them.

        The K synchronisation waves, which all payloads share, are followed by K that carry the own
        payload.

        Args:
            carrier: carrier of the key.
            own: a payload that is tried as it is; see `read_waves`.
        """
        self._carrier = carrier
        self._own = own
        rows, columns = _signed(carrier.row), carrier.column
        self._waves = np.stack([columns, rows])[:, : 2 * carrier.sync].astype(np.float32)  # x, y
        word = np.concatenate([np.ones(carrier.sync, np.float32), carrier.word(own)])
        signs = (carrier.signs * word)[: 2 * carrier.sync]
        middle = np.exp(-2j * np.pi / SIDE * (SIDE - 1) / 2 * self._waves.sum(axis=0))
        self._signs = (signs.conj() * middle).astype(np.complex64)  # expected of each wave
        line = np.arange(-_FURTHEST, _FURTHEST + 1, _APART)
        shifts = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
        distance = np.abs(shifts).max(axis=1)
        order = np.argsort(distance, kind="stable")
        self._shifts, self._distance = shifts[order], distance[order]  # down, right
        self._turned = self._phases(self._shifts)

    def find(self, square: Floats, aspect: float) -> tuple[Find, bool] | None:
        """The mark that the pictures carry, and whether they are mirrored.

        Args:
            square: evened pictures added up, (256, 256).
            aspect: width over height of the pictures as they came.
        """
        spectrum = fourier_plane(square)
        spectra = (spectrum, np.ascontiguousarray(spectrum[:, ::-1]))  # the mirror image's
        squares = (square, np.ascontiguousarray(square[:, ::-1]))
        seen = [
            (*one, mirrored)
            for mirrored in (False, True)
            for one in self._outstanding(spectra[mirrored], aspect)
        ]
        for _, place, own, mirrored in sorted(seen, reverse=True)[:_BEST]:
            best = self.refined(spectra[mirrored], aspect, place, own)
            waves = self._exact(squares[mirrored], aspect, best)
            if found := read_waves(self._carrier, waves, PLACES, self._own):
                return found, mirrored
        return None

    def _exact(self, square: Floats, aspect: float, place: GridPlace) -> Waves:
        """The waves of the pictures laid on the marked square, (K,)."""
        matrix = _matrices([place], aspect)[0]
        middle = np.full(2, (SIDE - 1) / 2)
        whole = np.hstack([matrix, (middle - matrix @ middle)[:, None]])
        laid = cv2.warpAffine(square, whole, (SIDE, SIDE), flags=cv2.INTER_CUBIC)
        rows, columns = _signed(self._carrier.row), self._carrier.column
        turns = (rows * place.down + columns * place.right) / (_QUARTERS * SIDE)
        waves = self._carrier.waves(np.asarray(laid)) * np.exp(2j * np.pi * turns)
        return np.asarray(waves, dtype=np.complex64)

    def _outstanding(self, spectrum: Waves, aspect: float) -> list[tuple[float, GridPlace, bool]]:
        """The places of the grid that stand out: t, the place, and whether by the own payload."""
        found = []
        for cropped, places in _GRID.items():
            # A crop leaves the rest at most half of what it cut away beside the middle.
            far = cropped * _SHARE / 2 * SIDE * _QUARTERS + 2 * _APART
            near = int(np.searchsorted(self._distance, far, side="right"))
            both = self._scores(spectrum, aspect, places, self._turned[..., :near])
            for own, row in np.argwhere(both.max(axis=2) > _STANDS_OUT).tolist():
                at = int(both[own, row].argmax())
                down, right = self._shifts[at].tolist()
                place = places[row]._replace(down=down, right=right)
                found.append((float(both[own, row, at]), place, bool(own)))
        return found

    def refined(self, spectrum: Waves, aspect: float, place: GridPlace, own: bool) -> GridPlace:
        """The best place near one of the grid, found by steps that become finer."""
        score = 0.0
        for step, shift in ((_FINE // 2, 3), (_FINE // 4, 2), (1, 1)):
            better = True
            while better:
                near = _neighbours(place, step)
                lines = (_within(at, shift, -_FURTHEST, _FURTHEST) for at in place[3:])
                shifts = list(product(*lines))
                phases = self._phases(np.array(shifts))
                scores = self._scores(spectrum, aspect, near, phases)[int(own)]
                row, column = divmod(int(scores.argmax()), len(shifts))
                better = bool(scores[row, column] > score)
                if better:
                    score = float(scores[row, column])
                    place = GridPlace(*near[row][:3], *shifts[column])
        return place

    def _scores(
        self, spectrum: Waves, aspect: float, places: list[GridPlace], phases: Floats
    ) -> Floats:
        """About t at some places and shifts, by the waves of all payloads and of one, (2, P, S)."""
        moved = _matrices(places, aspect).transpose(0, 2, 1).astype(np.float32) @ self._waves
        at = np.rint(moved * _DENSE).astype(np.int32) + _REACH
        there = spectrum.ravel().take(at[:, 1] * (2 * _REACH + 1) + at[:, 0])
        along = (there * self._signs).reshape(len(places), 2, -1).swapaxes(0, 1)
        parts = np.concatenate([along.real, along.imag], axis=2)  # (2, P, 2K)
        energy = np.einsum("hpk,hpk->hp", parts, parts) / 2  # signs are +-1 +-1j
        scores = parts @ phases / np.sqrt(energy + 1e-9)[..., None]
        scores[1] = (scores[0] + scores[1]) / np.sqrt(2)
        return np.asarray(scores)

    def _phases(self, shifts: NDArray[np.int_]) -> Floats:
        """The effect of shifts (S, 2), quarters of a pixel, on each wave, (2, 2K, S)."""
        turns = self._waves[::-1].T @ shifts.T.astype(np.float32)
        turns *= 2 * np.pi / (_QUARTERS * SIDE)
        halves = turns.reshape(2, -1, len(shifts))
        return np.concatenate([np.cos(halves), -np.sin(halves)], axis=1)


def _grid() -> dict[int, list[GridPlace]]:
    """The places of the first look, by the stronger crop of width and height."""
    places: dict[int, list[GridPlace]] = {}
    for turn in range(-_TURNS, _TURNS + 1):
        for width in range(_STEPS + 1):
            for height in range(_STEPS + 1):
                if not turn or abs(width - height) < _OVAL:
                    place = GridPlace(width * _FINE, height * _FINE, turn * _FINE)
                    places.setdefault(max(width, height), []).append(place)
    return places


_GRID = _grid()


def _neighbours(place: GridPlace, step: int) -> list[GridPlace]:
    """The place, and those a step away in width, height or turn."""
    width, height, turn, _, _ = place
    most, turns = _STEPS * _FINE, _TURNS * _FINE
    return [
        place,
        *(place._replace(width=w) for w in _within(width, step, 0, most)),
        *(place._replace(height=h) for h in _within(height, step, 0, most)),
        *(place._replace(turn=t) for t in _within(turn, step, -turns, turns)),
    ]


def _within(value: int, step: int, least: int, most: int) -> set[int]:
    return {min(max(value + way * step, least), most) for way in (-1, 0, 1)}


def _matrices(places: list[GridPlace], aspect: float) -> NDArray[np.float64]:
    """The maps of x and y, from the middle, that lay the pictures on the square, (P, 2, 2)."""
    width, height, turn = np.array([place[:3] for place in places], dtype=np.float64).T
    width, height = (1 - side * _SHARE / _FINE for side in (width, height))
    angle = np.radians(turn * _TURN / _FINE)
    # Turns are turns in the picture, not in the square.
    across, down = np.sin(angle) / aspect, -np.sin(angle) * aspect
    matrix = np.array(
        [[width * np.cos(angle), width * across], [height * down, height * np.cos(angle)]]
    )
    return matrix.transpose(2, 0, 1)


def _signed(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return (rows + SIDE // 2) % SIDE - SIDE // 2


def fourier_plane(square: Floats) -> Waves:
    """The waves of a square about its middle, `_DENSE` samples to each, rings of rms 1.

    Returns:
        Down and across from -72 waves to 72, (577, 577).
    """
    side = SIDE * _DENSE
    padded = np.zeros((side, side), dtype=np.float32)
    padded[:SIDE, :SIDE] = square
    plane = cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT, nonzeroRows=SIDE)
    at = np.arange(-_REACH, _REACH + 1)
    waves = np.roll(plane.view(np.complex64)[..., 0], (_REACH, _REACH), (0, 1))
    waves = waves[: len(at), : len(at)]
    phase = np.exp(2j * np.pi * at * (SIDE - 1) / 2 / side).astype(np.complex64)
    waves = waves * phase[:, None] * phase[None]
    ring = np.hypot(at[:, None], at[None]).astype(np.intp) // (4 * _DENSE)
    power = np.bincount(ring.ravel(), (np.abs(waves) ** 2).ravel()) / np.bincount(ring.ravel())
    return np.asarray(waves / np.sqrt(power + 1e-12)[ring], dtype=np.complex64)
