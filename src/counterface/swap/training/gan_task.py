"""The task that teaches a generator against discriminators, after faceswap-GAN v2.2 (shaoanlu).

https://github.com/shaoanlu/faceswap-GAN: for each person in turn, one step of the discriminator and
one of the generator; least squares on mixtures of true and made faces (LSGAN, arXiv 1611.04076;
mixup, arXiv 1710.09412), L1, edges, eyes, perceptual and mask losses with its weights; phases by
`GanSchedule`. Ours uses one batch for both steps of a person, so that a face is generated once;
exchanged decoders keep their optimizer moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from counterface.config import Record
from counterface.errors import ConfigError
from counterface.learn.feature_net import (
    FeatureConfig,
    FeatureNet,
    find_feature_net,
    perceptual_loss,
)
from counterface.swap.swap_model import MODULE, SOURCE, TARGET, Generated, SwapModel
from counterface.swap.training import losses
from counterface.swap.training.autoencoder_task import SwapOptimizerConfig, frozen, full_precision
from counterface.swap.training.discriminators import AttentionDiscriminator
from counterface.swap.training.gan_schedule import GanPhase, GanSchedule

NAMES = {SOURCE: "source", TARGET: "target"}
_SPAN = 2.0  # the original's pictures lie in [-1, 1]: its L1 is twice that of ours in [0, 1]


class GanConfig(Record):
    """Weights of the losses; the defaults are the original's."""

    adversarial: float = Field(0.1, ge=0, description="weight of fooling the discriminator")
    reconstruction: float = Field(1.0, ge=0, description="weight of L1, smaller outputs included")
    edges: float = Field(0.1, ge=0, description="weight of L1 between first differences")
    eyes: float = Field(30.0, ge=0, description="weight of L1 inside the eyes")
    perceptual: tuple[float, float, float, float] = Field(
        (0.01, 0.1, 0.3, 0.1), description="weights of features at 7, 28, 56 and 112 of 224 px"
    )
    mask: float = Field(0.01, ge=0, description="weight of the mean mask, where no hinge is on")
    hinge: float = Field(0.1, ge=0, description="weight of the hinge, where one is on")
    mask_variation: float = Field(0.1, ge=0, description="weight of the mask's total variation")
    mixup: float = Field(
        0.2, gt=0, description="both parameters of the Beta distribution of the mixtures"
    )
    discriminator_lr: float = Field(2e-4, gt=0, description="discriminators' peak learning rate")
    features: FeatureConfig = FeatureConfig()
    schedule: GanSchedule = GanSchedule()


class GanTask:
    """A task of the training loop; batches are those of `SwapExamples`.

    Optimizers: `discriminator_source`, `generator_source`, then the target's two. A generator's
    holds the shared encoder and that person's decoder.
    """

    def __init__(self, model: SwapModel, config: GanConfig, optimizer: SwapOptimizerConfig) -> None:
        """Build the discriminators, with fresh weights.

        Raises:
            ConfigError: the model has no mask or no decoder for each person.
            WeightsError: the named weights of the perceptual loss cannot be used.
        """
        if model.TRAINED_BY != "gan":
            raise ConfigError(
                f"{type(model).__name__} cannot be trained against discriminators: it needs an "
                "encoder and a decoder for each person, as 'gan' has"
            )
        self.model, self.config, self.optimizer = model, config, optimizer
        self.critics = {name: AttentionDiscriminator(model.out_size) for name in NAMES.values()}
        self._optimizers: dict[str, Optimizer] = {}
        self._features: FeatureNet | None = None
        if any(config.perceptual) and any(phase.perceptual for phase in config.schedule.phases):
            self._features = find_feature_net(config.features)

    def modules(self) -> dict[str, nn.Module]:
        """The model and both discriminators."""
        return {MODULE: self.model} | {f"discriminator_{n}": c for n, c in self.critics.items()}

    def optimizers(self) -> dict[str, Optimizer]:
        """Two optimizers for each person."""
        for name, critic in self.critics.items():
            decoder = getattr(self.model, f"decoder_{name}")
            both = [*self.model.encoder.parameters(), *decoder.parameters()]
            rate = self.config.discriminator_lr
            critics = self.optimizer.model_copy(update={"weight_decay": 0.0})
            self._optimizers[f"discriminator_{name}"] = critics.build(critic.parameters(), rate)
            self._optimizers[f"generator_{name}"] = self.optimizer.build(both)
        return self._optimizers

    def lr_factors(self, step: int) -> dict[str, float]:
        """The phase's factor, for every optimizer."""
        factor = self.config.schedule.phase_at(step).lr
        return dict.fromkeys(self._optimizers, factor)

    def losses(
        self, batch: Mapping[str, Any], step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Discriminator and generator of the source, then of the target."""
        if self.config.schedule.swaps_at(step):
            self.swap_decoders()
        phase = self.config.schedule.phase_at(step)
        for identity, name in NAMES.items():
            side, critic = batch[name], self.critics[name]
            made = self.model(side["warped"], identity)
            if made.mask is None or made.raw is None:
                raise ConfigError(f"{type(self.model).__name__} gives no mask to lay a face over")
            fixed = Generated(made.image.detach(), raw=made.raw.detach())
            with full_precision(made.image):
                scores, share = self._scores(critic, side, fixed)
                judged = 2 * losses.least_squares(scores, share)  # the original adds two means
            yield f"discriminator_{name}", judged
            with full_precision(made.image), frozen(critic):
                scores, share = self._scores(critic, side, made)
                fooled = 2 * losses.least_squares(scores, 1 - share)  # it should say the opposite
                total = self.config.adversarial * fooled + self._compare(side, made, phase, log)
            yield f"generator_{name}", total

    @torch.no_grad()
    def swap_decoders(self) -> None:
        """Exchange the weights, buffers and optimizer moments of the two decoders."""
        one, other = self.model.decoder_source, self.model.decoder_target
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            kept = a.clone()
            a.copy_(b)
            b.copy_(kept)
        states = [self._optimizers[f"generator_{name}"].state for name in NAMES.values()]
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            states[0][p], states[1][q] = states[1][q], states[0][p]

    def _scores(
        self, critic: nn.Module, side: Mapping[str, Tensor], made: Generated
    ) -> tuple[Tensor, Tensor]:
        """The discriminator's scores of new mixtures, and the share of the true in each."""
        mixtures, share = self._mixtures(side, made)
        return critic(mixtures, torch.cat([side["warped"]] * 2)), share

    def _mixtures(self, side: Mapping[str, Tensor], made: Generated) -> tuple[Tensor, Tensor]:
        """True and made faces mixed, (2B, 3, R, R), and the share of the true, (2B, 1, 1, 1).

        The first half mixes composed faces, the second those before composition.
        """
        assert made.raw is not None
        share = losses.mixup_share(2 * len(made.image), made.image, self.config.mixup)
        true = torch.cat([side["target"]] * 2)
        return share * true + (1 - share) * torch.cat([made.image, made.raw]), share

    def _compare(
        self,
        side: Mapping[str, Tensor],
        made: Generated,
        phase: GanPhase,
        log: dict[str, float | Tensor],
    ) -> Tensor:
        """The generator's losses other than the discriminator's."""
        assert made.raw is not None
        assert made.mask is not None
        config, truth = self.config, side["target"]
        reconstruction = losses.l1(made.raw, truth)
        for small in made.sides:
            reconstruction = reconstruction + losses.l1(
                small, F.adaptive_avg_pool2d(truth, small.shape[-1])
            )
        total = _SPAN * (
            config.reconstruction * reconstruction
            + config.edges * losses.edge_loss(made.raw, truth)
            + config.eyes * losses.l1(made.raw, truth, side["eyes"])
        )
        if phase.hinge:
            total = total + config.hinge * losses.mask_hinge(made.mask, phase.hinge)
        else:
            total = total + config.mask * made.mask.mean()
        total = total + config.mask_variation * losses.total_variation(made.mask)
        if phase.perceptual and self._features is not None:
            value = self._perceptual(made, truth)
            log["perceptual"] = value.detach()
            total = total + value
        log["l1"] = losses.l1(made.image, truth).detach()
        log["mask_mean"] = made.mask.detach().mean()
        return total

    def _perceptual(self, made: Generated, truth: Tensor) -> Tensor:
        assert self._features is not None
        assert made.raw is not None
        net = self._features.to(truth.device)
        powers = dict(zip((32, 8, 4, 2), self.config.perceptual, strict=True))
        pictures = torch.cat([made.image, made.raw])
        return 2 * perceptual_loss(net, pictures, torch.cat([truth] * 2), powers)
