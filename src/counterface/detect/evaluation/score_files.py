"""Labelled files, scanned as `scan` would, or taken from the store where they were before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from counterface.datasets.manifest import Entry
from counterface.datasets.split import linked_groups
from counterface.detect.evaluation.file_score import (
    FileScore,
    failure_fields,
    label_file,
    measured_fields,
)
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.scanning.scan import ChangeFrames, ScanConfig
from counterface.detect.scanning.scan_files import scan_files
from counterface.errors import MediaError, reason_of
from counterface.files import file_sha256
from counterface.types import Progress


def score_files(
    items: Sequence[Entry],
    config: ScanConfig | None = None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    store: ScoreStore | None = None,
    change: ChangeFrames | None = None,
) -> list[FileScore]:
    """The scan of each file beside its label; a file that fails has an error and no number.

    Marks of origin are not looked at, and cues only where the settings name them.

    Args:
        items: labelled files; rows come back in the same order, one each.
        config: how to scan; None: 32 frames with the shipped detector alone.
        jobs: processes.
        progress: called as (done, total, name); files from the store count as done.
        store: store of this detector, these settings and this change.
        change: applied to decoded frames before faces are looked for.
    """
    settled = (config or ScanConfig(cues="none")).model_copy(
        update={"pictures": False, "marks": False}
    )
    found: dict[int, dict[str, Any]] = {}
    hashes: dict[int, str] = {}
    for index, item in enumerate(items):
        if store is None and not item.sha256:
            continue
        try:
            hashes[index] = file_sha256(item.path)
        except (MediaError, OSError) as error:
            found[index] = failure_fields(reason_of(error))
            continue
        if item.sha256 and item.sha256.lower() != hashes[index]:
            found[index] = failure_fields(
                f"{item.path}: its content is not what the manifest lists (SHA-256 "
                f"{hashes[index][:12]}..., listed {item.sha256[:12]}...); index the data set again"
            )
        elif store is not None and (kept := store.get(hashes[index])) is not None:
            found[index] = kept
    missing = [index for index in range(len(items)) if index not in found]
    paths = [items[index].path for index in missing]
    try:
        for index, fields in zip(missing, _scan(paths, settled, jobs, change), strict=True):
            found[index] = fields
            if progress:
                progress(len(found), len(items), items[index].path.name)
            if store is not None:
                store.put(hashes[index], fields)
    finally:  # an interrupted run continues where it was
        if store is not None:
            store.flush()
    groups = linked_groups(items)
    return [label_file(item, groups[i], found[i]) for i, item in enumerate(items)]


def _scan(
    paths: Sequence[Path],
    config: ScanConfig,
    jobs: int,
    change: ChangeFrames | None,
) -> Iterator[dict[str, Any]]:
    if not paths:  # loads no model for nothing
        return
    for report in scan_files(paths, config, jobs=jobs, change=change):
        fields = measured_fields(report)
        if change is not None and report.status == "scanned":
            fields |= {"strength": None, "quantiser": None, "bytes": None}  # of the file as it was
        yield fields
