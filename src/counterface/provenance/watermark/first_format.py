"""Reads the marks of the first format (up to version 0.1), which is no longer written.

The luma at working size is cut into 16x16 blocks. The low to middle frequencies of each block's DCT
are dealt out to 140 bits by key, and the sign of a bit's keyed sum is the bit. The 140 bits are 64
in an error-correcting code: a 32-bit payload and its 32-bit keyed checksum, which a picture without
the mark passes with probability 2^-32 in each view.
"""

from __future__ import annotations

import hmac

import numpy as np

from counterface.provenance.error_code import coded_length, decode, encode
from counterface.provenance.watermark.carrier import keyed_order, message_of, payload_of
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
        order, drawn = keyed_order(key, b"counterface watermark places", count)
        self._signs = (2.0 * (drawn & 1) - 1.0).astype(np.float32)
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
            payload = payload_of(message)
            if soft.any() and np.array_equal(message, message_of(payload, self._secret, 32)):
                return row, payload, int(((soft > 0) != encode(message)).sum())
        return None

    def _coefficients(self, luma: Floats) -> Floats:
        """The strength of each wave in each block, evened out over frequencies, (256 blocks, K)."""
        across = _SIDE // _BLOCK
        blocks = luma.reshape(across, _BLOCK, across, _BLOCK).swapaxes(1, 2)
        # A row of blocks at a time: BLAS would share all of them between threads, which then spin.
        waves = blocks.reshape(across, across, _BLOCK * _BLOCK) @ self._basis.T
        return np.asarray(waves.reshape(across * across, -1) * self._weights)

    def _soft(self, coefficients: Floats) -> Floats:
        """The keyed sum of each bit, (140,); the sign is the bit."""
        signs = self._signs.reshape(coefficients.shape)
        # Divided by how busy each block is, grey levels, (256, 1).
        mean = (coefficients**2).mean(axis=1, keepdims=True)
        even = coefficients / np.sqrt(mean + _STEADY**2) * signs
        return np.asarray(even.ravel()[self._order].reshape(CHANNEL_BITS, -1).mean(axis=1))


def _basis() -> tuple[Floats, Floats]:
    """The cosine waves that carry bits, orthonormal, (K, 256 pixels of a block), and their weights.

    Pictures have less of a wave the finer it is, in proportion to its length; the weights (K,)
    undo that, and what is added to a wave follows it.
    """
    place = np.arange(_BLOCK)
    waves = np.cos(np.pi * (2 * place + 1) * place[:, None] / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    waves[0] /= np.sqrt(2)
    radius = np.hypot(place[:, None], place)
    row, column = np.nonzero((radius >= _LOW) & (radius <= _HIGH))
    pictures = waves[row, :, None] * waves[column, None]
    weights = radius[row, column] / np.sqrt((radius[row, column] ** 2).mean())
    return pictures.reshape(len(row), -1).astype(np.float32), weights.astype(np.float32)
