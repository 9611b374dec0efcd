"""What the faces of a file come to: the facts that verdict, headline and reasons follow from.

Every sentence that a report says of a file's faces as a whole is made here, from the same counts
and scores that the verdict is decided by, so that no word can contradict a number beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from counterface.detect.detector import Thresholds
from counterface.detect.findings import AsideCode, Headline, TrackFinding
from counterface.detect.pool import show_percent
from counterface.detect.weigh import find_contradiction
from counterface.provenance.verify import Provenance
from counterface.types import Verdict

TITLES = {
    Verdict.LIKELY_MANIPULATED: "Likely manipulated",
    Verdict.NO_MANIPULATION_FOUND: "No manipulation found",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NO_FACE: "No face found",
}
LIMITS = (
    "The score is a statistical estimate from one detector, not proof. No verdict here shows that "
    "a file is authentic: it may be altered outside faces, in its sound, or in its context.",
    "The interval says how far the score would move had other frames been picked. It does not "
    "cover kinds of manipulation that the detector has never met.",
    "Strong compression, beauty filters, heavy make-up, filmed screens and small or turned faces "
    "cause both false alarms and misses. Detectors of this kind lose much of their accuracy on "
    "material from the open internet.",
    "Heat maps show which parts of a face moved the score. They are a hint for where to look, not "
    "an outline of an edit.",
)
WEIGHED_LIMITS = (
    "The score is a statistical estimate, neither proof nor the chance that this file was "
    "manipulated: what is known is how many genuine files score above the line. No verdict here "
    "shows that a file is authentic: it may be altered outside faces, in its sound, or in its "
    "context.",
    *LIMITS[1:],
)
NAMED = 3  # faces past the line that do not count are named one by one, the rest are counted
_WORST_FIRST = (
    Verdict.LIKELY_MANIPULATED,
    Verdict.INCONCLUSIVE,
    Verdict.NO_MANIPULATION_FOUND,
)
# Of a face that the detector was measured on, yet that gave nothing to go by. Where it is the main
# face, the others cannot clear the file.
UNJUDGEABLE: tuple[AsideCode, ...] = ("not_scored", "drawing", "strange", "soft", "toned", "poor")
_IN_SHORT: dict[AsideCode, str] = {
    "compressed": "too strongly compressed",
    "grey": "without their colours",
    "not_scored": "without a number",
    "drawing": "not a photograph",
    "strange": "like nothing that the detector knows",
    "soft": "too soft",
    "toned": "without colours of their own",
    "poor": "too poor to judge",
    "small": "too small",
    "turned": "turned away",
    "tilted": "tilted",
    "brief": "seen too briefly",
}


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The faces of a file, sorted by whether they count, and what they come to."""

    verdict: Verdict
    decided_by: int | None  # id; only a face that counts decides
    counted: tuple[TrackFinding, ...]
    aside: tuple[TrackFinding, ...]
    past_line: tuple[TrackFinding, ...]  # of those set aside, the highest score first
    main: TrackFinding | None  # set aside, and why the others cannot clear the file
    line: float  # at or past it a face is not cleared
    unaligned: int

    @property
    def leading(self) -> TrackFinding | None:
        """The face to look at first: the one that decided, or the one that keeps from deciding."""
        if self.decided_by is not None:
            return next(track for track in self.counted if track.id == self.decided_by)
        return self.main or lead(self.aside)

    @property
    def found(self) -> int:
        """Faces that were followed."""
        return len(self.counted) + len(self.aside)


def conclude(
    tracks: Sequence[TrackFinding], thresholds: Thresholds, unaligned: int = 0
) -> Conclusion:
    """What the faces of a file come to; the worst of those that count decides.

    A file whose faces are all set aside is inconclusive. So is one whose main face, the largest
    for the longest, gave the detector nothing to go by, unless another face is suspicious.
    """
    counted = tuple(track for track in tracks if track.aside is None)
    aside = tuple(track for track in tracks if track.aside is not None)
    line = thresholds.no_manipulation_found
    past = sorted((t for t in aside if probability(t) >= line), key=probability, reverse=True)
    main = max(tracks, key=_prominence, default=None)
    if not (counted and main and main.aside and main.aside.code in UNJUDGEABLE):
        main = None
    verdict, decided_by = Verdict.NO_FACE, None
    if counted:
        worst = min(counted, key=_worst_first)
        verdict, decided_by = worst.verdict, worst.id
        if verdict is Verdict.NO_MANIPULATION_FOUND and main is not None:
            verdict, decided_by = Verdict.INCONCLUSIVE, None
    elif aside or unaligned:
        verdict = Verdict.INCONCLUSIVE
    main = main if counted and decided_by is None else None
    return Conclusion(verdict, decided_by, counted, aside, tuple(past), main, line, unaligned)


def probability(track: TrackFinding) -> float:
    """The pooled score of a face; -1 where it has none."""
    return track.score.probability if track.score else -1.0


def lead(tracks: Sequence[TrackFinding]) -> TrackFinding | None:
    """The face that a number is asked of: one that counts before one set aside, then the worst."""
    return max(
        tracks,
        key=lambda t: (t.score is not None, t.aside is None, not t.brief, probability(t)),
        default=None,
    )


def _worst_first(track: TrackFinding) -> tuple[int, float, int]:
    return _WORST_FIRST.index(track.verdict), -probability(track), -len(track.frames)


def _prominence(track: TrackFinding) -> float:
    return track.face_px**2 * max(1, len(track.frames))


def explain(facts: Conclusion) -> tuple[str, ...]:
    """Why the file got its verdict, in whole sentences."""
    if not facts.found:
        if facts.unaligned:
            if facts.unaligned == 1:
                return ("A face was seen, but it could not be aligned and so not judged.",)
            return (f"Faces were seen {facts.unaligned} times, but none could be aligned.",)
        return ("No face was found, so there was nothing to judge.",)
    first = facts.leading
    if facts.found == 1:
        return first.reasons if first else ()
    if facts.decided_by is None:
        return (_undecided(facts), *(_admission(track, facts.line) for track in facts.past_line))
    whose = f"face {facts.decided_by + 1}"
    alone = len(facts.counted) == 1
    counted = "1 counts" if alone else f"{len(facts.counted)} count"
    among = "" if alone else ", the most suspicious of those that count"
    lead_in = (
        f"{facts.found} faces were followed, {counted}; the verdict is that of {whose}{among}."
    )
    own = first.reasons if first else ()
    return (lead_in, *own, *(_admission(track, facts.line) for track in facts.past_line))


def write_headline(
    facts: Conclusion, verdict: Verdict, marks: Provenance | None = None
) -> Headline:
    """The few words at the top of a report, all of which follow from the facts.

    Args:
        facts: facts of the file's faces.
        verdict: after its marks of origin were weighed too.
        marks: None where they were not looked for.
    """
    marked = marks is not None and marks.mark is not None
    first = facts.leading
    score = first.score if first and facts.decided_by is not None else None
    if first and find_contradiction(first.witnesses):
        score = None  # a mean of two that cannot both be right
    name = "score for" if first and first.quality else "probability of"  # what a line promises
    title = TITLES[verdict]
    if verdict is Verdict.NO_MANIPULATION_FOUND and facts.aside:
        title += f"; {len(facts.counted)} of {facts.found} faces judged"
    alone = marked or verdict is not facts.verdict
    return Headline(
        title=title,
        text=" ".join(_sentences(facts, verdict, marked)),
        number=score.probability if score else None,
        number_name=f"{name} manipulation" + (", by the detector alone" if alone else ""),
        face=first.id if first else None,
        counted=len(facts.counted),
        found=facts.found,
    )


def _sentences(facts: Conclusion, verdict: Verdict, marked: bool) -> tuple[str, ...]:
    if marked:
        return ("A mark that only its maker can leave says so, whatever its faces look like.",)
    if verdict is not facts.verdict:
        return (
            f"{summarize(facts)} A mark of origin speaks for a machine-made file, without proof.",
        )
    if verdict is Verdict.NO_FACE:
        return ("There was no face to judge, so nothing is said about this file.",)
    said = [summarize(facts), *_admissions(facts)]
    if verdict is Verdict.NO_MANIPULATION_FOUND:
        said.append("This does not show that the file is genuine.")
    return tuple(said)


def summarize(facts: Conclusion) -> str:
    """What the faces of a file come to, in one sentence."""
    if not facts.found:
        return explain(facts)[0]
    if facts.decided_by is None:
        return _undecided(facts)
    whose = "The face" if facts.found == 1 else f"Face {facts.decided_by + 1}"
    if facts.verdict is Verdict.LIKELY_MANIPULATED:
        return f"{whose} shows traces that the detector knows from swapped and generated faces."
    if facts.leading and find_contradiction(facts.leading.witnesses):
        about = whose[0].lower() + whose[1:]
        return f"Two witnesses contradict each other strongly about {about}, so it is left open."
    if facts.verdict is Verdict.INCONCLUSIVE:
        return f"{whose} is neither clearly suspicious nor clearly free of suspicion."
    line = f"the line for suspicion at {show_percent(facts.line)}"
    if facts.found == 1:
        return f"The face does not pass {line}."
    if len(facts.counted) == 1:
        return f"{whose}, the only one that counts, does not pass {line}."
    return f"None of the {len(facts.counted)} faces that count passes {line}."


def _undecided(facts: Conclusion) -> str:
    """Why no face decided, in one sentence."""
    if facts.main is not None and facts.main.aside is not None:
        rest = "the other face alone cannot" if facts.found == 2 else "the others alone cannot"
        return (
            f"Face {facts.main.id + 1}, the main one, cannot be judged: {facts.main.aside.text}; "
            f"{rest} clear the file."
        )
    if facts.found == 1 and facts.aside[0].aside is not None:
        return f"The face cannot be judged: {facts.aside[0].aside.text}."
    return f"None of the {facts.found} faces that were found can be judged: {_tally(facts.aside)}."


def _admission(track: TrackFinding, line: float) -> str:
    """What a face past the line that does not count must not be silent about."""
    why = track.aside.text if track.aside else ""
    shown = show_percent(probability(track))
    return (
        f"Face {track.id + 1} scored {shown} (the line for suspicion is {show_percent(line)}) "
        f"but does not count: {why}."
    )


def _admissions(facts: Conclusion) -> list[str]:
    """The faces that do not count: those past the line by name, the others by number."""
    if facts.found == 1:
        return []  # said already
    said = [_admission(track, facts.line) for track in facts.past_line[:NAMED]]
    more = facts.past_line[NAMED:]
    if more:
        said.append(f"{len(more)} more such faces do not count: {_tally(more)}.")
    quiet = [t for t in facts.aside if t not in facts.past_line and t is not facts.main]
    if not facts.counted:
        return said  # how many there are is said already
    if len(quiet) == 1 and quiet[0].aside is not None:
        said.append(f"Face {quiet[0].id + 1} does not count: {quiet[0].aside.text}.")
    elif quiet:
        said.append(f"{len(quiet)} faces do not count: {_tally(quiet)}.")
    return said


def _tally(tracks: Sequence[TrackFinding]) -> str:
    """How many faces were set aside for which reason."""
    codes = Counter(track.aside.code for track in tracks if track.aside)
    return ", ".join(f"{count} {_IN_SHORT[code]}" for code, count in codes.most_common())
