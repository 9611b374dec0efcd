"""One score from several pieces of evidence: the detector and the cues, each with its say.

The log-odds of the detector and of the cues are added, each cue's with its share. Shares were
fitted jointly on labelled files (`benchmarks/cues.py`), with a strong pull toward 0: two cues that
say the same count about once. A cue that does not apply adds nothing. Together they add at most
`MOST_FOR` for manipulation, however strong they are: they may keep a face from being cleared, and
hardly accuse it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, inf, log, tanh
from statistics import NormalDist

from counterface.detect.cues.cue import about
from counterface.detect.detector import Calibration
from counterface.detect.findings import Contribution, CueFinding, Score

MOST_FOR = 1.0  # log-odds
_LEVEL = 0.95  # of a cue's interval


def join(
    score: Score | None, cues: Sequence[CueFinding], calibration: Calibration
) -> tuple[Score | None, tuple[Contribution, ...]]:
    """The score of the detector and the cues together, and what each adds to it.

    Without a score, or without a cue that enters, the score stays as it is and nothing is added.
    The intervals of all are taken to be independent.

    Args:
        score: pooled, of the detector alone.
        cues: what the cues say of the same face.
        calibration: calibration of the detector file.
    """
    entering = [cue for cue in cues if cue.share and cue.log_odds is not None]
    if score is None or not entering:
        return score, ()
    own = calibration.scale * score.mean_logit + calibration.offset
    added = [cue.share * (cue.log_odds or 0.0) for cue in entering]
    if sum(added) > MOST_FOR:
        added = [odds * MOST_FOR / sum(added) for odds in added]
    together = own + sum(added)
    below, above = spread(entering, score.level)
    low = together - hypot(own - _log_odds(score.low), below)
    high = together + hypot(_log_odds(score.high) - own, above)
    said = [Contribution(name="detector", title="the detector", log_odds=own)]
    said += [
        Contribution(name=cue.name, title=repr(cue.title), log_odds=odds)
        for cue, odds in zip(entering, added, strict=True)
    ]
    joined = {"probability": _chance(together), "low": _chance(low), "high": _chance(high)}
    return score.model_copy(update=joined), tuple(said)


def spread(cues: Sequence[CueFinding], level: float) -> tuple[float, float]:
    """How far below and above its value the sum of the cues' shares may lie, log-odds.

    Args:
        cues: with log-odds.
        level: of the two-sided interval, in (0, 1).
    """
    normal = NormalDist()
    factor = normal.inv_cdf(0.5 + level / 2) / normal.inv_cdf(0.5 + _LEVEL / 2)
    values = [(cue.share * factor, cue.log_odds or 0.0, cue.low, cue.high) for cue in cues]
    below = (share * (odds - (odds if low is None else low)) for share, odds, low, _ in values)
    above = (share * ((odds if high is None else high) - odds) for share, odds, _, high in values)
    return hypot(*below), hypot(*above)


def of_picture(cues: Sequence[CueFinding]) -> list[CueFinding]:
    """Those of the cues that speak of the picture alone."""
    return [cue for cue in cues if about(cue.reads) == "picture"]


def name_strongest(contributions: Sequence[Contribution]) -> str:
    """The two pieces that add most, in one sentence; empty where the detector is alone."""
    if len(contributions) < 2:
        return ""
    strongest = sorted(contributions, key=lambda piece: -abs(piece.log_odds))[:2]
    said = " and ".join(f"{piece.title} ({piece.log_odds:+.1f})" for piece in strongest)
    return f"What weighs most is {said}, in log-odds for manipulation."


def _log_odds(chance: float) -> float:
    if chance in (0, 1):
        return inf if chance else -inf
    return log(chance / (1 - chance))


def _chance(log_odds: float) -> float:
    return 0.5 * (1 + tanh(log_odds / 2))
