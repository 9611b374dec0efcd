"""Splits of a fresh data set, which may have two or three linked groups only."""

from __future__ import annotations

from counterface.datasets.manifest import Entry
from counterface.datasets.split import SplitConfig, linked_groups, split_entries


def split_groups(entries: list[Entry], config: SplitConfig) -> list[Entry]:
    """The entries with their splits; who shares a person or footage shares the split.

    Of few groups each split gets one at least, as far as they reach: a single one is for training,
    of two none is for validation.

    Raises:
        ConfigError: the groups do not fit the shares.
    """
    groups = len(set(linked_groups(entries)))
    asked = [name for name in ("train", "test", "val") if getattr(config, name) > 0]
    room = {name: max(getattr(config, name), 1 / groups) for name in asked[:groups]}
    shares = {name: room.get(name, 0.0) / sum(room.values()) for name in asked}
    config = config.model_copy(update=shares)
    return split_entries(entries, config)[0]
