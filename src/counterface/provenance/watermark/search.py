"""Reads the mark from the waves of pictures, and says how large a statistic is no chance.

False finds: for any picture, place and payload, the keyed signs make the statistic t (the sum of
all waves along their signs, over the root of their energy) a sum of Rademacher variables, so that
P(t > x) <= exp(-x^2 / 2) (Hoeffding, 1963). The limits below are x for 1e-9 a file with all 2^32
payloads, views and places of the search counted; see docs/watermark.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from counterface.provenance.error_code import decode, encode
from counterface.provenance.watermark.carrier import CHANNEL_BITS, Carrier, Waves

CHANCE = 1e-9  # of a false find in a file, at most
VIEWS = 4  # as it is, mirrored, and both without bars


def limit(payloads: int, places: int) -> float:
    """What t must exceed: the chance of a false find is `CHANCE` / 4 for each kind of reading."""
    return math.sqrt(2 * (math.log(payloads) + math.log(places) + math.log(4 / CHANCE)))


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
        carrier: carrier of the key.
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
