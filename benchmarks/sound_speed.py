"""Cost of hearing a clip (reading its sound, speech, log-mel) in ratio to decoding its pictures.

    python benchmarks/sound_speed.py [CLIP]

Without a clip one of 10 s is drawn: 720p, 30 frames/s, H.264 and AAC. Wall-clock times, the best of
three, with a decoder process and a speech model that run already.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "media"))

import av
import numpy as np
from drawn_sound import encode

from counterface.detect.sound.log_mel import log_mel
from counterface.detect.sound.speech import speech_probabilities
from counterface.media import sandbox

SECONDS, RATE, FPS = 10, 48_000, 30


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("clip", nargs="?", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given.clip or draw_clip(Path(folder, "drawn.mp4")))


def measure(clip: Path) -> None:
    """Print one line for each step."""
    sound = sandbox.read_sound(clip)
    if sound is None:
        raise SystemExit(f"{clip} has no sound")
    print(f"{sound.duration:.1f} s of {sound.codec}")
    video = best(lambda: sum(1 for _ in sandbox.read_video(clip)))
    rows = {
        "sandbox.read_video": video,
        "sandbox.read_sound": best(lambda: sandbox.read_sound(clip)),
        "speech_probabilities": best(lambda: speech_probabilities(sound)),
        "log_mel": best(lambda: log_mel(sound)),
    }
    rows["sound, all three"] = sum(rows.values()) - video
    for name, seconds in rows.items():
        print(f"{name:22} {seconds:7.3f} s  {seconds / video:6.3f} of the pictures")


def best(work: Callable[[], object]) -> float:
    """The seconds that the fastest of three calls takes; a first one is not counted."""
    work()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def draw_clip(path: Path) -> Path:
    """A test pattern with a sweep that comes and goes."""
    moments = np.arange(SECONDS * RATE) / RATE
    sweep = 0.3 * np.sin(2 * np.pi * (200 + 60 * moments) * moments) * np.abs(np.sin(9 * moments))
    with (
        av.open(f"testsrc2=size=1280x720:rate={FPS}", format="lavfi") as source,
        av.open(str(path), "w") as output,
    ):
        video = output.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        sound = output.add_stream("aac", rate=RATE, layout="stereo")
        packets = encode(sound, np.stack([sweep, sweep]).astype(np.float32), RATE, "stereo")
        for index, frame in zip(range(SECONDS * FPS), source.decode(video=0), strict=False):
            while packets and packets[0].pts * packets[0].time_base < Fraction(index, FPS):
                output.mux(packets.pop(0))
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        output.mux(packets)
    return path


if __name__ == "__main__":
    main()
