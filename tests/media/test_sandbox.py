"""The sandbox: same results as the plain readers; every limit and crash becomes a MediaError."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_media import draw, write_clip
from pydantic import ValidationError

from counterface.errors import MediaError
from counterface.media import sandbox, video_reader
from counterface.media.decoder_process import parent
from counterface.media.image import read_image, write_image
from counterface.media.probe import probe
from counterface.media.sandbox import Limits

HOSTILE = """
import os, signal, sys, time
from counterface.media.decoder_process import child

def hostile(channel, request):
    {deed}

child.ACTIONS["video"] = hostile
child.main(int(sys.argv[1]))
"""


SPEAKER = """
import json, os, signal, socket, struct, sys, time

channel = socket.socket(fileno=int(sys.argv[1]))

def say(message):
    data = json.dumps(message).encode()
    channel.sendall(struct.pack("<I", len(data)) + data)

say({{"ready": True}})
channel.recv(1)
{deed}
"""


@pytest.fixture
def own_process() -> Iterator[None]:
    """No idle process of another test is taken, and none is left."""
    parent.close_idle()
    yield
    parent.close_idle()


@pytest.fixture
def started(own_process: None, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the decoder processes that a test has started."""
    ids: list[int] = []

    class Counted(parent.DecoderProcess):
        def __init__(self) -> None:
            super().__init__()
            ids.append(self.process.pid)

    monkeypatch.setattr(parent, "DecoderProcess", Counted)
    return ids


@pytest.fixture
def act(own_process: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the next child do a deed in place of decoding, as a taken-over decoder could.

    A deed that needs nothing of the real child (`speaker`) starts at once.
    """

    def replace(deed: str, *, speaker: bool = False) -> None:
        program = (SPEAKER if speaker else HOSTILE).format(deed=deed)
        monkeypatch.setattr(parent, "COMMAND", ["-c", program])

    return replace


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "a.mp4", 30)


def equal(one, other) -> bool:
    return all(
        (a.index, a.pts) == (b.index, b.pts) and np.array_equal(a.image, b.image)
        for a, b in zip(one, other, strict=True)
    )


def test_results_are_those_of_the_plain_readers(clip: Path, tmp_path: Path) -> None:
    times = [Fraction(i, 10) for i in range(11)]
    assert equal(sandbox.read_video(clip), video_reader.read_video(clip))
    assert equal(
        sandbox.read_video(clip, keyframes_only=True),
        video_reader.read_video(clip, keyframes_only=True),
    )
    with video_reader.VideoReader(clip, exact=True) as reader:
        assert equal(sandbox.read_video(clip, exact=True), reader.frames())
    assert equal(sandbox.frames_at(clip, times), video_reader.frames_at(clip, times))
    assert sandbox.probe(clip) == probe(clip)
    write_image(tmp_path / "a.png", draw(4, 333, 211))
    assert np.array_equal(sandbox.read_image(tmp_path / "a.png"), read_image(tmp_path / "a.png"))
    assert sandbox.probe(tmp_path / "a.png") == probe(tmp_path / "a.png")


def test_frames_are_own_copies(clip: Path) -> None:
    frames = list(sandbox.read_video(clip))
    assert not np.array_equal(frames[0].image, frames[20].image)
    frames[0].image[:] = 0
    assert frames[1].image.any()


def test_one_process_serves_many_files(clip: Path, tmp_path: Path, started: list[int]) -> None:
    sandbox.probe(clip)
    write_image(tmp_path / "large.png", draw(0, 900, 700))  # larger than the clip's frames
    sandbox.read_image(tmp_path / "large.png")
    assert len(list(sandbox.read_video(clip))) == 30
    with pytest.raises(MediaError):
        list(sandbox.read_video(tmp_path / "large.png"))
    assert sandbox.probe(clip).frame_count == 30
    assert len(started) == 1


def test_stopping_early_leaves_a_usable_process(clip: Path, started: list[int]) -> None:
    frames = sandbox.read_video(clip)
    next(frames)
    frames.close()
    assert [f.index for f in sandbox.read_video(clip)] == list(range(30))
    assert len(started) == 1


@pytest.mark.slow
def test_two_videos_at_once(clip: Path) -> None:
    pairs = zip(sandbox.read_video(clip), sandbox.read_video(clip), strict=True)
    assert all(np.array_equal(a.image, b.image) for a, b in pairs)


@pytest.mark.slow
def test_threads_do_not_mix_their_frames(clip: Path, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "b.mp4", [255 - draw(i) for i in range(30)])
    right = []

    def check(path: Path) -> None:
        right.append(equal(sandbox.read_video(path), video_reader.read_video(path)))

    threads = [threading.Thread(target=check, args=(p,)) for p in (clip, other, clip)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 3


@pytest.mark.slow
def test_a_memory_limit_holds_after_a_larger_one_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, np.zeros((2000, 2000, 3), np.uint8))  # 12 MB, from a file of 12 kB
    assert sandbox.read_image(path).shape == (2000, 2000, 3)
    with pytest.raises(MediaError, match=r"a\.png.*needs more memory than memory_mb=6 allows"):
        sandbox.read_image(path, Limits(memory_mb=6))
    assert sandbox.read_image(path).shape == (2000, 2000, 3)


def test_memory_limit_on_a_video_is_named_not_hidden(clip: Path) -> None:
    with pytest.raises(MediaError, match="memory_mb=1 "):
        list(sandbox.read_video(clip, Limits(memory_mb=1)))


def test_pixel_and_file_limits(clip: Path) -> None:
    with pytest.raises(MediaError, match="more than the limit of 5000"):
        list(sandbox.read_video(clip, Limits(max_pixels=5000)))
    os.truncate(clip, 3_000_000)
    with pytest.raises(MediaError, match=r"3\.0 MB, more than the limit of file_mb=2"):
        sandbox.probe(clip, Limits(file_mb=2))


@pytest.mark.parametrize("before", ["", "channel.sendall(bytes([9])); "])
def test_a_hang_ends_at_the_wall_clock_limit(clip: Path, act, before: str) -> None:
    act(f"{before}time.sleep(60)", speaker=True)
    start = time.monotonic()
    with pytest.raises(MediaError, match=r"a\.mp4.*no result within wall_s=0\.5 s"):
        list(sandbox.read_video(clip, Limits(wall_s=0.5)))
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_a_busy_loop_ends_at_the_cpu_limit(clip: Path, act) -> None:
    act("while True: pass")
    with pytest.raises(MediaError, match=r"a\.mp4.*no result within cpu_s=1 s of CPU"):
        list(sandbox.read_video(clip, Limits(cpu_s=1, wall_s=280)))


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGILL"])
def test_a_crash_is_named_by_its_signal(clip: Path, act, name: str) -> None:
    act(f"os.kill(os.getpid(), signal.{name})", speaker=True)
    with pytest.raises(MediaError, match=rf"a\.mp4.*crashed \({name}\)"):
        list(sandbox.read_video(clip))


@pytest.mark.parametrize(
    "deed",
    [
        "os._exit(3)",
        "channel.sendall(b'\\xff' * 4000)",
        "channel.sendall(b'\\x04\\0\\0\\0oops')",
        "say({'height': 10**6, 'width': 10**6, 'index': 0, 'pts': '0'})",
        "channel.sendall(struct.pack('<I', 10**6) + b'[' * 10**6)",
        "say({'height': 1, 'width': 1, 'index': 0, 'pts': '1e999999999'}); channel.sendall(b'rgb')",
        "say({'height': -1, 'width': 5, 'index': 0, 'pts': '0'})",
        "say({'height': 'much', 'width': 5, 'index': 0, 'pts': '0'})",
        "say({'height': 5, 'width': 5, 'index': 0, 'pts': '0'}); os._exit(0)",
    ],
)
def test_a_child_that_talks_nonsense_is_an_error(clip: Path, act, deed: str) -> None:
    act(deed, speaker=True)
    with pytest.raises(MediaError, match=r"a\.mp4"):
        list(sandbox.read_video(clip, Limits(wall_s=10)))


def test_after_a_crash_the_next_file_is_read(clip: Path, act, monkeypatch) -> None:
    act("os.abort()", speaker=True)
    with pytest.raises(MediaError):
        list(sandbox.read_video(clip))
    monkeypatch.undo()
    assert len(list(sandbox.read_video(clip))) == 30


def test_the_child_can_write_no_file(clip: Path, tmp_path: Path, act) -> None:
    written = tmp_path / "written"
    deed = (
        f"handle = open({str(written)!r}, 'wb', 0)\n"
        "    try: handle.write(b'x' * 100)\n"
        "    except OSError as error: raise ValueError('refused') from error"
    )
    act(deed)
    with pytest.raises(MediaError, match="refused"):
        list(sandbox.read_video(clip))
    assert written.stat().st_size == 0


@pytest.mark.slow
def test_what_libraries_print_does_not_reach_the_parent(clip: Path, act) -> None:
    act("print('x' * 10_000, flush=True); os.write(1, b'noise')")
    assert list(sandbox.read_video(clip)) == []


@pytest.mark.usefixtures("own_process")
def test_modules_in_the_current_folder_are_not_imported(clip: Path, monkeypatch) -> None:
    (clip.parent / "av.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(clip.parent)
    assert sandbox.probe(clip).codec == "h264"


def test_limits_are_strict() -> None:
    with pytest.raises(ValidationError):
        Limits(memory=5)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Limits(wall_s=0)


@pytest.mark.slow
def test_warming_up_starts_one_process(clip: Path, started: list[int]) -> None:
    sandbox.warm_up()
    assert len(started) == 1
    nameless = {"path": ""}
    inside, here = sandbox.probe(clip), probe(clip)
    assert inside.model_copy(update=nameless) == here.model_copy(update=nameless)
    sandbox.warm_up()  # the one that has read a file is warm
    assert len(started) == 1


@pytest.mark.slow
def test_a_hungry_file_does_not_change_what_the_next_ones_get(
    clip: Path, tmp_path: Path, started: list[int]
) -> None:
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(clip.read_bytes())
    at = data.index(b"mdat") + 2000
    data[at : at + 40] = b"\xff" * 40
    damaged.write_bytes(data)
    write_image(tmp_path / "large.png", np.zeros((6000, 6000, 3), np.uint8))
    limits = Limits(memory_mb=300)
    alone = [frame.image for frame in sandbox.read_video(damaged, limits)]
    parent.close_idle()
    with pytest.raises(MediaError, match="memory_mb=300"):
        sandbox.read_image(tmp_path / "large.png", limits)
    after = [frame.image for frame in sandbox.read_video(damaged, limits)]
    assert len(started) == 3  # the hungry one's is not used again
    assert len(alone) > 0
    assert all(np.array_equal(a, b) for a, b in zip(alone, after, strict=True))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX")
def test_the_process_ends_with_its_parent_whatever_it_is_at() -> None:
    program = """
import os, signal, sys
from counterface.media.decoder_process import parent
parent.COMMAND = ["-c", sys.argv[1]]
process = parent.DecoderProcess()
process.wait_ready()
process.send({"do": "video", "limits": {"memory_mb": 900, "cpu_s": 60, "wall_s": 60}})
print(process.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    busy = HOSTILE.format(deed="sum(1 for _ in iter(int, 1))")
    done = subprocess.run([sys.executable, "-c", program, busy], capture_output=True, check=False)
    child = int(done.stdout)
    until = time.monotonic() + 20
    while Path(f"/proc/{child}/stat").exists() and time.monotonic() < until:
        if Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}/stat").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no such limit")
def test_a_hard_limit_on_address_space_is_kept_or_named(clip: Path, tmp_path: Path) -> None:
    program = """
import resource, sys
from counterface.errors import MediaError
from counterface.media import sandbox
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
try:
    print(sandbox.probe(sys.argv[1]).codec)
except MediaError as error:
    print(error)
"""

    def probed(path: Path, most: int) -> str:
        words = [sys.executable, "-c", program, str(path), str(most)]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    write_image(tmp_path / "a.png", draw(1))
    assert probed(tmp_path / "a.png", 100_000_000_000).strip() == "png"
    assert "ulimit -v" in probed(clip, 130_000_000)
