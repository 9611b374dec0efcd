"""`counterface demo`: a genuine portrait and a blended copy, scanned as pictures and as clips."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field

from counterface import __version__
from counterface.apps.cli import output
from counterface.apps.cli.output import Json
from counterface.aside import make_folder, write_bytes
from counterface.errors import MediaError

if TYPE_CHECKING:
    import numpy as np

    from counterface.report.schema import Report
    from counterface.types import Face, Frame, Image

FPS, SECONDS = 24, 2
SEEDS = range(200)  # enough: about one in six blends leaves the surroundings alone and is strong


class DemoConfig(BaseModel):
    """Where the demonstration is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path = Field(Path("out/demo"), description="folder for the pictures, clips and the report")


def demo(
    *,
    config: Annotated[DemoConfig, Parameter(name="*")] = DemoConfig(),  # noqa: B008  (frozen)
    json_output: Json = False,
) -> int:
    """Scan a genuine portrait and a blended copy of it, as pictures and as short clips.

    The portrait is NASA's of Eileen Collins, in the public domain.
    """
    from counterface.detect.scan_files import scan_files
    from counterface.report.build import build_report
    from counterface.report.html import write_html

    make_folder(config.out)
    with output.progress("demo") as progress:
        progress(0, None, "making a genuine and a blended portrait")
        files = make_files(config.out)
        reports = [build_report(found) for found in scan_files(files, progress=progress)]
    page = config.out / "report.html"
    write_html(reports, page)
    if json_output:
        for report in reports:
            output.print_json(report)
    else:
        for file, report in zip(files, reports, strict=True):
            print(f"{file.name:14} {describe(report)}")
        print("\nThe two files named 'blended' were changed. A mild blend is often missed:")
        print("docs/model_card.md says how well this detector does, and on what.")
        print(f"\nThe report: {page.resolve()}")
    return 2 if any(report.status == "failed" for report in reports) else 0


def describe(report: Report) -> str:
    """The verdict in words, with the probability and its interval where there is one."""
    from counterface.detect.pool import show_percent

    if report.verdict is None:
        return f"could not be scanned: {output.printable(report.error or '')}"
    words = report.verdict.value.replace("_", " ")
    if report.score is None:
        return words
    low, middle, high = (
        show_percent(p) for p in (report.score.low, report.score.probability, report.score.high)
    )
    return f"{words:24} probability of manipulation {middle} ({low} to {high})"


def make_files(out: Path) -> list[Path]:
    """The four files of the demonstration; `made.json` beside them says what was made from what."""
    import json

    from counterface import weights
    from counterface.faces.face_detector import find_faces
    from counterface.media.image import read_image, write_image

    genuine = read_image(weights.path("astronaut"))
    faces = find_faces(genuine)
    if not faces:
        raise MediaError("no face was found in the demonstration portrait; please report this")
    pictures = {"genuine": genuine, "blended": blended_copy(genuine, faces[0])}
    files = []
    for name, image in pictures.items():
        write_image(out / f"{name}.png", image)
        files.append(out / f"{name}.png")
    for name, image in pictures.items():
        write_clip(out / f"{name}.mp4", image)
        files.append(out / f"{name}.mp4")
    record = {
        "tool": f"counterface {__version__}",
        "source": "portrait of Eileen Collins, NASA, public domain",
        "genuine": ["genuine.png", "genuine.mp4"],
        "manipulated": ["blended.png", "blended.mp4"],
        "method": "self-blended: the face over itself, shifted, its colours or sharpness changed",
    }
    write_bytes(out / "made.json", (json.dumps(record, indent=2) + "\n").encode())
    return files


def blended_copy(image: Image, face: Face) -> Image:
    """The picture with the face blended over itself, and nothing else changed.

    The first seed whose blend leaves the surroundings alone and covers the face strongly is taken;
    no detector is asked.

    Args:
        image: RGB uint8 (H, W, 3).
        face: with landmarks, in the image's pixels.
    """
    import numpy as np

    from counterface.datasets.pairs.self_blended import FaceSample, self_blend

    if face.landmarks is None:
        raise MediaError("the face of the demonstration portrait has no landmarks")
    left, top, side = _square_around(face.landmarks, image.shape[:2])
    crop = np.ascontiguousarray(image[top : top + side, left : left + side])
    landmarks = (face.landmarks - np.array([left, top])).astype(np.float32)
    area = float(np.prod(np.ptp(landmarks, axis=0)))
    for seed in SEEDS:
        pair = self_blend(FaceSample(crop, landmarks), np.random.default_rng(seed))
        alone = np.array_equal(pair.real, crop)
        if alone and pair.mask.max() > 0.95 and pair.mask.sum() > 0.4 * area:
            copy = image.copy()
            copy[top : top + side, left : left + side] = pair.fake
            return copy
    raise MediaError(f"none of {len(SEEDS)} blends was strong enough; please report this")


def write_clip(path: Path, image: Image) -> None:
    """A short clip in which a camera drifts over the picture."""
    from counterface.media.video_writer import VideoWriter

    height, width = (side // 2 * 2 for side in image.shape[:2])  # H.264 wants even sides
    with VideoWriter(path, width, height, crf=20, preset="medium") as writer:
        for frame in drift(image[:height, :width]):
            writer.write(frame)


def drift(image: Image) -> Iterator[Frame]:
    """Frames of a slow zoom with a little sensor noise, the same for every picture."""
    import cv2
    import numpy as np

    from counterface.types import Frame

    rng = np.random.default_rng(0)
    height, width = image.shape[:2]
    for index in range(FPS * SECONDS):
        through = index / (FPS * SECONDS)
        zoom = 1.02 + 0.10 * through
        move = np.array(
            [
                [zoom, 0, (1 - zoom) * width * (0.45 + 0.05 * np.sin(6 * through))],
                [0, zoom, (1 - zoom) * height * 0.2],
            ]
        )
        moved = cv2.warpAffine(image, move, (width, height), flags=cv2.INTER_AREA)
        noisy = moved + rng.normal(0, 1.5, moved.shape)
        shot = np.clip(noisy, 0, 255).astype(np.uint8)
        yield Frame(shot, index, Fraction(index, FPS))


def _square_around(
    landmarks: np.ndarray[tuple[int, ...], np.dtype[np.float32]], shape: tuple[int, ...]
) -> tuple[int, int, int]:
    """Left, top and side of a square with the face in its middle half, inside the picture."""
    import numpy as np

    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    side = int(min(2 * float(np.max(high - low)), *shape[:2])) // 2 * 2
    left, top = ((low + high) / 2 - side / 2).astype(int)
    return (
        int(np.clip(left, 0, shape[1] - side)),
        int(np.clip(top, 0, shape[0] - side)),
        side,
    )
