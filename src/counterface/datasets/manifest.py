"""A labelled list of files: one CSV, the same for every data set."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from counterface.errors import ConfigError

_LABELS = {"real": 0, "0": 0, "fake": 1, "1": 1}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file and what is known of it."""

    path: Path
    label: int  # 0 real, 1 fake
    method: str = ""  # how it was made, or what kind of real footage it is
    group: str = (
        ""  # person or source footage; files of one group never sit on both sides of a split
    )


def read_manifest(path: Path) -> list[Labelled]:
    """The rows of a CSV with the columns `file` and `label`, and optional `method` and `group`.

    Paths are relative to the CSV's folder; labels are real or fake (or 0, 1). A file without a
    group is its own group.

    Raises:
        ConfigError: unreadable, a missing column or name, an unknown label, a file named twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a readable CSV: {error}") from error
    if not rows or not {"file", "label"} <= set(rows[0]):
        found = list(rows[0]) if rows else []
        raise ConfigError(f"{path}: needs rows with the columns 'file' and 'label', found {found}")
    labelled = []
    for number, row in enumerate(rows, start=2):
        label = _LABELS.get((row["label"] or "").strip().lower())
        if label is None:
            raise ConfigError(f"{path}, line {number}: label {row['label']!r}; use real or fake")
        name = (row["file"] or "").strip()
        if not name:
            raise ConfigError(f"{path}, line {number}: no file is named")
        group = (row.get("group") or "").strip() or name
        labelled.append(Labelled(path.parent / name, label, (row.get("method") or ""), group))
    twice = [str(p) for p, count in Counter(item.path for item in labelled).items() if count > 1]
    if twice:
        raise ConfigError(f"{path}: named more than once: {twice[:3]}; each file may stand once")
    return labelled


def fold_groups(groups: Sequence[str], folds: int) -> list[int]:
    """The fold of each item; items of one group share it and folds are about equally large.

    Args:
        groups: (N,) the group of each item.
        folds: how many.

    Raises:
        ConfigError: fewer groups than folds.
    """
    sizes = Counter(groups)
    if len(sizes) < folds:
        raise ConfigError(f"{len(sizes)} groups cannot fill {folds} folds")
    filled = [0] * folds
    fold_of = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of[group] = filled.index(min(filled))
        filled[fold_of[group]] += size
    return [fold_of[group] for group in groups]
