"""Reads the marks of the first format (to version 0.1); none are written any more.

The luma at working size in 16x16 blocks; the low to middle frequencies of each block's DCT dealt
out, by key, to 140 bits, the sign of a bit's keyed sum being the bit. The 140 bits are 64 in an
error-correcting code: a 32-bit payload and its 32-bit keyed checksum, which a picture without the
mark passes with probability 2^-32 in each view.
"""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
from numpy.typing import NDArray

from counterface.provenance.error_code import Bits, coded_length, decode, encode
from counterface.types import Floats

CHANNEL_BITS = coded_length(64)  # 140

_SIDE = 256  # of the working size
_BLOCK = 16
_LOW, _HIGH = 2.5, 7.0  # radius in the block's DCT: 20 to 56 waves over the picture
_STEADY = 12.0  # grey levels of DCT coefficient: what coding noise adds to every block's activity


class FirstFormat:
    """Finds the older marks of one key."""

    def __init__(self, key: bytes) -> None:
        """Deal the coefficients out."""
        self._secret = hmac.digest(key, b"counterface watermark checksum", "sha256")
        self._basis, self._weights = _basis()
        count = (_SIDE // _BLOCK) ** 2 * len(self._basis)
        share = count // CHANNEL_BITS  # coefficients for each bit
        order, self._signs = _deal(key, count)
        self._order = order[: share * CHANNEL_BITS]

    def soft_bits(self, luma: Floats) -> Floats:
        """The bits of a picture (256, 256) and of its mirror image, (2, 140); the sign is the bit.

        Those of several frames add up.
        """
        flipped = np.ascontiguousarray(luma[:, ::-1])
        return np.stack([self._soft(self._coefficients(view)) for view in (luma, flipped)])

    def read(self, sums: Floats) -> tuple[int, int, int] | None:
        """Row, payload and corrected bits of the first row (M, 140) with the right checksum."""
        for row, (soft, message) in enumerate(zip(sums, decode(sums), strict=True)):
            payload = int.from_bytes(np.packbits(message[:32]).tobytes(), "big")
            if soft.any() and np.array_equal(message, self._message(payload)):
                return row, payload, int(((soft > 0) != encode(message)).sum())
        return None

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

    def _message(self, payload: int) -> Bits:
        """The payload and its checksum, (64,)."""
        told = payload.to_bytes(4, "big")
        checksum = hmac.digest(self._secret, told, "sha256")[:4]
        return np.unpackbits(np.frombuffer(told + checksum, dtype=np.uint8))


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


def _activity(coefficients: Floats) -> Floats:
    """How busy each block is, grey levels, (blocks, 1): evens out what a busy block says."""
    mean = (coefficients**2).mean(axis=1, keepdims=True)
    return np.asarray(np.sqrt(mean + _STEADY**2))
