"""What lies beside the pictures arrives as it was: every packet, at its time, to the sample."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import pytest
from drawn_sources import (
    CODECS,
    edit,
    encode_tone,
    packets,
    samples_heard,
    trim,
    write_piece,
    write_rich,
    write_source,
)

from counterface.media.beside.join import join_pieces
from counterface.media.beside.plan import Companions, plan_companions
from counterface.media.beside.sound import compare_sound
from counterface.media.video_reader import read_video

RATES = {
    "24000/1001": [i * Fraction(1001, 24_000) for i in range(6)],
    "5": [Fraction(i, 5) for i in range(6)],
    "12.5": [Fraction(2 * i, 25) for i in range(6)],
    "60": [Fraction(i, 60) for i in range(6)],
    "variable": [Fraction(n, 1000) for n in (0, 33, 50, 117, 150, 401)],
}
OFFSETS = (Fraction(0), Fraction(268, 1000), Fraction(-21, 1000))
# Every container meets every rate and every offset, but not every pair of the two.
GRID = [
    (suffix, rate, OFFSETS[(a + b) % 3], 44_100 if (a + b) % 2 and suffix != ".webm" else 48_000)
    for (a, suffix), (b, rate) in itertools.product(enumerate(CODECS), enumerate(RATES))
    if not (suffix == ".avi" and rate == "variable")  # AVI has one rate
]


@pytest.mark.parametrize(("suffix", "rate", "late", "samples"), GRID)
def test_every_packet_of_the_sound_keeps_its_time_to_the_sample(
    tmp_path: Path, suffix: str, rate: str, late: Fraction, samples: int
) -> None:
    times = [time + Fraction(1, 5) for time in RATES[rate]]
    source = write_source(tmp_path / f"source{suffix}", times, late=late, rate=samples)
    shown = sorted(time for _, time in packets(source, kind="video"))
    out = tmp_path / "out.mp4"
    join_pieces([write_piece(tmp_path / "piece.mp4", shown)], out, Companions(source))
    before, after = packets(source), packets(out)
    assert [data for data, _ in after] == [data for data, _ in before]
    off = [abs(b - a) * samples for (_, a), (_, b) in zip(before, after, strict=True)]
    assert max(off) <= (0 if suffix in (".mp4", ".mov") else Fraction(1, 2))
    assert [frame.pts for frame in read_video(out)] == shown


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("out_suffix", [".mp4", ".mov"])
def test_an_edit_list_that_cuts_the_sound_cuts_it_at_the_same_sample(
    tmp_path: Path, suffix: str, out_suffix: str
) -> None:
    times = [Fraction(i, 5) for i in range(6)]
    source = write_source(tmp_path / f"source{suffix}", times)
    whole = samples_heard(source)
    trim(source, 3000, 700)  # milliseconds of the muxer's own clock
    out = tmp_path / f"out{out_suffix}"
    join_pieces([write_piece(tmp_path / "piece.mp4", times)], out, Companions(source))
    assert [p for p, _ in packets(out)] == [p for p, _ in packets(source)]
    assert [t for _, t in packets(out)] == [t for _, t in packets(source)]
    assert samples_heard(out) == samples_heard(source) < whole - 10_000


SEVERAL = ([(0.4, 0.0), (0.4, 0.6)], [(0.2, None), (0.4, 0.2), (0.2, 0.7)], [(0.4, 0.28)])


@pytest.mark.parametrize("entries", SEVERAL)
@pytest.mark.parametrize("out_suffix", [".mp4", ".mkv"])
def test_what_an_edit_list_leaves_out_is_not_heard_again(
    tmp_path: Path, entries: list[tuple[float, float | None]], out_suffix: str
) -> None:
    times = [Fraction(i, 25) for i in range(25)]
    source = edit(write_source(tmp_path / "source.mp4", times), entries)
    shown = [frame.pts for frame in read_video(source)]
    out = tmp_path / f"out{out_suffix}"
    join_pieces([write_piece(tmp_path / "piece.mp4", shown)], out, Companions(source))
    near = Fraction(1, 1000) if out_suffix == ".mkv" else Fraction(0)
    again = [frame.pts for frame in read_video(out)]
    assert max(abs(a - b) for a, b in zip(again, shown, strict=True)) <= near
    assert compare_sound(out, source) == "identical"
    before, after = heard(source), heard(out)
    packet = Fraction(1024, 48_000)  # where entries meet, packets overlap
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) <= packet + near
    assert min(after) >= 0 or out_suffix == ".mp4"


def heard(path: Path) -> list[Fraction]:
    """When the packets of the sound begin that are not left out."""
    with av.open(str(path)) as container:
        found = [p for p in container.demux(audio=0) if p.size and not p.is_discard]
        return [p.pts * p.time_base for p in found]


def described(path: Path) -> dict[str, object]:
    """What a player shows of a file beside the pictures."""
    with av.open(str(path)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        codes = [tags, *({k.lower(): v for k, v in s.metadata.items()} for s in container.streams)]
        sounds = container.streams.audio
        return {
            "title": (tags.get("title"), tags.get("artist")),
            "languages": [{"ger": "deu"}.get(s.language, s.language) for s in sounds],
            "names": [s.metadata.get("title") or s.metadata.get("name") for s in sounds],
            "default": [bool(s.disposition & av.stream.Disposition.default) for s in sounds],
            "chapters": [
                (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
                for c in container.chapters()
            ],
            "subtitles": [s.language for s in container.streams.subtitles],
            "timecode": next((c["timecode"] for c in codes if "timecode" in c), None),
        }


def lines(path: Path) -> list[tuple[str, Fraction]]:
    """The words of the first subtitle stream, and when they come."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        found = []
        for packet in container.demux(stream):
            begin = packet.pts * packet.time_base if packet.pts is not None else None
            for part in stream.decode(packet) if packet.size else []:
                text = part.dialogue.decode().replace("\r", "").strip()
                if text and begin is not None:
                    found.append((text, begin))
        return found


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("out_suffix", [".mp4", ".mov", ".mkv"])
def test_languages_subtitles_chapters_title_and_time_code_are_kept(
    tmp_path: Path, suffix: str, out_suffix: str
) -> None:
    source = write_rich(tmp_path / f"source{suffix}")
    out = tmp_path / f"out{out_suffix}"
    times = [Fraction(i, 25) for i in range(25)]
    join_pieces([write_piece(tmp_path / "piece.mp4", times)], out, Companions(source))
    assert described(out) == described(source)
    assert described(source)["chapters"] == [
        (Fraction(0), Fraction(2, 5), "One"),
        (Fraction(2, 5), Fraction(1), "Two"),
    ]
    assert lines(out) == lines(source)
    assert next(read_video(out)).pts == 0
    assert [text for text, _ in lines(source)] == ["Bonjour", "deux\nlignes"]
    cut = Fraction(0) if out_suffix == ".mkv" else Fraction(-1)  # Matroska knows no time before 0
    for index in range(2):
        wanted = [p for p, time in packets(source, index) if time >= cut]
        assert [p for p, _ in packets(out, index)] == wanted
    assert plan_companions(Companions(source), out_suffix).lost == ()


def test_a_part_has_its_own_words_and_chapters(tmp_path: Path) -> None:
    source, start = write_rich(tmp_path / "source.mkv"), Fraction(1, 5)
    part = Companions(source, start, Fraction(7, 10), start)
    times = [Fraction(i, 25) for i in range(12)]
    join_pieces([write_piece(tmp_path / "piece.mp4", times)], tmp_path / "out.mp4", part)
    assert lines(tmp_path / "out.mp4") == [("Bonjour", 0), ("deux\nlignes", Fraction(3, 10))]
    assert described(tmp_path / "out.mp4")["chapters"] == [
        (Fraction(0), Fraction(1, 5), "One"),
        (Fraction(1, 5), Fraction(1, 2), "Two"),
    ]
    assert plan_companions(part, ".mp4").lost == ("the time code 10:00:00:12 of a part",)


def test_what_a_container_cannot_hold_is_told(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    with av.open(str(source), "w") as output:
        output.metadata.update(make="a camera", location="somewhere", timecode="nonsense")
        for _ in range(3):
            video = output.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        output.add_attachment("font.ttf", "font/ttf", b"letters")
        output.start_encoding()
        for stream in output.streams.video:
            output.mux(stream.encode(av.VideoFrame(96, 64, "yuv420p")))
            output.mux(stream.encode(None))
    told = "; ".join(plan_companions(Companions(source), ".mp4").lost)
    for words in (
        "a further video stream (of 2 streams)",
        "attached files",
        "the tags location, make",
        "the time code nonsense",
    ):
        assert words in told
    assert "attached files" not in plan_companions(Companions(source), ".mkv").lost


def test_languages_that_a_container_cannot_name_are_noted(tmp_path: Path) -> None:
    source = tmp_path / "source.mkv"
    codes = ("hrv", "gle", "mri", "deu", "en-US")
    with av.open(str(source), "w") as output:
        for code in codes:
            output.add_stream("aac", rate=48_000).metadata["language"] = code
        output.start_encoding()
        for sound in output.streams.audio:
            output.mux(encode_tone(sound, 0.1, Fraction(0), 48_000))
    lost = {
        suffix: [w for w in plan_companions(Companions(source), suffix).lost if "language" in w]
        for suffix in (".mov", ".mp4", ".mkv")
    }
    assert lost == {
        ".mov": [f"the language {c!r} of sound" for c in ("hrv", "gle", "mri", "en-US")],
        ".mp4": ["the language 'en-US' of sound"],
        ".mkv": [],
    }
