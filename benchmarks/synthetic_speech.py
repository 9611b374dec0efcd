"""What the cue `synthetic_speech` is worth on programs and speakers that it has not met.

    python benchmarks/synthetic_speech.py            train the folds, measure and print
    python benchmarks/synthetic_speech.py --write    also train and write the shipped file, the
                                                     cue's weight and the table in docs/results.md

The data are those of `speech_data.py`. Each fold leaves out a program and a sixth of the speakers:
it is trained on neither, and judges that program's speech and the speech of those speakers. What is
made anew from a real speaker's speech is trained on and judged with that speaker alone. All files
are judged worn (`detect/synthetic_speech/wear.py`), real and synthetic alike. What was read and
trained is kept in `runs/synthetic_speech/`.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cue_weights import replace_weights
from speech_data import MANIFEST, RUN
from tables import head, row, write_section

from counterface.config import read_config_with
from counterface.datasets.manifest import Entry, read_manifest
from counterface.detect.cues.weight import CueWeight, fit_weight, weigh
from counterface.detect.synthetic_speech.training import (
    SpeechConfig,
    Voice,
    export_speech,
    load_net,
    read_voice,
    score_voices,
    train_voices,
)
from counterface.errors import CounterfaceError
from counterface.learn.metrics import auc, bootstrap, equal_error_rate

PROJECT = Path(__file__).resolve().parents[1]
RECIPE = PROJECT / "recipes/synthetic_speech.toml"
SHIPPED = PROJECT / "src/counterface/detect/data/synthetic_speech.onnx"
NAME = "synthetic_speech"
FOLDS = ("espeak", "flite", "festival", "hts", "griffin_lim", "world")
SHARES = (10, 20, 30, 40, 70)  # percent of the speakers, up to each fold but the last
CARD = {
    "what": "log-likelihood ratio of the cue on speech, by a logistic line: over 0 for synthetic",
    "on": "spoken prompts and the sound of clips, against espeak-ng, flite, festival, and the "
    "same speech made anew by Griffin and Lim's method and by WORLD; each was left out in turn",
    "fails": "on voices by neural networks, which it has not met; on music, singing, cleaned sound "
    "and telephone lines",
}
LICENCE = "weights: research use, by the terms of the training files (docs/synthetic_speech.md)"
MOST = 12  # files of a speaker, of a program
KDE_MOST = 5
WAYS = 2


def chosen() -> list[Entry]:
    """The files that are read: few of each speaker, and each real piece made anew once."""
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for entry in read_manifest(MANIFEST):
        speaker = entry.identities[0]
        number = int(entry.path.stem[-2:]) if entry.path.stem[-2:].isdigit() else 0
        if entry.method in ("griffin_lim", "world"):
            turn = (number + zlib.crc32(speaker.encode())) % 2
            if entry.method != ("griffin_lim", "world")[turn]:
                continue
        key = (entry.method, speaker)
        counts[key] += 1
        if counts[key] <= (KDE_MOST if speaker.startswith("kde") else MOST):
            found.append(entry)
    return found


def voice_of(entry: Entry) -> Voice | None:
    """The speech of a file, read once."""
    kept = RUN / "voices" / f"{entry.method}_{entry.path.stem}.npz"
    speaker = entry.identities[0]
    if kept.exists():
        with np.load(kept) as arrays:
            copies = tuple(arrays[f"copy{number}"] for number in range(len(arrays.files)))
        made = Voice(entry.path.stem, entry.label, entry.method, speaker, copies)
        return made if copies else None
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        voice = read_voice(entry, WAYS)
    except CounterfaceError as error:
        voice = str(error)
    if isinstance(voice, str):
        print(entry.path.name, voice, file=sys.stderr)
        np.savez(kept)
        return None
    np.savez(kept, **{f"copy{number}": copy for number, copy in enumerate(voice.copies)})
    return voice


def fold_of(speaker: str) -> int:
    """The fold that leaves a speaker out; more to those of what is made anew from speakers."""
    return int(np.searchsorted(SHARES, zlib.crc32(f"speaker {speaker}".encode()) % 100, "right"))


def is_voice(voice: Voice) -> bool:
    """Whether a program's own voice speaks, nobody of the real speakers."""
    return ":" in voice.speaker


def trains(voice: Voice, fold: int) -> bool:
    """Whether a fold is trained on a voice: neither on its program nor on its speakers."""
    return voice.method != FOLDS[fold] and (is_voice(voice) or fold_of(voice.speaker) != fold)


def judges(voice: Voice, fold: int) -> bool:
    """Whether a fold judges a voice: a speaker of its own, real or by its own program."""
    own = voice.method == FOLDS[fold] or not voice.label
    return own and (is_voice(voice) or fold_of(voice.speaker) == fold)


def judge(voices: list[Voice], fold: int, config: SpeechConfig) -> list[Judged]:
    """What a training without a program and some speakers says of them."""
    learnt = [voice for voice in voices if trains(voice, fold)]
    weights = train_voices(config, learnt, RUN / f"without_{FOLDS[fold]}", tell).weights
    net = load_net(weights)[0]
    judged = [voice for voice in voices if judges(voice, fold)]
    plain, worn = (score_voices(net, judged, copy) for copy in (0, 1))
    return [
        Judged(voice, float(one), float(other))
        for voice, one, other in zip(judged, plain, worn, strict=True)
    ]


class Judged(NamedTuple):
    """A file, and log-odds of a network that met neither its program nor its speaker."""

    voice: Voice
    plain: float  # of the file as it is
    worn: float  # after a way by chance


def tell(step: int, numbers: dict[str, float]) -> None:
    """Print where a training is."""
    print(step, {key: round(value, 3) for key, value in numbers.items()}, flush=True)


def cells(judged: list[Judged], worn: bool) -> list[str]:
    """AUC and the rate of equal errors, with 95 % intervals over speakers."""
    labels = np.array([item.voice.label for item in judged])
    scores = np.array([item.worn if worn else item.plain for item in judged])
    groups = [item.voice.speaker for item in judged]
    found = bootstrap(auc, labels, scores, groups)
    equal = bootstrap(equal_error_rate, labels, scores, groups)
    return [
        f"{auc(labels, scores):.2f} [{found.low:.2f}, {found.high:.2f}]",
        f"{equal_error_rate(labels, scores):.0%} [{equal.low:.0%}, {equal.high:.0%}]",
    ]


def fit(judged: list[Judged]) -> CueWeight:
    """The weight of the cue; its AUC is the mean over programs that were left out.

    It counts where this is beyond chance and no program left out is told no better than by chance:
    else the cue would speak for speech that is synthetic.
    """
    values = np.array([item.worn for item in judged])
    labels = np.array([item.voice.label for item in judged])
    groups = [item.voice.speaker for item in judged]
    found = fit_weight(NAME, values, labels, groups, auc=mean_over_programs(judged))
    real = [item for item in judged if not item.voice.label]
    lows = [interval(real + made_by(program, judged))[1] for program in FOLDS]
    return found.model_copy(update={"counts": found.counts and min(lows) > 0.5})


def made_by(program: str, judged: list[Judged]) -> list[Judged]:
    """What a program made; of all programs where it is empty."""
    return [j for j in judged if j.voice.label and program in ("", j.voice.method)]


def interval(judged: list[Judged]) -> tuple[float, float, float]:
    """AUC of worn files, and its 95 % interval over speakers."""
    labels = np.array([item.voice.label for item in judged])
    scores = np.array([item.worn for item in judged])
    found = bootstrap(auc, labels, scores, [item.voice.speaker for item in judged])
    return auc(labels, scores), found.low, found.high


def mean_over_programs(judged: list[Judged], rounds: int = 1000) -> tuple[float, float, float]:
    """The mean AUC of the programs, and its 95 % interval: programs and speakers are drawn anew.

    The next program is one that nobody knows yet, so programs are what the interval is over.
    """
    rng = np.random.default_rng(0)
    by_voice: dict[str, dict[str, list[float]]] = {program: {} for program in ("", *FOLDS)}
    for item in judged:
        program = item.voice.method if item.voice.label else ""
        by_voice[program].setdefault(item.voice.speaker, []).append(item.worn)

    def one(program: str, drawn: bool) -> float:
        sides = []
        for voices in (by_voice[""], by_voice[program]):
            names = sorted(voices)
            chosen = rng.choice(names, len(names)) if drawn else names
            sides.append([score for name in chosen for score in voices[name]])
        labels = [0] * len(sides[0]) + [1] * len(sides[1])
        return auc(labels, sides[0] + sides[1])

    means = [np.mean([one(p, True) for p in rng.choice(FOLDS, len(FOLDS))]) for _ in range(rounds)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(np.mean([one(program, False) for program in FOLDS])), float(low), float(high)


def table(judged: list[Judged], weight: CueWeight) -> list[str]:
    """The lines of the section."""
    real = [item for item in judged if not item.voice.label]
    lines = head("program, left out", "files", "voices", "AUC, worn", "equal errors", "AUC, as is")
    for program in ("", *FOLDS):
        fakes = made_by(program, judged)
        names = {item.voice.speaker for item in fakes}
        found = cells(real + fakes, worn=True) + cells(real + fakes, worn=False)[:1]
        lines.append(row(f"`{program}`" if program else "all", len(fakes), len(names), *found))
    mean, low, high = weight.auc
    lines.append(row("mean of the programs", "", "", f"{mean:.2f} [{low:.2f}, {high:.2f}]", "", ""))
    clips = [item for item in real if is_clip(item.voice)]
    said = [weigh(item.plain, weight).value > 0 for item in clips]
    others = [weigh(item.plain, weight).value > 0 for item in real if not is_clip(item.voice)]
    speakers = len({item.voice.speaker for item in real})
    return [
        *lines,
        "",
        f"Weight: {'counts' if weight.counts else 'none'}. The last interval is over programs too.",
        "",
        f"{len(real)} real files of {speakers} speakers, each judged by the fold that left the "
        f"speaker out. Of them {np.mean(others):.0%} of the {len(others)} spoken prompts and "
        f"{np.mean(said):.0%} of the {len(said)} sounds of clips get log-odds above 0.",
    ]


def is_clip(voice: Voice) -> bool:
    """Whether the speech is the sound of a genuine clip."""
    return not voice.speaker.startswith(("asterisk", "kde", "codec2", "alsa"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, nargs="*", help="train these folds alone, and stop")
    parser.add_argument("--write", action="store_true", help="write file, weight and table")
    options = parser.parse_args()
    voices = [voice for entry in chosen() if (voice := voice_of(entry))]
    print(Counter(voice.method for voice in voices), flush=True)
    config = read_config_with(SpeechConfig, RECIPE, {})
    if options.folds is not None:
        for fold in options.folds:
            judge(voices, fold, config)
        return
    judged = [item for fold in range(len(FOLDS)) for item in judge(voices, fold, config)]
    weight = fit(judged)
    lines = table(judged, weight)
    print("\n".join(lines))
    print(weight)
    if options.write:
        run = train_voices(config, voices, RUN / "all", tell)
        export_speech(run.weights, SHIPPED, version="2026.11", licence=LICENCE)
        replace_weights("sound", CARD, [weight])
        write_section(NAME, lines)


if __name__ == "__main__":
    main()
