"""How well a net in training judges held-back clips: a file's logit is the mean over its clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from counterface.datasets.labelled_faces import FaceClip, FacePool
from counterface.detect.training.detector_task import DetectorTask, to_input
from counterface.learn.metrics import auc, log_loss

BATCH = 32


class ValidatedTask(DetectorTask):
    """A task that also measures itself on clips that it is not trained on."""

    def __init__(self, task: DetectorTask, pool: FacePool, clips: Sequence[FaceClip]) -> None:
        """Take over a task, and clips of a pool that are held back."""
        super().__init__(task.net, task.optimizer, task.loss, task.steps)
        self.pool, self.clips = pool, clips

    def validate(self, modules: dict[str, nn.Module]) -> dict[str, float]:
        """The metrics of `measure_clips`."""
        return measure_clips(
            self.pool, self.clips, score_clips(modules["net"], self.pool, self.clips)
        )


@torch.no_grad()
def score_clips(
    net: nn.Module, pool: FacePool, clips: Sequence[FaceClip], batch: int = BATCH
) -> NDArray[np.float64]:
    """The logit of each clip, (N,), in the order given; no clip is left out.

    Args:
        net: judges; its mode is put back afterwards.
        pool: where the clips are from.
        clips: N of them.
        batch: clips that are judged together; the last ones may be fewer.
    """
    device = next(net.parameters()).device
    training = net.training
    net.eval()
    logits = []
    for start in range(0, len(clips), batch):
        items = [pool.stack(pool.read(clip)) for clip in clips[start : start + batch]]
        images = to_input(torch.from_numpy(np.stack(items)).to(device))
        logits.append(net(images)[0].double().cpu().numpy())
    net.train(training)
    return np.concatenate(logits) if logits else np.zeros(0)


def pool_files(clips: Sequence[FaceClip], logits: NDArray[np.float64]) -> dict[int, float]:
    """The logit of each file, the mean over its clips, by the number of its entry."""
    files: dict[int, list[float]] = defaultdict(list)
    for clip, logit in zip(clips, logits, strict=True):
        files[clip.entry].append(float(logit))
    return {number: float(np.mean(values)) for number, values in files.items()}


def measure_clips(
    pool: FacePool, clips: Sequence[FaceClip], logits: NDArray[np.float64]
) -> dict[str, float]:
    """Metrics by file (mean logit) and by clip; AUC only where both classes are there.

    Logits are (N,), one for each clip. `loss` is the cross-entropy of the files, `accuracy` at even
    odds.
    """
    files = pool_files(clips, logits)
    labels = np.array([pool.entries[number].label for number in files])
    means = np.array(list(files.values()))
    own = np.array([clip.label for clip in clips])
    metrics = {
        "loss": log_loss(labels, 0.5 * (1 + np.tanh(means / 2))),
        "accuracy": float(((means > 0) == (labels > 0)).mean()),
        "clip_accuracy": float(((logits > 0) == (own > 0)).mean()),
        "files": float(len(files)),
    }
    if 0 < labels.sum() < len(labels):
        metrics |= {"auc": auc(labels, means), "clip_auc": auc(own, logits)}
    return metrics


def first_clips(clips: Sequence[FaceClip], most: int) -> list[FaceClip]:
    """At most so many clips of each file, spread evenly over its clips."""
    files: dict[int, list[FaceClip]] = defaultdict(list)
    for clip in clips:
        files[clip.entry].append(clip)
    chosen = []
    for found in files.values():
        count = min(most, len(found))
        chosen += [found[(2 * i + 1) * len(found) // (2 * count)] for i in range(count)]
    return chosen
