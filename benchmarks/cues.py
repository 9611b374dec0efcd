"""What each cue is worth: AUC by family of methods on files that its fit has not seen, and the fit.

    python benchmarks/cues.py            measure and print; what was scanned is not scanned again
    python benchmarks/cues.py --write    also fit the weights, into detect/data/cues.json

Every video of the part that may be built on is scanned with all cues (`generalisation_data.py`; the
gate stays shut). A file's value is that of its main person. Methods, people and footage are left
out together, in folds: a line is fitted on what shares nothing with a fold, and judges the fold.
Cues that compare lips and sound are measured by `lip_cues.py`; the values of a cue that is itself a
network come from `frame_difference.py`, by networks that had not met the file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np
from cue_weights import replace_weights
from default_data import RUNS
from generalisation_data import FOLDS, all_entries, build_part
from tables import head, row, write_section

from counterface.datasets.leave_out import fold_splits
from counterface.datasets.manifest import Entry
from counterface.detect.cues.cue import about
from counterface.detect.cues.weight import CueWeight, fit_weight, weigh
from counterface.detect.findings import Report
from counterface.detect.scanning.scan import ScanConfig, Scanner
from counterface.errors import CounterfaceError
from counterface.learn.metrics import auc, bootstrap
from counterface.registry import CUES

STORE = RUNS / "cues" / "values.jsonl"
LEARNT = {"frame_difference": "frame_difference.py"}  # judged by what has not met the file
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".m4v")
FEW = 4  # files of a family; fewer have no row of their own
Values = dict[str, float | None]
CARD = {
    "what": "log-likelihood ratios of the cues, one logistic line each",
    "on": "videos of talking people: genuine clips, and swaps, reenactments and talking heads",
    "fails": "on pictures, on cartoons, on filmed screens, on faces under 24 pixels between the "
    "eyes, and wherever genuine footage is unlike that of the fit; methods were left out in the "
    "measure, yet all files come from demonstrations on the internet",
}


def measure(entries: list[Entry], names: list[str]) -> dict[str, Values]:
    """The value of each cue for each file, by path; None where it does not apply."""
    found = read_values()
    known = set.intersection(*(set(found.get(str(e.path), {})) for e in entries))
    new = [name for name in names if name not in known]
    for name in new:
        if name in LEARNT:
            raise SystemExit(f"{name}: its own file has met these videos; run {LEARNT[name]} first")
    if not new:
        return found
    left = [e for e in entries if not set(names) <= found.get(str(e.path), {}).keys()]
    scanner = Scanner(ScanConfig(cues=",".join(new), marks=False, pictures=False))
    for number, entry in enumerate(left, 1):
        keep_values(found, entry, scan_values(scanner, entry, new))
        print(f"{number} of {len(left)}", end="\r", flush=True)
    return found


def read_values() -> dict[str, Values]:
    """What was measured so far, by path."""
    if not STORE.exists():
        return {}
    return {line["path"]: line["values"] for line in map(json.loads, STORE.open())}


def keep_values(found: dict[str, Values], entry: Entry, values: Values) -> None:
    """Add values of a file to what was measured, in memory and on disk."""
    path = str(entry.path)
    found[path] = found.get(path, {}) | values
    STORE.parent.mkdir(parents=True, exist_ok=True)
    with STORE.open("a") as file:
        file.write(json.dumps({"path": path, "values": found[path]}) + "\n")


def scan_values(scanner: Scanner, entry: Entry, names: Sequence[str]) -> Values:
    """What the cues with these names say of the main person of a file, None where nothing."""
    values: Values = dict.fromkeys(names)
    try:
        return values | values_of(scanner.scan(entry.path))
    except CounterfaceError as error:
        print(error)
        return values


def values_of(report: Report) -> Values:
    """The values of the person who was followed through consecutive frames."""
    main = max(report.tracks, key=lambda t: t.face_px**2 * len(t.frames), default=None)
    return {cue.name: cue.value for cue in main.cues} if main else {}


def judge(name: str, entries: list[Entry], found: dict[str, Values]) -> tuple[CueWeight, list[str]]:
    """The weight of a cue, and its row: left out, by family, and how often it applies."""
    has = {str(e.path): found[str(e.path)].get(name) for e in entries}
    said: dict[str, float] = {}
    for fold in fold_splits(entries, FOLDS):
        learnt = [e for e in fold if e.split == "train" and has[str(e.path)] is not None]
        weight = fit(name, learnt, has, (0.5, 0.0, 1.0), samples=2)
        for entry in fold:
            value = has[str(entry.path)]
            if entry.split == "val" and value is not None:
                said[str(entry.path)] = weigh(value, weight).value
    judged = [e for e in entries if str(e.path) in said]
    labels = np.array([e.label for e in judged])
    ratios = np.array([said[str(e.path)] for e in judged])
    groups = [e.source or str(e.path) for e in judged]
    whole = interval(labels, ratios, groups)
    cells = [f"{whole[0]:.2f} [{whole[1]:.2f}, {whole[2]:.2f}]"]
    for family in families(entries):
        keep = np.array([not e.label or e.method == family for e in judged])
        if labels[keep].sum() < FEW:
            cells.append("")
            continue
        chosen = [g for g, k in zip(groups, keep, strict=True) if k]
        part = interval(labels[keep], ratios[keep], chosen)
        cells.append(f"{part[0]:.2f} [{part[1]:.2f}, {part[2]:.2f}]")
    applies = [has[str(e.path)] is not None for e in entries]
    cells.append(f"{np.mean(applies):.0%}")
    known = [e for e in entries if has[str(e.path)] is not None]
    return fit(name, known, has, whole, samples=200), cells


def fit(
    name: str,
    entries: list[Entry],
    has: Values,
    whole: tuple[float, float, float],
    samples: int,
) -> CueWeight:
    """The line on these files; makers' groups are drawn together."""
    values = np.array([has[str(e.path)] for e in entries], np.float64)
    groups = [e.source or str(e.path) for e in entries]
    return fit_weight(name, values, [e.label for e in entries], groups, auc=whole, samples=samples)


def interval(
    labels: np.ndarray, ratios: np.ndarray, groups: list[str]
) -> tuple[float, float, float]:
    """AUC and its 95 % interval over groups of footage."""
    found = bootstrap(auc, labels, ratios, groups)
    return auc(labels, ratios), found.low, found.high


def families(entries: list[Entry]) -> list[str]:
    """The families of methods, by name."""
    return sorted({e.method for e in entries if e.label})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write weights and table")
    write = parser.parse_args().write
    entries = [e for e in build_part(all_entries()) if e.path.suffix.lower() in VIDEOS]
    names = [name for name in CUES.names() if about(CUES.load(name).reads) == "picture"]
    found = measure(entries, names)
    counts = {f: sum(e.label and e.method == f for e in entries) for f in families(entries)}
    shown = [f"{name} ({count})" for name, count in counts.items()]
    lines = head("cue", "all, left out", *shown, "applies", "weight")
    weights = []
    for name in names:
        weight, cells = judge(name, entries, found)
        weights.append(weight)
        lines.append(row(f"`{name}`", *cells, "counts" if weight.counts else "none"))
    lines.append("")
    lines.append(f"{sum(not e.label for e in entries)} genuine files.")
    print("\n".join(lines))
    if write:
        replace_weights("picture", CARD, weights)
        write_section("cues", lines)


if __name__ == "__main__":
    main()
