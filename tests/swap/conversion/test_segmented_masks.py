"""What stands before the target's face stays before the new one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor
from echo_model import DRAWN, echo_model
from swap_targets import draw_images, write_target

from counterface.errors import RegistryError, WeightsError
from counterface.faces.align import crop_matrix, warp_points
from counterface.faces.segment import FaceSegmenter
from counterface.media.image import read_image, write_image
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.generate import Generator
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.render import Renderer
from counterface.swap.conversion.segmented_masks import SegmentedMasks
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.merge.plan import MergePlan
from counterface.swap.merge.settings import MergeSettings
from counterface.swap.swap_model import SOURCE
from counterface.types import Floats, Frame, Image

ACTOR = draw_actor(1)
FACE = PlacedFace(1, 0, ACTOR.face.box, ACTOR.landmarks)
BAR = (90, 60, 200)  # colour of what is held before the face


@dataclass
class NotTheBar:
    """Segments all that has not the colour of the bar."""

    template: str = "head"
    size: int = 96
    seen: int = 0

    def segment(self, crops: Image) -> Floats:
        self.seen += len(crops)
        return (np.abs(crops.astype(int) - BAR).max(axis=3) > 12).astype(np.float32)


def with_bar() -> tuple[Image, tuple[slice, slice]]:
    """The actor with a bar over the mouth, and the bar's inside."""
    image = ACTOR.image.copy()
    x, y = ACTOR.landmarks[48:68].mean(axis=0).astype(int)
    image[y - 12 : y + 12, x - 25 : x + 25] = BAR
    return image, (slice(y - 6, y + 6), slice(x - 18, x + 18))


def test_a_mask_lies_over_the_crop_that_is_asked_for() -> None:
    image, _ = with_bar()
    masks = SegmentedMasks(NotTheBar(), 0)
    matrix = crop_matrix(FACE.landmarks, "face", 128)
    mask = masks.of_target(image, FACE, matrix, 128)
    assert (mask.shape, mask.dtype) == ((128, 128), np.float32)
    x, y = warp_points(ACTOR.landmarks[48:68].mean(axis=0, keepdims=True), matrix)[0].astype(int)
    assert mask[y, x] < 0.1
    assert mask[y - 40, x] > 0.9


def test_hair_of_the_source_is_left_out_by_the_mask_of_what_was_made() -> None:
    face = np.full((64, 64, 3), 200, np.uint8)
    face[:20] = BAR
    matrix = crop_matrix(FACE.landmarks, "face", 64)
    mask = SegmentedMasks(NotTheBar(template="face"), 0).of_made(face, FACE, matrix)
    assert mask.shape == (64, 64)
    assert mask[2:18, 2:-2].max() < 0.1
    assert mask[23:60, 4:60].min() > 0.9


@pytest.mark.parametrize("kind", ["segmented", "segmented_x_hull"])
def test_what_is_before_the_face_is_left_as_it_was(kind: str) -> None:
    image, bar = with_bar()
    merged = {}
    for mask in ("hull", kind):
        settings = MergeSettings(mask=mask, erode=0, blur=2, color_transfer="none")
        segmenter: FaceSegmenter | None = NotTheBar() if mask == kind else None
        renderer = Renderer(
            Generator(echo_model(64, gain=1.5), "torch", batch=4),
            SOURCE,
            MergePlan(settings=settings),
            {0: (FACE,)},
            lambda made: made,
            segmenter=segmenter,
        )
        (made,) = renderer.render([Frame(image, 0, Fraction(0))])
        merged[mask] = np.abs(made.frame.image.astype(int) - image)
    assert merged["hull"][bar].mean() > 20
    assert merged[kind][bar].mean() < 2
    nose = tuple(ACTOR.landmarks[30].astype(int)[::-1])
    assert merged[kind][nose].mean() > 10


@pytest.mark.parametrize(("kind", "seen", "made"), [("segmented", 3, 1), ("made", 3, 3)])
def test_frames_before_a_segment_steady_its_masks(kind: str, seen: int, made: int) -> None:
    """Faces are made for them only where those are masked."""
    segmenter, image = NotTheBar(), with_bar()[0]
    frames = [Frame(image, number, Fraction(number, 25)) for number in range(3)]
    generator = Generator(echo_model(64), "torch", batch=4)
    cut: list[int] = []
    generate = generator.generate

    def counted(crops: list[Image], identity: int):  # type: ignore[no-untyped-def]
        cut.append(len(crops))
        return generate(crops, identity)

    generator.generate = counted  # type: ignore[method-assign]
    settings = MergeSettings(mask=kind)
    faces = dict.fromkeys(range(3), (FACE,))
    renderer = Renderer(
        generator, SOURCE, MergePlan(settings=settings), faces, lambda made: made,
        segmenter=segmenter, steady_masks=0.5,
    )  # fmt: skip
    assert len(list(renderer.render(frames[2:], frames[:2]))) == 1
    assert segmenter.seen == seen
    assert sum(cut) == made


def test_names_that_no_segmenter_has_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    write_image(target, ACTOR.image)
    for name, error, words in (
        ("nobody", RegistryError, "nobody"),
        ("xseg", WeightsError, "needs its weights file"),
        ("xseg:none.onnx", WeightsError, "none.onnx: .*No such file"),
    ):
        config = ConvertConfig(rights=DRAWN, segmenter=name, merge={"mask": "segmented"})
        with pytest.raises(error, match=words):
            convert(echo_model(64), target, tmp_path / "out.png", config)


@pytest.mark.slow
def test_a_conversion_with_the_shipped_net_keeps_to_the_face(tmp_path: Path) -> None:
    clip = write_target(tmp_path / "a.mp4", draw_images()[:6])
    shares = {}
    for mask in ("none", "segmented"):
        out = tmp_path / f"{mask}.mp4"
        merge = {"mask": mask, "erode": 0, "blur": 0, "edge": 0}
        config = ConvertConfig(rights=DRAWN, keep=("masks",), merge=merge)
        [done] = convert(echo_model(64), clip, out, config).files
        assert done.status == "done"
        folder = tmp_path / f"{mask}.mp4.truth" / "masks"
        shares[mask] = np.mean([(read_image(path) > 127).mean() for path in folder.iterdir()])
    assert 0.2 * shares["none"] < shares["segmented"] < 0.8 * shares["none"]
