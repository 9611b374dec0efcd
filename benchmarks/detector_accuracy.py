"""What the shipped detector is worth: every number of docs/results.md about accuracy.

    python benchmarks/detector_accuracy.py [--write]

Pairs: out-of-fold scores from `train_default.py pairs` (runs/default/oof.json). The other sets are
scanned now with the shipped file; it has not been fitted on any of them. `--write` puts the tables
between the markers in docs/results.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from default_data import RUNS, equalised, measured_only
from tables import head, row, write_section

from counterface.detect.detector import Detector
from counterface.detect.evaluate import Evaluation, FileScore, evaluate_files, score_files
from counterface.learn.metrics import calibration_curve

OOF = RUNS / "default" / "oof.json"
EQUALISED = RUNS / "default" / "equalised"
SIDES = {"labelled_ffhq_vs_stylegan256": 240, "labelled_ffhq_vs_stylegan2_512": 384}  # pixels
COLUMNS = (
    ("ap", "AP"),
    ("eer", "EER"),
    ("tpr_at_1_fpr", "TPR@1%"),
    ("tpr_at_5_fpr", "TPR@5%"),
    ("log_loss", "log loss"),
    ("ece", "ECE"),
    ("accuracy", "accuracy"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "F1"),
    ("specificity", "specificity"),
)


def out_of_fold() -> list[FileScore]:
    """The clips, each scored by heads that saw neither its people nor its swap model."""
    if not OOF.exists():
        sys.exit(f"{OOF} is missing; run: python benchmarks/train_default.py pairs")
    return [FileScore(**row) for row in json.loads(OOF.read_text())]


def set_row(name: str, e: Evaluation) -> str:
    """One line of the table."""
    auc = "-" if e.auc is None else f"{e.auc[0]:.3f} ({e.auc[1]:.2f} to {e.auc[2]:.2f})"
    frame = "-" if e.frame_auc is None else f"{e.frame_auc:.3f}"
    rest = [f"{e.metrics[key]:.3f}" if key in e.metrics else "-" for key, _ in COLUMNS]
    return row(name, e.real, e.fake, e.not_scored, auc, frame, *rest)


def verdict_row(name: str, scores: list[FileScore]) -> str:
    """How often each verdict was given, by class."""
    cells = []
    for label in (0, 1):
        mine = [s.verdict for s in scores if s.label == label]
        for verdict in ("likely_manipulated", "inconclusive", "no_manipulation_found", "no_face"):
            cells.append(f"{mine.count(verdict)}/{len(mine)}" if mine else "-")
    return row(name, *cells)


def clip_lines(scores: list[FileScore]) -> list[str]:
    """Every clip's out-of-fold number, so that nothing hides in a mean."""
    lines = head("clip", "class", "logit", "probability", "interval")
    for s in sorted(scores, key=lambda s: (s.method, s.file, s.label)):
        kind = "fake" if s.label else "real"
        cells = ["not scored", "-", "-"]
        if s.logit is not None:
            cells = [f"{s.logit:.2f}", f"{s.probability:.2f}", f"{s.low:.2f} to {s.high:.2f}"]
        lines.append(row(Path(s.file).stem, kind, *cells))
    return lines


def main() -> None:
    """Print the tables; with --write also into docs/results.md."""
    detector = Detector.load()
    threshold = detector.info.thresholds.likely_manipulated
    oof = out_of_fold()
    of = {kind: [s for s in oof if s.method == kind] for kind in ("dfl", "clip", "old_clip")}
    sets: list[tuple[str, list[FileScore]]] = [
        ("labelled_dfl_pairs, out of fold", of["dfl"]),
        ("the same and clips_talking_heads, out of fold", of["dfl"] + of["clip"]),
        ("GRID as published, out of fold", of["old_clip"]),
    ]
    labelled = list(of["dfl"])
    for name, items in measured_only():
        scores = score_files(items)
        labelled += scores
        sets.append((name, scores))
        if name in SIDES:
            alike = equalised(items, EQUALISED, SIDES[name])
            sets.append((f"{name}, equalised ({SIDES[name]} px)", score_files(alike)))
        print(f"scanned {name}", file=sys.stderr, flush=True)
    sets.append(("all labelled sets together", labelled))
    sets = [(name, scores) for name, scores in sets if scores]
    heads = [name for _, name in COLUMNS]
    lines = head("set", "real", "fake", "not scored", "AUC (95 %)", "frame AUC", *heads)
    lines += [set_row(name, evaluate_files(scores, threshold)) for name, scores in sets]
    kinds = ["likely", "inconclusive", "none found", "no face"]
    verdicts = [f"{label}: {kind}" for label in ("real", "fake") for kind in kinds]
    lines += ["", "Verdicts:", "", *head("set", *verdicts)]
    lines += [verdict_row(name, scores) for name, scores in sets]
    used = [s for s in oof if s.probability is not None]
    curve = calibration_curve(
        [s.label for s in used], np.array([s.probability for s in used], dtype=np.float64), 5
    )
    lines += ["", "Calibration, out of fold:", "", *head("said", "fakes among them", "clips")]
    for said, seen, count in zip(*curve, strict=True):
        if count:
            lines.append(row(f"{said:.2f}", f"{seen:.2f}", count))
    lines += ["", "Every clip, out of fold:", ""]
    lines += clip_lines(oof)
    print("\n".join(lines))
    if "--write" in sys.argv:
        write_section("accuracy", lines)


if __name__ == "__main__":
    main()
