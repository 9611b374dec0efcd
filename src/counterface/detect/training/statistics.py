"""What a backbone says of the crops of labelled files, kept by content of the file.

So an interrupted call goes on, and a file that stands in many lists is looked at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from counterface.datasets.manifest import Entry
from counterface.detect.generalisation.face_crops import FaceCutter
from counterface.detect.generalisation.views import Answers, ViewStore
from counterface.detect.models.frame_statistics import FrameStatistics
from counterface.detect.training.collect import Failed, read_each
from counterface.errors import TrainingError
from counterface.files import file_sha256, make_folder
from counterface.types import Image, Progress

BATCH = 32


@dataclass(frozen=True, eq=False)
class Statistics:
    """The heads' input for every crop of a list of files."""

    values: NDArray[np.float32]  # (N, D)
    item: NDArray[np.intp]  # (N,) which file


def collect_statistics(
    net: FrameStatistics,
    items: Sequence[Entry],
    cutter: FaceCutter,
    folder: Path,
    *,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> Statistics:
    """The statistics of every crop of the files; those of known files are read from the folder.

    Args:
        net: its backbone is asked, its heads are not.
        items: pictures and videos.
        cutter: cuts single frames.
        folder: folder of kept statistics, of any number of backbones.
        progress: called as (done, total, name) after each file.
        failed: called with a file that could not be read and the reason; the rest goes on.

    Raises:
        TrainingError: the folder cannot be made, or no file has a face.
        MediaError: what is kept is damaged; without `failed`, a file cannot be read.
    """
    make_folder(folder, TrainingError)
    store = ViewStore(folder, f"{_digest(net)} {cutter.config.key}")

    def look(item: Entry) -> Answers:
        sha256 = file_sha256(item.path)
        if sha256 not in store.known:
            store.put(sha256, read_statistics(net, cutter.cut(item.path, sha256).crops[:, 0]))
        return store.known[sha256]

    try:
        found = {n: values for n, values in read_each(items, look, progress, failed) if len(values)}
    finally:
        store.flush()
    if not found:
        raise TrainingError(f"no face in any of {len(items)} files; look at one of them")
    counts = [len(values) for values in found.values()]
    return Statistics(np.concatenate(list(found.values())), np.repeat(list(found), counts))


@torch.no_grad()
def read_statistics(net: FrameStatistics, crops: Image) -> Answers:
    """The statistics (N, D) of crops, RGB uint8 (N, S, S, 3)."""
    values = [np.zeros((0, net.weight.shape[1]), np.float32)]
    for start in range(0, len(crops), BATCH):
        batch = torch.from_numpy(crops[start : start + BATCH].copy()).permute(0, 3, 1, 2)
        values.append(net.statistics(batch.float() / 255).numpy())
    return np.concatenate(values)


def _digest(net: FrameStatistics) -> str:
    """What the statistics depend on: the backbone's weights, and what of its maps is read."""
    digest = hashlib.sha256()
    for name, value in net.backbone.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    read = net.config.model_dump_json(exclude={"heads", "cells", "pretrained"})
    return f"{digest.hexdigest()} {read}"
