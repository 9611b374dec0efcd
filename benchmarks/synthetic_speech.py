"""What the cue `synthetic_speech` is worth on programs and speakers that it has not met.

    python benchmarks/synthetic_speech.py            train the folds, measure and print
    python benchmarks/synthetic_speech.py --write    also train and write the shipped file, the
                                                     cue's weight and the table in docs/results.md
    python benchmarks/synthetic_speech.py --set model.name=light_cnn model.width=8
                                                     another network on the same folds

The data are those of `speech_data.py`. Each fold leaves out a program and a third of the speakers:
it is trained on neither, and judges that program's speech and the speech of those speakers.
Programs that make real speech anew are left out with each third in turn, so that every speaker is
judged; what they make is trained on and judged with its speaker alone. The small programs of
`voice_copies.TRAINED` are trained on in every fold and judged in none. All files are judged worn
(`detect/synthetic_speech/wear.py`), real and synthetic alike. What was read and trained is kept in
`runs/synthetic_speech/`.
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
from voice_copies import JUDGED, TRAINED

from counterface.config import parse_settings, read_config_with
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
VOICES = ("espeak", "flite", "festival", "hts")  # programs that speak with voices of their own
PROGRAMS = (*VOICES, *JUDGED)
PARTS = 3  # of the speakers


class Fold(NamedTuple):
    """What a training leaves out."""

    program: str
    part: int  # of the speakers


FOLDS = [
    *(Fold(program, number % PARTS) for number, program in enumerate(VOICES)),
    *(Fold(program, part) for program in JUDGED for part in range(PARTS)),
]
CARD = {
    "what": "log-likelihood ratio of the cue on speech, by a logistic line: over 0 for synthetic "
    "or altered",
    "on": "spoken prompts and the sound of clips, against espeak-ng, flite, festival, and the "
    "same speech made anew by Griffin and Lim's method and by WORLD, and altered in pitch and "
    "pace; each was left out in turn",
    "fails": "on voices by neural networks, which it has not met; on music, singing, cleaned sound "
    "and telephone lines",
}
LICENCE = "weights: research use, by the terms of the training files (docs/synthetic_speech.md)"
MOST = 12  # files of a speaker, of a program
KDE_MOST = 5
WAYS = 2


def chosen() -> list[Entry]:
    """The files that are read: few of each speaker and program."""
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for entry in read_manifest(MANIFEST):
        speaker = entry.identities[0]
        counts[entry.method, speaker] += 1
        if counts[entry.method, speaker] <= (KDE_MOST if speaker.startswith("kde") else MOST):
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


def part_of(speaker: str) -> int:
    """The part of the speakers that one belongs to."""
    return zlib.crc32(f"speaker {speaker}".encode()) % PARTS


def is_voice(voice: Voice) -> bool:
    """Whether a program's own voice speaks, nobody of the real speakers."""
    return ":" in voice.speaker


def is_left_out(voice: Voice, fold: Fold) -> bool:
    """Whether a real speaker of the part that a fold leaves out speaks."""
    return not is_voice(voice) and part_of(voice.speaker) == fold.part


def judge(voices: list[Voice], fold: Fold, config: SpeechConfig) -> list[Judged]:
    """What a training without a program and some speakers says of them."""
    learnt = [v for v in voices if v.method != fold.program and not is_left_out(v, fold)]
    out = RUN / config.model.name / f"without_{fold.program}_{fold.part}"
    net = load_net(train_voices(config, learnt, out, tell).weights)[0]
    own = [v for v in voices if is_voice(v) and v.method == fold.program]
    judged = [v for v in voices if is_left_out(v, fold) and v.method not in TRAINED] + own
    plain, worn = (score_voices(net, judged, copy) for copy in (0, 1))
    return [
        Judged(fold.program, voice, float(one), float(other))
        for voice, one, other in zip(judged, plain, worn, strict=True)
    ]


class Judged(NamedTuple):
    """A file, and log-odds of a network that met neither a program nor the file's speaker."""

    left_out: str  # the program
    voice: Voice
    plain: float  # of the file as it is
    worn: float  # after a way by chance


def of_program(program: str, judged: list[Judged], known: bool = False) -> list[Judged]:
    """What the networks that did not meet a program say of it and of real speech.

    Of all programs, each left out, where it is empty. `known`: what the networks say that left out
    another program and the speakers.
    """
    return [
        j
        for j in judged
        if (
            (j.left_out != program and j.left_out in JUDGED)
            if known
            else program in ("", j.left_out)
        )
        and (not j.voice.label or j.voice.method == (program if known else j.left_out))
    ]


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
    judged = of_program("", judged)
    values = np.array([item.worn for item in judged])
    labels = np.array([item.voice.label for item in judged])
    groups = [item.voice.speaker for item in judged]
    found = fit_weight(NAME, values, labels, groups, auc=mean_over_programs(judged))
    lows = [interval(of_program(program, judged))[1] for program in PROGRAMS]
    return found.model_copy(update={"counts": found.counts and min(lows) > 0.5})


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
    sides: dict[str, tuple[dict[str, list[float]], dict[str, list[float]]]]
    sides = {program: ({}, {}) for program in PROGRAMS}
    for item in of_program("", judged):
        voices = sides[item.left_out][item.voice.label]
        voices.setdefault(item.voice.speaker, []).append(item.worn)

    def one(program: str, drawn: bool) -> float:
        both = []
        for voices in sides[program]:
            names = sorted(voices)
            chosen = rng.choice(names, len(names)) if drawn else names
            both.append([score for name in chosen for score in voices[name]])
        return auc([0] * len(both[0]) + [1] * len(both[1]), both[0] + both[1])

    count = len(PROGRAMS)
    means = [np.mean([one(p, True) for p in rng.choice(PROGRAMS, count)]) for _ in range(rounds)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(np.mean([one(program, False) for program in PROGRAMS])), float(low), float(high)


def table(judged: list[Judged], weight: CueWeight) -> list[str]:
    """The lines of the section."""
    columns = ("files", "voices", "AUC, worn", "equal errors", "AUC, as is", "AUC, worn, known")
    lines = head("program, left out", *columns)
    for program in ("", *PROGRAMS):
        found = of_program(program, judged)
        fakes = [item for item in found if item.voice.label]
        names = {item.voice.speaker for item in fakes}
        numbers = cells(found, worn=True) + cells(found, worn=False)[:1]
        met = (
            cells(of_program(program, judged, known=True), True)[:1] if program in JUDGED else [""]
        )
        name = f"`{program}`" if program else "all"
        lines.append(row(name, len(fakes), len(names), *numbers, *met))
    mean, low, high = weight.auc
    lines.append(
        row("mean of the programs", "", "", f"{mean:.2f} [{low:.2f}, {high:.2f}]", *[""] * 3)
    )
    real = [item for item in judged if not item.voice.label]
    files, speakers = len({j.voice.name for j in real}), len({j.voice.speaker for j in real})
    said: dict[bool, list[bool]] = {True: [], False: []}
    for item in real:
        said[is_clip(item.voice)].append(weigh(item.plain, weight).value > 0)
    return [
        *lines,
        "",
        f"Weight: {'counts' if weight.counts else 'none'}. The last interval is over programs too.",
        "",
        f"{files} real files of {speakers} speakers, judged by the folds that left the speaker "
        f"out. Log-odds are above 0 in {np.mean(said[False]):.0%} of what is said of spoken "
        f"prompts, and in {np.mean(said[True]):.0%} of what is said of the sounds of clips.",
    ]


def is_clip(voice: Voice) -> bool:
    """Whether the speech is the sound of a genuine clip."""
    return not voice.speaker.startswith(("asterisk", "kde", "codec2", "alsa"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, nargs="*", help="train these folds alone, and stop")
    parser.add_argument("--write", action="store_true", help="write file, weight and table")
    parser.add_argument("--set", nargs="*", default=[], help="settings over the recipe's")
    options = parser.parse_args()
    voices = [voice for entry in chosen() if (voice := voice_of(entry))]
    print(Counter(voice.method for voice in voices), flush=True)
    config = read_config_with(SpeechConfig, RECIPE, parse_settings(options.set))
    if options.folds is not None:
        for fold in options.folds:
            judge(voices, FOLDS[fold], config)
        return
    judged = [item for fold in FOLDS for item in judge(voices, fold, config)]
    weight = fit(judged)
    lines = table(judged, weight)
    print("\n".join(lines))
    print(weight)
    if options.write:
        run = train_voices(config, voices, RUN / config.model.name / "all", tell)
        export_speech(run.weights, SHIPPED, version="2026.11", licence=LICENCE)
        replace_weights("sound", CARD, [weight])
        write_section(NAME, lines)


if __name__ == "__main__":
    main()
