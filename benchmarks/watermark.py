"""The watermark: how visible, how fast, what it survives, and whether clean pictures carry one.

    python benchmarks/watermark.py [--data ../shared/data] [--clean 500] [--only videos]

Clips of 720p and more are marked, written at crf 18, and encoded again; twelve frames are read.
Pictures are marked and attacked one by one. Clean pictures come from the `faces_*` folders; all
views, crops and turns are searched in each. Without data: drawn actors only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
from drawn import DATA, draw_actor, draw_clip
from timing import cpu_ms

from counterface import weights
from counterface.media.image import read_image
from counterface.provenance.watermark import (
    CHANNEL_BITS,
    FALSE_FIND,
    Watermark,
)
from counterface.types import Image

FRAMES = 48
READ = 12
MARK = Watermark(bytes(range(32)), 0xC0FFEE42)


def psnr(one: Image, other: Image) -> float:
    return float(10 * np.log10(255**2 / ((one.astype(float) - other) ** 2).mean()))


def jpeg(image: Image, quality: int) -> Image:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)


def half(image: Image) -> Image:
    size = image.shape[1] // 4 * 2, image.shape[0] // 4 * 2
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def short_side_360(image: Image) -> Image:
    scale = 360 / min(image.shape[:2])
    size = round(image.shape[1] * scale / 2) * 2, round(image.shape[0] * scale / 2) * 2
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def crop(share: float) -> Callable[[Image], Image]:
    def cut(image: Image) -> Image:
        rows, columns = (round(side * share / 4) * 2 for side in image.shape[:2])
        inner = image[rows // 2 : image.shape[0] - rows // 2, columns // 2 :]
        return np.ascontiguousarray(inner[:, : inner.shape[1] - columns // 2])

    return cut


def turn(degrees: float) -> Callable[[Image], Image]:
    def turned(image: Image) -> Image:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        return np.asarray(cv2.warpAffine(image, matrix, (width, height)), dtype=np.uint8)

    return turned


def encode(frames: list[Image], crf: int, preset: str = "veryfast") -> tuple[list[Image], int]:
    """The frames after x264, and the file's size in bytes."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": preset})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
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


LARGE = (
    *(f"clips_talking_heads/liveportrait_{name}.mp4" for name in ("d13", "s18", "s29", "s32")),
    *(f"many_methods/fsgan_inputs/{name}_real.mp4" for name in ("conan_obrien", "shinzo_abe")),
)


def clips(data: Path) -> Iterator[tuple[str, list[Image]]]:
    drawn = draw_clip([1, 2], frames=FRAMES, width=1280, height=720)
    yield "drawn actors", [one.frame.image for one in drawn]
    for number, name in enumerate(LARGE):
        if (data / name).exists():
            yield f"clip {number + 1}", read_clip(data / name)


def through(change: Callable[[Image], Image], crf: int) -> Callable[[list[Image]], list[Image]]:
    return lambda frames: encode([change(frame) for frame in frames], crf)[0]


def same(image: Image) -> Image:
    return image


VIDEO_ATTACKS: dict[str, Callable[[list[Image]], list[Image]]] = {
    "crf 18": lambda frames: frames,
    "crf 28": through(same, 28),
    "crf 32": through(same, 32),
    "crf 36": through(same, 36),
    "half, 28": through(half, 28),
    "360, 30": through(short_side_360, 30),
    "crop 5": through(crop(0.05), 23),
    "crop 10": through(crop(0.10), 23),
    "turn 1": through(turn(1), 23),
    "turn 2": through(turn(2), 23),
    "mirror": through(lambda image: np.ascontiguousarray(image[:, ::-1]), 23),
}
PICTURE_ATTACKS: dict[str, Callable[[Image], Image]] = {
    "as marked": lambda image: image,
    "JPEG 50": lambda image: jpeg(image, 50),
    "JPEG 30": lambda image: jpeg(image, 30),
    "half size": half,
    "half, JPEG 75": lambda image: jpeg(half(image), 75),
    "half, JPEG 50": lambda image: jpeg(half(image), 50),
    "brighter by 12": lambda image: cv2.convertScaleAbs(image, beta=12),
    "crop 5 %": crop(0.05),
    "crop 10 %": crop(0.10),
    "turn 1": turn(1),
    "turn 2": turn(2),
}


def report_videos(data: Path) -> None:
    print(f"videos: wrong channel bits of {CHANNEL_BITS} that were corrected; - is not found")
    print(f"{'':14}{'size':>10}{'PSNR':>6}{'flat':>6}{'busy':>6}{'bytes':>7}", end="")
    print(*(f"{name:>8}" for name in VIDEO_ATTACKS))
    for name, frames in clips(data):
        marked = [MARK.mark(frame) for frame in frames]
        first, size = encode(marked, 18)
        grown = size / encode(frames, 18)[1] - 1
        quality = np.mean([psnr(*pair) for pair in zip(frames, marked, strict=True)])
        flat, busy = changes(frames[0])
        shape = f"{frames[0].shape[1]}x{frames[0].shape[0]}"
        print(f"{name:14}{shape:>10}{quality:6.1f}{flat:6.2f}{busy:6.2f}{grown:+7.0%}", end="")
        for attack in VIDEO_ATTACKS.values():
            reading = MARK.find(attack(first)[:: FRAMES // READ])
            errors = "-" if reading.bit_errors is None else str(reading.bit_errors)
            print(f"{errors:>9}", end="", flush=True)
        print()


def changes(image: Image) -> tuple[float, float]:
    """The mark's rms, grey levels, in the flattest and the busiest tenth of 32-px squares."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    change = (MARK.mark(image).astype(float) - image)[..., 1]
    squares = [
        (grey[y : y + 32, x : x + 32].std(), change[y : y + 32, x : x + 32].std())
        for y in range(0, grey.shape[0] - 31, 32)
        for x in range(0, grey.shape[1] - 31, 32)
    ]
    rms = [one[1] for one in sorted(squares)]
    tenth = max(1, len(rms) // 10)
    return float(np.mean(rms[:tenth])), float(np.mean(rms[-tenth:]))


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
    files = files[:: max(1, len(files) // max(1, wanted))]
    readings = [MARK.find([read_image(file)]) for file in files]
    read, finds = sum(r.images_read for r in readings), sum(r.found for r in readings)
    print(f"\nclean: {finds} finds in {read} pictures; at most {read * FALSE_FIND:.1e} expected")


def report_speed() -> None:
    cv2.setNumThreads(1)
    image = cv2.resize(draw_actor(1, size=512).image, (1280, 720))
    marked = MARK.mark(image)
    jobs = (
        ("mark", 50, lambda _: MARK.mark(image)),
        ("find where it is", 50, lambda _: MARK.find([marked])),
        ("search where it is not", 2, lambda _: MARK.find([image])),
    )
    for name, times, work in jobs:
        print(f"{name}: {cpu_ms(work, times):.1f} ms of one core, a 720p frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--clean", type=int, default=500)
    parser.add_argument("--only", choices=("speed", "videos", "pictures", "clean"))
    args = parser.parse_args()
    if args.only in (None, "speed"):
        report_speed()
    if args.only in (None, "videos"):
        report_videos(args.data)
    if args.only in (None, "pictures"):
        report_pictures(args.data)
    if args.only in (None, "clean"):
        report_clean(args.data, args.clean)


if __name__ == "__main__":
    main()
