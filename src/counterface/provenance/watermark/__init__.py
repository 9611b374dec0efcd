"""A keyed mark in the pixels that says "made by Counterface on this machine".

Spread-spectrum waves cover the whole picture, as strong at each place as its texture hides. They
are found by their sum over many frames, also after crops of about 10 % and turns of 2 degrees.
Marks of the first format are still read. Anybody who sets out to remove the mark can. See
docs/watermark.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from counterface.errors import ProvenanceError
from counterface.provenance.home import WATERMARK_FILE, home_dir, read_or_make
from counterface.provenance.watermark import first_format
from counterface.provenance.watermark.carrier import CHANNEL_BITS, SIDE, Carrier, deal
from counterface.provenance.watermark.first_format import FirstFormat
from counterface.provenance.watermark.moved import MovedSearch
from counterface.provenance.watermark.search import CHANCE, VIEWS, Find, read_waves
from counterface.provenance.watermark.visibility import hidden_rms
from counterface.provenance.watermark.working_size import (
    MIN_SIDE,
    evened,
    fits,
    luma_square,
    without_bars,
)
from counterface.types import Floats, Image

__all__ = [
    "CHANNEL_BITS",
    "FALSE_FIND",
    "KEY_BYTES",
    "MIN_SIDE",
    "NOTHING",
    "Watermark",
    "WatermarkReading",
    "WatermarkSearch",
    "fits",
    "load_or_make_key",
    "without_bars",
]

KEY_BYTES = 32
FALSE_FIND = CHANCE + VIEWS * 2.0**-32  # for a file without a mark, both formats, at most

_FINE = 8  # steps to a grey level while the change is enlarged: fits a byte, which is fast
_STRIP = 64  # rows changed at a time
_UP = np.rint(np.maximum(np.arange(256) - 128, 0) / _FINE).astype(np.uint8)
_DOWN = np.rint(np.maximum(128 - np.arange(256), 0) / _FINE).astype(np.uint8)
_VIEWS = ("as it is", "mirrored", "without bars", "without bars, mirrored")


@dataclass(frozen=True, slots=True)
class WatermarkReading:
    """The result of a search for the mark."""

    found: bool
    payload: int | None  # 32 bits; None where not found
    confidence: float  # share of the channel bits that agree; 0 where not found
    bit_errors: int | None  # channel bits that the code had to correct
    view: str | None  # the way of looking at the pictures that showed the mark
    images_read: int  # pictures large enough to be searched


NOTHING = WatermarkReading(False, None, 0.0, None, None, 0)


def load_or_make_key(home: Path | None = None) -> bytes:
    """This machine's watermark key, 32 bytes, made on first use and readable by its owner only.

    Args:
        home: the folder of private files; `home_dir()` by default.

    Raises:
        ProvenanceError: it cannot be read or made, others may read it, or it is not a key.
    """
    file = (home or home_dir()) / WATERMARK_FILE
    key = read_or_make(file, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise ProvenanceError(
            f"{file} has {len(key)} bytes, a key has {KEY_BYTES}; restore it from a copy (deleting "
            "it makes a new key, which does not find older marks)"
        )
    return key


class Watermark:
    """Leaves and finds the marks of one key; safe to share between threads."""

    def __init__(self, key: bytes, payload: int = 0) -> None:
        """Deal the waves out.

        Args:
            key: 32 secret bytes; whoever has them can find, forge and remove the mark.
            payload: the payload that `mark` writes, 0 to 2^32 - 1; `find` reads any payload, and
                this one even where the mark is too faint for an unknown one.

        Raises:
            ProvenanceError: a key of another length, or a payload out of range.
        """
        if len(key) != KEY_BYTES:
            raise ProvenanceError(f"a watermark key has {KEY_BYTES} bytes, not {len(key)}")
        if not 0 <= payload < 1 << 32:
            raise ProvenanceError(f"a payload is 0 to 2^32 - 1, not {payload}")
        self.payload = payload
        self.carrier, self.first = _waves(key)
        self._key = key
        self._pattern = self.carrier.pattern(payload)

    @property
    def moved(self) -> MovedSearch:
        """The search in pictures that were cropped or turned; prepared on first use."""
        return _moved_search(self._key, self.payload)

    def mark(self, image: Image) -> Image:
        """A copy of the picture that carries the payload; use the same object for all frames.

        Args:
            image: RGB uint8 (H, W, 3). One with a side below 96 pixels cannot hold the mark and
                comes back unchanged (`fits` tells).

        Raises:
            ShapeError: another shape or type.
        """
        if not fits(image):
            return image.copy()
        height, width = image.shape[:2]
        change = self._pattern * hidden_rms(luma_square(image))
        steps = np.clip(np.rint(change * _FINE) + 128, 0, 255).astype(np.uint8)
        way = cv2.INTER_AREA if min(height, width) < SIDE else cv2.INTER_CUBIC
        steps = cv2.resize(steps, (width, height), interpolation=way)
        marked = np.empty_like(image)
        for top in range(0, height, _STRIP):  # fresh pages for whole pictures cost more than sums
            rows = slice(top, top + _STRIP)
            up, down = cv2.LUT(steps[rows], _UP), cv2.LUT(steps[rows], _DOWN)
            raised = cv2.add(image[rows], cv2.merge([up, up, up]))  # saturates
            marked[rows] = cv2.subtract(raised, cv2.merge([down, down, down]))
        return marked

    def find(self, images: Iterable[Image]) -> WatermarkReading:
        """The mark that the pictures carry together: one picture, or frames of one video.

        Eight to sixteen frames spread over a video are enough; more cost time and gain little.

        Args:
            images: RGB uint8 (H, W, 3), not necessarily of one size; read one at a time.

        Raises:
            ShapeError: another shape or type.
        """
        search = WatermarkSearch(self)
        for image in images:
            search.add(image)
        return search.reading()


class WatermarkSearch:
    """A search through pictures that come one at a time, none of which is kept."""

    def __init__(self, watermark: Watermark) -> None:
        """Nothing has been looked at yet."""
        self._mark = watermark
        self._sums = np.zeros((2, SIDE, SIDE), dtype=np.float32)  # as it is, without bars
        self._older = np.zeros((2, 2, first_format.CHANNEL_BITS), dtype=np.float32)
        self._read = 0
        self._bars = False
        self._aspect = 1.0  # of the last picture inside its bars

    def add(self, image: Image) -> None:
        """Look at one more picture, RGB uint8 (H, W, 3); one that is too small is passed over.

        Raises:
            ShapeError: another shape or type.
        """
        if not fits(image):
            return
        self._read += 1
        inner = without_bars(image)
        self._aspect = inner.shape[1] / inner.shape[0]
        for view, seen in enumerate((image, inner)):
            if view == 0 or inner is not image:
                luma = luma_square(seen)
                plain, older = evened(luma), self._mark.first.soft_bits(luma)
            self._sums[view] += plain
            self._older[view] += older
        self._bars |= inner is not image

    def reading(self) -> WatermarkReading:
        """The mark that the pictures so far carry together; takes 0.07 s if there is none."""
        if not self._read or np.abs(self._sums).max() < 1e-3:  # plain colour: nothing was marked
            return replace(NOTHING, images_read=self._read)
        mark = self._mark
        squares = [view for s in self._sums[: 1 + self._bars] for view in (s, _mirrored(s))]
        for square, view in zip(squares, _VIEWS, strict=False):
            waves = mark.carrier.waves(square)
            if found := read_waves(mark.carrier, waves, VIEWS, mark.payload):
                return self._found(found, view)
        older = self._older[: 1 + self._bars].reshape(-1, first_format.CHANNEL_BITS)
        if old := mark.first.read(older):
            row, payload, errors = old
            agree = 1 - errors / first_format.CHANNEL_BITS
            return self._found(Find(payload, agree, errors), f"{_VIEWS[row]}, first format")
        if moved := mark.moved.find(self._sums[int(self._bars)], self._aspect):
            return self._found(moved[0], "moved, mirrored" if moved[1] else "moved")
        return replace(NOTHING, images_read=self._read)

    def _found(self, find: Find, view: str) -> WatermarkReading:
        return WatermarkReading(True, find.payload, find.agree, find.errors, view, self._read)


# These depend on key and payload alone; a scan needs them for every file.
@lru_cache(maxsize=4)
def _waves(key: bytes) -> tuple[Carrier, FirstFormat]:
    return deal(key), FirstFormat(key)


@lru_cache(maxsize=4)
def _moved_search(key: bytes, payload: int) -> MovedSearch:
    return MovedSearch(_waves(key)[0], payload)


def _mirrored(square: Floats) -> Floats:
    return np.ascontiguousarray(square[:, ::-1])
