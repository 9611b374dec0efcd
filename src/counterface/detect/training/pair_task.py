"""What a frame detector learns from pairs: the label of the crop, and of each of its cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from counterface.detect.models.frame_cnn import FrameCNN


class PairTask:
    """Trains a `FrameCNN` on batches of `TrainingPairs`."""

    def __init__(
        self, net: FrameCNN, lr: float, head_lr: float, weight_decay: float, cell_weight: float
    ) -> None:
        """The net and how it learns.

        Args:
            net: starts as it is.
            lr: peak learning rate of the backbone.
            head_lr: of the new heads.
            weight_decay: of all weights but biases and norms.
            cell_weight: of the cells' loss beside the crop's.
        """
        self.net = net.to(memory_format=torch.channels_last)
        self.lr, self.head_lr = lr, head_lr
        self.weight_decay, self.cell_weight = weight_decay, cell_weight

    def modules(self) -> dict[str, nn.Module]:
        """One module."""
        return {"net": self.net}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One AdamW; norms and biases do not decay."""
        groups = []
        for backbone in (True, False):
            for decays in (True, False):
                weights = [
                    weight
                    for name, weight in self.net.named_parameters()
                    if name.startswith("backbone.") is backbone and (weight.ndim > 1) is decays
                ]
                groups.append(
                    {
                        "params": weights,
                        "lr": self.lr if backbone else self.head_lr,
                        "weight_decay": self.weight_decay if decays else 0.0,
                    }
                )
        return {"adamw": torch.optim.AdamW(groups)}

    def losses(
        self, batch: dict[str, Any], step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Binary cross-entropy of crop and cells.

        Args:
            batch: images uint8 (B, 2, S, S, 3) and masks float32 (B, 2, cells, cells).
            step: not used.
            log: gets both losses and the accuracy.
        """
        images = batch["images"].flatten(0, 1).permute(0, 3, 1, 2).float().div(255)
        images = images.contiguous(memory_format=torch.channels_last)
        masks = batch["masks"].flatten(0, 1)
        labels = torch.tensor([0.0, 1.0], device=images.device).repeat(len(batch["images"]))
        logit, activation = self.net(images)
        logit, activation = logit.float(), activation.float()
        crop_loss = binary_cross_entropy_with_logits(logit, labels)
        cell_loss = binary_cross_entropy_with_logits(activation, masks)
        log["crop_loss"], log["cell_loss"] = crop_loss.detach(), cell_loss.detach()
        log["accuracy"] = ((logit > 0) == (labels > 0)).float().mean()
        yield "adamw", crop_loss + self.cell_weight * cell_loss
