"""What a GAN's losses are in which part of its training, as data.

The default is faceswap-GAN v2.2's (shaoanlu, https://github.com/shaoanlu/faceswap-GAN): 40,000
steps; the eight phases below. A recipe may hold another list.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from pydantic import Field, field_validator

from counterface.config import Record


class GanPhase(Record):
    """A part of the training, from its start to the next one's."""

    start: float = Field(ge=0, le=1, description="start, as a share of the schedule's steps")
    perceptual: bool = Field(False, description="whether the perceptual loss is on")
    hinge: float = Field(
        0.0, ge=0, le=1, description="floor that masks are pushed up to; 0 = down by their mean"
    )
    lr: float = Field(1.0, gt=0, description="factor of the recipe's learning rates")
    swap_decoders: bool = Field(False, description="exchange the decoders' weights at the start")


PHASES = (
    GanPhase(start=0.0),
    GanPhase(start=0.2, perceptual=True),
    GanPhase(start=0.3, perceptual=True, hinge=0.5),
    GanPhase(start=0.4, perceptual=True, hinge=0.2),
    GanPhase(start=0.5, perceptual=True, hinge=0.4),
    GanPhase(start=0.67, perceptual=True, lr=0.3),
    GanPhase(start=0.8, perceptual=True, hinge=0.1, lr=0.3, swap_decoders=True),
    GanPhase(start=0.9, perceptual=True, lr=0.1),
)


class GanSchedule(Record):
    """The phases and the steps that they are shares of; the last one goes on after the end."""

    steps: int = Field(40_000, ge=1, description="steps of the schedule, whatever the run's length")
    phases: tuple[GanPhase, ...] = Field(
        PHASES, min_length=1, description="phases, by rising start"
    )

    @field_validator("phases")
    @classmethod
    def _rise_from_zero(cls, phases: tuple[GanPhase, ...]) -> tuple[GanPhase, ...]:
        starts = [phase.start for phase in phases]
        if starts[0] != 0 or any(b <= a for a, b in pairwise(starts)):
            raise ValueError(f"starts must rise from 0, got {starts}")
        if phases[0].swap_decoders:
            raise ValueError("the first phase cannot swap decoders that have learnt nothing")
        return phases

    def first_step(self, phase: GanPhase) -> int:
        """The step that a phase starts with, 0 for the first."""
        return round(phase.start * self.steps)

    def phase_at(self, step: int) -> GanPhase:
        """The phase of a step; 0 for the first step."""
        firsts = [self.first_step(phase) for phase in self.phases]
        return self.phases[bisect_right(firsts, step) - 1]

    def swaps_at(self, step: int) -> bool:
        """Whether the decoders exchange their weights just before this step.

        A phase that is rounded to no step at all still swaps.
        """
        due = [p for p in self.phases if p.swap_decoders and self.first_step(p) == step]
        return len(due) % 2 == 1
