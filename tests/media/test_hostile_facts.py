"""Made-up facts of files: whatever a header or a taken-over decoder says, the answer is sane."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.media.compression import Compression
from counterface.media.decoder_process import parent
from counterface.media.decoder_process.wire import pack_info, unpack_info
from counterface.media.probe import AudioInfo, MediaInfo
from counterface.media.stream.extent import Extent, Stated, length_notes
from counterface.media.stream.outline import missing_bytes

SECONDS = st.builds(Fraction, st.integers(0, 10**9), st.sampled_from([1, 25, 1001, 90_000]))
INTERVALS = st.builds(Fraction, st.integers(1, 100), st.sampled_from([10, 600, 1000]))

INFO = MediaInfo(
    path="a.mp4",
    kind="video",
    container="mp4",
    codec="h264",
    width=96,
    height=64,
    rotation=0,
    fps=Fraction(25),
    duration_s=2.0,
    bit_rate=1000,
    frame_count=50,
    pixel_format="yuv420p",
    compression=Compression(strength=0.2, quantiser=20.0, method="quantiser"),
    audio=(AudioInfo(codec="aac", sample_rate=48_000, channels=2, duration_s=2.0),),
    bytes=9000,
)


def extent(start: Fraction, length: Fraction, *, torn: bool = False) -> Extent:
    end = start + length
    return Extent(start, end, frames=1, timed=True, file_end_s=end, torn=torn)


@given(start=SECONDS, length=SECONDS, interval=INTERVALS)
def test_a_file_that_holds_what_it_states_needs_no_note(start, length, interval):
    found = extent(start, length)
    for stated in (Stated(found.end_s, None), Stated(None, found.end_s)):
        for missing in (0, None):
            assert length_notes(found, stated, interval, missing) == []


@given(start=SECONDS, length=SECONDS, interval=INTERVALS, missing=st.sampled_from([0, 1, 10**6]))
def test_a_missing_third_is_never_silent(start, length, interval, missing):
    found = extent(start, length)
    promised = (found.end_s + 4 * interval + 1) * Fraction(3, 2)
    (note,) = length_notes(found, Stated(promised, None), interval, missing)
    assert note.code == "cut_short"
    assert f"{float(length):.2f} of about" in note.text


@given(length=SECONDS, interval=INTERVALS, stated=st.none() | SECONDS)
def test_missing_bytes_and_torn_frames_are_never_silent(length, interval, stated):
    for found, missing in (
        (extent(Fraction(0), length), 1),
        (extent(Fraction(0), length, torn=True), 0),
    ):
        (note,) = length_notes(found, Stated(stated, None), interval, missing)
        assert note.code == "cut_short"


HEADS = [
    *(b"RIFF", b"\x1a\x45\xdf\xa3", b"FLV\1", b"OggS", b"GIF89a", b"\0\0\1\xba", b"\x89PNG"),
    *(b"\0\0\0\x20ftyp", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), b"\x47" + bytes(187)),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=400))
def test_the_outline_of_any_bytes_is_a_number_or_none(tmp_path: Path, head: bytes, rest: bytes):
    path = tmp_path / "any"
    path.write_bytes(head + rest)
    missing = missing_bytes(path)
    assert missing is None or missing >= 0


def test_possible_facts_survive_the_pipe():
    facts = INFO.model_copy(update={"fps": Fraction(30000, 1001), "stored_size": (20_000, 9000)})
    assert unpack_info(pack_info(facts)) == facts
    told = pack_info(INFO)
    told["compression"]["words"] = "no need to look any further"
    assert unpack_info(told) == INFO


IMPOSSIBLE = {
    "fps": ["0", "-25", "1/0", "many", "1e999999999"],
    "start_s": ["1/0", "nan", "1e999999999"],
    "pixel_aspect": ["0/0", "-1", "9e999999999"],
    "duration_s": [-1.0, math.inf, math.nan, "long"],
    "width": [0, -5, "wide"],
    "rotation": [45],
    "frame_count": [-1],
    "compression": [{"strength": 7, "quantiser": None, "method": "quantiser"}, {}, 7],
    "notes": [[{"code": "hdr"}], ["text"]],
    "kind": ["playlist"],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_facts_are_one_error_with_the_name_of_the_file(name, tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    for value in IMPOSSIBLE[name]:
        told = {"info": {**pack_info(INFO), name: value}}
        monkeypatch.setattr(parent, "ask", lambda request, told=told: (m for m in [told]))
        with pytest.raises(MediaError, match=r"a\.mp4.*answered nonsense"):
            sandbox.probe(path)
