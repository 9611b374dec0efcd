"""How well lips find their own sound, by people whom the network has never met, and its training.

    python benchmarks/lip_sync.py            train in folds by people, measure and print
    python benchmarks/lip_sync.py --write    also write the table, the shipped file and its weight

Its share in the verdict is fitted beside those of the other cues by `lip_cues.py`: run that next.

Clips of talking people, genuine ones and heads that were generated from sound, which are in step
with it. Nobody is shown or heard on both sides of a fold. A clip is cut into stretches of up to six
seconds, as a scan looks at them, and each is held against its own sound, against the same one
shifted, and against the sound of others in its fold. The Wav2Lip set is looked at by the network
that learnt from all clips; nothing is trained or chosen on it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from cue_weights import replace_weights
from default_data import DATA, RUNS
from generalisation_data import genuine_clips, many_methods
from tables import head, row, write_section

from counterface.config import read_config
from counterface.datasets.manifest import Entry
from counterface.datasets.split import fold_groups, linked_groups
from counterface.detect.cues.lip_sync import LipSync
from counterface.detect.cues.weight import CueWeight, fit_weight
from counterface.detect.lip_sync.lips import FPS
from counterface.detect.lip_sync.match import (
    MOST_LAG_S,
    ROWS,
    LipSyncFile,
    Match,
    count_rows,
    lag_parts,
    match_of,
    relative,
    rows_at,
)
from counterface.detect.lip_sync.talks import Talk, read_talk
from counterface.detect.lip_sync.training import LipSyncConfig, export_towers, train_towers
from counterface.errors import StoppedBySignal
from counterface.learn.metrics import auc, bootstrap
from counterface.media.find_media import VIDEO_SUFFIXES

RUN = RUNS / "lip_sync"
ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes/lip_sync.toml"
SHIPPED = ROOT / "src/counterface/detect/data"
FOLDS = 5
VERSION = "2026.12"
STRETCH_S = 6.0  # as the cue
SHIFTS_MS = (100, 200, 400)
TEST = DATA / "labelled_lipsync_wav2lip"
# The sound is not that of the lips: music over grimaces, and a clip whose sound is 0.28 s late, by
# the network that had not seen it and by the correlation of opening and loudness alike.
OUT_OF_STEP = {f"liveportrait_{name}.mp4" for name in ("d6", "d10", "d12", "d20")}
COPIES = {  # of other files: the same lips and sound at another size
    "1024_codeformer_sr_male_face.mp4",
    "512_metaportrait_sr_male_face.mp4",
    "RD_Radio51_000_512.mp4",
    "demo_EDTalk_lip_pose_V_lei_512.mp4",
}
ALIKE = 0.98  # correlation of loudness from which two sounds are one
TERMS = (
    "research, not commercial use: GRID CC BY 4.0; LivePortrait, Real3DPortrait, EDTalk, Float, "
    "DreamTalk, GeneFace, VASA-1 and FSGAN demonstration footage without a grant; CREMA-D ODbL"
)


CARD = {
    "what": "the log-likelihood ratio of the network on lips and sound, one logistic line: over 0 "
    "for sound that does not belong to the lips",
    "on": "stretches of up to six seconds of people who talk and of heads generated from the "
    "sound, judged by networks that knew neither, with their own sound against the same 0.2 and "
    "0.4 s early and late, and that of others",
    "fails": "on dubbed and badly cut genuine files; on lips that were made from the very sound; "
    "there are few genuine talkers",
}


@dataclass(frozen=True)
class Clip:
    """A talk, and where it stands."""

    talk: Talk
    group: str  # people and sounds that are kept together
    genuine: bool


@dataclass(frozen=True)
class Stretch:
    """A part of a clip, and what was found of it by a network that knew nobody in it."""

    clip: Clip
    speech_s: float  # by its share of the clip
    own: Match
    shifted: dict[int, float]  # ms -> log-odds
    swapped: list[float]  # log-odds


def read_clips() -> list[Clip]:
    """The usable clips, with their groups."""
    entries = [
        entry
        for entry in (*genuine_clips(), *many_methods())
        if entry.path.suffix.lower() in VIDEO_SUFFIXES
        and entry.path.name not in OUT_OF_STEP | COPIES
    ]
    found = [(entry, talk) for entry in entries if isinstance(talk := _read(entry.path), Talk)]
    sounds = _same_sounds([talk for _, talk in found])
    tied = [
        replace(entry, identities=(*entry.identities, sound, *(["grid"] * _is_grid(entry))))
        for (entry, _), sound in zip(found, sounds, strict=True)
    ]
    groups = linked_groups(tied)
    return [
        Clip(talk, group, entry.label == 0)
        for (entry, talk), group in zip(found, groups, strict=True)
    ]


def _is_grid(entry: Entry) -> bool:
    return entry.origin == "GRID"  # speakers are not known by name, and may be one


def _read(path: Path) -> Talk | str:
    """As `read_talk`, kept on disk."""
    store = RUN / "talks" / f"{path.parent.name}_{path.name}.npz"
    if not store.exists():
        store.parent.mkdir(parents=True, exist_ok=True)
        found = read_talk(path)
        if isinstance(found, str):
            np.savez(store, why=found)
        else:
            facts = [found.lead_s, found.speech_s]
            np.savez(store, points=found.points, rows=found.rows, facts=facts)
    with np.load(store) as kept:
        if "why" in kept:
            return str(kept["why"])
        lead_s, speech_s = kept["facts"].tolist()
        name = f"{path.parent.name}/{path.name}"
        return Talk(name, kept["points"], kept["rows"], lead_s, speech_s)


def _same_sounds(talks: Sequence[Talk]) -> list[str]:
    """A name for each sound; copies have one name."""
    names = [f"sound:{number}" for number in range(len(talks))]
    for one, other in combinations(range(len(talks)), 2):
        first, second = talks[one].rows.mean(axis=1), talks[other].rows.mean(axis=1)
        length = min(len(first), len(second)) - 20
        likest = max(
            np.corrcoef(first[10 + lag : length + lag], second[10:length])[0, 1]
            for lag in range(-10, 11)
        )
        if likest > ALIKE:
            names[other] = names[one]
    return names


def look(network: LipSyncFile, clips: Sequence[Clip]) -> Iterator[Stretch]:
    """What a network says of every stretch of some clips, which hold the swapped sounds as well."""
    for clip in clips:
        talk = clip.talk
        whole = len(talk.points)
        frames = min(whole, round(STRETCH_S * FPS))
        for first in np.linspace(0, whole - frames, max(1, whole // frames)).astype(int):
            points = talk.points[first : first + frames]
            start = talk.lead_s + first / FPS
            own = compare(network, points, talk, start)
            if own is None:
                continue
            shifted = {
                shift: _odds(compare(network, points, talk, start + shift / 1000))
                for size in SHIFTS_MS
                for shift in (-size, size)
            }
            swapped = []
            for other in clips:
                if other.group != clip.group:
                    part = points[: len(other.talk.points)]
                    swapped.append(_odds(compare(network, part, other.talk, other.talk.lead_s)))
            yield Stretch(clip, talk.speech_s * frames / whole, own, shifted, swapped)


def compare(network: LipSyncFile, points: np.ndarray, talk: Talk, start_s: float) -> Match | None:
    """How points match a talk's sound from a time after its first row on."""
    first = round((start_s - MOST_LAG_S) * ROWS)
    rows = relative(rows_at(talk.rows, first + np.arange(count_rows(len(points)))))
    parts = lag_parts(*network.vectors(points, rows))
    return None if parts is None else match_of(parts, network.info.scale, start_s)


def _odds(match: Match | None) -> float:
    return match.log_odds if match else 0.0


def cross_validate(clips: Sequence[Clip], config: LipSyncConfig) -> list[Stretch]:
    """Every stretch, judged by a network that knew neither its people nor its sound."""
    folds = fold_groups([clip.group for clip in clips], FOLDS)
    found: list[Stretch] = []
    for fold in range(FOLDS):
        out = RUN / f"fold_{fold}"
        known = [c.talk for c, at in zip(clips, folds, strict=True) if at != fold]
        path = train(config, known, out)
        unknown = [c for c, at in zip(clips, folds, strict=True) if at == fold]
        found += look(LipSyncFile(path), unknown)
        print(f"fold {fold}: {len(known)} clips known, {len(unknown)} judged", flush=True)
    return found


def fold_files() -> dict[str, Path]:
    """For each clip, by folder and name, the network that knew neither its people nor its sound."""
    clips = read_clips()
    folds = fold_groups([clip.group for clip in clips], FOLDS)
    return {
        clip.talk.name: RUN / f"fold_{fold}" / "lip_sync.onnx"
        for clip, fold in zip(clips, folds, strict=True)
    }


def train(config: LipSyncConfig, talks: Sequence[Talk], out: Path, **card: object) -> Path:
    """The file of a network that learnt from these talks."""
    done = train_towers(config, talks, out)
    if done.signal is not None:
        raise StoppedBySignal(done.signal)
    path = out / "lip_sync.onnx"
    export_towers(done.weights, path, version=VERSION, licence=TERMS, **card)
    return path


def interval(true: Sequence[Stretch], false: Sequence[tuple[float, str]]) -> str:
    """AUC of own sound against other sound, over groups of people, as a cell."""
    labels = np.array([1] * len(true) + [0] * len(false))
    values = np.array([s.own.log_odds for s in true] + [value for value, _ in false])
    groups = [s.clip.group for s in true] + [group for _, group in false]
    found = bootstrap(auc, labels, values, groups)
    return f"{auc(labels, values):.3f} [{found.low:.2f}, {found.high:.2f}]"


def measure(stretches: Sequence[Stretch]) -> list[str]:
    """The table."""
    shifts = [f"shifted by {shift} ms" for shift in SHIFTS_MS]
    lines = head(
        "stretches", "number, people", *shifts, "another's sound", "best lag within 120 ms"
    )
    long = [s for s in stretches if s.speech_s >= 4]
    kinds = {
        "4 s of speech or more": long,
        "- genuine": [s for s in long if s.clip.genuine],
        "- generated heads": [s for s in long if not s.clip.genuine],
        "2 to 4 s": [s for s in stretches if 2 <= s.speech_s < 4],
        "1 to 2 s": [s for s in stretches if s.speech_s < 2],
        "genuine, all lengths": [s for s in stretches if s.clip.genuine],
    }
    for name, chosen in kinds.items():
        if not chosen:
            continue
        cells = []
        for size in SHIFTS_MS:
            moved = [(s.shifted[k], s.clip.group) for s in chosen for k in (-size, size)]
            cells.append(interval(chosen, moved))
        cells.append(interval(chosen, [(v, s.clip.group) for s in chosen for v in s.swapped]))
        people = len({s.clip.group for s in chosen})
        right = np.mean([abs(s.own.lag_s) <= 0.1201 for s in chosen])
        lines.append(row(name, f"{len(chosen)}, {people}", *cells, f"{right:.0%}"))
    return lines


def look_at_test_set(network: LipSyncFile) -> list[str]:
    """Wav2Lip's files: what the network says, and the best lag."""
    lines = head("file", "log-odds", "best lag, ms")
    for path in sorted(TEST.rglob("*.mp4")):
        talk = _read(path)
        if isinstance(talk, str):
            lines.append(row(f"{path.parent.name}/{path.name}", talk, ""))
            continue
        found = list(look(network, [Clip(talk, "", path.parent.name == "real")]))
        odds = np.median([s.own.log_odds for s in found])
        lag = 1000 * np.median([s.own.lag_s for s in found])
        lines.append(row(f"{path.parent.name}/{path.name}", f"{odds:+.1f}", f"{lag:+.0f}"))
    return lines


def fit(stretches: Sequence[Stretch]) -> CueWeight:
    """The weight of the cue: "for" means that the sound does not belong to the lips."""
    said = [s for s in stretches if s.speech_s >= LipSync.min_speech_s]
    false = [
        (v, s.clip.group)
        for s in said
        for v in (*(s.shifted[k] for k in s.shifted if abs(k) > 100), *s.swapped)
    ]
    values = [s.own.log_odds for s in said] + [value for value, _ in false]
    labels = [0] * len(said) + [1] * len(false)
    groups = [s.clip.group for s in said] + [group for _, group in false]
    found = bootstrap(auc, np.array(labels), -np.array(values), groups)
    whole = (auc(np.array(labels), -np.array(values)), found.low, found.high)
    weight = fit_weight("lip_sync", values, labels, groups, auc=whole)
    print(weight.model_dump_json(indent=1))
    return weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write table, file and weight")
    write = parser.parse_args().write
    config = read_config(LipSyncConfig, RECIPE)
    clips = read_clips()
    seconds = sum(clip.talk.length_s for clip in clips)
    groups = len({clip.group for clip in clips})
    stretches = cross_validate(clips, config)
    network = train(config, [clip.talk for clip in clips], RUN / "all")
    lines = [
        f"{len(clips)} clips, {seconds:.0f} s, {groups} groups of people and sounds that share "
        "nothing. AUC with its 95 % interval over groups:",
        "",
        *measure(stretches),
        "",
        "Wav2Lip, judged by the shipped network:",
        "",
        *look_at_test_set(LipSyncFile(network)),
    ]
    print("\n".join(lines))
    weight = fit(stretches)
    if write:
        (SHIPPED / "lip_sync.onnx").write_bytes(network.read_bytes())
        replace_weights("lip_sync", CARD, [weight])
        write_section("lip_sync", lines)


if __name__ == "__main__":
    main()
