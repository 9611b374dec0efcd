"""The convolutional code: known words, and messages that come back from noise."""

from __future__ import annotations

import numpy as np

from counterface.provenance.error_code import coded_length, decode, encode


def test_answer_to_a_single_one_is_the_generators() -> None:
    word = encode(np.array([1], dtype=np.uint8))
    assert word.reshape(-1, 2).T.tolist() == [[1, 1, 1, 1, 0, 0, 1], [1, 0, 1, 1, 0, 1, 1]]


def test_words_differ_in_ten_bits_at_least() -> None:
    # The code is linear, so the least weight is the least distance; 10 is the published one.
    words = [encode(np.array([1, *map(int, f"{n:010b}")], dtype=np.uint8)) for n in range(1024)]
    assert min(int(word.sum()) for word in words) == 10


def test_message_comes_back_when_many_bits_are_wrong() -> None:
    rng = np.random.default_rng(0)
    messages = rng.integers(0, 2, (50, 64)).astype(np.uint8)
    sent = np.array([encode(message) for message in messages])
    assert sent.shape == (50, coded_length(64)) == (50, 140)
    soft = (2.0 * sent - 1.0 + rng.normal(0, 0.65, sent.shape)).astype(np.float32)  # 6 % wrong
    assert ((soft > 0) != sent).sum(axis=1).max() > 12
    assert (decode(soft) == messages).all()
