"""Who may not be parted: people and footage that link entries, and folds that keep them together.

A fake shares its footage with the genuine clip and its face with the clips of who gave it. A
detector that was trained on one and tested on the other may know the person instead of the
manipulation; so groups are the connected parts of the graph of entries, people and footage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from counterface.datasets.manifest import Entry
from counterface.errors import ConfigError


def linked_groups(entries: Sequence[Entry]) -> list[str]:
    """The group of each entry: entries that share a person or footage, however indirectly.

    Named after its smallest tie (`identity:ann`); an entry that has none is its own group.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    ties = [_ties(entry) for entry in entries]
    for first, *rest in ties:
        for other in rest:
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return [root(tie[0]) for tie in ties]


def _ties(entry: Entry) -> list[str]:
    people = [f"identity:{name}" for name in entry.identities]
    footage = [f"source:{entry.source}"] if entry.source else []
    return people + footage or [f"path:{entry.path}"]


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
