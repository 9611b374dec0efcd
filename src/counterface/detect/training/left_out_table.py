"""The tables of a fit's folds: what each says of files that it never met.

A file's logit is weighed by what the *other* folds say that the witnesses are worth, so that no
file has a say in the weights that judge it. A fake stands among the genuine files of its own fold.
New files of makers that a fold knows stand apart, among genuine files of sources that it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from counterface.datasets.manifest import Entry
from counterface.detect.detector import DetectorInfo
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.fit_weighing import calibrate_witnesses, weigh_score
from counterface.detect.findings import Notice
from counterface.detect.generalisation.meter import Generalisation
from counterface.detect.generalisation.twin_table import (
    AlarmRow,
    FakeResult,
    JudgedFile,
    count_alarms,
    place_fakes,
    summarise,
    tabulate,
)
from counterface.errors import DetectorError
from counterface.types import Verdict

Folds = Sequence[Sequence[FileScore]]


def tabulate_left_out(
    name: str, entries: Sequence[Sequence[Entry]], folds: Folds, info: DetectorInfo
) -> Generalisation:
    """The tables, each method with one weight, each file judged by a fold that never met it.

    Args:
        name: name of the detector.
        entries: entries of each fold, those of its scores among them.
        folds: scores of each.
        info: names the witnesses and the limits of the bins.
    """
    weighed, cautions = _weigh_across(folds, info)
    results = _place(entries, weighed, met=False)
    flat = [score for score in take_each_once(weighed) if not score.met]
    alarms = _count_alarms(_judged(list(chain(*entries)), flat), flat)
    return Generalisation(
        name=name,
        by="method",
        refitted=True,
        files=len(flat),
        no_face=sum(s.logit is None and s.error is None for s in flat),
        failed=tuple(s.error for s in flat if s.error is not None),
        summaries=summarise(results),
        met=tuple(summarise(known)) if (known := _place(entries, weighed, met=True)) else (),
        rows=tabulate(results),
        controls=(),
        alarms=alarms,
        results=tuple(results),
        cautions=tuple(cautions),
    )


def _place(entries: Sequence[Sequence[Entry]], folds: Folds, *, met: bool) -> list[FakeResult]:
    """Where the fakes of each fold stand among its genuine files, of what was met, or was not."""
    results: list[FakeResult] = []
    for listed, scores in zip(entries, folds, strict=True):
        mine = [score for score in scores if score.met == met]
        if len({score.label for score in mine}) == 2:
            results += place_fakes(_judged(listed, mine), _logits(mine))
    return results


def take_each_once(folds: Folds) -> list[FileScore]:
    """All scores; of a file that several folds left out alike, only that of the first."""
    found: dict[tuple[str, bool], FileScore] = {}
    for score in chain(*folds):
        found.setdefault((score.path, score.met), score)
    return list(found.values())


def _weigh_across(folds: Folds, info: DetectorInfo) -> tuple[list[list[FileScore]], list[Notice]]:
    """Each fold's scores, weighed by all others; where that cannot be, by all, or not at all."""
    weighed: list[list[FileScore]] = []
    cautions: list[Notice] = []
    for number, scores in enumerate(folds):
        mine = {score.path for score in scores}
        others = take_each_once([part for other, part in enumerate(folds) if other != number])
        found = _weigh([s for s in others if s.path not in mine], info)
        if isinstance(found, str):
            text = (
                f"Fold {number} is weighed by its own files too, as the others do not do: {found}"
            )
            cautions.append(Notice(code="weighed", text=text))
            found = _weigh(take_each_once(folds), info)
        if isinstance(found, str):
            text = f"Nothing is weighed: every witness is taken at its word, as {found}"
            return [list(part) for part in folds], [Notice(code="weighed", text=text)]
        weighed.append([weigh_score(score, found) for score in scores])
    return weighed, cautions


def _weigh(scores: Sequence[FileScore], info: DetectorInfo) -> DetectorInfo | str:
    """The description with fitted weights, or why there are none."""
    try:
        return calibrate_witnesses(scores, info)
    except DetectorError as error:
        return str(error)


def _judged(entries: Sequence[Entry], scores: Sequence[FileScore]) -> list[JudgedFile]:
    of_path = {str(entry.path): entry for entry in entries}
    return [
        JudgedFile(of_path[score.path], score.eye_px or 0.0, len(score.frame_times_s) < 2)
        for score in scores
    ]


def _logits(scores: Sequence[FileScore]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.nan if s.logit is None else s.logit for s in scores], np.float64)


def _count_alarms(files: Sequence[JudgedFile], scores: Sequence[FileScore]) -> tuple[AlarmRow, ...]:
    """Genuine files by origin: those of a firm verdict, and those above the others' line."""
    called: dict[str, list[bool]] = {}
    for file, score in zip(files, scores, strict=True):
        if not file.entry.label and score.logit is not None:
            verdict = score.verdict == Verdict.LIKELY_MANIPULATED.value
            called.setdefault(file.entry.origin or "not known", []).append(verdict)
    rows = count_alarms(files, _logits(scores))
    return tuple(
        row.model_copy(update={"called": float(np.mean(called[row.origin]))}) for row in rows
    )
