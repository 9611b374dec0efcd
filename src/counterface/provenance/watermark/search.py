"""Reads the mark from the waves of pictures, and tells a mark from chance.

False finds: for any picture, place and payload, the keyed signs make the statistic t (the sum of
all waves along their signs, over the root of their energy) a sum of Rademacher variables, so that
P(t > x) <= exp(-x^2 / 2) (Hoeffding, 1963). The limits below are the x that keeps false finds at
1e-9 a file over all 2^32 payloads, all views and all places of the search; see docs/watermark.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from counterface.provenance.error_code import decode, encode
from counterface.provenance.watermark.carrier import CHANNEL_BITS, Carrier, Waves, payload_of

CHANCE = 1e-9  # of a false find in a file, at most
VIEWS = 4  # as it is, mirrored, and both without bars


def limit(payloads: int, places: int) -> float:
    """The value that t must exceed; false finds are `CHANCE` / 4 for each kind of reading."""
    return math.sqrt(2 * (math.log(payloads) + math.log(places) + math.log(4 / CHANCE)))


@dataclass(frozen=True, slots=True)
class Find:
    """What was read at one place."""

    payload: int
    agree: float  # share of the channel bits
    errors: int  # channel bits that the code corrected


def read_waves(carrier: Carrier, waves: Waves, places: int, own: int) -> Find | None:
    """The mark that the waves carry; None where it could be chance.

    Args:
        carrier: carrier of the key.
        waves: (K,), of the pictures laid on the marked square.
        places: how many places the search looks at.
        own: a payload that is tried as it is, which a fainter mark is enough for.
    """
    along = (waves * carrier.signs.conj()).real  # (K,)
    energy = np.abs(waves) ** 2
    said = along[carrier.sync :]
    soft = np.bincount(carrier.of_bit(), said, CHANNEL_BITS).astype(np.float32)
    message = decode(soft[None])[0]
    payload = payload_of(message)
    synced, root = along[: carrier.sync].sum(), math.sqrt(energy.sum() + 1e-9)
    statistic = float(synced + (said * carrier.word(payload)).sum()) / root
    right = np.array_equal(message, carrier.message(payload))
    if not (right and statistic > limit(2**32, places)):
        payload = own
        told = (said * carrier.word(own)).sum()
        whole = float(synced + told)
        # A mark with another payload agrees in its synchronisation waves alone.
        if whole / root <= limit(1, places) or told < whole / 2:
            return None
    errors = int(((soft > 0) != encode(carrier.message(payload))).sum())
    return Find(payload, 1 - errors / CHANNEL_BITS, errors)
