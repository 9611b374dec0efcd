"""What the training loop asks of a trainer: a task says what is learnt, the loop says how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer


class Examples(Protocol):
    """An endless, map-style data set: `examples[i]` is a pure function of `i` for every i >= 0.

    Which picture, which augmentation, which random numbers: all follow from the index alone (seed a
    generator with it). Then step k always sees the same batch, and a run can continue anywhere.
    """

    def __getitem__(self, index: int) -> Any:
        """One example: a tensor, array or number, or a dict or tuple of them."""
        ...


class Task(Protocol):
    """Modules, their optimizers, and the losses of one batch.

    A detector or an autoencoder yields one loss a step, a GAN two. The loop owns device, precision,
    backward, clipping, the optimizers' steps, learning-rate schedule, averaging, logs, checkpoints.
    """

    def modules(self) -> dict[str, nn.Module]:
        """The modules whose weights and buffers are checkpointed, by name (no slash in it).

        The same objects at each call; the loop moves them to the device in place.
        """
        ...

    def optimizers(self) -> dict[str, Optimizer]:
        """The optimizers by name, fresh; each group's `lr` is the peak of its schedule.

        Called once, after the modules have been moved to the device.
        """
        ...

    def losses(
        self, batch: Any, step: int, log: dict[str, float | Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs of optimizer name and scalar loss; each is stepped before the next is asked for.

        Args:
            batch: the collated examples, on the device.
            step: 0 for the first step.
            log: scalars put here are averaged and logged beside the losses.
        """
        ...


@runtime_checkable
class Validates(Protocol):
    """A task that also measures itself on held-back data."""

    def validate(self, modules: dict[str, nn.Module]) -> dict[str, float]:
        """Metrics by name, of the averaged modules when averaging is on; called without gradients.

        The modules are in eval mode.
        """
        ...


@runtime_checkable
class Schedules(Protocol):
    """A task that also has learning-rate factors of its own, for training in phases."""

    def lr_factors(self, step: int) -> dict[str, float]:
        """Factors by optimizer name on top of the loop's own; 1 where a name is absent.

        A pure function of the step (0 for the first), or a run could not continue exactly.
        """
        ...
