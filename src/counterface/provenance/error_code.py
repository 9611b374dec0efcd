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

# A register is (newest bit, state); the state that follows is the register without its oldest bit.
_REGISTERS = np.arange(2 * _STATES)
_PARITY = np.array(
    [[(register & g).bit_count() & 1 for g in _GENERATORS] for register in range(2 * _STATES)],
    dtype=np.uint8,
)
_EVEN = np.arange(_STATES) << 1  # a state is reached from two registers: oldest bit 0 or 1
_ODD = _EVEN | 1
_SIGNS = (2.0 * _PARITY - 1.0).astype(np.float32)


def coded_length(bits: int) -> int:
    """How many channel bits carry a message of `bits` bits."""
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
        gains = pair @ _SIGNS.T  # (M, registers)
        even = score[:, _EVEN % _STATES] + gains[:, _EVEN]
        odd = score[:, _ODD % _STATES] + gains[:, _ODD]
        score = np.maximum(even, odd)
        chosen.append(np.where(odd > even, _ODD, _EVEN))  # the register that led to each state
    state = np.zeros_like(words)
    message = []
    for registers in reversed(chosen):
        register = registers[words, state]
        message.append(register >> MEMORY)
        state = register % _STATES
    return np.hstack(message[::-1][: len(message) - MEMORY]).astype(np.uint8)
