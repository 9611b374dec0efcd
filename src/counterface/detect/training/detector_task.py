"""What a detector learns from a batch: labels of crops, clips and cells, or distances first.

One task for every architecture. A batch is either labelled (`datasets/labelled_faces.py`) or of
pairs, real then fake, with the mask of what was changed (`datasets/pairs/training_pairs.py`).

The triplet loss (Schroff et al. 2015, https://arxiv.org/abs/1503.03832; for detectors Bonettini et
al. 2021) learns an embedding in which a class is near itself; then the embedding is frozen and the
head learns the label. Ours takes all triplets of a batch that violate the margin, not drawn ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    binary_cross_entropy_with_logits,
    softplus,
)
from torch.optim import Optimizer
from torch.utils.data import default_collate

from counterface.detect.models.detector_model import DetectorModel
from counterface.detect.training.recipe import LossRecipe, OptimizerRecipe
from counterface.learn.optimizers import make_optimizer
from counterface.learn.sharpness import Sharpness, keep_statistics
from counterface.learn.task import Examples

LINE_BATCH = 16  # examples that are looked at together before training


class DetectorTask:
    """Trains a `DetectorModel`."""

    def __init__(
        self,
        net: DetectorModel,
        optimizer: OptimizerRecipe,
        loss: LossRecipe,
        steps: int,
    ) -> None:
        """Take the net as it is and how it learns; some settings are shares of all steps."""
        flat = all(weight.ndim != 5 for weight in net.parameters())  # no 3D convolution
        self.net = net.to(memory_format=torch.channels_last) if flat else net
        self.optimizer, self.loss, self.steps = optimizer, loss, steps
        self._sharp: dict[str, Sharpness] = {}

    @property
    def embedding_steps(self) -> int:
        """Steps that learn distances, at the start of the run."""
        share = self.loss.triplet_share if self.loss.kind == "triplet" else 0.0
        return round(self.steps * share)

    def modules(self) -> dict[str, nn.Module]:
        """The net, as the only module."""
        return {"net": self.net}

    def optimizers(self) -> dict[str, Optimizer]:
        """One optimizer for all weights; one for the embedding and one for the head, of triplet."""
        if self.loss.kind != "triplet":
            found = {"net": self._make(lambda name: True)}
        else:
            found = {
                "embedding": self._make(lambda name: not self._in_head(name)),
                "head": self._make(self._in_head),
            }
        if self.optimizer.sam_rho:
            rho = self.optimizer.sam_rho
            self._sharp = {name: Sharpness(one, rho) for name, one in found.items()}
        return found

    def lr_factors(self, step: int) -> dict[str, float]:
        """The falls of the learning rate so far."""
        falls = sum(step >= share * self.steps for share in self.optimizer.drop_at)
        names = ("embedding", "head") if self.loss.kind == "triplet" else ("net",)
        return dict.fromkeys(names, self.optimizer.drop_to**falls)

    def losses(
        self, batch: dict[str, Any], step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """The loss of the step's phase, at the worst point nearby where the recipe says so.

        Args:
            batch: images uint8 (B, S, S, 3) or (B, T, S, S, 3) and labels float (B,) in [0, 1]; or
                images (B, 2, S, S, 3), real then fake, and masks float32 (B, 2, cells, cells).
            step: decides the phase.
            log: gets the parts of the loss and the accuracy.
        """
        images, labels, masks = unpack(batch)
        name = self._phase(step)

        def loss(log: dict[str, float | Tensor]) -> Tensor:
            if name == "embedding":
                return triplet_loss(self.net.embedding(images), labels, self.loss.margin)
            return self._label_loss(images, labels, masks, log)

        if name in self._sharp:
            self._sharp[name].climb(loss(log))
            with keep_statistics(self.net):
                yield name, loss({})
        else:
            yield name, loss(log)

    def _phase(self, step: int) -> str:
        """The optimizer of the step; in the head's phase the embedding stands still."""
        if self.loss.kind != "triplet":
            return "net"
        if step < self.embedding_steps:
            return "embedding"
        self.net.eval()  # batch norms too
        for name in self.net.HEAD:
            self.net.get_submodule(name).train()
        for name, weight in self.net.named_parameters():
            weight.requires_grad_(self._in_head(name))
        return "head"

    def _label_loss(
        self,
        images: Tensor,
        labels: Tensor,
        masks: Tensor | None,
        log: dict[str, float | Tensor],
    ) -> Tensor:
        logit, activation = self.net(images)
        logit, activation = logit.float(), activation.float()
        wanted = labels * (1 - 2 * self.loss.smooth) + self.loss.smooth
        if self.loss.kind == "squared_error":
            whole: Tensor = (logit.sigmoid() - wanted).square().mean()
        else:
            whole = binary_cross_entropy_with_logits(logit, wanted)
        log["crop_loss"] = whole.detach()
        log["accuracy"] = ((logit > 0) == (labels > 0.5)).float().mean()
        if masks is not None:
            whole = whole + self._twin_loss(logit[0::2], logit[1::2], log)
        if masks is None or not self.loss.cell_weight:
            return whole
        shares = adaptive_avg_pool2d(masks[:, None], activation.shape[1:])[:, 0]
        cells = binary_cross_entropy_with_logits(activation, shares)
        log["cell_loss"] = cells.detach()
        return whole + self.loss.cell_weight * cells

    def _twin_loss(self, real: Tensor, fake: Tensor, log: dict[str, float | Tensor]) -> Tensor:
        """What pairs add: a fake is above its twin, and genuine crops lie at one place."""
        log["twins"] = (fake > real).float().mean()
        ranks = softplus(real - fake).mean()
        return self.loss.rank * ranks + self.loss.centre * real.square().mean()

    def _in_head(self, weight: str) -> bool:
        return weight.startswith(tuple(f"{part}." for part in self.net.HEAD))

    def _is_new(self, weight: str) -> bool:
        """Whether a weight has its own rate: all but the backbone, where the net has one."""
        if hasattr(self.net, "backbone"):
            return not weight.startswith("backbone.")
        return self._in_head(weight)

    def _make(self, wanted: Callable[[str], bool]) -> Optimizer:
        """The optimizer of some of the weights, in groups by rate and decay."""
        o = self.optimizer
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, weight in self.net.named_parameters():
            if wanted(name) and (weight.requires_grad or self.loss.kind == "triplet"):
                groups.setdefault((self._is_new(name), weight.ndim > 1), []).append(weight)
        return make_optimizer(
            o.name,
            [
                {
                    "params": weights,
                    "lr": (o.head_lr or o.lr) if new else o.lr,
                    "weight_decay": o.weight_decay if decays else 0.0,
                }
                for (new, decays), weights in groups.items()
            ],
            o.lr,
            momentum=o.momentum,
        )


def first_batches(examples: Examples, crops: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels of the first examples of a run, until there are enough crops."""
    seen = index = 0
    while seen < crops:
        batch = default_collate([examples[i] for i in range(index, index + LINE_BATCH)])
        images, labels, _ = unpack(batch)
        yield images, labels
        seen, index = seen + len(images), index + LINE_BATCH


def unpack(batch: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor | None]:
    """What a net takes, the labels, and the masks where there are some.

    Args:
        batch: as `DetectorTask.losses` takes it.
    """
    if "masks" not in batch:
        return to_input(batch["images"]), batch["labels"].float(), None
    images = to_input(batch["images"].flatten(0, 1))
    labels = torch.tensor([0.0, 1.0], device=images.device).repeat(len(batch["images"]))
    return images, labels, batch["masks"].flatten(0, 1)


def to_input(images: Tensor) -> Tensor:
    """Crops uint8 (..., S, S, 3) as a net takes them: float32 [0, 1] (..., 3, S, S)."""
    moved = images.movedim(-1, -3).float().div(255)
    return moved.contiguous(memory_format=torch.channels_last) if moved.ndim == 4 else moved


def triplet_loss(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean over the triplets of a batch whose like is not nearer than the unlike by the margin.

    Args:
        embeddings: (B, D).
        labels: (B,) in [0, 1], rounded to classes.
        margin: margin of Euclidean distances.
    """
    embeddings = embeddings.float()
    classes = labels > 0.5
    squared = (embeddings[:, None] - embeddings[None]).square().sum(dim=2)
    distance = (squared + 1e-12).sqrt()  # the root's slope at 0 is infinite
    alike = classes[:, None] == classes[None]
    other = ~torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    violation = distance[:, :, None] - distance[:, None, :] + margin
    valid = (alike & other)[:, :, None] & ~alike[:, None, :]
    active = (valid & (violation > 0)).float()
    return (violation * active).sum() / active.sum().clamp(min=1)
