"""What can be said of the picture, of the sound and of their match, each for itself.

A sound that does not belong to the lips is no fake: it may be dubbed. So none of the three stands
for another, and only the picture's enters the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from counterface.detect.cues.cue import About, Cue, about
from counterface.detect.findings import CueFinding, Part, TrackFinding
from counterface.detect.scanning.conclusion import Conclusion, summarize
from counterface.detect.scanning.evidence import CLAIMS
from counterface.detect.scanning.joint import spread
from counterface.media.probe import MediaInfo
from counterface.types import Verdict

Says = Literal["looks authentic", "in doubt", "undecided", "not judged"]
LEVEL = 0.9  # two-sided, as of a person's score
_OF_VERDICT: dict[Verdict, Says] = {
    Verdict.LIKELY_MANIPULATED: "in doubt",
    Verdict.NO_MANIPULATION_FOUND: "looks authentic",
    Verdict.INCONCLUSIVE: "undecided",
    Verdict.NO_FACE: "not judged",
}
_TEXTS: dict[About, dict[Says, str]] = {
    "match": {
        "looks authentic": "The lips move with what is heard.",
        "in doubt": "What is heard does not belong to these lips. It may be dubbed, early or late; "
        "this does not show that the picture or the voice was made by a machine.",
        "undecided": "Whether the lips move with what is heard is left open.",
    },
    "sound": {
        "looks authentic": "The speech sounds recorded, not made by a machine.",
        "in doubt": "The speech sounds as if a machine had made it.",
        "undecided": "Whether a machine made the speech is left open.",
    },
}


def judge_parts(
    facts: Conclusion,
    media: MediaInfo,
    tracks: Sequence[TrackFinding],
    of_sound: Sequence[CueFinding],
    *,
    asked: Sequence[Cue],
) -> tuple[Part, ...]:
    """Picture, sound and match; of a still the picture alone.

    Args:
        facts: what the faces of the file come to, before marks of origin are weighed.
        media: facts of the file.
        tracks: the people in it.
        of_sound: what the cues on the sound say.
        asked: the cues that were looked at.
    """
    judged = _OF_VERDICT[facts.verdict]
    if judged == "undecided" and not facts.counted:
        judged = "not judged"
    picture = Part(name="picture", says=judged, text=summarize(facts))
    if media.kind == "image":
        return (picture,)
    lips = [cue for track in tracks for cue in track.cues if about(cue.reads) == "match"]
    heard = bool(media.audio)
    return (
        picture,
        _judge("sound", of_sound, heard=heard, asked=asked),
        _judge("match", lips, heard=heard, asked=asked),
    )


def _judge(
    name: Literal["sound", "match"],
    cues: Sequence[CueFinding],
    *,
    heard: bool,
    asked: Sequence[Cue],
) -> Part:
    entering = [cue for cue in cues if cue.share and cue.log_odds is not None]
    if not entering:
        return Part(name=name, says="not judged", text=_why_not(name, cues, heard, asked))
    said = sum(cue.share * (cue.log_odds or 0.0) for cue in entering)
    below, above = spread(entering, LEVEL)
    says: Says = "undecided"
    if said - below > 0:
        says = "in doubt"
    elif said + above < 0:
        says = "looks authentic"
    span = f"{said - below:+.1f} to {said + above:+.1f}"
    number = f"Log-odds for {CLAIMS[name]}: {said:+.1f} ({span})."
    return Part(name=name, says=says, text=f"{_TEXTS[name][says]} {number}")


def _why_not(name: About, cues: Sequence[CueFinding], heard: bool, asked: Sequence[Cue]) -> str:
    """Why a part was not judged, in one sentence."""
    if not heard:
        return "The file has no sound."
    if not any(about(cue.reads) == name for cue in asked):
        return (
            "No cue was asked about it: --thorough asks those that have a weight, --cues all all."
        )
    main = [cue for cue in cues if cue.says != "not applicable"]
    if main:
        return "The cues on it have no weight."
    if not cues:
        return "No face was found."
    first = cues[0].text
    return "No cue on it applies: " + first.partition(" because ")[2]
