"""What benchmarks share: places, what the tests draw, and drawn clips under film grain."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"  # the private material, which may be absent
sys.path.insert(0, str(ROOT / "tests"))

from actors import FRONTAL, NEUTRAL, Expression, add_actor, draw_actor, draw_clip  # noqa: E402
from drawn_cartoons import draw_cartoon  # noqa: E402
from drawn_facesets import write_person  # noqa: E402
from drawn_samples import DrawnBank  # noqa: E402

__all__ = [
    "DATA",
    "FRONTAL",
    "NEUTRAL",
    "ROOT",
    "DrawnBank",
    "Expression",
    "add_actor",
    "draw_actor",
    "draw_cartoon",
    "draw_clip",
    "write_grainy_clip",
    "write_person",
]
WIDTH, HEIGHT, FPS = 1280, 720, 30


def write_grainy_clip(path: Path, identities: list[int], seconds: int, crf: int) -> Path:
    """Drawn actors under film grain at 720p and 30 frames/s, H.264."""
    drawn = [item.frame.image for item in draw_clip(identities, 24, WIDTH // 2, HEIGHT // 2)]
    there_and_back = [*drawn, *drawn[-2:0:-1]]
    rng = np.random.default_rng(0)
    grain = [rng.integers(0, 9, (HEIGHT, WIDTH, 1), np.uint8) for _ in range(7)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(seconds * FPS):
            small = there_and_back[index % len(there_and_back)]
            image = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            image = cv2.add(image, np.repeat(grain[index % 7], 3, axis=2))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    return path
