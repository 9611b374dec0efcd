"""Reasons to doubt a number before believing it: each a plain sentence with what was seen.

These are the errors that published evaluations were found to have (docs/detect_evaluation.md), as
far as scores, files and manifest can show them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from counterface.datasets.manifest import Entry
from counterface.datasets.split import linked_groups
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.measure import Numbers
from counterface.detect.findings import Notice
from counterface.learn.metrics import auc, bootstrap

FEW_GROUPS = 20  # under it a percentile interval of groups is clearly too narrow
ENOUGH_GROUPS = 5  # of each class, before a shortcut is looked for
SHORTCUT_AUC = 0.65  # a file's size or shape that tells the classes apart this well may be learnt
QUANTISER_SLACK = 6.0  # H.264 steps double every 6; a named rate factor lies within about 5
STRENGTH_OF_RAW = 0.2  # of compression: about quantiser 18, where loss begins to show
UNEVEN = 0.1  # difference of the shares that could not be scored

_RATE = re.compile(r"^(?:c|crf)[ _-]?(\d{1,2})$", re.IGNORECASE)
_RAW = ("raw", "c0", "crf0", "lossless", "none")


def find_cautions(scores: Sequence[FileScore], video: Numbers) -> tuple[Notice, ...]:
    """What is odd about scored files."""
    found = (
        ("one_class", _one_class(scores)),
        ("inverted", _inverted(video)),
        ("not_scored", _missing(scores)),
        ("uneven", _uneven(scores)),
        ("few_groups", _few_groups(scores)),
        ("untied", _untied(scores)),
        ("compression", _compression(scores)),
        *(("shortcut", text) for text in _shortcuts(scores)),
    )
    return tuple(Notice(code=code, text=text) for code, text in found if text)


def split_cautions(entries: Sequence[Entry], used: Sequence[Entry]) -> tuple[Notice, ...]:
    """What is odd about how a manifest is split: people or footage on both sides.

    Args:
        entries: the whole manifest.
        used: the entries that are measured.
    """
    groups = dict(zip((e.path for e in entries), linked_groups(entries), strict=True))
    paths = {e.path for e in used}
    trained = {groups[e.path] for e in entries if e.split == "train" and e.path not in paths}
    leaked = [e for e in used if groups[e.path] in trained]
    found = []
    if leaked:
        text = (
            f"{len(leaked)} of {len(used)} measured files share people or footage with files of "
            "the train split; the numbers may show that a person was remembered. Split again with "
            "'counterface dataset split'."
        )
        found.append(Notice(code="leak", text=text))
    if any(e.split in ("train", "val") for e in used):
        text = (
            "Files of the train or val split are among the measured ones: these numbers say how "
            "well was learnt, not how well the detector will do."
        )
        found.append(Notice(code="not_test", text=text))
    return tuple(found)


def _one_class(scores: Sequence[FileScore]) -> str:
    real, fake = (sum(s.label == label and s.logit is not None for s in scores) for label in (0, 1))
    if real and fake:
        return ""
    there = "no file" if not real and not fake else "real files alone" if real else "fakes alone"
    listed = sum(s.label == int(bool(real)) for s in scores)
    lost = f", though {listed} of the other class are listed" if listed and (real or fake) else ""
    return (
        f"Scores of {there}{lost}: the AUC and whatever else compares the two classes cannot be "
        "measured; add files of the other class."
    )


def _inverted(video: Numbers) -> str:
    found = video.values.get("auc")
    if found is None or found.high is None or found.high >= 0.5:
        return ""
    return (
        f"The AUC is {found.value:.3f}, and its whole interval lies under 0.5: worse than "
        "guessing. Are the classes inverted? Some lists write 1 for real (Celeb-DF's list of "
        "testing videos does); here 1 is fake."
    )


def _missing(scores: Sequence[FileScore]) -> str:
    count = sum(s.logit is None for s in scores)
    if not count:
        return ""
    return (
        f"{count} of {len(scores)} files have no score (no face, or an error) and are in no "
        "number; the table of outcomes and the AUC's bounds count them."
    )


def _uneven(scores: Sequence[FileScore]) -> str:
    """A caution where one class loses more files than the other, which flatters the numbers."""
    shares = []
    for label in (0, 1):
        part = [s.logit is None for s in scores if s.label == label]
        shares.append(float(np.mean(part)) if part else 0.0)
    if abs(shares[0] - shares[1]) < UNEVEN:
        return ""
    return (
        f"{shares[0]:.0%} of the real and {shares[1]:.0%} of the fake files could not be scored: "
        "what is left is no fair sample of both."
    )


def _few_groups(scores: Sequence[FileScore]) -> str:
    real, fake = (
        len({s.group for s in scores if s.label == label and s.logit is not None})
        for label in (0, 1)
    )
    if not 0 < min(real, fake) < FEW_GROUPS:
        return ""
    return (
        f"The scored real files come from {real} groups of people or footage and the fake ones "
        f"from {fake}; intervals from so few are too narrow, and there is none from one."
    )


def _untied(scores: Sequence[FileScore]) -> str:
    if len(scores) < 2 or not all(s.group.startswith("path:") for s in scores):
        return ""
    return (
        "The manifest names neither people nor footage, so each file counts as independent; where "
        "files share them, the intervals are too narrow."
    )


def _compression(scores: Sequence[FileScore]) -> str:
    """A compression that the manifest claims and the file's own data contradicts."""
    wrong = [s for s in scores if _claim(s) is False]
    if not wrong:
        return ""
    first = wrong[0]
    if first.quantiser is None:
        seen = f"strength {first.strength:.2f}"
    else:
        seen = f"H.264 quantiser {first.quantiser:.0f}"
    return (
        f"{len(wrong)} files are not compressed as the manifest says: {first.file} is listed as "
        f"{first.compression!r}, its data shows {seen}. Numbers by compression are not what they "
        "are called."
    )


def _claim(score: FileScore) -> bool | None:
    """Whether the file fits its claimed compression; None where that cannot be told."""
    name = score.compression.strip().lower()
    if name in _RAW:
        return None if score.strength is None else score.strength < STRENGTH_OF_RAW
    match = _RATE.match(name)
    if match is None or score.quantiser is None:
        return None
    return abs(score.quantiser - float(match[1])) <= QUANTISER_SLACK


def _shortcuts(scores: Sequence[FileScore]) -> Iterator[str]:
    """Facts about the files, not the faces, that alone tell the classes apart."""

    def pixels(s: FileScore) -> float | None:
        return None if s.width is None or s.height is None else float(s.width * s.height)

    def rate(s: FileScore) -> float | None:
        area = pixels(s)
        return None if s.bytes is None or not area else s.bytes / area

    facts: tuple[tuple[str, Callable[[FileScore], float | None]], ...] = (
        ("resolution", pixels),
        ("file size for its resolution", rate),
        ("strength of compression", lambda s: s.strength),
    )
    for name, fact in facts:
        rows = [(s.label, value, s.group) for s in scores if (value := fact(s)) is not None]
        of_class = [{g for y, _, g in rows if y == label} for label in (0, 1)]
        if min(map(len, of_class)) < ENOUGH_GROUPS:
            continue
        labels, values, groups = zip(*rows, strict=True)
        way = 1.0 if auc(labels, values) >= 0.5 else -1.0
        area = bootstrap(auc, labels, [way * v for v in values], groups, rounds=200)
        if area.value >= SHORTCUT_AUC and area.low > 0.5:
            yield (
                f"The {name} alone tells real from fake with an AUC of {area.value:.2f}: a "
                "detector may go by it. Make both classes alike before believing more."
            )
