"""Milliseconds from a changed merge setting to a signed picture of the whole frame.

    python benchmarks/live_merge.py --model MODEL --target CLIP --rights RIGHTS.toml
    python benchmarks/live_merge.py --model MODEL --target CLIP --rights RIGHTS.toml --runs 20

One moment of the target is opened as the studio does it (`LivePreview`); then every setting is
changed by itself. The bar is 1000 ms a change at 720p. Watermark and credentials are part of it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from counterface.config import validate
from counterface.swap.conversion.preview import LivePreview, PreviewConfig
from counterface.swap.merge.settings import MergeSettings

BAR = 1000.0  # ms
CHANGES: dict[str, dict[str, Any]] = {
    "default": {},
    "erode = 12": {"erode": 12},
    "blur = 25": {"blur": 25},
    "colour transfer mkl": {"color_transfer": "mkl"},
    "colour transfer idt": {"color_transfer": "idt"},
    "colour transfer sot": {"color_transfer": "sot"},
    "seamless": {"blend": "seamless"},
    "sharpen unsharp": {"sharpen": "unsharp"},
    "denoise = 20": {"denoise": 20},
    "motion blur = 100": {"motion_blur": 100},
    "noise = 5": {"noise": 5},
    "jpeg quality = 30": {"jpeg_quality": 30},
    "mask segmented": {"mask": "segmented"},
}


def main() -> None:
    """Print a line for each change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--rights", type=Path, help="rights record of the target")
    parser.add_argument("--at", type=float, default=0.5, help="moment, seconds")
    parser.add_argument("--runs", type=int, default=7)
    words = parser.parse_args()
    config = PreviewConfig(rights_file=words.rights, who="largest")
    start = time.perf_counter()
    live = LivePreview(words.model, words.target, config)
    opened = time.perf_counter()
    moment = live.at(words.at)
    live.merged(MergeSettings())
    found = time.perf_counter()
    height, width = moment.frame.image.shape[:2]
    print(
        f"{width}x{height}: opened in {opened - start:.2f} s, first picture {found - opened:.2f} s"
    )
    worst = 0.0
    for name, change in CHANGES.items():
        settings = validate(MergeSettings, change, name)
        live.swapped(settings.mask_factors)  # a mask of the segmenter is made once a moment
        taken = []
        for _ in range(words.runs):
            begun = time.perf_counter()
            live.merged(settings)
            taken.append(1000 * (time.perf_counter() - begun))
        middle = statistics.median(taken)
        worst = max(worst, middle)
        print(f"{name:24} median {middle:6.0f} ms   longest {max(taken):6.0f} ms")
    marked = time.perf_counter()
    live.marker.mark_frame(moment.frame.image)
    print(f"of that, watermark {1000 * (time.perf_counter() - marked):.0f} ms")
    print(f"slowest {worst:.0f} ms, bar {BAR:.0f} ms: {'met' if worst <= BAR else 'MISSED'}")


if __name__ == "__main__":
    main()
