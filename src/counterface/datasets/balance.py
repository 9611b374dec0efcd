"""Classes of like weight: the rarer one is drawn more often, by `Entry.repeat`.

A repeat draws more sequences or frames from a file, not the same ones again, as far as it has any.
Recipes for the DFDC, which has about five fakes to a genuine clip, draw four times as many from
genuine ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from counterface.config import Record
from counterface.datasets.manifest import LABELS, Entry
from counterface.errors import ConfigError


class BalanceConfig(Record):
    """How a training set is balanced: evenly, or by a ratio."""

    ratio: float | None = Field(
        None, ge=1, description="draws of real entries, as a multiple of their number"
    )
    even: bool = Field(
        False,
        description="draw the rarer label until both labels are even; the default without --ratio",
    )
    seed: int = Field(
        0, ge=0, description="seed for the choice of the files that are drawn once more than others"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.ratio is not None and self.even:
            raise ValueError("give `ratio` or `even`, not both")
        return self


class BalanceReport(Record):
    """Draws of the training entries by label, before and after."""

    split: str  # the one that was balanced; empty where none is set
    entries: dict[str, int]
    before: dict[str, int]
    after: dict[str, int]


def balance_entries(
    entries: Sequence[Entry], config: BalanceConfig
) -> tuple[list[Entry], BalanceReport]:
    """The entries with new repeats, in the same order; validation and test are left as they are.

    Where no entry has a split, all of them are balanced. Repeats from an earlier balancing are
    replaced, not multiplied.

    Raises:
        ConfigError: the training entries are all of one label.
    """
    split = "train" if any(entry.split for entry in entries) else ""
    chosen = [
        [at for at, e in enumerate(entries) if e.split == split and e.label == label]
        for label in (0, 1)
    ]
    counts = [len(found) for found in chosen]
    if not all(counts):
        raise ConfigError(
            f"{counts[0]} real and {counts[1]} fake entries to train on: nothing to balance; "
            "split the manifest first, or index both classes"
        )
    goals = (
        [max(counts)] * 2 if config.ratio is None else [round(counts[0] * config.ratio), counts[1]]
    )
    rng = np.random.default_rng(config.seed)
    done = list(entries)
    for found, goal in zip(chosen, goals, strict=True):
        for at, repeat in zip(found, _shared_out(len(found), goal, rng), strict=True):
            done[at] = replace(entries[at], repeat=repeat)
    return done, BalanceReport(
        split=split,
        entries=dict(zip(LABELS, counts, strict=True)),
        before=_draws(entries, chosen),
        after=_draws(done, chosen),
    )


def _shared_out(files: int, draws: int, rng: np.random.Generator) -> list[int]:
    """Repeats that sum to the draws, none more than one apart."""
    base, more = divmod(draws, files)
    repeats = np.full(files, base)
    repeats[rng.permutation(files)[:more]] += 1
    return [int(repeat) for repeat in repeats]


def _draws(entries: Sequence[Entry], chosen: Sequence[Sequence[int]]) -> dict[str, int]:
    return {
        label: sum(entries[at].repeat for at in found)
        for label, found in zip(LABELS, chosen, strict=True)
    }
