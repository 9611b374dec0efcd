"""One task teaches every shared-encoder model: both sides are coded, decoded and compared.

The losses and their weights are settings, since that is where faceswap, dfaker and DeepFaceLab
differ; the recipes hold each family's. Optional parts, all of DeepFaceLab (Perov et al. 2020,
https://arxiv.org/abs/2005.05535): a patch discriminator for the source's faces, a discriminator
that brings the two codes together, and colour styles of the swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from counterface.config import Record
from counterface.errors import ConfigError
from counterface.learn.optimizers import OptimizerName, Weights, make_optimizer
from counterface.swap.swap_model import MODULE, SOURCE, TARGET, Generated, SwapModel
from counterface.swap.training import losses
from counterface.swap.training.discriminators import CodeDiscriminator, PatchUNet

DISCRIMINATOR, CODE_DISCRIMINATOR = "discriminator", "code_discriminator"
_OUTSIDE = 0.02  # weight of the error outside the mask beside a discriminator, as DeepFaceLab


class SwapLossConfig(Record):
    """Weights of the losses, and what they count. The defaults are DeepFaceLab's."""

    dssim: float = Field(10.0, ge=0, description="weight of structural dissimilarity")
    mse: float = Field(10.0, ge=0, description="weight of the mean squared error of RGB")
    l1: float = Field(0.0, ge=0, description="weight of the mean absolute error of RGB")
    mask: float = Field(10.0, ge=0, description="weight of the squared error of a learned mask")
    masked_training: bool = Field(True, description="count only what lies inside the mask")
    mask_edge: float = Field(
        1 / 64, ge=0, le=0.25, description="softness of that mask's edge: sigma, share of the side"
    )
    eyes_mouth_prio: float = Field(
        0.0, ge=0, description="weight of L1 inside eyes and mouth; DeepFaceLab uses 300"
    )
    eyes_weight: float = Field(1.0, ge=1, description="weight of a pixel of the eyes")
    mouth_weight: float = Field(1.0, ge=1, description="weight of a pixel of the mouth")
    face_style_power: float = Field(
        0.0, ge=0, le=100, description="pull of the swap's colours to the target's; 0 = off"
    )
    bg_style_power: float = Field(
        0.0, ge=0, le=100, description="pull of the swap's surroundings to the target's; 0 = off"
    )
    gan_power: float = Field(
        0.0, ge=0, le=5, description="weight of a patch discriminator, typical 0.1; 0 = none"
    )
    gan_patch_size: int = Field(
        0, ge=0, le=640, description="side of the patches it judges, pixels; 0 = resolution / 8"
    )
    gan_dims: int = Field(16, ge=4, le=512, description="channels of its first layer")
    true_face_power: float = Field(
        0.0, ge=0, le=1, description="weight of a discriminator of codes, typical 0.01; 0 = none"
    )


class SwapOptimizerConfig(Record):
    """The optimizer. The defaults are faceswap's."""

    name: OptimizerName = Field("adam", description="optimizer")
    lr: float = Field(5e-5, gt=0, le=1, description="peak learning rate")
    beta1: float = Field(0.5, ge=0, lt=1, description="decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="decay of the gradient's spread")
    weight_decay: float = Field(0.0, ge=0, description="pull of weights toward zero")
    lr_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of weights updated a step, 0.3 in DeepFaceLab; 0 = all"
    )

    def build(self, params: Weights, lr: float | None = None) -> Optimizer:
        """An optimizer of these weights, at another peak rate where `lr` is given."""
        return make_optimizer(
            self.name,
            params,
            self.lr if lr is None else lr,
            betas=(self.beta1, self.beta2),
            weight_decay=self.weight_decay,
            lr_dropout=self.lr_dropout,
        )


class AutoencoderTask:
    """A task of the training loop; batches are those of `SwapExamples`.

    Optimizers: `model`, and one for each discriminator in use, which steps after the model.
    """

    def __init__(
        self,
        model: SwapModel,
        loss: SwapLossConfig,
        optimizer: SwapOptimizerConfig,
        compile: bool = False,
    ) -> None:
        """Build the discriminators that the settings ask for, with fresh weights.

        Raises:
            ConfigError: `true_face_power` with a model whose code depends on the identity.
        """
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.code = torch.compile(model.code) if compile else model.code
        self.decode = torch.compile(model.decode) if compile else model.decode
        self.critics: dict[str, nn.Module] = {}
        if loss.gan_power:
            patch = loss.gan_patch_size or max(2, model.out_size // 8)
            self.critics[DISCRIMINATOR] = PatchUNet(patch, loss.gan_dims)
        if loss.true_face_power:
            if not model.SHARED_CODE:
                raise ConfigError(
                    f"true_face_power {loss.true_face_power} needs one code for both people, which "
                    f"{type(model).__name__} does not have; set it to 0, or train 'df'"
                )
            people = model.identities if model.MAX_IDENTITIES > 2 else 1
            channels, side, _ = model.code_shape
            self.critics[CODE_DISCRIMINATOR] = CodeDiscriminator(channels, side, people)

    def modules(self) -> dict[str, nn.Module]:
        """The model and the discriminators in use."""
        return {MODULE: self.model, **self.critics}

    def optimizers(self) -> dict[str, Optimizer]:
        """An optimizer for each module."""
        return {n: self.optimizer.build(m.parameters()) for n, m in self.modules().items()}

    def losses(
        self, batch: Mapping[str, Any], step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """The model's loss, the sum over both sides, then each discriminator's."""
        both = _Both(batch, self.loss)
        codes = self._codes(both)
        made = self._made(codes, both)
        with full_precision(both.truth):
            total = self._reconstruction(made, both, log)
            total = total + self._styles(codes, made, both, log)
            total = total + self._against_critics(codes, made, both, log)
        yield MODULE, total
        for name in self.critics:
            with full_precision(both.truth):
                judged = self._judge(name, codes, made, both)
            yield name, judged

    def _codes(self, both: _Both) -> Tensor:
        """The codes of both sides, joined along B, the source's first."""
        if self.model.SHARED_CODE:
            return self.code(both.warped, SOURCE)
        if self.model.MAX_IDENTITIES > 2:
            return self.code(both.warped, both.identity)
        source, target = both.warped.chunk(2)
        return torch.cat([self.code(source, SOURCE), self.code(target, TARGET)])

    def _made(self, codes: Tensor, both: _Both) -> Generated:
        """The reconstructions of both sides, joined along B."""
        if self.model.MAX_IDENTITIES > 2:
            return self.decode(codes, both.identity)
        source, target = codes.chunk(2)
        one, other = self.decode(source, SOURCE), self.decode(target, TARGET)
        masks = [made.mask for made in (one, other) if made.mask is not None]
        return Generated(torch.cat([one.image, other.image]), torch.cat(masks) if masks else None)

    def _reconstruction(
        self, made: Generated, both: _Both, log: dict[str, float | Tensor]
    ) -> Tensor:
        config = self.loss
        image, truth = made.image * both.counted, both.truth * both.counted
        weight = None
        if config.eyes_weight > 1 or config.mouth_weight > 1:
            weight = losses.priority_weight(
                both.eyes, both.mouth, config.eyes_weight, config.mouth_weight
            )
        total = image.new_zeros(())

        def add(name: str, power: float, measure: Callable[..., Tensor], *given: Any) -> None:
            nonlocal total
            if power:
                value = measure(*given)
                log[name] = value.detach()
                total = total + 2 * power * value  # a mean over both sides; DeepFaceLab adds them

        add("dssim", config.dssim, losses.dssim, image, truth, weight)
        add("mse", config.mse, losses.mse, image, truth, weight)
        add("l1", config.l1, losses.l1, image, truth, weight)
        parts = torch.maximum(both.eyes, both.mouth)
        add("eyes_mouth", config.eyes_mouth_prio, losses.l1, made.image, both.truth, parts)
        if made.mask is not None:
            add("mask", config.mask, losses.mse, made.mask, both.mask)
        with torch.no_grad():
            errors = (image - truth).abs().mean((1, 2, 3)).chunk(2)
            log["error_source"], log["error_target"] = errors[0].mean(), errors[1].mean()
        return total

    def _styles(
        self, codes: Tensor, made: Generated, both: _Both, log: dict[str, float | Tensor]
    ) -> Tensor:
        """The losses of the swap's colours, which teach the decoder but not the code."""
        config, zero = self.loss, codes.new_zeros((), dtype=torch.float32)
        if not (config.face_style_power or config.bg_style_power):
            return zero
        half = len(codes) // 2
        wanted: int | Tensor = both.identity[:half] if self.model.MAX_IDENTITIES > 2 else SOURCE
        if self.model.SHARED_CODE:
            code = codes[half:].detach()
        else:
            with torch.no_grad():
                code = self.code(both.warped[half:], wanted)
        swap = self.decode(code, wanted)
        mask = both.mask[half:] if swap.mask is None else swap.mask.detach()
        total = zero
        if config.face_style_power:
            theirs = both.mask[half:] if made.mask is None else made.mask[half:].detach()
            value = losses.color_style(swap.image * mask, made.image[half:] * theirs)
            log["face_style"] = value.detach()
            total = total + 100 * config.face_style_power * value
        if config.bg_style_power:
            value = losses.background_style(swap.image, both.truth[half:], both.counted[half:])
            log["bg_style"] = value.detach()
            total = total + 0.1 * config.bg_style_power * value
        return total

    def _against_critics(
        self, codes: Tensor, made: Generated, both: _Both, log: dict[str, float | Tensor]
    ) -> Tensor:
        """The model's losses against the discriminators, which learn nothing here."""
        half = len(codes) // 2
        total = codes.new_zeros((), dtype=torch.float32)
        if (critic := self.critics.get(DISCRIMINATOR)) is not None:
            image, counted = made.image[:half], both.counted[:half]
            with frozen(critic):
                value = losses.toward(critic(image * counted), 1.0)
            log["gan"] = value.detach()
            total = total + self.loss.gan_power * value
            if self.loss.masked_training:
                outside = 1 - counted
                total = total + _OUTSIDE * losses.mse(image * outside, both.truth[:half] * outside)
        if (critic := self.critics.get(CODE_DISCRIMINATOR)) is not None:
            with frozen(critic):
                value = self._look_alike(critic, codes.float())
            log["true_face"] = value.detach()
            total = total + self.loss.true_face_power * value
        return total

    def _look_alike(self, critic: nn.Module, codes: Tensor) -> Tensor:
        """The loss of source codes that are told from the target's; of many people, of any code."""
        if self.model.MAX_IDENTITIES > 2:
            return losses.name_of(critic(codes), None)
        return losses.toward(critic(codes[: len(codes) // 2]), 1.0)

    def _judge(self, name: str, codes: Tensor, made: Generated, both: _Both) -> Tensor:
        """A discriminator's own loss: to tell true faces from made ones, or the codes apart."""
        half, critic = len(codes) // 2, self.critics[name]
        if name == DISCRIMINATOR:
            true = both.truth[:half] * both.counted[:half]
            false = made.image[:half].detach() * both.counted[:half]
        elif self.model.MAX_IDENTITIES > 2:
            return losses.name_of(critic(codes.detach().float()), both.identity)
        else:  # the source's codes are to look like the target's
            true, false = codes[half:].detach().float(), codes[:half].detach().float()
        return 0.5 * (losses.toward(critic(true), 1.0) + losses.toward(critic(false), 0.0))


class _Both:
    """A batch with its two sides joined along B, the source's half first."""

    def __init__(self, batch: Mapping[str, Mapping[str, Tensor]], loss: SwapLossConfig) -> None:
        source, target = batch["source"], batch["target"]
        joined = {key: torch.cat([source[key], target[key]]) for key in source}
        self.warped, self.truth = joined["warped"], joined["target"]
        self.mask, self.eyes, self.mouth = joined["mask"], joined["eyes"], joined["mouth"]
        self.identity = joined["identity"]
        self.counted = (  # (2B, 1, R, R): where reconstruction counts
            losses.soft_edge(self.mask, loss.mask_edge)
            if loss.masked_training
            else torch.ones_like(self.mask)
        )


def full_precision(like: Tensor) -> torch.autocast:
    """A block without autocast: structure and logits of half precision are noise."""
    return torch.autocast(like.device.type, enabled=False)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """A block in which the module's weights get no gradients."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
