"""Detectors on makers that they never met: the tables of `detect evaluate --leave-out`.

    python benchmarks/generalisation.py default new.onnx       the build part, side by side
    python benchmarks/generalisation.py recipe.toml --leave-out family
    python benchmarks/generalisation.py default --unseen       without what the shipped file learnt
    python benchmarks/generalisation.py default --gate         the gate: logged, once a release

Of each maker and each origin of genuine files at most `--limit` are looked at, spread evenly over
their names, so that a large set has no more say than a small one. Everything is kept below `runs/`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from default_data import DATA, RUNS
from generalisation_data import (
    GATE,
    HALVES,
    all_entries,
    build_part,
    gate_part,
    restored_entries,
)
from tables import head, row

from counterface.datasets.leave_out import draw_evenly
from counterface.datasets.manifest import Entry, write_manifest
from counterface.detect.evaluate import DetectorFacts
from counterface.detect.evaluation.measure import Estimate
from counterface.detect.evaluation.openings import log_opening
from counterface.detect.generalisation.meter import (
    Generalisation,
    GeneraliseConfig,
    compare_generalisation,
    is_recipe,
    judge_detector,
    measure_generalisation,
)
from counterface.detect.training.leave_out_fit import refit_recipe
from counterface.files import file_sha256

NEW = ("many_methods", "many_generators")


def _is_new(entry: Entry) -> bool:
    """Of the collections that came after the shipped detector of 2026.11 was trained."""
    return any(entry.path.is_relative_to(DATA / name) for name in NEW)


def shown(number: Estimate | float | None) -> str:
    """With its interval where it has one."""
    if number is None:
        return "-"
    if not isinstance(number, Estimate):
        return f"{number:.2f}"
    spread = "" if number.low is None else f" [{number.low:.2f}, {number.high:.2f}]"
    return f"{number.value:.2f}{spread}"


def tables(found: Generalisation) -> Iterator[str]:
    """Markdown."""
    yield f"### {found.name} ({found.files} files, {found.no_face} without a face)\n"
    names = ("methods", "fakes", "AUC", "twins", "equally sharp", "worst quarter", "under 0.5")
    yield from head("part", *names)
    for s in found.summaries:
        numbers = map(shown, (s.auc, s.twins, s.equal, s.worst_quarter))
        yield row(s.name, s.methods, s.fakes, *numbers, f"{s.below_chance} of {s.ranked}")
    parts = [s.name for s in found.summaries]
    yield from ("", *head("AUC / twins of", *parts))
    rows = defaultdict(dict)
    for control in found.controls:
        rows[control.control][control.name] = f"{_value(control.auc)} / {_value(control.twins)}"
    for name, cells in rows.items():
        yield row(name, *(cells.get(part, "-") for part in parts))
    names = ("family", "fakes", "AUC, or above 95 % of genuine", "twins", "equally sharp")
    yield from ("", *head("method", *names))
    for one in found.rows:
        place = f"{one.found:.3g} of {one.scored}" if one.auc is None else f"{one.auc:.2f}"
        yield row(one.name, one.family, one.fakes, place, shown(one.twins), shown(one.equal))
    yield from ("", *head("genuine files of", "files", "called fake", "above the others' 5 % line"))
    for alarm in found.alarms:
        yield row(alarm.origin, alarm.files, shown(alarm.called), shown(alarm.beyond))
    yield from (f"\n{caution.text}" for caution in found.cautions)


def _value(number: Estimate | None) -> str:
    return "-" if number is None else f"{number.value:.2f}"


def restored_line(build: Sequence[Entry], name: str, config: GeneraliseConfig) -> str:
    """Where restored photographs lie: neither genuine nor made, so apart."""
    genuine = [entry for entry in build if not entry.label]
    found = judge_detector([*genuine, *restored_entries()], name, "method", config)
    places = [r.above for r in found.results if r.above is not None]
    return f"\nRestored photographs: {len(places)}, above {np.mean(places):.2f} of genuine ones."


def told(done: int, total: int | None, name: str) -> None:
    """A line now and then."""
    if done % 50 == 0:
        print(f"  {done} of {total}: {name}", flush=True)


def main() -> None:
    """Measure, print, and write JSON beside the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("detectors", nargs="+", help="'default', ONNX files, recipes (.toml)")
    parser.add_argument("--leave-out", default="method", choices=("method", "family", "origin"))
    parser.add_argument("--gate", action="store_true", help="the gate in place of the build part")
    parser.add_argument(
        "--unseen", action="store_true", help="the two collections that version 2026.11 never saw"
    )
    parser.add_argument("--limit", type=int, default=24, help="files of a maker and origin")
    parser.add_argument("--frames", type=int, default=8, help="moments of a video")
    parser.add_argument("--halves", type=Path, default=HALVES, help="of the pairs")
    words = parser.parse_args()
    folder = RUNS / "generalisation"
    folder.mkdir(parents=True, exist_ok=True)
    entries = all_entries(words.halves)
    part = gate_part(entries) if words.gate else draw_evenly(build_part(entries), words.limit)
    if words.unseen:
        part = [entry for entry in part if _is_new(entry)]
    manifest = folder / ("gate.parquet" if words.gate else "build.parquet")
    write_manifest([replace(e, split="test") if words.gate else e for e in part], manifest)
    if words.gate:  # a second log, which is kept with the project
        facts = [DetectorFacts.load(name) for name in words.detectors if not is_recipe(name)]
        who = [(fact.name, fact.sha256) for fact in facts]
        log_opening(GATE, file_sha256(GATE), "gate", who)
    config = GeneraliseConfig(frames=words.frames, cache=RUNS, split="all")
    found = measure_generalisation(
        manifest, words.detectors, words.leave_out, config, refit=refit_recipe, progress=told
    )
    for name, one in zip(words.detectors, found, strict=True):
        print("\n".join(tables(one)))
        if not is_recipe(name) and not words.gate:
            print(restored_line(part, name, config))
        print(flush=True)
    for other in found[1:]:
        gaps = compare_generalisation(other, found[0]).differences
        told_gaps = ", ".join(f"{name} {shown(gap)}" for name, gap in gaps.items())
        print(f"{other.name} less {found[0].name}: {told_gaps}")
    values = [one.model_dump(mode="json") for one in found]
    (folder / f"{manifest.stem}.json").write_text(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
