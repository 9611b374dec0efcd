"""Whatever a picture makes of the bits of a mark, it is read as what was written or not at all."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from counterface.provenance.error_code import encode
from counterface.provenance.watermark import CHANNEL_BITS, Watermark
from counterface.provenance.watermark.carrier import deal, message_of, payload_of
from counterface.provenance.watermark.first_format import FirstFormat
from counterface.provenance.watermark.search import read_waves
from counterface.types import Floats, Image

KEY = bytes(range(32))
FIRST, CARRIER, MARK = FirstFormat(KEY), deal(KEY), Watermark(KEY, 7)
payloads = st.integers(0, 2**32 - 1)
any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(payload=payloads, check_bits=st.sampled_from([8, 16, 24, 32]))
def test_a_message_begins_with_its_payload(payload: int, check_bits: int) -> None:
    message = message_of(payload, b"secret", check_bits)
    assert message.shape == (32 + check_bits,)
    assert payload_of(message) == payload


@given(
    payload=payloads,
    flipped=st.sets(st.integers(0, CHANNEL_BITS - 1), max_size=10),
    strength=st.floats(1e-3, 1e6),
)
def test_some_wrong_bits_are_corrected(payload: int, flipped: set[int], strength: float) -> None:
    soft = np.where(encode(message_of(payload, FIRST._secret, 32)), 1.0, -1.0)
    soft[list(flipped)] *= -0.2  # a bit that is wrong is faint, as a rule
    read = FIRST.read((soft * strength).astype(np.float32)[None])
    assert read == (0, payload, len(flipped))


@given(sums=arrays(np.float32, (2, CHANNEL_BITS), elements=any_float))
def test_any_sums_are_no_mark(sums: Floats) -> None:
    with np.errstate(all="ignore"):
        assert FIRST.read(sums) is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0, 1e12))
def test_any_waves_are_no_mark(seed: int, scale: float) -> None:
    chance = np.random.default_rng(seed)
    real, imaginary = chance.normal(0, 1, (2, len(CARRIER.signs)))
    assert read_waves(CARRIER, scale * (real + 1j * imaginary), 1, 7) is None


@settings(max_examples=15, deadline=None)
@given(
    image=arrays(
        np.uint8,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=140).map(lambda s: (*s, 3)),
        elements=st.sampled_from([0, 1, 128, 255]),
        fill=st.integers(0, 255),
    )
)
def test_any_picture_is_searched(image: Image) -> None:
    reading = MARK.find([image])
    assert not reading.found
    assert reading.images_read == (min(image.shape[:2]) >= 96)
