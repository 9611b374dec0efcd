"""Fits a family head on a detector file's own features and writes it into the file.

Closed form: features are standardised, brought to a few dozen directions, and whitened by the
scatter within families (shrunk toward the identity), so that squared distances to the families'
means are Mahalanobis distances. Everything that is reported of the head, and the limits beyond
which it says "unknown", come from files that were held back in folds of people and footage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pydantic import Field

from counterface.config import Record
from counterface.datasets.manifest import Entry
from counterface.datasets.split import fold_groups, linked_groups
from counterface.detect.attribute import UNKNOWN, Families, Family, attribute
from counterface.detect.detector import Detector
from counterface.detect.training.collect import Failed, collect_crops
from counterface.detect.training.export import read_net, stamp_detector
from counterface.errors import DetectorError, TrainingError
from counterface.files import replacing
from counterface.types import Progress

Array = NDArray[np.float64]
HELD = 0.95  # of the held-back files of a family lie within its limit
TEMPERATURES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LEAST_FILES = 5  # of a family


class FamilyConfig(Record):
    """How the head is fitted."""

    frames: int = Field(8, ge=1, description="frames of each video")
    directions: int = Field(
        48, ge=2, description="number of directions that are kept of the features"
    )
    shrink: float = Field(
        0.3, ge=0, le=1, description="how far the scatter is pulled toward the identity"
    )
    folds: int = Field(
        5, ge=2, description="number of folds, which keep people and footage together"
    )


@dataclass(frozen=True, eq=False)
class FamilyHead:
    """features (N, D) -> squared distances (N, K): |(features - mean) @ projection - centres|^2."""

    mean: Array  # (D,)
    projection: Array  # (D, d)
    centres: Array  # (K, d)

    def distances(self, features: NDArray[np.floating[Any]]) -> Array:
        """Squared distances to each centre, (N, K)."""
        at = (features.astype(np.float64) - self.mean) @ self.projection
        return np.asarray(((at[:, None] - self.centres[None]) ** 2).sum(axis=2))


@dataclass(frozen=True, eq=False)
class FamilyData:
    """Features of crops, and the file and family of each."""

    features: NDArray[np.float32]  # (N, D)
    item: NDArray[np.intp]  # (N,) which file
    entries: Sequence[Entry]  # with a `method` each; the genuine ones are one family

    def families(self) -> list[str]:
        """The family's name of each file."""
        return [entry.method if entry.label else "genuine" for entry in self.entries]


def add_families(
    detector: Path,
    entries: Sequence[Entry],
    config: FamilyConfig | None = None,
    *,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> Families:
    """What the detector file now knows of families; its other numbers stay as they were.

    Args:
        detector: ONNX file with the output `features`; an earlier head in it is replaced.
        entries: fakes whose `method` names their family, and genuine files.
        config: how the head is fitted.
        progress: called as (files done, total, name).
        failed: called with each file that could not be read, and why; the rest goes on.

    Raises:
        DetectorError: the file has no features.
        TrainingError: a family of fewer than five files, or only one family.
    """
    settled = config or FamilyConfig()
    data = collect_features(detector, entries, settled.frames, progress=progress, failed=failed)
    families = assess(data, settled)
    head = fit_head(data, [f.name for f in families.members], settled)
    write_head(detector, head, families)
    return families


def collect_features(
    detector: Path,
    entries: Sequence[Entry],
    frames: int,
    *,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> FamilyData:
    """The detector's features of the crops of files, cut as a scan cuts them."""
    loaded = Detector.load(detector)
    cut = loaded.info.template, loaded.info.size
    crops = collect_crops(entries, frames, *cut, progress=progress, failed=failed)
    found = {number: loaded.features(faces) for number, faces in crops}
    if not found:
        raise TrainingError(f"no face in any of {len(entries)} files; look at one of them")
    counts = [len(features) for features in found.values()]
    return FamilyData(np.concatenate(list(found.values())), np.repeat(list(found), counts), entries)


def fit_head(
    data: FamilyData,
    names: Sequence[str],
    config: FamilyConfig,
    leave_out: frozenset[int] = frozenset(),
) -> FamilyHead:
    """The head of the families, each file weighing the same, whatever its frames.

    Args:
        data: features.
        names: families, in the order of the distances.
        config: directions and shrinkage.
        leave_out: numbers of files that are not fitted on.
    """
    place = {name: number for number, name in enumerate(names)}
    family_of = np.array([place.get(name, -1) for name in data.families()])
    used = (family_of[data.item] >= 0) & ~np.isin(data.item, list(leave_out))
    x, item = data.features[used].astype(np.float64), data.item[used]
    family = family_of[item]
    per_file = 1.0 / np.bincount(item, minlength=len(data.entries))[item]
    share = np.array([per_file[family == k].sum() for k in range(len(names))])
    if (share == 0).any():
        empty = [name for name, part in zip(names, share, strict=True) if not part]
        why = "see that their faces are found"
        if leave_out:
            why = "all their files share people or footage, so none is left to learn from when "
            why += "they are held back; add files of others, or leave the family out"
        raise TrainingError(f"no crops of the families {empty}: {why}")
    weight = per_file / share[family] / len(names)
    mean = weight @ x
    spread = np.sqrt(weight @ (x - mean) ** 2) + 1e-4
    z = (x - mean) / spread
    centres = np.stack([weight[family == k] @ z[family == k] for k in range(len(names))])
    centres *= len(names)
    within = (z - centres[family]) * np.sqrt(weight)[:, None]
    scatter = within.T @ within
    scale = float(np.trace(scatter)) / len(scatter)
    shrunk = (1 - config.shrink) * scatter + config.shrink * scale * np.eye(len(scatter))
    # whiten, then keep the directions along which whitened data vary most, between families first
    values, vectors = np.linalg.eigh(shrunk)
    whiten = vectors / np.sqrt(values)
    spreads = (centres - centres.mean(axis=0)) @ whiten
    _, _, between = np.linalg.svd(spreads, full_matrices=False)
    between = between[: len(names) - 1]
    rest = within @ whiten
    rest -= (rest @ between.T) @ between
    _, others = np.linalg.eigh(rest.T @ rest)  # ascending
    others = others.T[::-1]
    kept = np.concatenate([between, others[: max(0, config.directions - len(between))]])
    projection = (whiten @ kept.T) / spread[:, None]
    return FamilyHead(mean, projection, centres @ whiten @ kept.T)


def assess(data: FamilyData, config: FamilyConfig) -> Families:
    """What the head of all data may claim, from heads that did not see the files they judge.

    Raises:
        TrainingError: a family of fewer than five files, or only one family.
    """
    by_file = data.families()
    counts = {name: by_file.count(name) for name in sorted(set(by_file))}
    few = {name: count for name, count in counts.items() if count < LEAST_FILES}
    if few or len(counts) < 2:
        raise TrainingError(
            f"families need {LEAST_FILES} files each and two at least, got {counts}; add files, or "
            "leave the small families out"
        )
    names = list(counts)
    fold = np.array(fold_groups(linked_groups(data.entries), config.folds))
    distances: dict[int, Array] = {}
    for number in range(config.folds):
        away = frozenset(np.flatnonzero(fold == number).tolist())
        distances |= _pooled(data, fit_head(data, names, config, away), away)
    truth = {file: names.index(by_file[file]) for file in distances}
    made: dict[str, set[str]] = {name: set() for name in names}
    for entry, family in zip(data.entries, by_file, strict=True):
        made[family].add(entry.generator)
    limits = [
        float(np.quantile([d[k] for f, d in distances.items() if truth[f] == k], HELD))
        for k in range(len(names))
    ]
    families = Families(
        members=tuple(
            Family(
                name=name,
                limit=limit,
                genuine=name == "genuine",
                generators=tuple(sorted(made[name] - {""})),
                files=counts[name],
            )
            for name, limit in zip(names, limits, strict=True)
        ),
        temperature=_temperature(distances, truth),
    )
    fakes = [f for f in distances if not families.members[truth[f]].genuine]
    said = {f: attribute(distances[f][None], families).family for f in fakes}
    right = float(np.mean([said[f] == names[truth[f]] for f in fakes]))
    unknown = float(np.mean([said[f] == UNKNOWN for f in fakes]))
    return families.model_copy(
        update={
            "right": round(right, 4),
            "wrong": round(1 - right - unknown, 4),
            "foreign_unknown": _foreign(data, families, config),
        }
    )


def _pooled(data: FamilyData, head: FamilyHead, files: frozenset[int]) -> dict[int, Array]:
    """The mean distances of each of some files that has a face."""
    rows = np.flatnonzero(np.isin(data.item, list(files)))
    found = head.distances(data.features[rows])
    item = data.item[rows]
    return {int(file): found[item == file].mean(axis=0) for file in np.unique(item)}


def _temperature(distances: dict[int, Array], truth: dict[int, int]) -> float:
    """The one of a few that makes held-back shares most honest, by log loss."""

    def loss(temperature: float) -> float:
        total = 0.0
        for file, d in distances.items():
            logits = -d / (2 * temperature)
            total += float(np.logaddexp.reduce(logits) - logits[truth[file]])
        return total

    return min(TEMPERATURES, key=loss)


def _foreign(data: FamilyData, families: Families, config: FamilyConfig) -> float | None:
    """How often a family that the head was never shown is called unknown; None with two or less."""
    names = [member.name for member in families.members]
    by_file = data.families()
    known = [member for member in families.members if not member.genuine]
    if len(known) < 2:
        return None
    outcomes = []
    for left_out in known:
        away = frozenset(f for f, name in enumerate(by_file) if name == left_out.name)
        others = [name for name in names if name != left_out.name]
        head = fit_head(data, others, config, away)
        rest = families.model_copy(
            update={"members": tuple(m for m in families.members if m.name != left_out.name)}
        )
        for pooled in _pooled(data, head, away).values():
            outcomes.append(attribute(pooled[None], rest).family == UNKNOWN)
    return round(float(np.mean(outcomes)), 4) if outcomes else None


def write_head(detector: Path, head: FamilyHead, families: Families) -> None:
    """Add the output `families` to the file's network, and their names to its metadata."""
    model = read_net(detector)
    graph = model.graph
    for parts in (graph.node, graph.initializer, graph.output):  # of an earlier head
        for part in [p for p in parts if p.name.startswith(("family_", "families"))]:
            parts.remove(part)
    constants: dict[str, NDArray[Any]] = {
        "family_mean": head.mean.astype(np.float32),
        "family_projection": head.projection.astype(np.float32),
        "family_centres": head.centres.astype(np.float32)[None],
        "family_axis": np.array([1], np.int64),
        "family_last": np.array([2], np.int64),
    }
    nodes = [
        ("Sub", ["features", "family_mean"], "family_moved"),
        ("MatMul", ["family_moved", "family_projection"], "family_seen"),
        ("Unsqueeze", ["family_seen", "family_axis"], "family_wide"),
        ("Sub", ["family_wide", "family_centres"], "family_away"),
        ("Mul", ["family_away", "family_away"], "family_squares"),
        ("ReduceSum", ["family_squares", "family_last"], "families"),
    ]
    graph.initializer.extend(
        numpy_helper.from_array(value, key) for key, value in constants.items()
    )
    for kind, inputs, output in nodes:
        options = {"keepdims": 0} if kind == "ReduceSum" else {}
        node = helper.make_node(kind, inputs, [output], name=f"family_{output}", **options)
        graph.node.append(node)
    shape = ["batch", len(families.members)]
    graph.output.append(helper.make_tensor_value_info("families", TensorProto.FLOAT, shape))
    with replacing(detector, DetectorError) as partial:
        onnx.save(model, str(partial))
        info = Detector.load(detector).info.model_copy(update={"families": families})
        stamp_detector(partial, info)
        Detector.load(partial)
