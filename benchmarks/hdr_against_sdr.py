"""Scores of the same clips as SDR and laid into HDR: PQ and HLG, 10-bit HEVC.

    python benchmarks/hdr_against_sdr.py clip.mp4 ...

The SDR side is encoded anew as well (10-bit HEVC, crf 20), and the HDR sides with the highest crf
that gives no smaller file, so that the transfer function is all that differs: at the same crf PQ
takes a third less and loses fine detail, which moves scores by more than any curve. HDR is made by
the inverse functions of the project with white at 203 cd/m2 (PQ) and at 75 % of the signal (HLG,
for a display of 1,000 cd/m2).
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import av
import numpy as np

from counterface.detect.scanning.scan import ScanConfig, Scanner
from counterface.media.color import transfer
from counterface.media.color.tone_map import BT709, BT2020, HLG, PQ
from counterface.media.video_reader import read_video

TO_BT2020 = np.array(  # ITU-R BT.2087
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
WHITE, FRAMES, CRF = 203.0, 24, 20


def lay_into(image: np.ndarray, name: int) -> np.ndarray:
    """RGB uint16 (H, W, 3): the signal of an SDR picture under a transfer function."""
    if name == BT709:
        return image.astype(np.uint16) * 257
    light = (image / 255) ** transfer.SDR_GAMMA @ TO_BT2020.T
    if name == PQ:
        signal = transfer.light_to_pq(light * WHITE)
    else:
        signal = transfer.scene_to_hlg((light * WHITE / 1000) ** (1 / transfer.hlg_gamma(1000)))
    return np.rint(signal * 65535).astype(np.uint16)


def write_as_large(path: Path, images: list[np.ndarray], name: int, size: int) -> Path:
    """As `write`, with the highest crf that gives at least `size` bytes."""
    for crf in range(CRF, 0, -1):
        if write(path, images, name, crf).stat().st_size >= size:
            break
    return path


def write(path: Path, images: list[np.ndarray], name: int, crf: int = CRF) -> Path:
    """The pictures as 10-bit HEVC under a transfer function, tagged."""
    primaries = BT709 if name == BT709 else BT2020
    with av.open(str(path), "w") as output:
        options = {"crf": str(crf), "preset": "fast", "x265-params": "log-level=none"}
        stream = output.add_stream("libx265", rate=25, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_range = primaries, 1
        context.color_primaries, context.color_trc = primaries, name
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(lay_into(image, name), format="rgb48le")
            frame = frame.reformat(
                format="yuv420p10le", dst_colorspace=primaries, dst_color_range=1
            )
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    scanner = Scanner(ScanConfig(marks=False, pictures=False, cues="none"))
    logits: dict[int, list[float]] = {BT709: [], PQ: [], HLG: []}
    print("| clip | SDR | PQ | HLG |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(parser.parse_args().files, 1):
            images = [frame.image for frame in islice(read_video(file), FRAMES)]
            even = np.s_[: images[0].shape[0] // 2 * 2, : images[0].shape[1] // 2 * 2]
            cells, size = [], 0
            for name, values in logits.items():
                path = Path(folder) / f"{name}.mp4"
                write_as_large(path, [i[even] for i in images], name, size)
                size = size or path.stat().st_size  # of SDR, which comes first
                scores = [track.score for track in scanner.scan(path).tracks if track.score]
                best = max(scores, key=lambda score: score.probability, default=None)
                values.append(best.mean_logit if best else np.nan)
                cells.append(f"{best.probability:.3f}" if best else "no face")
            print(f"| {number} | {' | '.join(cells)} |", flush=True)
    sdr = np.array(logits[BT709])
    for name, word in ((PQ, "PQ"), (HLG, "HLG")):
        gap = np.abs(np.array(logits[name]) - sdr)
        print(f"{word}: mean logit differs by {np.nanmean(gap):.2f}, at most {np.nanmax(gap):.2f}")


if __name__ == "__main__":
    main()
