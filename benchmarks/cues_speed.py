"""What cues cost: a scan with them in ratio to a scan without.

    python benchmarks/cues_speed.py [CLIP]

Without a clip, a genuine one of 9.4 s (720p) gets the speech of another as its sound (private data;
needs `ffmpeg`). The scans take turns, and the fastest of each kind counts, so that other work on
the machine falls on all alike. The bar: the default cues add at most half of the scan's own time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from default_data import DATA
from tables import head, row

from counterface.detect.scanning.scan import ScanConfig, Scanner

PICTURE = DATA / "clips_talking_heads" / "liveportrait_s18.mp4"
SPEECH = DATA / "av_grid" / "brbk7n.mpg"
KINDS = {
    "no cues": {"cues": "none"},
    "default": {"cues": "default"},
    "all": {"cues": "all"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--thorough", action="store_true", help="as scan --thorough")
    given = parser.parse_args()
    if given.clip is None and not (PICTURE.exists() and SPEECH.exists()):
        sys.exit(f"{PICTURE} or {SPEECH} is not there; name a clip with a face that speaks")
    with tempfile.TemporaryDirectory() as folder:
        clip = given.clip or with_speech(Path(folder, "speaks.mp4"))
        times = measure(clip, given.rounds, thorough=given.thorough)
    lines = head("cues", "scan", "to that without")
    for name, seconds in times.items():
        lines.append(row(name, f"{seconds:.1f} s", f"{seconds / times['no cues']:.2f}"))
    print("\n".join(lines))


def with_speech(path: Path) -> Path:
    """The clip with the other's speech, over and over."""
    sources = ["-i", PICTURE, "-stream_loop", "-1", "-i", SPEECH]
    streams = ["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-shortest"]
    subprocess.run(["ffmpeg", "-v", "error", *sources, *streams, path], check=True)
    return path


def measure(clip: Path, rounds: int, *, thorough: bool) -> dict[str, float]:
    """The seconds that the fastest scan of each kind takes; a first one is not counted."""
    kinds = {name: ScanConfig(**kind, thorough=thorough) for name, kind in KINDS.items()}
    scanners = {name: Scanner(config) for name, config in kinds.items()}
    times = dict.fromkeys(KINDS, float("inf"))
    for turn in range(rounds + 1):
        for name, scanner in scanners.items():
            start = time.perf_counter()
            scanner.scan(clip)
            if turn:
                times[name] = min(times[name], time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main()
