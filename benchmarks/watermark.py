"""The watermark: how visible, how fast, what it survives, and whether clean pictures carry one.

    python benchmarks/watermark.py [--data ../shared/data] [--clean 10000]

Clips are marked, written at crf 18, and then encoded again; eight frames are read. Pictures are
marked and attacked one by one. Clean pictures come from the `faces_*` folders, each as it is and,
until there are enough, as copies turned by 90 degrees (which no search looks at) and cut down.
Without --data: drawn actors only.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from actors import draw_actor, draw_clip  # noqa: E402

from counterface import weights  # noqa: E402
from counterface.media.image import read_image  # noqa: E402
from counterface.provenance.watermark import CHANNEL_BITS, TRIES, Watermark  # noqa: E402
from counterface.types import Image  # noqa: E402

FRAMES = 24
MARK = Watermark(bytes(range(32)), 0xC0FFEE42)


def psnr(one: Image, other: Image) -> float:
    return float(10 * np.log10(255**2 / ((one.astype(float) - other) ** 2).mean()))


def jpeg(image: Image, quality: int) -> Image:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)


def half(image: Image) -> Image:
    size = image.shape[1] // 4 * 2, image.shape[0] // 4 * 2
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encode(frames: list[Image], crf: int) -> tuple[list[Image], int]:
    """The frames after x264 (preset medium), and the file's size in bytes."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    size = file.tell()
    file.seek(0)
    with av.open(file) as back:
        return [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)], size


def read_clip(path: Path) -> list[Image]:
    frames: list[Image] = []
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            frames.append(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2].copy())
            if len(frames) == FRAMES:
                break
    return frames


def clips(data: Path) -> Iterator[tuple[str, list[Image]]]:
    drawn = draw_clip([1, 2], frames=FRAMES, width=640, height=360)
    yield "drawn actors", [one.frame.image for one in drawn]
    for number, path in enumerate(sorted(data.glob("clips_talking_heads/*.mp4"))[:14:2]):
        yield f"talking head {number + 1}", read_clip(path)
    for number, path in enumerate(sorted(data.glob("av_grid/*.mpg"))[:3]):
        yield f"GRID {number + 1}", read_clip(path)


VIDEO_ATTACKS: dict[str, Callable[[list[Image]], list[Image]]] = {
    "crf 18": lambda frames: frames,
    "crf 28": lambda frames: encode(frames, 28)[0],
    "crf 32": lambda frames: encode(frames, 32)[0],
    "half": lambda frames: encode([half(frame) for frame in frames], 18)[0],
    "half, 23": lambda frames: encode([half(frame) for frame in frames], 23)[0],
    "half, 28": lambda frames: encode([half(frame) for frame in frames], 28)[0],
}
PICTURE_ATTACKS: dict[str, Callable[[Image], Image]] = {
    "as marked": lambda image: image,
    "JPEG 50": lambda image: jpeg(image, 50),
    "JPEG 30": lambda image: jpeg(image, 30),
    "half size": half,
    "half, JPEG 75": lambda image: jpeg(half(image), 75),
    "half, JPEG 50": lambda image: jpeg(half(image), 50),
    "brighter by 12": lambda image: cv2.convertScaleAbs(image, beta=12),
    "crop 1 %": lambda i: i[i.shape[0] // 200 : -i.shape[0] // 200, i.shape[1] // 200 :],
    "crop 5 %": lambda i: i[i.shape[0] // 40 : -i.shape[0] // 40, i.shape[1] // 40 :],
}


def report_videos(data: Path) -> None:
    print(f"videos: wrong channel bits of {CHANNEL_BITS} that were corrected; - is not found")
    print(f"{'':18}{'size':>10}{'PSNR':>7}{'bytes':>8}", *(f"{name:>9}" for name in VIDEO_ATTACKS))
    for name, frames in clips(data):
        marked = [MARK.mark(frame) for frame in frames]
        first, size = encode(marked, 18)
        grown = size / encode(frames, 18)[1] - 1
        cells = []
        for attack in VIDEO_ATTACKS.values():
            reading = MARK.find(attack(first)[:: FRAMES // 8])
            cells.append("-" if reading.bit_errors is None else str(reading.bit_errors))
        quality = np.mean([psnr(*pair) for pair in zip(frames, marked, strict=True)])
        shape = f"{frames[0].shape[1]}x{frames[0].shape[0]}"
        print(f"{name:18}{shape:>10}{quality:7.1f}{grown:+8.0%}", *(f"{c:>9}" for c in cells))


def pictures(data: Path) -> dict[str, list[Image]]:
    sets = {
        "drawn": [draw_actor(n, size=512).image for n in range(6)],
        "astronaut": [read_image(weights.path("astronaut"))],
    }
    for folder in ("faces_ffhq256", "faces_london_ccby", "synthetic_sdxl", "faces_3dsk"):
        files = find_pictures(data, folder)
        if files:
            sets[folder] = [read_image(f) for f in files[:: max(1, len(files) // 20)][:20]]
    return sets


def find_pictures(data: Path, folder: str) -> list[Path]:
    kinds = (".jpg", ".jpeg", ".png")
    return [f for f in sorted(data.glob(f"{folder}/**/*")) if f.suffix.lower() in kinds]


def report_pictures(data: Path) -> None:
    print("\npictures: share found")
    sets = pictures(data)
    print(f"{'':16}", *(f"{name[:14]:>15}" for name in sets))
    marked = {name: [MARK.mark(image) for image in images] for name, images in sets.items()}
    quality = [
        np.mean([psnr(*p) for p in zip(sets[name], marked[name], strict=True)]) for name in sets
    ]
    print(f"{'PSNR, dB':16}", *(f"{value:15.1f}" for value in quality))
    for attack, change in PICTURE_ATTACKS.items():
        shares = [
            np.mean([MARK.find([np.ascontiguousarray(change(image))]).found for image in images])
            for images in marked.values()
        ]
        print(f"{attack:16}", *(f"{share:15.0%}" for share in shares))


def report_clean(data: Path, wanted: int) -> None:
    files = find_pictures(data, "faces_*")
    read = finds = 0
    for turn in range(4):
        for file in files:
            if read >= wanted:
                break
            image = np.ascontiguousarray(np.rot90(read_image(file), turn))
            if turn > 1:
                image = image[: image.shape[0] * 7 // 8]
            reading = MARK.find([image])
            read, finds = read + reading.images_read, finds + reading.found
    chance = read * TRIES * 2.0**-32
    print(f"\nclean: {finds} finds in {read} pictures; at most {chance:.1e} expected by arithmetic")


def report_speed() -> None:
    cv2.setNumThreads(1)
    image = cv2.resize(draw_actor(1, size=512).image, (1280, 720))
    for name, work in (("mark", lambda: MARK.mark(image)), ("find", lambda: MARK.find([image]))):
        work()
        start, own = time.perf_counter(), time.process_time()
        for _ in range(50):
            work()
        wall, cpu = (time.perf_counter() - start) * 20, (time.process_time() - own) * 20
        print(f"{name}: {cpu:.1f} ms of one core a 720p frame ({wall:.1f} ms passed)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--clean", type=int, default=10_000)
    args = parser.parse_args()
    report_speed()
    report_videos(args.data)
    report_pictures(args.data)
    report_clean(args.data, args.clean)


if __name__ == "__main__":
    main()
