"""How far a conversion moves sound: every packet's time over containers, frame rates and offsets.

    python benchmarks/sound_offset.py

Drawn sources; the joiner alone, as a conversion uses it.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "media"))

from drawn_sources import CODECS, packets, write_piece, write_source

from counterface.media.beside.join import join_pieces
from counterface.media.beside.plan import Companions
from counterface.media.video_reader import read_video

RATES = {
    "24000/1001": [i * Fraction(1001, 24_000) for i in range(8)],
    "5": [Fraction(i, 5) for i in range(8)],
    "12.5": [Fraction(2 * i, 25) for i in range(8)],
    "25": [Fraction(i, 25) for i in range(8)],
    "60": [Fraction(i, 60) for i in range(8)],
    "variable": [Fraction(n, 1000) for n in (0, 33, 50, 117, 150, 151, 400, 433)],
}
OFFSETS = [Fraction(n, 1000) for n in (-100, -21, 0, 7, 268)]  # of the sound, seconds


def main() -> None:
    """One line a container of the source."""
    print("source  files  packets  lost  worst packet, samples  pictures exact")
    for suffix in CODECS:
        files = total = lost = exact = 0
        worst = Fraction(0)
        for (name, times), late, rate in itertools.product(
            RATES.items(), OFFSETS, (44_100, 48_000)
        ):
            if (suffix == ".avi" and name == "variable") or (suffix == ".webm" and rate != 48_000):
                continue
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder, f"source{suffix}")
                write_source(source, [t + Fraction(1, 5) for t in times], late=late, rate=rate)
                shown = sorted(time for _, time in packets(source, kind="video"))
                out = Path(folder, "out.mp4")
                join_pieces([write_piece(Path(folder, "p.mp4"), shown)], out, Companions(source))
                before, after = packets(source), packets(out)
                pairs = zip(before, after, strict=False)
                worst = max([worst, *(abs(b - a) * rate for (_, a), (_, b) in pairs)])
                lost += len(before) - len(after)
                exact += [frame.pts for frame in read_video(out)] == shown
            files, total = files + 1, total + len(before)
        print(f"{suffix:7} {files:5} {total:8} {lost:5} {float(worst):12.2f} {exact:18}")


if __name__ == "__main__":
    main()
