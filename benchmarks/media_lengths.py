"""What is found, and what it costs, in files that do not say how long they are, or are cut short.

    python benchmarks/media_lengths.py [CLIP]

The clip (a drawn one without it) is packed anew without encoding it again. For each file: what is
noted, how many of 32 moments were read, the time of the last one as a share of what is there, and
CPU time as a share of decoding all of it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
from media_speed import draw_clip

from counterface.media.probe import MediaInfo, probe
from counterface.media.video_reader import frames_at, read_video, sample_times

MOMENTS = 32
PACKED = {  # name, FFmpeg's options
    "MP4": ("a.mp4", {}),
    "MP4, index first": ("b.mp4", {"movflags": "faststart"}),
    "MP4, fragmented": ("c.mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "Matroska": ("a.mkv", {}),
    "Matroska, no duration, no index": ("live.mkv", {"live": "1"}),
    "transport stream": ("a.ts", {}),
    "raw H.264": ("a.h264", {}),
}
CUT = ("MP4, index first", "MP4, fragmented", "Matroska", "transport stream")
SHARE = 0.7


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("clip", nargs="?", type=Path)
    arguments.add_argument("--minutes", type=float, default=1)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = given.clip or draw_clip(folder / "drawn.mp4", given.minutes)
        print("| file | noted | moments | last at | probe | 32 moments | of reading all |")
        print("|---|---|---|---|---|---|---|")
        for kind, path in variants(clip, folder):
            print(row(kind, path), flush=True)


def variants(clip: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    for kind, (name, options) in PACKED.items():
        path = folder / name
        pack(clip, path, options)
        yield kind, path
        if kind in CUT:
            data = path.read_bytes()
            short = path.with_stem(path.stem + "-cut")
            short.write_bytes(data[: int(len(data) * SHARE) | 1])  # not between two packets
            yield f"{kind}, first {SHARE:.0%}", short


def pack(clip: Path, path: Path, options: dict[str, str]) -> None:
    with av.open(str(clip)) as source, av.open(str(path), "w", options=options) as output:
        stream = source.streams.video[0]
        copy = output.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                output.mux(packet)


def row(kind: str, path: Path) -> str:
    start = time.process_time()
    info = probe(path)
    probed = time.process_time() - start
    start = time.process_time()
    times = [frame.pts for frame in frames_at(path, moments(info))]
    looked = time.process_time() - start
    start = time.process_time()
    last = max(frame.pts for frame in read_video(path))
    whole = time.process_time() - start
    noted = ", ".join(note.code for note in info.notes) or "nothing"
    place = float((max(times) - info.start_s) / (last - info.start_s))
    return (
        f"| {kind} | {noted} | {len(set(times))} of {MOMENTS} | {place:.2f} | {probed:.2f} s "
        f"| {looked:.2f} s | {(probed + looked) / whole:.2f} |"
    )


def moments(info: MediaInfo) -> list:
    return sample_times(info.duration_s or 0, MOMENTS, info.start_s)


if __name__ == "__main__":
    main()
