"""The keyed pattern: the waves of the working square, and the bit and sign that each carries.

Spread spectrum in the Fourier plane (Cox, Kilian, Leighton and Shamoon, "Secure spread spectrum
watermarking for multimedia", 1997): every wave of the band has a real and an imaginary sign, drawn
by key. Some of the waves are always the same (synchronisation: they find crops and turns); the
others carry the bits of a code word. The pattern is the same for every picture and every frame.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterface.provenance.error_code import Bits, coded_length, encode
from counterface.types import Floats

SIDE = 256  # of the working square: any picture is squeezed or stretched to it
CHECK_BITS = 8  # of a keyed checksum: guards the payload; the statistic guards the find
CHANNEL_BITS = coded_length(32 + CHECK_BITS)  # 92

_LOW, _HIGH = 18, 64  # waves over the picture: below, pictures hide them; above, codecs drop them
_SYNC = 0.22  # share of the waves that are the same for all payloads

Waves = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Carrier:
    """The waves of one key; all arrays are in the same keyed order of waves."""

    row: NDArray[np.intp]  # (K,) in the half plane of `np.fft.rfft2`, (256, 129)
    column: NDArray[np.intp]  # (K,)
    signs: Waves  # (K,) +-1 +-1j
    ring: NDArray[np.intp]  # (K,) waves of a ring have about the same wavelength
    sync: int  # number of waves at the start that carry no bit
    secret: bytes  # key of the checksum

    def of_bit(self) -> NDArray[np.intp]:
        """The channel bit of each wave after the first `sync`, (K - sync,)."""
        return np.arange(len(self.signs) - self.sync) % CHANNEL_BITS

    def message(self, payload: int) -> Bits:
        """The payload and its checksum, (40,)."""
        return message_of(payload, self.secret, CHECK_BITS)

    def word(self, payload: int) -> Floats:
        """The sign, +-1, that the payload gives to each wave after the first `sync`."""
        return np.asarray(2.0 * encode(self.message(payload))[self.of_bit()] - 1.0, np.float32)

    def pattern(self, payload: int) -> Floats:
        """The picture of the payload at working size, (256, 256), mean 0 and rms 1."""
        plane = np.zeros((SIDE, SIDE // 2 + 1), dtype=np.complex64)
        word = np.concatenate([np.ones(self.sync, np.float32), self.word(payload)])
        plane[self.row, self.column] = self.signs * word
        picture = np.fft.irfft2(plane, s=(SIDE, SIDE))
        return np.asarray(picture / picture.std(), dtype=np.float32)

    def waves(self, square: Floats) -> Waves:
        """The waves of a picture, every ring evened out to rms 1, (K,).

        Args:
            square: (256, 256).
        """
        found = np.fft.rfft2(square)[self.row, self.column]
        power = np.bincount(self.ring, np.abs(found) ** 2) / np.bincount(self.ring)
        return np.asarray(found / np.sqrt(power + 1e-12)[self.ring], dtype=np.complex64)


def deal(key: bytes) -> Carrier:
    """The waves of a key; the same on every machine."""
    down = np.fft.fftfreq(SIDE, 1 / SIDE)[:, None]
    across = np.arange(SIDE // 2 + 1)[None]
    radius = np.hypot(down, across)
    row, column = np.nonzero((radius >= _LOW) & (radius < _HIGH) & (across > 0))
    order, drawn = keyed_order(key, b"counterface watermark waves", len(row))
    signs = 2.0 * (drawn & 1) - 1.0 + 1j * (2.0 * (drawn >> 1 & 1) - 1.0)
    ring = (radius[row, column].astype(np.intp) - _LOW) // 4
    return Carrier(
        row[order],
        column[order],
        signs.astype(np.complex64),
        ring[order],
        round(_SYNC * len(row)),
        secret=hmac.digest(key, b"counterface watermark checksum 2", "sha256"),
    )


def keyed_order(key: bytes, label: bytes, count: int) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """A keyed order of `count` things, and a keyed byte for each; the same on every machine."""
    stream = hashlib.shake_256(key + label).digest(9 * count)
    order = np.argsort(np.frombuffer(stream[: 8 * count], dtype="<u8"), kind="stable")
    return order, np.frombuffer(stream[8 * count :], dtype=np.uint8)


def message_of(payload: int, secret: bytes, check_bits: int) -> Bits:
    """The 32 bits of a payload, and a keyed checksum of them."""
    told = payload.to_bytes(4, "big")
    check = hmac.digest(secret, told, "sha256")[: check_bits // 8]
    return np.unpackbits(np.frombuffer(told + check, dtype=np.uint8))


def payload_of(message: Bits) -> int:
    """The payload that a message begins with."""
    return int.from_bytes(np.packbits(message[:32]).tobytes(), "big")
