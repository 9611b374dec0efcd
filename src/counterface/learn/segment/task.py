"""What a segmentation net learns from a batch: first pictures again, if asked, then masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss
from torch.optim import Optimizer

from counterface.learn.optimizers import make_optimizer
from counterface.types import Floats, Image

JUDGED_AT_ONCE = 8  # pictures


class SegmentTask:
    """Masks from crops, after a number of steps of pictures from crops."""

    def __init__(
        self,
        net: nn.Module,
        *,
        lr: float,
        weight_decay: float = 0.0,
        dice: float = 0.0,
        pretrain: int = 0,
        held_back: tuple[Image, Image] | None = None,
    ) -> None:
        """Take the net as it is.

        Args:
            net: images -> logits of the mask; with `reconstruct` where `pretrain` is over 0.
            lr: peak learning rate of AdamW.
            weight_decay: pull of weights toward zero.
            dice: weight of the dice loss beside the cross-entropy.
            pretrain: first steps that learn to reconstruct alone.
            held_back: pictures uint8 (N, S, S, 3) and masks uint8 (N, S, S) that are judged.
        """
        self.net, self.lr, self.weight_decay = net, lr, weight_decay
        self.dice, self.pretrain, self.held_back = dice, pretrain, held_back

    def modules(self) -> dict[str, nn.Module]:
        """The net, as the only module."""
        return {"net": self.net}

    def optimizers(self) -> dict[str, Optimizer]:
        """One for all weights."""
        weights = self.net.parameters()
        return {"net": make_optimizer("adamw", weights, self.lr, weight_decay=self.weight_decay)}

    def losses(
        self, batch: tuple[Tensor, Tensor], step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """The error of the pictures while it is pretrained, of the masks after that."""
        images, masks = batch
        if step < self.pretrain:
            reconstruct: Any = self.net.reconstruct
            loss = l1_loss(reconstruct(images), images)
            log["reconstruction"] = loss.detach()
            yield "net", loss
            return
        logits = self.net(images)
        loss = binary_cross_entropy_with_logits(logits, masks)
        log["mask"] = loss.detach()
        if self.dice:
            loss = loss + self.dice * dice_loss(logits, masks)
        with torch.no_grad():
            log["iou"] = overlap(logits > 0, masks > 0.5).mean()
        yield "net", loss

    def validate(self, modules: dict[str, nn.Module]) -> dict[str, float]:
        """Mean intersection over union of the crops held back, and the cross-entropy as `loss`.

        Empty where none are.
        """
        if self.held_back is None:
            return {}
        pictures, masks = self.held_back
        device = next(self.net.parameters()).device
        losses, overlaps = [], []
        for start in range(0, len(pictures), JUDGED_AT_ONCE):
            part = slice(start, start + JUDGED_AT_ONCE)
            logits = modules["net"](as_tensor(pictures[part]).to(device)).cpu()
            wanted = torch.from_numpy(masks[part, None].astype(np.float32) / 255)
            losses.append(binary_cross_entropy_with_logits(logits, wanted, reduction="none"))
            overlaps.append(overlap(logits > 0, wanted > 0.5))
        return {
            "iou": float(torch.cat(overlaps).mean()),
            "loss": float(torch.cat(losses).mean()),
        }


def as_tensor(pictures: Image) -> Tensor:
    """RGB float32 [0, 1] (N, 3, S, S) of RGB uint8 (N, S, S, 3)."""
    planes: Floats = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), dtype=np.float32)
    return torch.from_numpy(planes / 255)


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - the Dice coefficient of soft masks, mean over a batch (B, 1, S, S)."""
    found = torch.sigmoid(logits)
    shared = (found * masks).sum(dim=(1, 2, 3))
    both = found.sum(dim=(1, 2, 3)) + masks.sum(dim=(1, 2, 3))
    return (1 - (2 * shared + 1) / (both + 1)).mean()


def overlap(found: Tensor, wanted: Tensor) -> Tensor:
    """Intersection over union of two sets of masks, (B,); 1 where both are empty."""
    shared = (found & wanted).sum(dim=(1, 2, 3))
    either = (found | wanted).sum(dim=(1, 2, 3))
    return torch.where(either > 0, shared / either.clamp_min(1), torch.ones_like(shared / 1))
