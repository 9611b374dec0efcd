"""Scans of clips whose sound is bad, absent or odd: none ends the scan, and the report says why."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from actors import draw_clip, write_clip
from numpy.typing import NDArray
from scan_media import tiny_config

from counterface.detect.findings import CueFinding, Part, Report
from counterface.detect.scanning.scan_files import scan_files
from counterface.media.sound import read_sound

LIPS = ("lip_correlation", "lip_lag", "still_mouth", "closed_lips")
SECONDS, RATE = 4, 16_000
DRAWN = 18  # pictures; drawing is slow
WORDS = "my mother bought a big brown map, and then we saw a ship pass by the bay"
Samples = NDArray[np.float64]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a drawn person who moves the mouth, to and fro, without sound."""
    drawn = draw_clip([1], DRAWN, 480, 270, Fraction(12))
    turn = [*range(DRAWN), *range(DRAWN - 2, 0, -1)]  # each picture stays for two frames
    clip = [drawn[turn[number // 2 % len(turn)]] for number in range(24 * SECONDS)]
    return write_clip(tmp_path_factory.mktemp("drawn") / "mute.mp4", clip)


def chords() -> Samples:
    """Music: three chords of four tones, each fading."""
    times = np.arange(SECONDS * RATE) / RATE
    sound = np.zeros(len(times))
    for begin, root in ((0.0, 220.0), (1.3, 165.0), (2.6, 247.0)):
        since = np.maximum(times - begin, 0)
        fade = np.where(times >= begin, np.exp(-1.5 * since), 0)
        sound += fade * sum(np.sin(2 * np.pi * root * step * since) for step in (1, 1.26, 1.5, 2))
    return sound / np.abs(sound).max() / 2


def voice(folder: Path, kind: str = "en-us") -> Samples:
    """Four seconds of speech by espeak-ng; the test is skipped where it is not installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng, which speaks, is not installed")
    path = folder / f"{kind}.wav"
    subprocess.run(["espeak-ng", "-v", kind, "-w", str(path), WORDS], check=True)
    sound = read_sound(path, RATE)
    assert sound is not None
    return np.resize(sound.samples.astype(np.float64), SECONDS * RATE)


def add_sound(
    picture: Path,
    out: Path,
    *tracks: Samples,
    rate: int = RATE,
    layout: str = "mono",
    start_s: int = 0,
) -> Path:
    """The pictures with these sound streams, each brought to a rate and layout, from a time on."""
    with av.open(str(picture)) as source, av.open(str(out), "w") as target:
        video = source.streams.video[0]
        copied = target.add_stream_from_template(video)
        streams = [target.add_stream("pcm_s16le", rate=rate, layout=layout) for _ in tracks]
        for packet in source.demux(video):
            if packet.dts is not None:
                shift = round(start_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = copied
                target.mux(packet)
        for stream, samples in zip(streams, tracks, strict=True):
            given = start_s * rate
            for frame in frames_of(samples, rate, layout):
                frame.pts, frame.time_base = given, Fraction(1, rate)
                given += frame.samples
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
    return out


def frames_of(samples: Samples, rate: int, layout: str) -> Iterator[av.AudioFrame]:
    """The samples at a rate; every channel of a layout gets the same."""
    whole = np.round(samples * 32767).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
    frame.sample_rate = RATE
    yield from av.AudioResampler("s16", layout, rate, frame_size=4096).resample(frame)


def scan_one(path: Path, folder: Path, cues: str = ",".join(LIPS)) -> Report:
    (report,) = scan_files([path], tiny_config(folder, frames=4, cues=cues))
    assert report.error is None
    return report


def said(report: Report) -> dict[str, CueFinding]:
    (track,) = report.tracks
    return {cue.name: cue for cue in track.cues if cue.reads == "lips"}


def notes(report: Report) -> list[str]:
    assert report.media is not None
    return [note.code for note in report.media.notes]


def match(report: Report) -> Part:
    """What the report says of lips and sound together."""
    return next(part for part in report.parts if part.name == "match")


def test_a_clip_without_sound(picture: Path, tmp_path: Path) -> None:
    report = scan_one(picture, tmp_path, "all")
    found = said(report)
    assert set(LIPS) <= set(found)
    for cue in found.values():
        assert cue.says == "not applicable"
        assert "because the file has no sound" in cue.text
    assert match(report).says == "not judged"
    assert match(report).text == "The file has no sound."


@pytest.mark.parametrize(
    "made", [lambda: np.zeros(SECONDS * RATE), chords], ids=["silence", "music"]
)
def test_sound_in_which_nobody_speaks(
    made: Callable[[], Samples], picture: Path, tmp_path: Path
) -> None:
    report = scan_one(add_sound(picture, tmp_path / "clip.mkv", made()), tmp_path, "all")
    for cue in said(report).values():
        assert cue.says == "not applicable"
        assert "because nobody is heard to speak" in cue.text
    assert match(report).says == "not judged"
    assert "nobody is heard to speak" in match(report).text


def test_speech_is_compared_with_the_lips(picture: Path, tmp_path: Path) -> None:
    report = scan_one(add_sound(picture, tmp_path / "clip.mkv", voice(tmp_path)), tmp_path)
    found = said(report)
    for name in ("lip_correlation", "still_mouth"):
        assert found[name].value is not None
        assert "manipulation" not in found[name].text
    assert len(found["lip_correlation"].series) == 24 * SECONDS
    assert found["still_mouth"].value < 0.2
    assert match(report).says != "not judged"


def test_lips_are_not_compared_where_no_cue_asks(picture: Path, tmp_path: Path) -> None:
    path = add_sound(picture, tmp_path / "clip.mkv", voice(tmp_path))
    report = scan_one(path, tmp_path, "face_noise")
    assert match(report).says == "not judged"
    assert match(report).text.startswith("No cue was asked about it")


def test_of_two_tracks_the_default_one_is_heard(picture: Path, tmp_path: Path) -> None:
    first, second = np.zeros(SECONDS * RATE), voice(tmp_path)
    report = scan_one(add_sound(picture, tmp_path / "clip.mkv", first, second), tmp_path)
    assert "several_sounds" in notes(report)
    assert all("nobody is heard to speak" in cue.text for cue in said(report).values())
    report = scan_one(add_sound(picture, tmp_path / "turned.mkv", second, first), tmp_path)
    assert "several_sounds" in notes(report)
    assert said(report)["still_mouth"].value is not None


def test_sound_that_ends_before_the_picture(picture: Path, tmp_path: Path) -> None:
    short = voice(tmp_path)[: int(1.2 * RATE)]
    report = scan_one(add_sound(picture, tmp_path / "clip.mkv", short), tmp_path)
    for cue in said(report).values():
        assert "of speech in its time are under 1.5 s" in cue.text


@pytest.mark.parametrize(("rate", "layout"), [(8_000, "mono"), (96_000, "stereo"), (48_000, "5.1")])
def test_other_rates_and_channels_say_the_same(
    rate: int, layout: str, picture: Path, tmp_path: Path
) -> None:
    samples = voice(tmp_path)
    plain = said(scan_one(add_sound(picture, tmp_path / "plain.mkv", samples), tmp_path))
    path = add_sound(picture, tmp_path / "odd.mkv", samples, rate=rate, layout=layout)
    odd = said(scan_one(path, tmp_path))
    for name in ("lip_correlation", "still_mouth"):
        assert odd[name].value == pytest.approx(plain[name].value, abs=0.1)


def test_several_people_speak_at_once(picture: Path, tmp_path: Path) -> None:
    mixed = sum(np.roll(voice(tmp_path, kind), n * RATE) for n, kind in enumerate(("en-us", "de")))
    report = scan_one(add_sound(picture, tmp_path / "clip.mkv", mixed / 2), tmp_path)
    assert said(report)["lip_correlation"].value is not None


def test_a_sound_without_picture_is_a_row_with_an_error(picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "alone.wav"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for frame in frames_of(chords(), RATE, "mono"):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    config = tiny_config(tmp_path, frames=4, cues=",".join(LIPS))
    failed, scanned = scan_files([path, picture], config)
    assert failed.error is not None
    assert "alone.wav" in failed.error
    assert "is sound without a picture" in failed.error
    assert scanned.error is None


def test_a_clip_may_begin_late_on_its_clock(picture: Path, tmp_path: Path) -> None:
    samples = voice(tmp_path)
    first = said(scan_one(add_sound(picture, tmp_path / "plain.mkv", samples), tmp_path))
    late = add_sound(picture, tmp_path / "late.mkv", samples, start_s=5)
    second = said(scan_one(late, tmp_path))
    for name in ("lip_correlation", "still_mouth"):
        assert second[name].value == pytest.approx(first[name].value, abs=0.05)
