"""How the witnesses of a detector file are heard on one person, and why a verdict came, in words.

All frames of a person are weighed alike, by their middle quality: weights that changed from frame
to frame would be a spread of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from counterface.detect.detector import DetectorInfo
from counterface.detect.findings import Contribution, FaceQuality, FrameScore, Score, SetAside
from counterface.detect.pool import calibrate, show_interval, show_percent
from counterface.detect.scanning.joint import name_strongest
from counterface.detect.weigh import (
    Quality,
    QualityBin,
    Statement,
    find_contradiction,
    middle,
)
from counterface.types import Verdict


class Hearing(NamedTuple):
    """A person's frames, weighed for one bin of quality."""

    frames: list[FrameScore]
    bin: QualityBin
    quality: FaceQuality


def weigh_frame(
    witnesses: Sequence[float], quality: Quality, info: DetectorInfo, logit: float
) -> float:
    """The logit of a frame by itself: of its witnesses, or the net's own where none are named."""
    if info.weighing is None:
        return logit
    return float(info.weighing.weigh([witnesses], info.weighing.nearest(quality))[0])


def hear(
    frames: Sequence[FrameScore], info: DetectorInfo, compression: float | None
) -> Hearing | None:
    """The frames of a person, in time order, with the scores of one bin; None without any score.

    `compression` is that of the file, strength 0 to 1.
    """
    scored = [f for f in frames if f.logit is not None]
    if info.weighing is None or not scored:
        return None
    chosen = [f for f in scored if f.in_range] or scored
    eye_px, sharpness = middle(f.eye_px for f in chosen), middle(f.sharpness for f in chosen)
    quality = Quality(eye_px, sharpness, compression)
    by = info.weighing.nearest(quality)
    logits = info.weighing.weigh([f.witnesses for f in scored], by)
    scores = iter(zip(logits.tolist(), calibrate(logits, info.calibration).tolist(), strict=True))
    weighed = [
        f
        if f.logit is None
        else f.model_copy(update=dict(zip(("logit", "fake_score"), next(scores), strict=True)))
        for f in frames
    ]
    found = info.weighing.bin_of(quality)
    return Hearing(
        weighed,
        by,
        FaceQuality(
            **quality._asdict(),
            bin=found.name if found else None,
            line=max(found.line, info.thresholds.likely_manipulated) if found else None,
            promise=found.promise if found else None,
        ),
    )


def explain_verdict(
    verdict: Verdict,
    score: Score | None,
    info: DetectorInfo,
    aside: SetAside | None,
    *,
    in_range: bool,
    quality: FaceQuality | None = None,
    said: Sequence[Statement] = (),
    contributions: Sequence[Contribution] = (),
) -> tuple[str, ...]:
    """Why a person got this verdict, one plain sentence a reason.

    Args:
        verdict: verdict on the person.
        score: pooled.
        info: facts of the detector.
        aside: why the person does not count.
        in_range: whether the detector was measured on such faces.
        quality: quality of the face; None where the detector names no witnesses.
        said: statements of the witnesses.
        contributions: what the detector and the cues add to the score.
    """
    if score is None:
        why = aside.text if aside else "the detector gave no usable number"
        return (f"The face cannot be judged: {why}.",)
    shown = show_percent(score.probability)
    if aside is not None and not in_range:
        return (
            f"The face cannot be judged: {aside.text}. Its score, {shown}, is therefore not used.",
        )
    views = ", from views of the same crop" if score.spread_over == "views" else ""
    spread = f"{shown} (interval {show_interval(score.low, score.high)}{views})"
    line = quality.line if quality and quality.line is not None else None
    reasons = [_of_lines(verdict, spread, info, line)]
    if opposed := find_contradiction(said):
        reasons = [f"The score is {spread}, but {describe_contradiction(*opposed)}."]
    if weighs_most := name_strongest(contributions):
        reasons.append(weighs_most)
    if aside is not None:
        reasons.append(f"It does not count: {aside.text}.")
    if quality is not None and (promise := describe_promise(quality)):
        reasons.append(promise)
    return tuple(reasons)


def _of_lines(verdict: Verdict, spread: str, info: DetectorInfo, line: float | None) -> str:
    upper, lower = info.thresholds.likely_manipulated, info.thresholds.no_manipulation_found
    above = "the line at " + show_percent(upper if line is None else line)
    below = show_percent(lower)
    if verdict is Verdict.LIKELY_MANIPULATED:
        return f"The score is {spread}; the whole interval lies above {above}."
    if verdict is Verdict.NO_MANIPULATION_FOUND:
        return f"The score is {spread}; the whole interval lies below the line at {below}."
    if line == 1:
        return f"The score is {spread}; the interval does not lie below the line at {below}."
    return f"The score is {spread}; the interval clears neither {above} nor the one at {below}."


def describe_contradiction(one: Statement, other: Statement) -> str:
    """Which witnesses cannot both be right, in words that stand after a comma."""
    return (
        f"two witnesses contradict each other strongly: {one.name!r} speaks for manipulation "
        f"({one.log_odds:+.1f}), {other.name!r} against it ({other.log_odds:+.1f})"
    )


def describe_promise(quality: FaceQuality) -> str:
    """What the line of a bin promises, in one sentence; empty where it promises nothing."""
    if quality.line == 1:
        return "No face of this quality is called likely manipulated: no line for it is known."
    promise = quality.promise
    if promise is None or quality.line is None:
        return ""
    return (
        f"Of genuine files of this quality, from {promise.ground}, at most {promise.share:.0%} "
        f"score above the line at {show_percent(quality.line)}."
    )
