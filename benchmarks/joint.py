"""What the cues add to the detector: its score alone against the joint one, and the shares.

    python benchmarks/joint.py            measure and print
    python benchmarks/joint.py --write    also fit the shares, into detect/data/cues.json

Of each video of the part that may be built on, the detector's score is that of folds whose fit
never met its method (`train_default.py fit` writes it), and the cues' values are those of
`cues.py`. Lines and shares are fitted on what shares neither method, person nor footage with the
fold that they judge. A file that several folds judge has the mean of what they add. The gate stays
shut.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from cue_weights import PATH, replace_shares
from cues import VIDEOS, Values, fit, measure
from default_data import RUNS
from generalisation_data import FOLDS, all_entries, build_part
from numpy.typing import NDArray
from tables import head, row, write_section

from counterface.datasets.leave_out import fold_splits
from counterface.datasets.manifest import Entry
from counterface.detect.cues.cue import Measured, NotApplicable, about
from counterface.detect.cues.weight import CueWeight, fit_shares
from counterface.detect.detector import DEFAULT, Calibration, Detector
from counterface.detect.evaluation.compare import Comparison, compare_scores
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.findings import CueFinding, Score
from counterface.detect.pool import LEVEL, calibrate
from counterface.detect.scanning.evidence import state
from counterface.detect.scanning.joint import join
from counterface.detect.weigh import Quality
from counterface.learn.metrics import auc
from counterface.registry import CUES

Lines = dict[str, CueWeight]
SAMPLES = 100  # bootstrap samples of a line, for its interval
ENDS = ("probability", "low", "high")
LEFT_OUT = RUNS / "default" / "left_out.parquet"


class Joined(NamedTuple):
    """Scores of the same files: the detector alone, with shares, and with every cue in full."""

    alone: list[FileScore]
    joint: list[FileScore]
    summed: list[FileScore]


def detector_scores(entries: Sequence[Entry], calibration: Calibration) -> dict[str, FileScore]:
    """The detector's scores by fits that never met the file's method, by path, calibrated."""
    rows = pq.read_table(LEFT_OUT).to_pylist()
    known = {str(entry.path) for entry in entries}
    found: dict[str, FileScore] = {}
    for values in rows:
        if values["path"] in known and values["logit"] is not None:
            score = FileScore.model_validate({k: v for k, v in values.items() if k != "fold"})
            ends = [chance_logit(getattr(score, name)) for name in ENDS]
            told = calibrate(ends, calibration).tolist()
            found[score.path] = score.model_copy(update=dict(zip(ENDS, told, strict=True)))
    return found


def chance_logit(chance: float) -> float:
    """The log-odds of a probability, finite."""
    kept = min(max(chance, 1e-9), 1 - 1e-9)
    return float(np.log(kept / (1 - kept)))


def lines_on(learnt: Sequence[Entry], names: Sequence[str], found: dict[str, Values]) -> Lines:
    """The line of each cue, fitted on these files."""
    lines: Lines = {}
    for name in names:
        has = {path: values.get(name) for path, values in found.items()}
        known = [e for e in learnt if has[str(e.path)] is not None]
        lines[name] = fit(name, known, has, (1.0, 1.0, 1.0), samples=SAMPLES)
    return lines


def say(entry: Entry, lines: Lines, found: dict[str, Values]) -> list[CueFinding]:
    """What the cues say of a file, as a scan states it; all enter with their share."""
    values = found[str(entry.path)]
    told: list[CueFinding] = []
    for name, line in lines.items():
        value = values.get(name)
        measured = NotApplicable("-") if value is None else Measured(value)
        told.append(state(CUES.load(name)(), measured, line, enters=True))
    return told


def odds(told: Sequence[CueFinding]) -> list[float]:
    """Log-odds of each cue, NaN where it does not apply."""
    return [np.nan if cue.log_odds is None else cue.log_odds for cue in told]


def join_folds(
    entries: Sequence[Entry], names: Sequence[str], found: dict[str, Values], detector: Detector
) -> Joined:
    """The scores of all files that the detector could score, judged by the folds without them."""
    calibration = detector.info.calibration
    scores = detector_scores(entries, calibration)
    joint: dict[str, list[Score]] = defaultdict(list)
    summed: dict[str, list[Score]] = defaultdict(list)
    for fold in fold_splits(list(entries), FOLDS):
        usable = [e for e in fold if str(e.path) in scores]
        learnt = [e for e in usable if e.split == "train"]
        lines = lines_on(learnt, names, found)
        said = np.array([odds(say(e, lines, found)) for e in learnt])
        own = calibration.scale * logits([scores[str(e.path)] for e in learnt]) + calibration.offset
        shares = fit_shares(own, said, [e.label for e in learnt])
        for entry in usable:
            if entry.split == "train":
                continue
            told, alone = say(entry, lines, found), pooled(scores[str(entry.path)])
            for into, parts in ((joint, shares), (summed, np.ones(len(names)))):
                with_share = [
                    cue.model_copy(update={"share": float(part)})
                    for cue, part in zip(told, parts, strict=True)
                ]
                score, _ = join(alone, with_share, calibration)
                if score is not None:
                    into[str(entry.path)].append(score)
    kept = [scores[path] for path in joint]
    return Joined(
        kept, *([moved(s, part[s.path], detector) for s in kept] for part in (joint, summed))
    )


def pooled(score: FileScore) -> Score:
    """The score as a scan pools it; how many frames it rests on does not matter here."""
    return Score(
        probability=score.probability or 0.0,
        low=score.low or 0.0,
        high=1.0 if score.high is None else score.high,
        level=LEVEL,
        mean_logit=score.logit or 0.0,
        samples=1,
        effective_samples=1,
        spread_over=score.spread_over,
    )


def moved(score: FileScore, joined: Sequence[Score], detector: Detector) -> FileScore:
    """The same file with the mean of what the folds make of it."""
    ends = {name: float(np.mean([getattr(one, name) for one in joined])) for name in ENDS}
    scale, offset = detector.info.calibration.scale, detector.info.calibration.offset
    logit = (chance_logit(ends["probability"]) - offset) / scale
    return score.model_copy(update={"logit": logit, **ends})


def logits(scores: Sequence[FileScore]) -> NDArray[np.float64]:
    """Pooled logits, (N,)."""
    return np.array([score.logit for score in scores], np.float64)


def called(scores: Sequence[FileScore], detector: Detector) -> str:
    """How many files of either class get either firm verdict, in one sentence."""
    info, counts = detector.info, Counter[tuple[int, str]]()
    for score in scores:
        line = info.thresholds.likely_manipulated
        if info.weighing is not None:
            quality = Quality(score.eye_px, score.sharpness, score.strength)
            found = info.weighing.bin_of(quality)
            line = max(line, found.line) if found else 1.0
        if (score.low or 0.0) > line:
            counts[score.label, "called"] += 1
        elif (score.high or 0.0) < info.thresholds.no_manipulation_found:
            counts[score.label, "cleared"] += 1
    files = Counter(score.label for score in scores)
    return (
        f"likely manipulated are {counts[0, 'called']} of {files[0]} genuine and "
        f"{counts[1, 'called']} of {files[1]} manipulated files; no manipulation is found in "
        f"{counts[0, 'cleared']} genuine and {counts[1, 'cleared']} manipulated ones"
    )


def gain(one: Sequence[FileScore], other: Sequence[FileScore]) -> str:
    """AUC of one less that of the other, with the interval of the paired bootstrap."""
    found: Comparison = compare_scores(one, other, (0.5, 0.5))
    gap = next(d for d in found.differences if d.name == "auc").difference
    if gap.low is None or gap.high is None:
        return f"{gap.value:+.2f}"
    return f"{gap.value:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]"


def area(scores: Sequence[FileScore]) -> float:
    """AUC of files' logits."""
    return auc(np.array([s.label for s in scores]), np.array([s.logit for s in scores]))


def table(joined: Joined, detector: Detector) -> list[str]:
    """A row for all videos and one for each family."""
    lines = head("videos", "files", "alone", "joint", "joint - alone", "summed - alone")
    kinds = {"all": None, **{f: f for f in sorted({s.method for s in joined.alone if s.label})}}
    for name, family in kinds.items():
        keep = [
            n for n, s in enumerate(joined.alone) if not family or s.method == family or not s.label
        ]
        alone, joint, summed = ([part[n] for n in keep] for part in joined)
        if sum(s.label for s in alone) < 4:
            continue
        numbers = (
            f"{area(alone):.2f}",
            f"{area(joint):.2f}",
            gain(joint, alone),
            gain(summed, alone),
        )
        lines.append(row(name, f"{sum(s.label for s in alone)} of {len(alone)} fake", *numbers))
    lines.append("")
    alone, joint = called(joined.alone, detector), called(joined.joint, detector)
    lines += [f"By the detector alone {alone}.", "", f"Jointly {joint}.", ""]
    return lines


def dependence(names: Sequence[str], said: NDArray[np.float64], labels: NDArray[np.int64]) -> str:
    """The two cues whose log-odds go together most, within a class."""
    worst, pair = 0.0, ("", "")
    for i in range(len(names)):
        for j in range(i):
            both = ~np.isnan(said[:, i]) & ~np.isnan(said[:, j])
            rest = [
                said[both & (labels == c)][:, [i, j]]
                - said[both & (labels == c)][:, [i, j]].mean(0)
                for c in (0, 1)
            ]
            values = np.concatenate(rest)
            if len(values) > 20:
                found = float(np.corrcoef(values.T)[0, 1])
                if abs(found) > abs(worst):
                    worst, pair = found, (names[j], names[i])
    return f"Most alike within a class: `{pair[0]}` and `{pair[1]}`, correlation {worst:+.2f}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write shares and table")
    write = parser.parse_args().write
    detector = Detector.load(DEFAULT)
    entries = [e for e in build_part(all_entries()) if e.path.suffix.lower() in VIDEOS]
    every = [name for name in CUES.names() if about(CUES.load(name).reads) == "picture"]
    found = measure(entries, every)
    weights = {w["name"]: w for w in json.loads(PATH.read_text())["cues"]}
    counting = [name for name in every if name in weights and weights[name]["counts"]]
    lines = [f"The {len(counting)} cues that count:", ""]
    lines += table(join_folds(entries, counting, found, detector), detector)
    lines += [f"All {len(every)}, none chosen:", ""]
    lines += table(join_folds(entries, every, found, detector), detector)
    calibration = detector.info.calibration
    scores = detector_scores(entries, calibration)
    usable = [e for e in entries if str(e.path) in scores]
    labels = np.array([e.label for e in usable])
    own = calibration.scale * logits([scores[str(e.path)] for e in usable]) + calibration.offset
    on_all = lines_on(usable, counting, found)
    said = np.array([odds(say(e, on_all, found)) for e in usable])
    shares = dict(zip(counting, fit_shares(own, said, labels).tolist(), strict=True))
    told = ", ".join(f"`{name}` {share:.2f}" for name, share in shares.items())
    lines += [f"Shares, fitted on all: {told}. {dependence(counting, said, labels)}"]
    print("\n".join(lines))
    if write:
        replace_shares(dict.fromkeys(every, 0.0) | shares, beside=detector.sha256)
        write_section("joint", lines)


if __name__ == "__main__":
    main()
