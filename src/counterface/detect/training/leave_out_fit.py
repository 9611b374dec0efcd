"""A recipe of `detect fit`, fitted anew without each method, family or origin.

The statistics of all crops are collected once; a fit of the heads is closed form. Genuine files
must not be judged by what was fitted on them either: they lie in four parts that share no person
and no footage, and each part is judged by a fit without it and all that shares its people or
footage. So there are four fits for each method that is left out; a fake stands among each part by
the fit without that part, and the four are averaged. The recipe's further nets (voters) were
trained before and know everything: they have no say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from counterface.config import read_config
from counterface.datasets.leave_out import (
    LeaveOut,
    Unit,
    judged_part,
    list_units,
    shares_nothing,
    training_part,
)
from counterface.datasets.manifest import Entry
from counterface.datasets.split import fold_groups, linked_groups
from counterface.detect.findings import Notice
from counterface.detect.generalisation.face_crops import CropConfig
from counterface.detect.generalisation.meter import (
    Generalisation,
    GeneraliseConfig,
    Material,
    assemble,
    change_scores,
    gather,
    place_changes,
    read_material,
)
from counterface.detect.generalisation.twin_table import (
    Array,
    FakeResult,
    count_alarms,
    merge_folds,
)
from counterface.detect.generalisation.views import EQUALISED, PLAIN, RING, Answers, FileView
from counterface.detect.models.frame_statistics import FrameStatistics
from counterface.detect.models.parts.folded import START_FACES
from counterface.detect.training.fit import FitConfig, fit_heads, start_statistics
from counterface.detect.training.statistics import Statistics, read_statistics
from counterface.errors import ConfigError, TrainingError
from counterface.files import file_sha256
from counterface.types import Image, Progress

PARTS = 4  # of the genuine files; with two, half of all twins would be missing in each fit
CHANGES = (PLAIN, RING, EQUALISED)


def refit_recipe(
    items: Sequence[Entry],
    path: Path,
    by: LeaveOut,
    config: GeneraliseConfig,
    progress: Progress | None = None,
) -> Generalisation:
    """The tables of a recipe, each part judged by fits that met nothing of it.

    Args:
        items: labelled files; the recipe's heads name their column `method`.
        path: a recipe of `detect fit`; its manifest, frames and voters are not used.
        by: what is left out.
        config: how files are looked at.
        progress: called as (done, total, name).

    Raises:
        ConfigError: the recipe cannot be read, nothing can be left out, or no part can be fitted.
    """
    recipe = read_config(FitConfig, path)
    cut = CropConfig(recipe.template, recipe.size, config.frames)
    material = gather(items, cut, config, progress)
    net = start_statistics(recipe, _starters(material))
    folded = file_sha256(recipe.folded) if recipe.folded else ""
    reader = f"{recipe.model.model_dump_json()} {folded} {cut.key}"
    answers = read_material(
        material, lambda crops: read_statistics(net, crops[:, 0]), reader, config, progress
    )
    fits = _Refits(net, recipe, material, answers)
    units = list_units(material.entries, by)
    for number, unit in enumerate(units):
        fits.add(unit)
        if progress:
            progress(number + 1, len(units), f"without {unit.name}")
    if not fits.results[PLAIN]:
        raise ConfigError(
            f"{path}: no {by} could be left out, as the rest lacks fakes or genuine files of the "
            "heads' methods"
        )
    return assemble(
        f"{path.stem}, fitted without each {by}",
        material,
        fits.results,
        count_alarms(material.judged, fits.genuine),
        by,
        config,
        refitted=True,
        cautions=_cautions(recipe, fits.unfitted, by),
    )


class _Refits:
    """Fits of a recipe without one unit after the other, and what they add up to."""

    def __init__(
        self,
        net: FrameStatistics,
        recipe: FitConfig,
        material: Material,
        answers: Mapping[FileView, Answers],
    ) -> None:
        self.net, self.recipe, self.material, self.answers = net, recipe, material, answers
        self.parts = genuine_parts(material.entries)
        self.results: dict[str, list[FakeResult]] = {change: [] for change in CHANGES}
        self.unfitted: list[str] = []
        self.sums, self.counts = np.zeros((2, len(material.entries)))

    def add(self, unit: Unit) -> None:
        """Add where the unit's fakes stand, and what fits without it say of genuine files."""
        entries = self.material.entries
        mine = {entry.path for entry in judged_part(entries, unit)}
        judged = [i for i, entry in enumerate(entries) if entry.path in mine]
        fakes = [i for i in judged if entries[i].label]
        learnt = training_part(entries, unit)
        try:
            fits = [
                self._fit(shares_nothing(learnt, [entries[i] for i in part])) for part in self.parts
            ]
        except TrainingError:
            self.unfitted.append(unit.name)
            return
        placed = []
        for part, logits in zip(self.parts, fits, strict=True):
            reals = [i for i in part if entries[i].path not in mine]
            placed.append(place_changes(self.material, logits, fakes=fakes, reals=reals))
            # of an origin that is left out, its own files alone are strangers
            strangers = set(judged) - set(fakes) if unit.by == "origin" else reals
            scores = change_scores(self.material, logits, PLAIN)
            known = [i for i in strangers if np.isfinite(scores[i])]
            self.sums[known] += scores[known]
            self.counts[known] += 1
        for change in CHANGES:
            self.results[change] += merge_folds([fold[change] for fold in placed])

    @property
    def genuine(self) -> Array:
        """(N,) mean score over the fits without the file; NaN where there was none."""
        return np.where(self.counts > 0, self.sums / np.maximum(self.counts, 1), np.nan)

    def _fit(self, part: Sequence[Entry]) -> dict[FileView, float]:
        """The logit of every view by heads that were fitted on a part of the files.

        Raises:
            TrainingError: no head has both classes in it.
        """
        wanted = {entry.path for entry in part}
        views = [
            view
            for i, entry in enumerate(self.material.entries)
            if entry.path in wanted and (view := FileView(i)) in self.answers
        ]
        items = [self.material.entries[view.file] for view in views]
        heads = tuple(
            head
            for head in self.recipe.heads
            if all(
                any(
                    item.label == label
                    and {item.method, item.generator, item.origin} & shares.keys()
                    for item in items
                )
                for label, shares in ((0, head.reals), (1, head.fakes))
            )
        )
        if not heads:
            raise TrainingError(f"none of the heads has both classes in {len(items)} files")
        values = [self.answers[view] for view in views]
        found = Statistics(
            np.concatenate(values), np.repeat(range(len(views)), [*map(len, values)])
        )
        fit_heads(self.net, found, items, self.recipe.model_copy(update={"heads": heads}))
        weight = self.net.weight.detach().numpy()[: len(heads)]
        bias = self.net.bias.detach().numpy()[: len(heads)]
        scale, offset = np.array([(head.scale, head.offset) for head in heads]).T

        def logit(answer: Answers) -> float:
            """The joined log-odds of a file's moments, their mean; see `EvidenceSum`."""
            odds = (answer @ weight.T + bias) * scale + offset
            return float(np.logaddexp.reduce(odds, axis=1).mean())

        return {view: logit(answer) for view, answer in self.answers.items()}


def genuine_parts(entries: Sequence[Entry]) -> list[list[int]]:
    """The genuine files in four parts that share neither people nor footage, about equally large.

    Raises:
        ConfigError: they all hang together.
    """
    real = [i for i, entry in enumerate(entries) if not entry.label]
    groups = linked_groups([entries[i] for i in real])
    parts = max(2, min(PARTS, len(set(groups))))
    of_file = fold_groups(groups, parts)
    return [[i for i, p in zip(real, of_file, strict=True) if p == n] for n in range(parts)]


def _starters(material: Material) -> list[Image]:
    real = [
        face.crops[0, 0]
        for entry, face in zip(material.entries, material.faces, strict=True)
        if not entry.label and len(face.crops)
    ]
    return real[:: max(1, len(real) // START_FACES)][:START_FACES]


def _cautions(recipe: FitConfig, unfitted: Sequence[str], by: LeaveOut) -> tuple[Notice, ...]:
    names = ", ".join(voter.weights.name for voter in recipe.voters)
    voters = (
        f"The recipe's further nets ({names}) saw all of this in training and have no say here."
    )
    without = (
        f"Without {', '.join(unfitted)} nothing can be fitted: too little shares nothing with it; "
        f"this {by} is in no number."
    )
    found = (("voters", voters, recipe.voters), ("unfitted", without, unfitted))
    return tuple(Notice(code=code, text=text) for code, text, there in found if there)
