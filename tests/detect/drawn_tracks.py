"""People as a scan finds them, made up: any score, any reason not to count."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from counterface.detect.detector import Thresholds
from counterface.detect.findings import AsideCode, FrameScore, Score, SetAside, TrackFinding
from counterface.detect.pool import judge_score
from counterface.detect.weigh import Statement, find_contradiction

LINES = Thresholds(likely_manipulated=0.8, no_manipulation_found=0.2)
CODES: tuple[AsideCode, ...] = (
    "compressed",
    "grey",
    "not_scored",
    "drawing",
    "soft",
    "toned",
    "poor",
    "small",
    "turned",
    "tilted",
    "brief",
)


def a_score(probability: float, low: float, high: float) -> Score:
    return Score(
        probability=probability,
        low=low,
        high=high,
        level=0.9,
        mean_logit=0.0,
        samples=32,
        effective_samples=32,
        spread_over="frames",
    )


def statements(*log_odds: float | None) -> tuple[Statement, ...]:
    """What witnesses of one question say."""
    return tuple(
        Statement(
            name=f"witness {number}",
            question="swap",
            looks_for="a trace",
            log_odds=said,
            says="silent" if said is None else "for" if said > 0 else "against",
            text=f"Witness {number} says {said}.",
        )
        for number, said in enumerate(log_odds)
    )


def a_track(
    number: int,
    probability: float | None,
    code: AsideCode | None = None,
    *,
    spread: float = 0.0,
    face_px: float = 100.0,
    count: int = 4,
    said: tuple[Statement, ...] = (),
) -> TrackFinding:
    """Face `number` with this probability, give or take `spread`; `code` is why it is set aside."""
    score = None
    if probability is not None:
        score = a_score(probability, max(0.0, probability - spread), min(1.0, probability + spread))
    aside = None if code is None else SetAside(code=code, text=f"it is {code} because of its kind")
    judged = code in (None, "brief")
    frame = FrameScore(
        frame_index=0,
        pts_s=0.0,
        box=(0, 0, 9, 9),
        face_px=face_px,
        logit=None if score is None else 0.0,
        fake_score=probability,
        in_range=judged and score is not None,
    )
    return TrackFinding(
        id=number,
        verdict=judge_score(score, LINES, in_range=judged and not find_contradiction(said)),
        witnesses=said,
        score=score,
        brief=code == "brief",
        first_s=0,
        last_s=1,
        face_px=face_px,
        in_range=judged,
        aside=aside,
        reasons=(f"A reason of face {number + 1}.",),
        frames=(frame,) * count,
    )


@st.composite
def people(draw: st.DrawFn) -> Sequence[TrackFinding]:
    """None to seven people, in any mixture of roles."""
    roles = draw(st.lists(st.sampled_from((None, None, *CODES)), max_size=7))
    return [
        a_track(
            number,
            None if code == "not_scored" else draw(st.floats(0.001, 0.999)),
            code,
            spread=draw(st.sampled_from((0.0, 0.01, 0.4))),
            face_px=draw(st.sampled_from((24.0, 70.0, 300.0))),
            count=draw(st.integers(1, 30)),
            said=statements(*draw(st.sampled_from(((), (), (2.5, -0.5), (2.5, None, -2.5))))),
        )
        for number, code in enumerate(roles)
    ]
