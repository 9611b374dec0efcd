"""What a face autoencoder of the bank learns by: pixels, slopes, features, and a patch critic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from counterface.datasets.decoders.architectures import DecoderNet
from counterface.datasets.decoders.autoencoder import FaceAutoencoder
from counterface.datasets.pairs.self_blended import FaceSample
from counterface.datasets.pairs.training_pairs import Bank
from counterface.faces.align import crop_matrix, matrix_scale, warp_image
from counterface.learn.feature_net import FeatureNet, perceptual_loss
from counterface.types import Floats

FEATURE_POWERS = {2: 1.0, 4: 1.0, 8: 1.0}  # by reduction: fine texture counts, not content
CRITIC_FROM = 0.35  # of the steps: before, there is little to criticise
BLURRED = 1.5  # crop pixels for each pixel of the footage above which a face teaches softness


class GenuineFaces:
    """Crops of genuine faces: RGB float32 [0, 1] (3, S, S), a pure function of the index."""

    def __init__(
        self, banks: Sequence[Bank], side: int, seed: int, zoom: tuple[float, float] = (0.7, 1.25)
    ) -> None:
        """Each bank is drawn equally often, its faces at the size of `whole_face` times `zoom`."""
        self.banks, self.side, self.seed, self.zoom = banks, side, seed, zoom

    def __getitem__(self, index: int) -> Tensor:
        """One face: of a few, the first that is not enlarged much."""
        rng = np.random.default_rng((self.seed, index))
        zoom = float(np.exp(rng.uniform(*np.log(self.zoom))))
        middle = (self.side - 1) / 2
        tried: list[tuple[float, FaceSample, Floats]] = []
        for _ in range(3):
            bank = self.banks[int(rng.integers(len(self.banks)))]
            face = bank[int(rng.integers(len(bank)))]
            matrix = crop_matrix(face.landmarks, "whole_face", self.side)
            matrix = (matrix * zoom + [[0, 0, middle * (1 - zoom)]] * 2).astype(np.float32)
            tried.append((matrix_scale(matrix) * face.scale, face, matrix))
            if tried[-1][0] <= BLURRED:
                break
        _, face, matrix = min(tried, key=lambda found: found[0])
        image = warp_image(face.image, matrix, self.side)
        if rng.random() < 0.5:
            image = image[:, ::-1]
        return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255


class PatchCritic(nn.Module):
    """RGB [0, 1] -> logits (B, 1, h, w) of overlapping 22 px patches, > 0 is genuine.

    It is shown the fine detail apart, enlarged: what a decoder lacks, and in few steps hard to see.
    """

    def __init__(self) -> None:
        """Start from random weights."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(6, 24, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 64, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, 1, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """The logits."""
        fine = image - functional.avg_pool2d(image, 3, 1, 1)
        logits: Tensor = self.layers(torch.cat([image * 2 - 1, 8 * fine], 1))
        return logits


class FaceAutoencoderTask:
    """Trains a `FaceAutoencoder` on batches of RGB [0, 1] (B, 3, S, S) faces."""

    def __init__(
        self,
        architecture: DecoderNet,
        steps: int,
        lr: float = 2e-3,
        features: FeatureNet | None = None,
    ) -> None:
        """Build the net, and the critic where the architecture has one.

        Args:
            architecture: architecture of the net.
            steps: number of steps of the whole run; the critic joins in after a share of them.
            lr: peak learning rate of the net.
            features: what compares textures; None leaves that part of the loss out.
        """
        self.net = FaceAutoencoder(architecture)
        self.critic = PatchCritic() if architecture.adversarial else None
        self.features, self.lr = features, lr
        self.critic_from = round(CRITIC_FROM * steps)

    def modules(self) -> dict[str, nn.Module]:
        """The net, and the critic."""
        both: dict[str, nn.Module] = {"autoencoder": self.net}
        return both if self.critic is None else {**both, "critic": self.critic}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """An Adam for each of them."""
        adam = torch.optim.Adam(self.net.parameters(), self.lr, betas=(0.9, 0.99))
        if self.critic is None:
            return {"adam": adam}
        other = torch.optim.Adam(self.critic.parameters(), self.lr / 2, betas=(0.5, 0.99))
        return {"adam": adam, "critic": other}

    def losses(
        self, batch: Tensor, step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """The net's loss, then the critic's; slopes, features and critic keep it from blurring."""
        plan = self.net.architecture
        least = plan.code if plan.fewest is None else plan.fewest
        kept = torch.randint(least, plan.code + 1, (len(batch), 1), device=batch.device)
        mask = (torch.arange(plan.code, device=batch.device)[None] < kept).to(batch.dtype)
        code, apart = self.net.encode(batch, mask)
        made = torch.sigmoid(self.net.decoder(code).float())
        pixels = (made - batch).abs().mean()
        slopes = [(a - b).abs().mean() for a, b in zip(_slopes(made), _slopes(batch), strict=True)]
        loss = pixels + 2 * sum(slopes, start=torch.zeros(())) + 0.25 * apart
        log["pixel_error"] = pixels.detach()
        if plan.perceptual and self.features is not None:
            loss = loss + plan.perceptual * perceptual_loss(
                self.features, made, batch, FEATURE_POWERS
            )
        critic = self.critic if step >= self.critic_from else None
        if critic is not None:
            loss = loss - plan.adversarial * critic(made).mean()
        yield "adam", loss
        if critic is not None:
            genuine, drawn = critic(batch), critic(made.detach())
            yield "critic", torch.relu(1 - genuine).mean() + torch.relu(1 + drawn).mean()


def _slopes(image: Tensor) -> tuple[Tensor, Tensor]:
    return image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]
