"""The files of `counterface demo`: a genuine portrait, a typical swap in it, and a mild one.

What is typical? The face swappers that most people use (roop and what grew out of it) have a
network draw the face at 128 pixels, however large it is in the picture, and lay it back by bilinear
interpolation under the soft mask of an aligned face. So the *swapped* file has another picture's
face, drawn at 128 pixels by a small network, brought to the target's broad colours, and laid over
the face whole. No second person gave a face: the other picture is the portrait in the mirror. The
*mild* file is the same at 40 %, which is what the opacity of such programs or a retouch leaves.

This argument alone chose them: no detector was asked, and none was trained on what this network
draws. It is the architecture `transposed96` of the bank of decoders, trained by
`recipes/demo_decoder.toml` on the portrait itself, which is in the public domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from counterface import weights
from counterface.datasets.decoders.bank import DecoderFile
from counterface.datasets.pairs.paste_masks import erode, eye_distance, soften, square_matrix
from counterface.datasets.pairs.self_blended import blend
from counterface.datasets.twins.layers import keep_colors, lay_back
from counterface.errors import MediaError
from counterface.faces.align import warp_image
from counterface.faces.face_detector import find_faces
from counterface.faces.mask import hull_mask
from counterface.files import file_sha256
from counterface.media.image import read_image, write_image
from counterface.media.video_writer import VideoWriter
from counterface.provenance.mark import Marker
from counterface.provenance.record import MadeInput, MadeModel, MadeOutput, MadeRecord, MadeRights
from counterface.provenance.rights import Rights
from counterface.types import Floats, Frame, Image

DECODER = Path(__file__).parent / "data" / "demo_decoder.onnx"
SIDE = 128  # that the network draws at
MILD = 0.4  # of the swap in the mild file
FPS, SECONDS = 24, 2
RIGHTS = Rights(
    shown="Eileen Collins", basis="licence", reference="NASA portrait, in the public domain"
)


@dataclass(frozen=True)
class DemoFiles:
    """What was written."""

    files: tuple[Path, ...]  # pictures, then clips: genuine, swapped, mild
    signed: Path  # the swapped picture once more, whose marks are to be read


def make_files(out: Path) -> DemoFiles:
    """The files of the demonstration; each made one is signed, with its record beside it.

    Args:
        out: the folder, which exists.
    """
    source = weights.path("astronaut")
    genuine = read_image(source)
    swapped = swap_face(genuine)
    mild = np.asarray(cv2.addWeighted(swapped, MILD, genuine, 1 - MILD, 0), np.uint8)
    marker = Marker()
    record = MadeRecord(
        output=MadeOutput(name=""),
        inputs=(MadeInput(role="target", name=source.name, sha256=file_sha256(source)),),
        models=(MadeModel(name=DECODER.stem, sha256=file_sha256(DECODER)),),
        rights=(MadeRights(of="target", rights=RIGHTS),),
    )
    write_image(out / "genuine.png", genuine)
    write_clip(out / "genuine.mp4", genuine)
    for name, image, strength in (("swapped", swapped, 1.0), ("mild", mild, MILD)):
        told = record.model_copy(update={"settings": {"strength": strength}})
        marker.finish_image(marker.mark_frame(image), out / f"{name}.png", told, source)
        finish_clip(out / f"{name}.mp4", image, told, marker, source)
    signed = out / "signed.png"
    marker.finish_image(marker.mark_frame(swapped), signed, record, source)
    names = [f"{name}.{kind}" for kind in ("png", "mp4") for name in ("genuine", "swapped", "mild")]
    return DemoFiles(tuple(out / name for name in names), signed)


def swap_face(image: Image) -> Image:
    """The picture with the face of its mirror image, as a face swapper lays it in.

    Args:
        image: RGB uint8 (H, W, 3), with one large face.

    Raises:
        MediaError: no face with landmarks is found.
    """
    mirrored = np.ascontiguousarray(image[:, ::-1])
    onto, from_ = _landmarks(image), _landmarks(mirrored)
    to_crop = square_matrix(onto, SIDE)
    target = warp_image(image, to_crop, SIDE)
    source = warp_image(mirrored, square_matrix(from_, SIDE), SIDE)
    drawn = DecoderFile(DECODER).redraw(source, np.random.default_rng(0))
    drawn = keep_colors(drawn, target, 1.0)
    width = eye_distance(onto)
    mask = soften(erode(hull_mask(onto, image.shape[:2], "no_forehead"), 0.1 * width), 0.1 * width)
    return blend(lay_back(drawn, to_crop, image), image, mask)


def finish_clip(path: Path, image: Image, record: MadeRecord, marker: Marker, source: Path) -> None:
    """Write a signed clip in which a camera drifts over a made picture."""
    unsigned = path.with_name(f"unsigned_{path.name}")
    try:
        write_clip(unsigned, image, marker)
        first = next(drift(_even(image))).image
        marker.finish(unsigned, path, record, source, [marker.mark_frame(first)], [Fraction(0)])
    finally:
        unsigned.unlink(missing_ok=True)


def write_clip(path: Path, image: Image, marker: Marker | None = None) -> None:
    """Write a short clip in which a camera drifts over a picture, each frame marked if wanted."""
    even = _even(image)
    with VideoWriter(path, even.shape[1], even.shape[0], crf=20, preset="medium") as writer:
        for frame in drift(even):
            shot = frame.image if marker is None else marker.mark_frame(frame.image)
            writer.write(Frame(shot, frame.index, frame.pts))


def drift(image: Image) -> Iterator[Frame]:
    """Frames of a slow zoom with a little sensor noise, the same for every picture."""
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


def _even(image: Image) -> Image:
    """The picture with even sides, which H.264 needs."""
    height, width = (side // 2 * 2 for side in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width])


def _landmarks(image: Image) -> Floats:
    faces = find_faces(image)
    if not faces or faces[0].landmarks is None:
        raise MediaError("no face was found in the demonstration portrait; please report this")
    return faces[0].landmarks
