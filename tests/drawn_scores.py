"""Scores of labelled files that no scan has made, with a known spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterface.detect.detector import Calibration
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.pool import calibrate

PLAIN = Calibration()


def scored(label: int, logit: float, group: str, path: str = "", **fields: Any) -> FileScore:
    """A file with a number; its verdict follows the lines 0.8 and 0.2."""
    p, low, high = calibrate([logit, logit - 0.5, logit + 0.5], PLAIN).tolist()
    verdict = "inconclusive"
    if low >= 0.8:
        verdict = "likely_manipulated"
    elif high <= 0.2:
        verdict = "no_manipulation_found"
    values = {
        "file": (path or group).rsplit("/", 1)[-1], "path": path or f"{group}-{label}-{logit}",
        "label": label, "method": "", "group": group, "logit": logit, "probability": p,
        "low": low, "high": high, "verdict": verdict, "in_range": True,
        "frame_logits": (logit - 0.2, logit + 0.2), "frame_times_s": (0.0, 1.0),
    }  # fmt: skip
    return FileScore(**(values | fields))


def unscored(label: int, verdict: str = "no_face", path: str = "x.mp4") -> FileScore:
    """A file without a number."""
    return FileScore(
        file=path.rsplit("/", 1)[-1], path=path, label=label, method="", group=f"path:{path}",
        logit=None, probability=None, verdict=verdict,
        error="broken" if verdict == "failed" else None,
    )  # fmt: skip


def some_scores(count: int = 60, gap: float = 1.5, seed: int = 0, **fields: Any) -> list[FileScore]:
    """As many real files as fakes, pairs of one person; `gap` logits from real to fake."""
    rng = np.random.default_rng(seed)
    return [
        scored(i % 2, float(rng.normal(gap * (i % 2 - 0.5), 1.0)), f"identity:p{i // 2}",
               f"clips/{i:03}.mp4", **fields)
        for i in range(count)
    ]  # fmt: skip
