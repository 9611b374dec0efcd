"""Trains the mask of the visible face that ships, and measures it.

    python benchmarks/face_masks.py             train, judge, and print
    python benchmarks/face_masks.py --write     also write the file that ships
    python benchmarks/face_masks.py --sheets    also write pictures to look at, under runs/

Labels are made without a hand (`face_mask_data.py`); drawn actors have exact ones; and things are
drawn over both with the exact share that they cover (`learn/segment/occluders.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from drawn import Expression, draw_actor
from face_mask_data import CANVAS, INNER, RUN, TEMPLATE, make_label, read_crops

from counterface.detect.models.parts.timm_backbone import create_cut_backbone
from counterface.faces.align import crop_matrix, warp_image, warp_points
from counterface.learn.loop import LoopConfig, train
from counterface.learn.segment.examples import Augment, Labelled, SegmentExamples
from counterface.learn.segment.small_net import BACKBONE, STAGES, SmallNet
from counterface.learn.segment.task import SegmentTask
from counterface.types import Floats, Image, Pose

ACTORS, ACTORS_SHARE = 400, 0.12  # drawn ones, and their share of the examples
JUDGED = 10_000  # identities of actors that are judged, from here on
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


def build_net() -> SmallNet:
    """The net with a backbone that knows ImageNet."""
    torch.manual_seed(0)
    net = SmallNet(held=2)
    trained, _ = create_cut_backbone(BACKBONE, STAGES, True)
    net.backbone.load_state_dict(trained.state_dict())
    return net


def run_training(out: Path) -> None:
    net = build_net()
    task = SegmentTask(net, lr=2e-3, weight_decay=0.01, dice=0.5, held_back=judged_while_training())
    examples = SegmentExamples(learnt_from(), SIZE, AUGMENT, 0)
    train(task, examples, LOOP, out, progress=tell, about={"net": "small"})


def tell(step: int, numbers: dict[str, float]) -> None:
    """Print where a training is."""
    print(step, {key: round(value, 4) for key, value in numbers.items()}, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file that ships")
    parser.add_argument("--sheets", action="store_true", help="write pictures to look at")
    parser.parse_args()
    run_training(RUN / "net_1")


if __name__ == "__main__":
    main()
