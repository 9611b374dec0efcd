"""What cues on lips and sound are worth: true sound against moved and foreign one, and the fit.

    python benchmarks/lip_cues.py            measure and print; what was measured is not repeated
    python benchmarks/lip_cues.py --write    also write the table, and fit the weights

The question is whether the sound belongs to the lips, not whether a face was made. Windows of three
to six seconds with 1.5 s of speech, of the part that may be built on (`generalisation_data.py`; the
gate stays shut). *Talkers* are genuine and say what is heard; *driven* heads were made to say it,
so it is their own sound as well; *silent* people say nothing, and get the sound of others. The
demonstration clips of LivePortrait are no talkers: their sound is silence, music or dubbing. What
is labelled for tests alone (`labelled_lipsync_wav2lip`) is measured apart and fits nothing.

People are left out one by one: a line is fitted on the others and judges them. The network of
`lip_sync` is that of a fold without the clip's people (`lip_sync.py` trains them, and fits its
line); it is here for the shares, which are fitted on all of them at once.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cue_weights import replace_shares, replace_weights
from default_data import DATA, RUNS
from generalisation_data import build_part, genuine_clips, many_generators, many_methods
from lip_sync import fold_files
from lip_windows import SHIFTS_MS, Talk, read_talks, sounds_for
from tables import head, row, write_section

from counterface.detect.cues.closed_lips import ClosedLips
from counterface.detect.cues.cue import Cue, Measured, PersonView
from counterface.detect.cues.lip_correlation import LipCorrelation
from counterface.detect.cues.lip_lag import LipLag
from counterface.detect.cues.lip_sync import LipSync
from counterface.detect.cues.still_mouth import StillMouth
from counterface.detect.cues.weight import (
    CueWeight,
    fit_shares,
    fit_weight,
    read_weights,
    weigh,
)
from counterface.detect.phonemes.recogniser import installed_recogniser
from counterface.learn.metrics import auc, bootstrap

RUN = RUNS / "lips"
TEST = DATA / "labelled_lipsync_wav2lip"
OTHERS = 8  # people whose sound each window is given
UNHEARD = "KwaiVGI/LivePortrait"  # origin of clips whose sound is not that of their lips
CUES: dict[str, Callable[[], Cue]] = {
    "lip_correlation": LipCorrelation,
    "lip_lag": LipLag,
    "still_mouth": StillMouth,
    "closed_lips": lambda: ClosedLips(lambda: None),
    "closed_lips, phonemes": ClosedLips,
    LipSync.name: LipSync,
}
CARD = {
    "what": "log-likelihood ratios of the cues on lips and sound, one logistic line each: over 0 "
    "for sound that does not belong to the lips",
    "on": "genuine people who talk and heads driven by sound, with their own sound against the "
    "same 0.2 and 0.4 s early and late, and that of others, over silent mouths as well",
    "fails": "on dubbed, badly cut and silent genuine files, which do not match and are no fakes; "
    "on lips that were made from the very sound, which match; on beards and dark lips it was not "
    "measured; of genuine talkers there are seven people",
}


class Value(NamedTuple):
    """What a cue finds in a window with some sound."""

    group: str  # talkers, driven, silent, or test
    person: str
    file: str
    sound: str  # as in `sounds_for`
    value: float | None

    @property
    def kind(self) -> str:
        """The kind of sound: true, 100, 200, 400, or other."""
        return "other" if self.sound.startswith("other") else self.sound.lstrip("+-")


def people() -> list[tuple[str, str, Path]]:
    """Group, person and path of each file with a chance of three seconds of speech."""
    entries = build_part([*many_methods(), *many_generators(), *genuine_clips()])
    found = []
    for entry in entries:
        if entry.path.suffix.lower() not in (".mp4", ".mpg"):
            continue
        group = "silent" if entry.origin == UNHEARD else "talkers"
        person = next(filter(None, (*entry.identities, entry.source, entry.path.name)))
        if not entry.label or entry.method == "lipsync":
            found.append(("driven" if entry.label else group, person, entry.path))
    tests = [("test", path.stem, path) for path in sorted(TEST.rglob("*.mp4"))]
    return [*found, *tests]


def measure() -> dict[str, list[Value]]:
    """The values of each cue; what `runs/lips` has is not measured again."""
    RUN.mkdir(parents=True, exist_ok=True)
    store = RUN / "values.json"
    known = json.loads(store.read_text()) if store.exists() else {}
    names = [n for n in CUES if "phonemes" not in n or installed_recogniser() is not None]
    left = [name for name in names if name not in known]
    if left:
        known.update(_measure(left))
        store.write_text(json.dumps(known))
    return {name: [Value(*values) for values in known[name]] for name in names}


def _measure(names: Sequence[str]) -> dict[str, list[Value]]:
    cues = {name: CUES[name]() for name in names}
    files = fold_files() if LipSync.name in names else {}
    networks = {path: LipSync(path) for path in set(files.values())}
    talks: list[tuple[str, Talk]] = []
    for group, person, path in people():
        talks += [(group, talk) for talk in read_talks(path, person)]
        print(f"read {path.name}", flush=True)
    spoken = [talk for group, talk in talks if group == "talkers" and talk.spoken_s >= 1.5]
    found: dict[str, list[Value]] = defaultdict(list)
    for group, talk in talks:
        sounds = sounds_for(talk, _one_each(spoken, talk.person))
        for sound, view in sounds.items():
            if group == "silent" and not sound.startswith("other"):
                continue
            person = PersonView((), talk.window, view)
            file = f"{talk.path.parent.name}/{talk.path.name}"
            for name, cue in cues.items():
                if "phonemes" in name and group == "silent":
                    continue
                if name == LipSync.name and file in files:
                    cue = networks[files[file]]
                said = cue.measure(person)
                value = said.value if isinstance(said, Measured) else None
                found[name].append(Value(group, talk.person, file, sound, value))
        print(f"measured {talk.path.name} {talk.number}", flush=True)
    return dict(found)


def _one_each(talks: Iterable[Talk], but: str) -> list[Talk]:
    """One window each of the first people that are not this one."""
    by_person = {talk.person: talk for talk in talks if talk.number == 0 and talk.person != but}
    return list(by_person.values())[:OTHERS]


def separation(values: Sequence[Value], group: str, kind: str, sign: float) -> str:
    """AUC of foreign against true sound with its interval over people, as a cell."""
    part = [v for v in values if v.group == group and v.value is not None]
    part = [v for v in part if v.kind in ("true", kind)]
    labels = np.array([v.kind != "true" for v in part], np.int64)
    if not 0 < labels.sum() < len(labels):
        return ""
    scores = sign * np.array([v.value for v in part])
    found = bootstrap(auc, labels, scores, [v.person for v in part])
    return f"{auc(labels, scores):.2f} [{found.low:.2f}, {found.high:.2f}]"


def silent_separation(values: Sequence[Value], sign: float) -> str:
    """The same for others' sound over silent mouths, against that of talkers."""
    moved = [v._replace(group="talkers") for v in values if v.group == "silent"]
    true = [v for v in values if v.group == "talkers" and v.kind == "true"]
    return separation([*moved, *true], "talkers", "other", sign)


def of_fit(values: Sequence[Value]) -> list[Value]:
    """What lines are fitted on: not the test files, nor 100 ms, which viewers accept."""
    return [v for v in values if v.group != "test" and v.kind != "100" and v.value is not None]


def fit(name: str, values: Sequence[Value], whole: tuple[float, float, float], samples: int):
    """The line; label 1 is sound that is not of the lips."""
    x = [v.value for v in values]
    labels = [v.kind != "true" for v in values]
    people = [v.person for v in values]
    return fit_weight(name, np.array(x), labels, people, auc=whole, samples=samples)


def judge(name: str, values: Sequence[Value]) -> CueWeight:
    """The weight; its AUC is on talkers and silent people alone, each left out of the line."""
    used = of_fit(values)
    genuine = [v for v in used if v.group != "driven"]
    ratios = np.zeros(len(genuine))
    for person in {v.person for v in genuine}:
        others = [v for v in used if v.person != person]
        line = fit(name, others, (0.5, 0.0, 1.0), 2)
        for at, value in enumerate(genuine):
            if value.person == person:
                ratios[at] = weigh(value.value, line).value
    labels = np.array([v.kind != "true" for v in genuine], np.int64)
    interval = bootstrap(auc, labels, ratios, [v.person for v in genuine])
    return fit(name, used, (auc(labels, ratios), interval.low, interval.high), 200)


def with_shares(found: dict[str, list[Value]], weights: Sequence[CueWeight]) -> list[CueWeight]:
    """The weights with the share of each that has one: what the others do not say already.

    Fitted jointly on windows with their own sound and with that of one other person.
    """
    counting = [weight for weight in weights if weight.counts]
    rows = found["lip_correlation"]  # the values of all cues are in one order
    first: dict[str, str] = {}
    kept = []
    for at, one in enumerate(rows):
        if one.kind == "other":
            first.setdefault(one.file, one.sound)
        if one.group != "test" and one.sound in ("true", first.get(one.file)):
            kept.append(at)
    said = np.full((len(kept), len(counting)), np.nan)
    for column, weight in enumerate(counting):
        for line, at in enumerate(kept):
            value = found[weight.name][at].value
            if value is not None:
                said[line, column] = weigh(value, weight).value
    labels = [rows[at].kind != "true" for at in kept]
    shares = fit_shares(np.zeros(len(kept)), said, labels)
    told = {weight.name: round(float(s), 3) for weight, s in zip(counting, shares, strict=True)}
    return [w.model_copy(update={"share": told.get(w.name, 0.0)}) for w in weights]


def applies(values: Sequence[Value]) -> str:
    """The share of talkers' windows with their own sound in which a cue says something."""
    part = [v.value is not None for v in values if v.group == "talkers" and v.kind == "true"]
    return f"{sum(part)} of {len(part)}"


def test_table(found: dict[str, list[Value]]) -> list[str]:
    """The values of the labelled files, the middle of their windows, with their own sound."""
    files = sorted({v.file for v in found["lip_correlation"] if v.group == "test"})
    lines = head("file", *(f"`{name}`" for name in found))
    for file in ["talkers", "driven", *files]:
        cells = []
        for values in found.values():
            part = [v.value for v in values if file in (v.file, v.group) and v.kind == "true"]
            part = [value for value in part if value is not None]
            cells.append(f"{np.median(part):.2f}" if part else "")
        lines.append(row(file, *cells))
    return lines


def driven_separation(values: Sequence[Value], sign: float) -> str:
    """AUC of driven heads against talkers, both with their own sound."""
    part = [v for v in values if v.kind == "true" and v.value is not None]
    part = [v for v in part if v.group in ("talkers", "driven")]
    labels = np.array([v.group == "driven" for v in part], np.int64)
    scores = sign * np.array([v.value for v in part])
    found = bootstrap(auc, labels, scores, [v.person for v in part])
    return f"{auc(labels, scores):.2f} [{found.low:.2f}, {found.high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write weights and table")
    write = parser.parse_args().write
    if not DATA.is_dir():
        raise SystemExit(f"skipped: {DATA} is not there")
    found = measure()
    shifts = [f"{shift} ms" for shift in SHIFTS_MS]
    lines = head(
        "cue",
        *(f"talkers, {shift}" for shift in shifts),
        "another's sound",
        "over silent mouths",
        *(f"driven, {shift}" for shift in shifts[1:]),
        "driven, another's",
        "driven against talkers",
        "applies",
        "weight",
    )
    weights = []
    for name, values in found.items():
        network = name == LipSync.name  # its line is fitted on more windows, in `lip_sync.py`
        weight = read_weights()[name] if network else judge(name, values)
        sign = -1.0 if name in ("lip_correlation", LipSync.name) else 1.0
        kinds = [*map(str, SHIFTS_MS), "other"]
        cells = [separation(values, "talkers", kind, sign) for kind in kinds]
        cells.append(silent_separation(values, sign))
        cells += [separation(values, "driven", kind, sign) for kind in kinds[1:]]
        cells.append(driven_separation(values, sign))
        low, high = weight.auc[1:]
        says = "counts" if weight.counts else "none"
        if "phonemes" in name:
            says = "not fitted"
        else:
            weights.append(weight)
        says += f" ({weight.auc[0]:.2f} [{low:.2f}, {high:.2f}])"
        lines.append(row(f"`{name}`", *cells, applies(values), says))
    weights = with_shares(found, weights)
    told = ", ".join(f"`{weight.name}` {weight.share:.2f}" for weight in weights if weight.counts)
    lines += ["", *count_lines(found["lip_correlation"]), f"Shares: {told}.", ""]
    lines += test_table(found)
    print("\n".join(lines))
    if write:
        replace_weights("lips", CARD, [w for w in weights if w.name != LipSync.name])
        replace_shares({w.name: w.share for w in weights})
        write_section("lips", lines)


def count_lines(values: Sequence[Value]) -> list[str]:
    """How many people and windows there are."""
    words = []
    for group in ("talkers", "driven", "silent"):
        part = [v for v in values if v.group == group and v.value is not None]
        if group != "silent":
            part = [v for v in part if v.kind == "true"]
        names = len({v.person for v in part})
        words.append(f"{group} {names} people, {len(part)} windows")
    return ["; ".join(words) + " (silent: with the sounds of others)."]


if __name__ == "__main__":
    main()
