"""A keyed mark in the pixels that says "made by Counterface on this machine".

Every picture is reduced to one working size, its luma cut into blocks, and the low to middle
frequencies of each block's DCT dealt out, by key, to 140 bits. A bit is the sign of the keyed sum
of its coefficients. Marking moves each sum that is not far enough on its side (quantisation to two
half-lines: Chen and Wornell, "Quantization index modulation", 2001; the spread sum after Cox et
al., "Secure spread spectrum watermarking", 1997), by the change with the least energy that fits a
fixed budget. The 140 bits are 64 in an error-correcting code: a 32-bit payload and its 32-bit
keyed checksum.

A picture without the mark passes a checksum with probability 2^-32, so n files give a false find
with probability at most n * TRIES * 2^-32: below 1e-5 for 10,000 files, whatever they show.

Survives: H.264 at crf 28, half size, JPEG 50, brightness and contrast, mirroring, black bars.
Does not survive: crops, turns, and anybody who sets out to remove it. See docs/watermark.md.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.errors import ProvenanceError, ShapeError
from counterface.provenance.error_code import Bits, coded_length, decode, encode
from counterface.provenance.home import WATERMARK_FILE, home_dir, read_or_make
from counterface.types import Floats, Image

MIN_SIDE = 96  # pixels: the finest frequency that carries bits needs 104 to be whole
KEY_BYTES = 32
CHANNEL_BITS = coded_length(64)  # 140

_SIDE = 256  # of the working size: any picture is squeezed or stretched to a square of this
_BLOCK = 16
_LOW, _HIGH = 2.5, 7.0  # radius in the block's DCT: 20 to 56 waves over the picture
_RMS = 1.95  # change at the working size, grey levels: 43 dB in the full picture
_FURTHEST = 0.4  # a bit further than this from its side is left to the code: it costs others more
_ENOUGH = 0.3  # a bit's margin that is not raised further: flat pictures change less than 43 dB
_STEADY = 12.0  # grey levels of DCT coefficient: what coding noise adds to every block's activity
_FINE = 8  # steps to a grey level while the change is enlarged: fits a byte, which is fast
_STRIP = 64  # rows changed at a time
_BAR = 20  # luma below which a whole edge row counts as a black bar

_UP = np.rint(np.maximum(np.arange(256) - 128, 0) / _FINE).astype(np.uint8)
_DOWN = np.rint(np.maximum(128 - np.arange(256), 0) / _FINE).astype(np.uint8)

View = Literal["as it is", "mirrored", "without bars", "without bars, mirrored"]
TRIES = len(get_args(View))
_VIEWS: tuple[View, ...] = get_args(View)


@dataclass(frozen=True, slots=True)
class WatermarkReading:
    """What a search for the mark found."""

    found: bool
    payload: int | None  # 32 bits; None where not found
    confidence: float  # share of the 140 channel bits that agree; 0 where not found
    bit_errors: int | None  # channel bits that the code had to correct
    view: View | None  # how the pictures had to be looked at
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
    """Leaves and finds the marks of one key. Safe to share between threads."""

    def __init__(self, key: bytes, payload: int = 0) -> None:
        """Deals the coefficients out.

        Args:
            key: 32 secret bytes; who has them can find, forge and remove the mark.
            payload: what `mark` writes, 0 to 2^32 - 1.

        Raises:
            ProvenanceError: a key of another length, or a payload out of range.
        """
        if len(key) != KEY_BYTES:
            raise ProvenanceError(f"a watermark key has {KEY_BYTES} bytes, not {len(key)}")
        if not 0 <= payload < 1 << 32:
            raise ProvenanceError(f"a payload is 0 to 2^32 - 1, not {payload}")
        self.payload = payload
        self._secret = hmac.digest(key, b"counterface watermark checksum", "sha256")
        self._code = encode(self._message(payload))
        self._basis, self._weights = _basis()
        count = (_SIDE // _BLOCK) ** 2 * len(self._basis)
        self._share = count // CHANNEL_BITS  # coefficients for each bit
        order, self._signs = _deal(key, count)
        self._order = order[: self._share * CHANNEL_BITS]

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
        change = self._change(self._coefficients(_luma(image)))
        steps = np.clip(np.rint(change * _FINE) + 128, 0, 255).astype(np.uint8)
        way = cv2.INTER_AREA if min(height, width) < _SIDE else cv2.INTER_LINEAR
        steps = cv2.resize(steps, (width, height), interpolation=way)
        marked = np.empty_like(image)
        for top in range(0, height, _STRIP):  # fresh pages for whole pictures cost more than sums
            rows = slice(top, top + _STRIP)
            up, down = cv2.LUT(steps[rows], _UP), cv2.LUT(steps[rows], _DOWN)
            raised = cv2.add(image[rows], cv2.merge([up, up, up]))  # saturates
            marked[rows] = cv2.subtract(raised, cv2.merge([down, down, down]))
        return marked

    def find(self, images: Iterable[Image]) -> WatermarkReading:
        """What the pictures carry together: one picture, or frames of one video.

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

    def _read(self, sums: Floats, read: int) -> WatermarkReading:
        """The first view whose message has the right checksum."""
        if np.array_equal(sums[:2], sums[2:]):  # no picture had bars
            sums = sums[:2]
        for view, soft, message in zip(_VIEWS, sums, decode(sums), strict=False):
            payload = int.from_bytes(np.packbits(message[:32]).tobytes(), "big")
            if read and np.array_equal(message, self._message(payload)):
                errors = int(((soft > 0) != encode(message)).sum())
                agree = 1 - errors / CHANNEL_BITS
                return WatermarkReading(True, payload, agree, errors, view, read)
        return WatermarkReading(False, None, 0.0, None, None, read)

    def _both_ways(self, luma: Floats) -> Floats:
        """The soft bits of a picture at working size and of its mirror image, (2, 140)."""
        flipped = np.ascontiguousarray(luma[:, ::-1])
        return np.stack([self._soft(self._coefficients(view)) for view in (luma, flipped)])

    def _coefficients(self, luma: Floats) -> Floats:
        """What each block has of each wave, evened out over frequencies, (256 blocks, K)."""
        across = _SIDE // _BLOCK
        blocks = luma.reshape(across, _BLOCK, across, _BLOCK).swapaxes(1, 2)
        # A row of blocks at a time: BLAS would share all of them between threads, which then spin.
        waves = blocks.reshape(across, across, _BLOCK * _BLOCK) @ self._basis.T
        return np.asarray(waves.reshape(across * across, -1) * self._weights)

    def _soft(self, coefficients: Floats) -> Floats:
        """The keyed sum of each bit, (140,); the sign is the bit."""
        signs = self._signs.reshape(coefficients.shape)
        even = coefficients / _activity(coefficients) * signs
        return np.asarray(self._of_bits(even).mean(axis=1))

    def _of_bits(self, values: Floats) -> Floats:
        """A value of each coefficient (256 blocks, K) in the order of the bits, (140, share)."""
        return np.asarray(values.ravel()[self._order].reshape(CHANNEL_BITS, -1))

    def _change(self, coefficients: Floats) -> Floats:
        """What is added to the luma at working size, grey levels, (256, 256)."""
        activity = _activity(coefficients)
        # Busy blocks hide more, but by the root only: the codec spares no block's fine detail.
        strength = np.sqrt(activity * _STEADY) / self._weights  # (256, K)
        gain = self._of_bits(strength * self._weights / activity).mean(
            axis=1
        )  # of a bit's sum for a step of 1
        cost = self._of_bits(strength**2).sum(axis=1)  # energy of that step
        wanted = 2.0 * self._code.astype(np.float32) - 1.0
        steps = _steps(self._soft(coefficients) * wanted, gain, cost)
        moves = np.zeros(coefficients.size, dtype=np.float32)
        moves[self._order] = np.repeat(steps * wanted, self._share)
        moves *= self._signs
        waves = moves.reshape(coefficients.shape) * strength
        blocks = waves.reshape(_SIDE // _BLOCK, _SIDE // _BLOCK, -1) @ self._basis
        return _join(np.asarray(blocks, dtype=np.float32))

    def _message(self, payload: int) -> Bits:
        """The payload and its checksum, (64,)."""
        told = payload.to_bytes(4, "big")
        checksum = hmac.digest(self._secret, told, "sha256")[:4]
        return np.unpackbits(np.frombuffer(told + checksum, dtype=np.uint8))


class WatermarkSearch:
    """A search through pictures that come one at a time, none of which is kept."""

    def __init__(self, watermark: Watermark) -> None:
        """Nothing has been looked at yet."""
        self._watermark = watermark
        self._sums = np.zeros((TRIES, CHANNEL_BITS), dtype=np.float32)
        self._read = 0

    def add(self, image: Image) -> None:
        """Looks at one more picture, RGB uint8 (H, W, 3); one that is too small is passed over.

        Raises:
            ShapeError: another shape or type.
        """
        if not fits(image):
            return
        self._read += 1
        plain = self._watermark._both_ways(_luma(image))
        self._sums[:2] += plain
        inner = without_bars(image)
        self._sums[2:] += plain if inner is image else self._watermark._both_ways(_luma(inner))

    def reading(self) -> WatermarkReading:
        """What the pictures so far carry together."""
        return self._watermark._read(self._sums, self._read)


def fits(image: Image) -> bool:
    """Whether a picture is large enough to hold the mark.

    Raises:
        ShapeError: it is not RGB uint8 (H, W, 3).
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ShapeError(f"expected RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")
    return bool(min(image.shape[:2]) >= MIN_SIDE)


def without_bars(image: Image) -> Image:
    """The picture inside its black bars; the picture itself where there are none.

    Args:
        image: RGB uint8 (H, W, 3).
    """
    edges = (image[:1], image[-1:], image[:, :1], image[:, -1:])
    if all(cv2.cvtColor(e, cv2.COLOR_RGB2GRAY).max() > _BAR for e in map(np.array, edges)):
        return image  # almost all pictures; looking at every pixel takes ten times as long
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    rows = np.flatnonzero(cv2.reduce(grey, 1, cv2.REDUCE_MAX) > _BAR)
    columns = np.flatnonzero(cv2.reduce(grey, 0, cv2.REDUCE_MAX) > _BAR)
    if not len(rows) or grey.shape == (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1):
        return image
    inner = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inner if fits(inner) else image


def _luma(image: Image) -> Floats:
    """The luma of a picture at working size, float32 (256, 256)."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    whole = min(grey.shape) // _SIDE
    if whole > 1:  # halving and the like is far faster than shrinking by a fraction
        height, width = grey.shape[0] // whole, grey.shape[1] // whole
        grey = grey[: height * whole, : width * whole]
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    way = cv2.INTER_AREA if whole else cv2.INTER_CUBIC
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=way)
    return np.asarray(small, dtype=np.float32)


def _basis() -> tuple[Floats, Floats]:
    """The cosine waves that carry bits, orthonormal, (K, 256 pixels of a block), and their weights.

    Pictures have less of a wave the finer it is, in proportion to its length; the weights (K,)
    undo that, and what is added to a wave follows it.
    """
    place = np.arange(_BLOCK)
    waves = np.cos(np.pi * (2 * place + 1) * place[:, None] / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    waves[0] /= np.sqrt(2)
    used = [
        (row, column)
        for row in range(_BLOCK)
        for column in range(_BLOCK)
        if _LOW <= np.hypot(row, column) <= _HIGH
    ]
    pictures = [np.outer(waves[row], waves[column]).ravel() for row, column in used]
    radius = np.array([np.hypot(row, column) for row, column in used])
    weights = radius / np.sqrt((radius**2).mean())
    return np.array(pictures, dtype=np.float32), weights.astype(np.float32)


def _deal(key: bytes, count: int) -> tuple[NDArray[np.intp], Floats]:
    """A keyed order of `count` coefficients and a keyed sign for each."""
    stream = hashlib.shake_256(key + b"counterface watermark places").digest(9 * count)
    order = np.argsort(np.frombuffer(stream[: 8 * count], dtype="<u8"), kind="stable")
    odd = np.frombuffer(stream[8 * count :], dtype=np.uint8) & 1
    return order, (2.0 * odd - 1.0).astype(np.float32)


def _join(blocks: Floats) -> Floats:
    """Blocks (256, 256 pixels) back in their places."""
    across = _SIDE // _BLOCK
    grid = blocks.reshape(across, across, _BLOCK, _BLOCK).swapaxes(1, 2)
    return np.ascontiguousarray(grid.reshape(_SIDE, _SIDE))


def _activity(coefficients: Floats) -> Floats:
    """How busy each block is, grey levels, (blocks, 1): evens out what a busy block says."""
    mean = (coefficients**2).mean(axis=1, keepdims=True)
    return np.asarray(np.sqrt(mean + _STEADY**2))


def _steps(margins: Floats, gain: Floats, cost: Floats) -> Floats:
    """How far each bit is moved so that the least margin becomes as large as the budget allows.

    Args:
        margins: (140,) of the unmarked picture; below 0 the bit is on the wrong side.
        gain: (140,) margin won by a step of 1.
        cost: (140,) energy of a step of 1, squared grey levels at working size.
    """
    budget = (_RMS * _SIDE) ** 2
    levels = np.linspace(_ENOUGH, -_ENOUGH, 241, dtype=np.float32)[:, None]
    steps = np.clip(levels - margins, 0, _FURTHEST) / gain
    spent = (steps**2) @ cost  # falls with the level
    best = min(int(np.count_nonzero(spent > budget)), len(levels) - 1)
    return np.asarray(steps[best] * min(1.0, np.sqrt(budget / max(float(spent[best]), budget))))
