"""A recipe of `detect fit`, fitted anew without each method, family or origin.

The statistics of all crops are collected once; a fit of the heads is closed form. Genuine files
must not be judged by what was fitted on them either: they lie in four parts that share no person
and no footage, and each part is judged by a fit without it and all that shares its people or
footage. So there are four fits for each method that is left out; a fake stands among each part by
the fit without that part, and the four are averaged. The recipe's further nets (voters) were
trained before and know everything: they have no say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

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
    equal_scores,
    gather,
    read_material,
)
from counterface.detect.generalisation.twin_table import (
    Array,
    FakeResult,
    count_alarms,
    merge_folds,
    place_fakes,
)
from counterface.detect.generalisation.views import EQUALISED, PLAIN, RING, Answers, FileView
from counterface.detect.models.frame_statistics import FrameStatistics
from counterface.detect.models.parts.folded import START_FACES
from counterface.detect.training.fit import FitConfig, fit_heads, start_statistics
from counterface.detect.training.statistics import Statistics
from counterface.errors import ConfigError, TrainingError
from counterface.files import file_sha256
from counterface.types import Image, Progress

PARTS = 4  # of the genuine files; with two, half of all twins would be missing in each fit
CHANGES = (PLAIN, RING, EQUALISED)
Fits = Mapping[
    int, Mapping[FileView, float]
]  # logits by the part of genuine files that is left out


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

    @torch.no_grad()
    def read(crops: Image) -> Answers:
        batch = torch.from_numpy(crops[:, 0].copy()).permute(0, 3, 1, 2).float() / 255
        return np.asarray(net.statistics(batch).numpy())

    folded = file_sha256(recipe.folded) if recipe.folded else ""
    reader = f"{recipe.model.model_dump_json()} {folded} {cut.key}"
    answers = read_material(material, read, reader, config, progress)
    fitted = _judge_units(net, recipe, material, answers, by, progress)
    cautions = [_voters(recipe)] if recipe.voters else []
    if fitted.unfitted:
        cautions.append(_unfitted(fitted.unfitted, by))
    if not fitted.results:
        raise ConfigError(
            f"{path}: no {by} could be left out, as the rest lacks fakes or genuine files of the "
            "heads' methods"
        )
    return assemble(
        f"{path.stem}, fitted without each {by}",
        material,
        fitted.results,
        {"ring": fitted.ring, "equalised": fitted.equalised},
        count_alarms(material.judged, fitted.genuine),
        by,
        config,
        refitted=True,
        cautions=tuple(cautions),
    )


class _Fitted:
    """What the fits of all units add up to."""

    def __init__(self, files: int) -> None:
        self.results: list[FakeResult] = []
        self.ring: list[FakeResult] = []
        self.equalised: list[FakeResult] = []
        self.unfitted: list[str] = []
        self.sums, self.counts = np.zeros(files), np.zeros(files)

    def add_genuine(self, scores: Array, files: Sequence[int]) -> None:
        """Add scores of genuine files by a fit that met none of them."""
        index = [i for i in files if np.isfinite(scores[i])]
        self.sums[index] += scores[index]
        self.counts[index] += 1

    @property
    def genuine(self) -> Array:
        """(N,) mean over the fits without the file; NaN where there was none."""
        return np.where(self.counts > 0, self.sums / np.maximum(self.counts, 1), np.nan)


def _judge_units(
    net: FrameStatistics,
    recipe: FitConfig,
    material: Material,
    answers: Mapping[FileView, Answers],
    by: LeaveOut,
    progress: Progress | None,
) -> _Fitted:
    entries = material.entries
    place = {entry.path: index for index, entry in enumerate(entries)}
    parts = genuine_parts(entries)
    units = list_units(entries, by)
    found = _Fitted(len(entries))
    for number, unit in enumerate(units):
        judged = [place[entry.path] for entry in judged_part(entries, unit)]
        fits = _fit_unit(net, recipe, material, answers, unit, parts)
        if fits:
            _judge(found, material, fits, judged, parts, by)
        else:
            found.unfitted.append(unit.name)
        if progress:
            progress(number + 1, len(units), f"without {unit.name}")
    return found


def _fit_unit(
    net: FrameStatistics,
    recipe: FitConfig,
    material: Material,
    answers: Mapping[FileView, Answers],
    unit: Unit,
    parts: Sequence[Sequence[int]],
) -> Fits:
    """Logits by fits without the unit, and without each part of the genuine files."""
    learnt = training_part(material.entries, unit)
    fits: dict[int, dict[FileView, float]] = {}
    for number, part in enumerate(parts):
        shut = [material.entries[index] for index in part]
        try:
            fits[number] = _fit(net, recipe, material, answers, shares_nothing(learnt, shut))
        except TrainingError:
            return {}
    return fits


def _judge(
    found: _Fitted,
    material: Material,
    fits: Fits,
    judged: Sequence[int],
    parts: Sequence[Sequence[int]],
    by: LeaveOut,
) -> None:
    """Add where the unit's fakes stand, and what its fits say of genuine files."""
    files, mine = material.judged, set(judged)
    fakes = [i for i in judged if material.entries[i].label]
    placed: dict[str, list[list[FakeResult]]] = defaultdict(list)
    for number, part in enumerate(parts):
        logits = fits[number]
        reals = [i for i in part if i not in mine]
        for change in CHANGES:
            scores = change_scores(material, logits, change)
            equal = equal_scores(material, logits) if change == PLAIN else None
            placed[change].append(place_fakes(files, scores, equal, fakes=fakes, reals=reals))
            if change == PLAIN:  # of an origin that is left out, its own files alone are strangers
                own = [i for i in judged if not material.entries[i].label]
                found.add_genuine(scores, own if by == "origin" else reals)
    found.results += merge_folds(placed[PLAIN])
    found.ring += merge_folds(placed[RING])
    found.equalised += merge_folds(placed[EQUALISED])


def _fit(
    net: FrameStatistics,
    recipe: FitConfig,
    material: Material,
    answers: Mapping[FileView, Answers],
    part: Sequence[Entry],
) -> dict[FileView, float]:
    """The logit of every view by heads that were fitted on a part of the files.

    Raises:
        TrainingError: no head has both classes in it.
    """
    wanted = {entry.path for entry in part}
    chosen = [i for i, e in enumerate(material.entries) if e.path in wanted]
    views = [FileView(i) for i in chosen if FileView(i) in answers]
    items = [material.entries[view.file] for view in views]
    heads = tuple(
        head
        for head in recipe.heads
        if all(
            any(
                item.label == label and {item.method, item.generator, item.origin} & shares.keys()
                for item in items
            )
            for label, shares in ((0, head.reals), (1, head.fakes))
        )
    )
    if not heads:
        raise TrainingError(f"none of the heads has both classes in {len(items)} files")
    values = np.concatenate([answers[view] for view in views])
    number = np.repeat(np.arange(len(views)), [len(answers[view]) for view in views])
    fit_heads(net, Statistics(values, number), items, recipe.model_copy(update={"heads": heads}))
    weight = net.weight.detach().numpy()[: len(heads)]
    bias = net.bias.detach().numpy()[: len(heads)]
    questions = [(head.scale, head.offset) for head in heads]
    return {view: _logit(a @ weight.T + bias, questions) for view, a in answers.items()}


def _logit(raw: Answers, questions: Sequence[tuple[float, float]]) -> float:
    """The joined log-odds of a file, (M, heads) -> their mean over moments; see `EvidenceSum`."""
    scale, offset = np.array(questions, np.float64).T
    odds = raw * scale + offset
    return float(np.logaddexp.reduce(odds, axis=1).mean())


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


def _voters(recipe: FitConfig) -> Notice:
    names = ", ".join(voter.weights.name for voter in recipe.voters)
    text = f"The recipe's further nets ({names}) saw all of this in training and have no say here."
    return Notice(code="voters", text=text)


def _unfitted(names: Sequence[str], by: LeaveOut) -> Notice:
    return Notice(
        code="unfitted",
        text=f"Without {', '.join(names)} nothing can be fitted: too little shares nothing with "
        f"it; this {by} is in no number.",
    )
