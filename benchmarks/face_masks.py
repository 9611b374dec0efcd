"""Trains the mask of the visible face that ships, and measures it.

    python benchmarks/face_masks.py             train, judge, and print
    python benchmarks/face_masks.py --write     also write the file that ships
    python benchmarks/face_masks.py --sheets    also write pictures to look at, under runs/

Labels are made without a hand (`face_mask_data.py`); drawn actors have exact ones; and things are
drawn over both with the exact share that they cover (`learn/segment/occluders.py`).
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from drawn import Expression, draw_actor
from face_mask_data import CANVAS, INNER, RUN, TEMPLATE, make_label, read_crops
from tables import head, row

from counterface.detect.models.parts.timm_backbone import create_cut_backbone
from counterface.errors import CounterfaceError
from counterface.faces.align import crop_matrix, warp_image, warp_points
from counterface.faces.mask import hull_mask
from counterface.faces.segment import SHIPPED, FaceSegmenter, OnnxSegmenter, SegmenterInfo
from counterface.learn.architecture import load_tensors
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import LoopConfig, train
from counterface.learn.segment.examples import Augment, Labelled, SegmentExamples
from counterface.learn.segment.export import export_segmenter
from counterface.learn.segment.occluders import KINDS, occlude
from counterface.learn.segment.small_net import BACKBONE, STAGES, SmallNet
from counterface.learn.segment.task import SegmentTask
from counterface.media.image import write_image
from counterface.types import Floats, Image, Pose


class BenchmarkError(CounterfaceError):
    """A file of an earlier run cannot be used."""


ACTORS, ACTORS_SHARE = 400, 0.12  # drawn ones, and their share of the examples
JUDGED, JUDGED_ACTORS = 10_000, 100  # identities of actors that are judged, from here on
VERSION = "2026.12"
CARD = {
    "trained_on": "about 2,000 photographs and frames of FFHQ, LFW, UTKFace, 3DSK, celebrity sets, "
    "StyleGAN and SDXL faces, and 400 drawn actors; labels made without a hand",
    "terms": "research, not commercial use: FFHQ is CC BY-NC-SA, LFW and UTKFace for research",
}
SHIPPED_AT = Path(__file__).resolve().parents[1] / "src/counterface/faces/data" / SHIPPED
SIZE = 192
LOOP = LoopConfig(
    steps=1000,
    batch_size=10,
    warmup=60,
    clip_norm=1.0,
    ema_decay=0.995,
    checkpoint_every=100,
    log_every=20,
    validate_every=250,
    device="cpu",
    winograd=False,
    memory_format="channels_last",
    tensorboard=False,
)
AUGMENT = Augment(occlude=0.55, background=0.15)


def draw_some(
    first: int, count: int, canvas: int = CANVAS, inner: int = INNER
) -> tuple[Image, Image, Floats]:
    """Actors with exact masks, (N, S, S, 3) and (N, S, S), and landmarks (N, 68, 2)."""
    pictures, masks, points = [], [], []
    for number in range(count):
        rng = np.random.default_rng((first, number))
        pose = Pose(*(rng.uniform(-1, 1, 3) * [30, 18, 15]))
        face = Expression(*rng.uniform([0, -1, 0, -1], [1, 1, 0.4, 1]))
        actor = draw_actor(first + number, pose, face, 384)
        matrix = crop_matrix(actor.landmarks, TEMPLATE, inner)
        matrix[:, 2] += (canvas - inner) / 2
        pictures.append(warp_image(actor.image, matrix, canvas))
        masks.append(cv2.warpAffine(actor.mask * 255, matrix, (canvas, canvas)).astype(np.uint8))
        points.append(warp_points(actor.landmarks, matrix))
    return np.stack(pictures), np.stack(masks), np.stack(points)


def labels_of_crops() -> tuple[Image, np.ndarray]:
    """The labels of all crops, made once and kept, and which are known."""
    kept = RUN / "labels.npz"
    if not kept.exists():
        crops = read_crops()
        found = [
            make_label(*crop)
            for crop in zip(crops.pictures, crops.dense, crops.landmarks, strict=True)
        ]
        empty = np.zeros((CANVAS, CANVAS), np.uint8)
        labels = np.stack([empty if label is None else label for label in found])
        np.savez(kept, labels=labels, known=np.array([label is not None for label in found]))
    with np.load(kept) as arrays:
        return arrays["labels"], arrays["known"]


def learnt_from() -> Labelled:
    """The crops with a label that are not held back, and drawn actors."""
    crops = read_crops()
    labels, known = labels_of_crops()
    chosen = np.flatnonzero(known & ~crops.held_back)
    actors, masks, _ = draw_some(0, ACTORS)
    odds = np.full(len(chosen), (1 - ACTORS_SHARE) / len(chosen))
    odds = np.concatenate([odds, np.full(ACTORS, ACTORS_SHARE / ACTORS)])
    pictures = [*(crops.pictures[n] for n in chosen), *actors]
    return Labelled(
        pictures, [*(labels[n] for n in chosen), *masks], TEMPLATE, INNER / CANVAS, odds
    )


def judged_while_training() -> tuple[Image, Image]:
    """Crops held back and some actors, with things over half of them, of the net's size."""
    crops = read_crops()
    labels, known = labels_of_crops()
    chosen = np.flatnonzero(known & crops.held_back)[::4]
    actors, masks, _ = draw_some(JUDGED, 24)
    pictures, wanted = [*crops.pictures[chosen], *actors], [*labels[chosen], *masks]
    plain = Augment(
        turn=0, scale=1, shift=0, warp=0, colour=0, blur=0, wear=0, background=0, occlude=0.5
    )
    examples = SegmentExamples(Labelled(pictures, wanted, TEMPLATE, INNER / CANVAS), SIZE, plain, 7)
    found = [examples[n] for n in range(120)]
    images = np.stack(
        [(image.transpose(1, 2, 0) * 255).round().astype(np.uint8) for image, _ in found]
    )
    return images, np.stack([(mask[0] * 255).round().astype(np.uint8) for _, mask in found])


def run_training(first: Path, second: Path) -> SmallNet:
    """The net, trained with most of its backbone held, then whole; continued where it stopped."""
    torch.manual_seed(0)
    task_of = partial(SegmentTask, weight_decay=0.01, dice=0.5, held_back=judged_while_training())
    labelled = learnt_from()
    net = SmallNet(held=2)
    trained, _ = create_cut_backbone(BACKBONE, STAGES, True)
    net.backbone.load_state_dict(trained.state_dict())
    examples = SegmentExamples(labelled, SIZE, AUGMENT, 0)
    train(task_of(net, lr=2e-3), examples, LOOP, first, progress=tell, about={"net": "small"})
    net = read_net(first / "best.safetensors")
    examples = SegmentExamples(labelled, SIZE, AUGMENT, 1)
    whole = LOOP.model_copy(update={"steps": 1500, "ema_decay": 0.998})
    train(task_of(net, lr=1.2e-3), examples, whole, second, progress=tell, about={"net": "small"})
    return read_net(second / "best.safetensors")


def read_net(path: Path) -> SmallNet:
    """The net of a training."""
    net = SmallNet()
    load_tensors(net, read_weights(path)[0], "net", path, BenchmarkError, "the small net")
    return net.eval()


def tell(step: int, numbers: dict[str, float]) -> None:
    """Print where a training is."""
    print(step, {key: round(value, 4) for key, value in numbers.items()}, flush=True)


def hulls_of(points: Floats, canvas: int) -> Floats:
    """The landmarks' hulls, (N, canvas, canvas)."""
    return np.stack([hull_mask(face, (canvas, canvas)) for face in points])


def overlap(found: Floats, wanted: Floats) -> Floats:
    """Intersection over union of each pair of masks, (N,)."""
    both, either = (found > 0.5) & (wanted > 0.5), (found > 0.5) | (wanted > 0.5)
    return np.asarray(both.sum(axis=(1, 2)) / np.maximum(either.sum(axis=(1, 2)), 1), np.float32)


def covered(pictures: Image, masks: Floats, kind: str, texture: Image) -> tuple[Image, Floats]:
    """The pictures with a thing over each, and the masks without what it covers."""
    made = [
        occlude(
            picture, mask, np.random.default_rng((number, 5)), kind, TEMPLATE, INNER / CANVAS,
            texture[number % len(texture)],
        )
        for number, (picture, mask) in enumerate(zip(pictures, masks, strict=True))
    ]  # fmt: skip
    return np.stack([picture for picture, _ in made]), np.stack([mask for _, mask in made])


def judge(segmenter: FaceSegmenter) -> list[str]:
    """A table: actors with exact masks, and real faces, with nothing and with things over them."""
    crops = read_crops()
    labels, known = labels_of_crops()
    chosen = np.flatnonzero(known & crops.held_back)
    actors, exact, points = draw_some(JUDGED + 1000, JUDGED_ACTORS)
    exact = exact.astype(np.float32) / 255
    real, made = crops.pictures[chosen], labels[chosen].astype(np.float32) / 255
    lines = head(
        "over the face", "actors: IoU", "of the hull", "real: thing left out", "real: face kept"
    )

    def segment(pictures: Image) -> Floats:
        """As the segmenter sees a crop of its template: the middle of the square."""
        edge = (CANVAS - INNER) // 2
        inner = np.ascontiguousarray(pictures[:, edge:-edge, edge:-edge])
        out = np.zeros(pictures.shape[:3], np.float32)
        out[:, edge:-edge, edge:-edge] = segmenter.segment(inner)
        return out

    edge = (CANVAS - INNER) // 2
    window = (slice(None), slice(edge, -edge), slice(edge, -edge))
    hulls = hulls_of(points, CANVAS)
    for kind in ("nothing", *KINDS):
        seen, wanted = (actors, exact) if kind == "nothing" else covered(actors, exact, kind, real)
        found = segment(seen)[window]
        cells = [overlap(found, wanted[window]), overlap(hulls[window], wanted[window])]
        shown, left = (real, made) if kind == "nothing" else covered(real, made, kind, actors)
        thing = (made - left)[window] > 0.5
        face = left[window] > 0.9
        found = segment(shown)[window] > 0.5
        kept = (found & face).sum() / face.sum()
        out = "-" if kind == "nothing" else f"{(~found & thing).sum() / thing.sum():.3f}"
        lines.append(row(kind, *(f"{cell.mean():.3f}" for cell in cells), out, f"{kept:.3f}"))
    lines += ["", *head("within the hull", "hull: not face", "product: not face", "face kept")]
    for name, pictures, wanted, points_of in (
        ("actors", actors, exact, points),
        ("real", real, made, crops.landmarks[chosen]),
    ):
        lines += within_hulls(name, segment(pictures)[window], wanted[window], points_of)
    agree = overlap(segment(real)[window], made[window])
    lines.append("")
    plain = overlap(hulls_of(crops.landmarks[chosen], CANVAS)[window], made[window])
    lines.append(
        f"{len(real)} real faces held back; IoU with the labels that were made {agree.mean():.3f}, "
        f"of the hull {plain.mean():.3f}."
    )
    return lines


def within_hulls(name: str, found: Floats, wanted: Floats, points: Floats) -> list[str]:
    """Rows: what of the hulls, and of their product with the masks, is no face."""
    edge = (CANVAS - INNER) // 2
    hull = hulls_of(points, CANVAS)[:, edge:-edge, edge:-edge] > 0.5
    face, both = wanted > 0.5, (found > 0.5) & hull
    upper = np.zeros_like(hull)
    for number, eyes in enumerate(points[:, 36:48, 1].mean(axis=1) - edge):
        upper[number, : max(int(eyes), 0)] = True
    rows = []
    for part, where in (("whole", np.ones_like(hull)), ("above the eyes", upper)):
        shares = [(m & ~face & where).sum() / (m & where).sum() for m in (hull, both)]
        kept = (both & face & where).sum() / (hull & face & where).sum()
        rows.append(row(f"{name}, {part}", *(f"{100 * share:.1f} %" for share in (*shares, kept))))
    return rows


def write_sheets(segmenter: FaceSegmenter) -> None:
    """Pictures to look at, under runs/: what is not taken for face is tinted."""
    crops = read_crops()
    edge = (CANVAS - INNER) // 2
    chosen = np.random.default_rng(2).permutation(np.flatnonzero(crops.held_back))[:70]
    inner = np.ascontiguousarray(crops.pictures[chosen][:, edge:-edge, edge:-edge])
    tint = np.float32([0, 90, 0])
    tiles = [
        picture * mask[..., None] + (picture * 0.35 + tint) * (1 - mask[..., None])
        for picture, mask in zip(inner, segmenter.segment(inner), strict=True)
    ]
    rows = [np.concatenate(tiles[first : first + 10], axis=1) for first in range(0, 70, 10)]
    write_image(RUN / "held_back.png", np.clip(np.concatenate(rows), 0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file that ships")
    parser.add_argument("--sheets", action="store_true", help="write pictures to look at")
    options = parser.parse_args()
    net = run_training(RUN / "net_1", RUN / "net_2")
    info = SegmenterInfo(name="generic", version=VERSION, template=TEMPLATE, size=SIZE, card=CARD)
    path = SHIPPED_AT if options.write else RUN / "net.onnx"
    export_segmenter(net, path, info)
    segmenter = OnnxSegmenter(path.read_bytes(), str(path))
    print("\n".join(judge(segmenter)))
    if options.sheets:
        write_sheets(segmenter)


if __name__ == "__main__":
    main()
