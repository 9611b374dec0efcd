"""What XSeg's net learns from a few drawn masks, with and without reconstruction before it.

    python benchmarks/xseg_training.py [--learnt 12,60] [--steps 300] [--pretrain 100]

Actors have exact masks. Both ways take the same number of steps; the net is a small one (128 px,
8 channels), for a CPU.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from face_masks import draw_some
from tables import head, row

from counterface.learn.loop import LoopConfig, train
from counterface.learn.segment.examples import Augment, Labelled, SegmentExamples
from counterface.learn.segment.task import SegmentTask
from counterface.learn.segment.xseg_net import XSegNet

SIZE, BASE, LEVELS = 128, 8, 5
JUDGED = 40
FIRST = 30_000  # identities of actors


def measure(count: int, steps: int, pretrain: int) -> tuple[float, float, float]:
    """IoU on actors that were not learnt from before and after, and seconds a step."""
    pictures, masks, _ = draw_some(FIRST, count, SIZE, SIZE)
    judged = draw_some(FIRST + 5000, JUDGED, SIZE, SIZE)[:2]
    torch.manual_seed(0)
    net = XSegNet(SIZE, BASE, LEVELS)
    task = SegmentTask(net, lr=1e-3, pretrain=pretrain, held_back=judged)
    with torch.no_grad():
        before = task.validate({"net": net.eval()})["iou"]
    examples = SegmentExamples(
        Labelled([*pictures], [*masks], "whole_face"), SIZE, Augment(occlude=0), 0
    )
    loop = LoopConfig(
        steps=steps, batch_size=8, warmup=20, clip_norm=1.0, device="cpu", tensorboard=False
    )
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = train(task, examples, loop, Path(folder))
        seconds = (time.perf_counter() - start) / steps
    assert done.step == steps
    with torch.no_grad():
        return before, task.validate({"net": net.eval()})["iou"], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learnt", default="12,60", help="numbers of masks")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--pretrain", type=int, default=100)
    options = parser.parse_args()
    print("\n".join(head("masks", "steps that reconstruct", "IoU before", "IoU after", "s a step")))
    for count in map(int, options.learnt.split(",")):
        for pretrain in (0, options.pretrain):
            found = np.array(measure(count, options.steps, pretrain))
            print(row(count, pretrain, *(f"{number:.3f}" for number in found)), flush=True)


if __name__ == "__main__":
    main()
