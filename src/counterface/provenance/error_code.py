"""A convolutional code: a payload survives when a fifth of the bits that carry it are wrong.

Rate 1/2, constraint length 7, generators 171 and 133 (octal): Odenwalder's code of 1970, used since
Voyager. Decoded by Viterbi's algorithm (1967) on soft values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEMORY = 6  # earlier bits that shape the output; as many zero bits end a message
_GENERATORS = (0o171, 0o133)
_STATES = 1 << MEMORY

Bits = NDArray[np.uint8]  # 0 or 1
Soft = NDArray[np.float32]  # > 0 speaks for 1, < 0 for 0, by how much

# A register is (newest bit, state); the state that follows is the register without its oldest bit,
# so that state s is reached from the registers 2 s and 2 s + 1.
_PARITY = np.array(
    [[(register & g).bit_count() & 1 for g in _GENERATORS] for register in range(2 * _STATES)],
    dtype=np.uint8,
)
_SIGNS = (2.0 * _PARITY - 1.0).astype(np.float32)


def coded_length(bits: int) -> int:
    """The number of channel bits that carry a message of `bits` bits."""
    return (bits + MEMORY) * len(_GENERATORS)


def encode(message: Bits) -> Bits:
    """The channel bits of a message (N,), `coded_length(N)` of them."""
    register, out = 0, []
    for bit in [*message.tolist(), *[0] * MEMORY]:
        register = (bit << MEMORY) | (register >> 1)
        out.append(_PARITY[register])
    return np.concatenate(out)


def decode(soft: Soft) -> Bits:
    """The most likely messages of soft channel bits: (M, coded_length(N)) in, (M, N) out."""
    words = np.arange(len(soft))[:, None]
    score = np.full((len(soft), _STATES), -np.inf, dtype=np.float32)
    score[:, 0] = 0.0
    chosen = []
    for pair in soft.reshape(len(soft), -1, len(_GENERATORS)).swapaxes(0, 1):
        both = (np.concatenate([score, score], axis=1) + pair @ _SIGNS.T).reshape(-1, _STATES, 2)
        odd = both[..., 1] > both[..., 0]
        score = np.where(odd, both[..., 1], both[..., 0])
        chosen.append(odd)
    state = np.zeros_like(words)
    message = []
    for odd in reversed(chosen):
        register = 2 * state + odd[words, state]
        message.append(register >> MEMORY)
        state = register % _STATES
    return np.hstack(message[::-1][: len(message) - MEMORY]).astype(np.uint8)
