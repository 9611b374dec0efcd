"""Sound comes out at its time, whatever holds it; what is odd gives sound, None or an error."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_media import draw, write_clip
from drawn_sound import CLICK_S, CODECS, click, encode, tone, write_heard

from counterface.errors import ConfigError, MediaError
from counterface.media import sandbox, sound
from counterface.media.decoder_process import parent
from counterface.media.decoder_process.wire import pack_sound
from counterface.media.image import write_image
from counterface.media.sound import Sound

WITH_PICTURES = [suffix for suffix, (video, _) in CODECS.items() if video]


def listen(path: Path, **options) -> tuple[Sound | None, list[str]]:
    """The sound, read in the sandbox, and the codes of its notes."""
    notes: list = []
    found = sandbox.read_sound(path, tell=notes.append, **options)
    assert all(note.text.endswith(".") for note in notes)
    return found, [note.code for note in notes]


def click_time(found: Sound) -> float:
    """The time at which the click begins: the middle of all energy, less half its length."""
    energy = found.samples.astype(np.float64) ** 2
    middle = (energy * np.arange(len(energy))).sum() / energy.sum()
    return float(found.start) + middle / found.rate - CLICK_S / 2


def loudest_hertz(found: Sound) -> float:
    spectrum = np.abs(np.fft.rfft(found.samples * np.hanning(len(found.samples))))
    return float(spectrum.argmax() * found.rate / len(found.samples))


def white_time(path: Path) -> float:
    return float(next(f.pts for f in sandbox.read_video(path) if f.image.mean() > 128))


@pytest.mark.parametrize("suffix", WITH_PICTURES)
def test_a_click_comes_out_at_its_time(suffix: str, tmp_path: Path) -> None:
    path = write_heard(tmp_path / f"a{suffix}", click(1.0, 2.0, 48_000))
    found, notes = listen(path)
    white_s = white_time(path)  # the first white frame is shown when the click begins
    assert click_time(found) == pytest.approx(white_s, abs=0.001)
    assert found.duration == pytest.approx(2.0, abs=0.05)
    assert (found.samples.dtype, found.rate, found.streams, notes) == (np.float32, 16_000, 1, [])
    part, _ = listen(path, start=white_s - 0.1, duration=0.3)
    assert 0 <= float(part.start) - (white_s - 0.1) < 1 / 16_000 + 1e-9
    assert click_time(part) == pytest.approx(white_s, abs=0.001)
    assert abs(len(part.samples) - 4800) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("suffix", CODECS)
def test_a_part_found_by_seeking_is_that_part(suffix: str, tmp_path: Path) -> None:
    wave = np.concatenate([click(0.5, 1.0, 48_000) * (n + 1) / 8 for n in range(8)])
    path = write_heard(tmp_path / f"a{suffix}", wave, frames=200)
    whole, _ = listen(path)
    for click_number in (2, 5):
        begin = float(whole.start) + click_number + 0.25
        part, _ = listen(path, start=begin, duration=0.5)
        first = round((float(part.start) - float(whole.start)) * whole.rate)
        same = replace(part, samples=whole.samples[first : first + len(part.samples)])
        # The grid of samples may lie elsewhere, and Matroska and FLV round times to 1 ms.
        assert click_time(part) == pytest.approx(click_time(same), abs=0.0015)
        assert np.abs(part.samples).max() == pytest.approx(np.abs(same.samples).max(), rel=0.1)


def test_the_sandbox_gives_what_the_plain_reader_gives(tmp_path: Path) -> None:
    path = write_heard(tmp_path / "a.mov", tone(440, 23, 8_000), rate=8_000, frames=5)  # 3 parts
    inside, here = sandbox.read_sound(path), sound.read_sound(path)
    assert np.array_equal(inside.samples, here.samples)
    assert len(inside.samples) > 22.9 * 16_000
    for name in ("rate", "start", "codec", "stored_rate", "channels", "streams"):
        assert getattr(inside, name) == getattr(here, name)
    assert (inside.codec, inside.stored_rate, inside.channels) == ("pcm_s16le", 8_000, 2)


def test_a_file_without_sound_gives_none(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", draw(0))
    assert listen(write_clip(tmp_path / "a.mp4")) == (None, [])
    assert listen(tmp_path / "a.png") == (None, [])


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_sound_without_pictures(suffix: str, tmp_path: Path) -> None:
    path = write_heard(tmp_path / f"a{suffix}", click(1.0, 2.0, 48_000))
    whole, part = listen(path)[0], listen(path, start=0.9)[0]
    first_s = float(whole.start)  # MP3's clock runs from before the part that is not heard
    assert click_time(whole) == pytest.approx(1.0 + first_s, abs=0.001)
    assert click_time(part) == pytest.approx(1.0 + first_s, abs=0.001)


def test_of_two_tracks_the_default_one_is_read(tmp_path: Path) -> None:
    waves = tone(300, 1, 48_000), tone(3000, 1, 48_000)
    for default, hertz in ((0, 300), (1, 3000)):
        path = write_heard(tmp_path / f"{default}.mkv", *waves, default=default)
        found, notes = listen(path)
        assert loudest_hertz(found) == pytest.approx(hertz, abs=2)
        assert (found.streams, notes) == (2, ["several_sounds"])


def test_a_track_of_an_unknown_codec_is_passed_over(tmp_path: Path) -> None:
    path = write_heard(tmp_path / "a.mkv", tone(300, 1, 48_000), tone(3000, 1, 48_000), default=0)
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XXX", 1))
    found, notes = listen(path)
    assert loudest_hertz(found) == pytest.approx(3000, abs=2)
    assert notes == ["several_sounds"]


def test_an_unknown_codec_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    path = write_heard(tmp_path / "a.mkv", tone(300, 1, 48_000))
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XXX", 1))
    with pytest.raises(MediaError, match=r"a\.mkv.*codec of its sound is not known.*convert"):
        listen(path)


def test_sound_that_is_shorter_than_the_picture(tmp_path: Path) -> None:
    path = write_heard(tmp_path / "a.mp4", tone(440, 0.5, 48_000))
    found, notes = listen(path)
    assert found.duration == pytest.approx(0.5, abs=0.03)
    assert notes == []
    later, notes = listen(path, start=1.5, duration=0.25)
    assert (len(later.samples), later.start, notes) == (0, Fraction(3, 2), [])


@pytest.mark.parametrize("rate", [8_000, 96_000])
def test_other_rates_keep_pitch_and_time(rate: int, tmp_path: Path) -> None:
    wave = np.concatenate([np.zeros(rate // 2, np.float32), tone(1000, 1, rate)])
    if rate > 48_000:  # what 16 kHz cannot hold must not come back as another tone
        wave[rate // 2 :] += 0.4 * tone(30_000, 1, rate)
    found, _ = listen(write_heard(tmp_path / "a.mov", wave, rate=rate))
    assert loudest_hertz(found) == pytest.approx(1000, abs=2)
    assert found.stored_rate == rate
    begins = np.argmax(np.abs(found.samples) > 0.1) / found.rate
    assert begins == pytest.approx(0.5, abs=0.002)
    spectrum = np.abs(np.fft.rfft(found.samples[9000:23_000] * np.hanning(14_000))) / 3500
    hertz = np.fft.rfftfreq(14_000, 1 / found.rate)
    assert spectrum[np.abs(hertz - 1000) > 20].max() < 0.001


def test_other_rates_of_the_result(tmp_path: Path) -> None:
    path = write_heard(tmp_path / "a.mov", tone(1000, 1, 48_000))
    for rate in (8_000, 44_100, 192_000):
        found, _ = listen(path, rate=rate)
        assert (found.rate, len(found.samples)) == (rate, rate)
        assert loudest_hertz(found) == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("channel", range(6))
def test_every_channel_but_the_bass_of_five_point_one_is_heard(channel: int, tmp_path: Path):
    channels = np.zeros((6, 24_000), np.float32)
    channels[channel] = tone(500, 0.5, 48_000)
    path = write_heard(tmp_path / "a.mov", channels, layout="5.1", frames=3)
    found, _ = listen(path)
    assert found.channels == 6
    is_bass = channel == 3  # FFmpeg leaves the low-frequency channel out when it mixes
    assert (np.abs(found.samples).max() > 0.04) is not is_bass
    assert np.abs(found.samples).max() < 0.6


@pytest.mark.parametrize("count", [3, 11])
def test_channels_that_no_layout_names_are_mixed(count: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = (np.stack([tone(500, 0.5, 16_000)] * count, 1) * 32_767).astype("<i2").tobytes()
    header = struct.pack("<HHIIHH", 1, count, 16_000, 32_000 * count, 2 * count, 16)
    path.write_bytes(_wav(header, samples))
    found, _ = listen(path)
    assert found.channels == count
    assert loudest_hertz(found) == pytest.approx(500, abs=3)
    assert np.abs(found.samples).max() == pytest.approx(0.5, abs=0.02)


def _wav(header: bytes, samples: bytes) -> bytes:
    body = b"WAVE" + _chunk(b"fmt ", header) + _chunk(b"data", samples)
    return _chunk(b"RIFF", body)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data


def test_silence_is_sound(tmp_path: Path) -> None:
    found, notes = listen(write_heard(tmp_path / "a.mp4", np.zeros(48_000, np.float32)))
    assert len(found.samples) >= 16_000
    assert np.abs(found.samples).max() < 1e-4
    assert notes == []


def test_lost_packets_are_silence_and_what_follows_keeps_its_time(tmp_path: Path) -> None:
    wave = click(1.5, 2.0, 48_000) + np.where(np.arange(96_000) < 48_000, 0.02, 0).astype("f4")
    path = write_heard(tmp_path / "a.mkv", wave, lost=(0.4, 0.8), white_from=38)
    found, _ = listen(path)
    assert click_time(listen(path, start=1.2)[0]) == pytest.approx(1.5, abs=0.001)
    assert np.abs(found.samples[round(0.5 * 16_000) : round(0.75 * 16_000)]).max() == 0
    assert np.abs(found.samples[: round(0.3 * 16_000)]).max() > 0.01


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mpg", ".flv", ".wav", ".webm"])
def test_of_sound_that_is_cut_off_the_rest_is_given(suffix: str, tmp_path: Path) -> None:
    path = write_heard(tmp_path / f"a{suffix}", tone(440, 4, 48_000), frames=100)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 - 50])  # not between two packets of MPEG
    found, notes = listen(path)
    assert 1 < found.duration < 3.5
    assert np.abs(found.samples).max() > 0.4
    assert "sound_cut_short" in notes


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4", ".webm", ".mp3", ".mpg"])
def test_damage_gives_what_is_left(suffix: str, tmp_path: Path) -> None:
    path = write_heard(tmp_path / f"a{suffix}", tone(440, 4, 48_000), frames=2)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    noise = np.random.default_rng(1).integers(0, 256, len(data) // 10, dtype=np.uint8)
    data[middle : middle + len(noise)] = noise.tobytes()
    path.write_bytes(data)
    found, notes = listen(path)
    assert found.duration > 1.5
    assert np.isfinite(found.samples).all()
    assert np.abs(found.samples[:16_000]).max() > 0.4
    assert suffix in (".mp3", ".mpg", ".webm", ".ts") or "sound_damaged" in notes


def test_sound_of_which_nothing_decodes_is_an_error(tmp_path: Path) -> None:
    path = write_heard(tmp_path / "a.mp4", tone(440, 1, 48_000), frames=0)
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    length = int.from_bytes(data[begin - 8 : begin - 4], "big") - 8
    data[begin : begin + length] = b"\xff" * length
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"a\.mp4.*aac sound stream.*decoded; fetch it again"):
        listen(path)


def test_a_stream_without_anything_in_it_counts_as_no_sound(tmp_path: Path) -> None:
    for suffix in (".mkv", ".mp4"):
        path = tmp_path / f"a{suffix}"
        with av.open(str(path), "w") as output:
            video = output.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
            output.add_stream("aac", rate=48_000).codec_context.open()
            frame = av.VideoFrame.from_ndarray(draw(0), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            output.mux(video.encode(frame))
            output.mux(video.encode(None))
        assert listen(path) in ((None, ["sound_empty"]), (None, []))  # MP4 leaves such a track out
    path = tmp_path / "a.wav"
    path.write_bytes(_wav(struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16), b""))
    assert listen(path) == (None, ["sound_empty"])


@pytest.mark.parametrize("claimed", [0, 1, 768_001, 4_000_000_000])
def test_a_sample_rate_that_cannot_be_is_an_error(claimed: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    rate = struct.pack("<HHIIHH", 1, 1, claimed, (2 * claimed) % 2**32, 2, 16)
    path.write_bytes(_wav(rate, b"\x00\x10" * 5000))
    with pytest.raises(MediaError, match=r"a\.wav.*(fetch it again|convert)"):
        listen(path)


def test_long_sound_ends_at_the_limit_with_a_note(tmp_path: Path) -> None:
    path = write_heard(tmp_path / "a.wav", tone(440, 3, 48_000))
    found, notes = listen(path, longest=2)
    assert (found.duration, notes) == (2, ["sound_too_long"])
    found, notes = listen(path, duration=2.5, longest=2)
    assert (found.duration, notes) == (2, ["sound_too_long"])
    found, notes = listen(path, duration=2)
    assert (found.duration, notes) == (2, [])
    found, notes = listen(path, longest=3)
    assert (found.duration, notes) == (3, [])


def test_recordings_joined_end_to_end_follow_each_other(tmp_path: Path) -> None:
    one = write_heard(tmp_path / "a.ts", tone(440, 3, 48_000), frames=75)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 2)
    found, notes = listen(joined)
    assert found.duration == pytest.approx(6, abs=0.2)
    assert "sound_times_jump" in notes


def test_a_change_of_layout_within_a_stream_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    halves = []
    for layout in ("mono", "stereo"):
        half = tmp_path / f"{layout}.ts"
        with av.open(str(half), "w") as output:
            stream = output.add_stream("mp2", rate=48_000, layout=layout)
            count = len(av.AudioLayout(layout).channels)
            channels = np.stack([tone(700, 2, 48_000)] * count)
            output.mux(encode(stream, channels, 48_000, layout))
        halves.append(half.read_bytes())
    path.write_bytes(b"".join(halves))
    found, _ = listen(path)
    assert found.duration == pytest.approx(4, abs=0.2)
    assert loudest_hertz(found) == pytest.approx(700, abs=2)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 999},
        {"rate": 10**9},
        {"start": float("nan")},
        {"duration": float("inf"), "longest": float("inf")},
        {"duration": 0},
        {"longest": -1},
    ],
)
def test_impossible_wishes_are_refused(options: dict, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        listen(tmp_path / "a.wav", **options)


GOOD = pack_sound(Sound(np.zeros(100, np.float32), 16_000, Fraction(0), "aac", 48_000, 2, 1))


@pytest.mark.parametrize(
    "parts",
    [
        [GOOD | {"rate": 8_000}],
        [GOOD | {"rate": "much"}],
        [GOOD | {"start": "1e999999999"}],
        [GOOD | {"start": f"{10**30}"}],
        [GOOD | {"pcm": "?"}],
        [GOOD | {"pcm": "AAA="}, GOOD],
        [GOOD | {"pcm": "A" * 1_000_000}],
        [GOOD | {"channels": -1}],
        [{name: GOOD[name] for name in GOOD if name != "codec"}],
        [GOOD, GOOD],
        [GOOD, GOOD | {"start": f"{Fraction(100, 16_000)}"}],
        ["sound"],
    ],
)
def test_sound_that_a_taken_over_child_makes_up_is_one_error(parts, tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    monkeypatch.setattr(parent, "ask", lambda request: ({"sound": part} for part in parts))
    with pytest.raises(MediaError, match=r"a\.mp4.*answered nonsense"):
        sandbox.read_sound(path, duration=0.01)


HUNGRY = """
import sys
from counterface.media.decoder_process import child

child.ACTIONS["sound"] = lambda channel, request: bytearray(500_000_000)
child.main(int(sys.argv[1]))
"""


def test_limits_hold_for_sound_too(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(_wav(struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16), bytes(2000)))
    with path.open("ab") as stream:
        stream.truncate(2_000_000)
    with pytest.raises(MediaError, match=r"more than the limit of file_mb=1;"):
        sandbox.read_sound(path, limits=sandbox.Limits(file_mb=1))
    parent.close_idle()
    monkeypatch.setattr(parent, "COMMAND", ["-c", HUNGRY])
    with pytest.raises(MediaError, match=r"a\.wav.*more memory than memory_mb=100 allows"):
        sandbox.read_sound(path, limits=sandbox.Limits(memory_mb=100))
    parent.close_idle()
