"""A file is read for what is in it, whatever its header says, and what is missing is told."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from drawn_media import draw, write_clip

from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.media.probe import probe
from counterface.media.sample_frames import sample_frames
from counterface.media.stream.outline import missing_bytes
from counterface.media.video_reader import VideoReader, read_video

GOP = {"g": "12", "crf": "12"}
KINDS = {
    "faststart": ("a.mp4", {"options": GOP, "container_options": {"movflags": "faststart"}}),
    "fragmented": ("a.mp4", {"options": GOP, "container_options": {"movflags": "frag_keyframe"}}),
    "matroska": ("a.mkv", {"options": GOP, "sound_s": 2}),
    "webm": ("a.webm", {"codec": "libvpx", "options": {"g": "12"}}),
    "avi": ("a.avi", {"codec": "mpeg4", "options": {"g": "12"}}),
    "windows_media": ("a.wmv", {"codec": "wmv2", "options": {"g": "12"}}),
    "flash": ("a.flv", {"options": GOP}),
    "program_stream": ("a.mpg", {"codec": "mpeg2video", "options": {"g": "12"}}),
    "transport_stream": ("a.ts", {"options": GOP}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    made = {}
    for kind, (name, settings) in KINDS.items():
        (folder / kind).mkdir()
        made[kind] = write_clip(folder / kind / name, 50, **settings)
    return made


@pytest.mark.slow
def test_what_lies_behind_the_end_is_no_loss(whole, tmp_path: Path) -> None:
    for path in (*whole.values(), write_gif(tmp_path / "a.gif")):
        before, longer = probe(path), tmp_path / f"longer{path.suffix}"
        for tail in (b"\0", bytes(range(1, 256)) * 400, b"\xff\xd8 a picture"):
            longer.write_bytes(path.read_bytes() + tail)
            assert not missing_bytes(longer), path.name
            after = probe(longer)
            assert codes(after) == codes(before), path.name
            assert after.duration_s == before.duration_s


def write_gif(path: Path) -> Path:
    images = [PIL.Image.fromarray(draw(i)) for i in range(3)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=40)
    return path


def cut(path: Path, folder: Path, share: float) -> Path:
    target = folder / path.name
    length = int(path.stat().st_size * share)
    length -= path.suffix == ".ts" and length % 188 == 0  # between packets nothing shows
    target.write_bytes(path.read_bytes()[:length])
    return target


def codes(info) -> list[str]:
    return [note.code for note in info.notes]


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_not_called_cut_short(whole, kind: str) -> None:
    info = probe(whole[kind])
    assert (codes(info), missing_bytes(whole[kind])) == ([], 0)
    assert info.duration_s == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("share", [0.75, 0.97])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_of_a_file_is_read_and_told(whole, kind, share, tmp_path: Path) -> None:
    path = cut(whole[kind], tmp_path, share)
    info, images = probe(path), {f.pts: f.image for f in read_video(whole[kind])}
    assert codes(info) == ["cut_short"]
    read = list(read_video(path))
    end = read[-1].pts + Fraction(1, 25) - info.start_s
    assert info.duration_s == pytest.approx(float(end), abs=0.09)  # the last may be torn
    same = [np.array_equal(frame.image, images[frame.pts]) for frame in read[:-4]]
    assert all(same)
    moments = list(sample_frames(path, info, 4).moments)
    assert len(moments) == 4


def test_the_note_says_how_much_is_there(whole, tmp_path: Path) -> None:
    info = sandbox.probe(cut(whole["matroska"], tmp_path, 0.7))
    assert info.notes[0].text.startswith(f"The file is cut short: {info.duration_s:.2f} of about 2")


def test_reading_tells_it_too(whole, tmp_path: Path) -> None:
    path, notes = cut(whole["faststart"], tmp_path, 0.6), []
    frames = list(sandbox.read_video(path, tell=notes.append))
    assert len(frames) > 20
    assert [note.code for note in notes] == ["cut_short"]


def test_the_first_frames_of_a_cut_file_come_by_seeking_too(whole, tmp_path: Path) -> None:
    path = cut(whole["faststart"], tmp_path, 0.6)
    rest = list(read_video(path))[10:]
    with VideoReader(path) as reader:
        assert [f.pts for f in reader.frames_from(rest[0].pts)] == [f.pts for f in rest]


def test_a_recording_without_a_duration_is_sampled_to_its_end(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.webm",
        60,
        codec="libvpx",
        options={"g": "999"},
        container_options={"live": "1"},
    )
    info = sandbox.probe(path)
    assert codes(info) == ["no_duration"]
    assert (info.frame_count, info.duration_s) == (60, pytest.approx(2.4, abs=0.01))
    times = [frame.pts for (frame,) in sample_frames(path, info, 10).moments]
    assert len(times) == 10
    assert max(times) > Fraction(2)


@pytest.mark.parametrize("name", ["a.h264", "a.264", "a.m4v", "a.m2v", "a.hevc"])
def test_raw_streams_are_read_from_their_start(tmp_path: Path, name: str) -> None:
    kind = name.split(".")[1]
    codec = {"m4v": "mpeg4", "m2v": "mpeg2video", "hevc": "libx265"}.get(kind, "libx264")
    options = {"x265-params": "log-level=none"} if kind == "hevc" else {"g": "12"}
    path = tmp_path / name
    source = write_clip(
        tmp_path / ("a.ts" if codec != "mpeg4" else "a.avi"), 50, codec=codec, options=options
    )
    with av.open(str(source)) as container, path.open("wb") as stream:
        for packet in container.demux(container.streams.video[0]):
            stream.write(bytes(packet))
    info = sandbox.probe(path)
    assert (info.kind, codes(info)) == ("video", ["no_duration"])
    assert info.frame_count == pytest.approx(50, abs=1)
    assert len(list(sandbox.read_video(path))) == pytest.approx(50, abs=1)
    assert len(list(sample_frames(path, info, 8).moments)) == 8


def test_several_streams_take_the_default_or_the_largest(tmp_path: Path) -> None:
    for name, default, expected in (("a.mkv", 0, (96, 64)), ("b.mkv", None, (128, 96))):
        path = write_two_streams(tmp_path / name, default)
        info = sandbox.probe(path)
        assert (info.width, info.height) == expected
        assert codes(info) == ["several_streams"]
        assert "2 video streams" in info.notes[0].text
        frame = next(iter(sandbox.read_video(path)))
        assert frame.image.shape[1::-1] == expected


def test_a_blank_stream_comes_after_one_that_shows_something(tmp_path: Path) -> None:
    for name, default, plain, expected in (
        ("a.mkv", None, 1, (96, 64)),
        ("b.mp4", 0, 0, (128, 96)),
        ("c.mkv", None, 0, (128, 96)),
    ):
        path = write_two_streams(tmp_path / name, default, plain)
        info = sandbox.probe(path)
        assert (info.width, info.height) == expected
        frames = list(sandbox.read_video(path))
        assert {frame.image.shape[1::-1] for frame in frames} == {expected}
        said = "the first that shows something" in info.notes[0].text
        assert said == (name != "c.mkv")


def write_two_streams(path: Path, default: int | None, plain: int | None = None) -> Path:
    with av.open(str(path), "w") as output:
        streams = []
        for number, (width, height) in enumerate([(96, 64), (128, 96)]):
            stream = output.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = 1 if number == default else 0
            streams.append(stream)
        for i in range(6):
            for number, stream in enumerate(streams):
                image = draw(i, stream.width, stream.height)
                if number == plain:
                    image[:] = 30
                output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            output.mux(stream.encode(None))
    return path


def test_a_whole_avi_with_empty_chunks_is_whole(tmp_path: Path) -> None:
    case = Path(__file__).parent.parent / "cases" / "avi_dropped_frames.avi"
    info = sandbox.probe(case)
    assert (codes(info), info.duration_s) == ([], pytest.approx(1.28))
    notes = []
    assert len(list(sandbox.read_video(case, tell=notes.append))) == 20
    assert notes == []


def test_sound_is_called_sound(tmp_path: Path) -> None:
    cases = Path(__file__).parent.parent / "cases"
    for name in ("m4a_with_cover.m4a", "mp3_with_cover.mp3"):
        with pytest.raises(MediaError, match="sound with a cover picture; there is nothing to"):
            sandbox.probe(cases / name)


def test_recordings_joined_end_to_end_are_read_to_their_end(whole, tmp_path: Path) -> None:
    for kind in ("transport_stream", "program_stream"):
        path = tmp_path / whole[kind].name
        path.write_bytes(whole[kind].read_bytes() * 2)
        info = sandbox.probe(path)
        assert codes(info) == ["times_jump"]
        assert info.duration_s == pytest.approx(4, abs=0.1)
        frames = list(sandbox.read_video(path))
        assert len(frames) == pytest.approx(100, abs=2)
        assert all(a.pts < b.pts for a, b in pairwise(frames))
        moments = [frame.pts for (frame,) in sample_frames(path, info, 8).moments]
        assert len(moments) == 8
        assert max(moments) - info.start_s > 3


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.wmv", "a.avi", "a.flv"])
def test_sound_that_goes_on_after_the_pictures_is_no_missing_part(tmp_path: Path, name) -> None:
    codec = {"a.wmv": "wmv2", "a.avi": "mpeg4"}.get(name, "libx264")
    info = probe(write_clip(tmp_path / name, 25, codec=codec, sound_s=2))
    assert codes(info) == []
    assert info.duration_s == pytest.approx(1, abs=0.1)
