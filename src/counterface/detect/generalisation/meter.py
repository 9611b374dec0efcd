"""A detector, or a recipe of one, on makers that it never met: all tables of one manifest.

A detector file is judged as it is. A recipe of `detect fit` is fitted anew for every method, family
or origin, on what shares nothing with it (`counterface.datasets.leave_out`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, Field

from counterface.config import Record
from counterface.datasets.leave_out import LeaveOut
from counterface.datasets.manifest import LABELS, Entry
from counterface.detect.detector import Detector
from counterface.detect.evaluate import DetectorFacts, EvaluateConfig, Opened, open_manifest
from counterface.detect.evaluation.measure import Estimate
from counterface.detect.findings import Notice
from counterface.detect.generalisation.controls import CONTROLS
from counterface.detect.generalisation.face_crops import CropConfig, FaceCrops, cut_faces
from counterface.detect.generalisation.twin_table import (
    AlarmRow,
    Array,
    FakeResult,
    JudgedFile,
    MethodRow,
    Pair,
    Summary,
    compare_results,
    count_alarms,
    find_twins,
    place_fakes,
    summarise,
    tabulate,
)
from counterface.detect.generalisation.views import (
    EQUALISED,
    PLAIN,
    RING,
    Answers,
    FileView,
    ViewStore,
    plan_twins,
    plan_views,
    read_views,
)
from counterface.errors import ConfigError
from counterface.types import Image, Progress
from counterface.weights import cache_dir


class GeneraliseConfig(EvaluateConfig):
    """How generalisation is measured; `rounds` are of the two-level bootstrap."""

    frames: int = Field(
        8, ge=1, le=1000, description="moments of each video, spread evenly over its duration"
    )
    rounds: int = Field(
        2000, ge=100, le=100_000, description="number of resamples for the intervals"
    )


class ControlRow(Record):
    """The numbers of `Summary` for something else than the detector's score."""

    control: str
    name: str = Field(description="name of a family, or all")
    auc: Estimate | None
    twins: Estimate | None


class Generalisation(Record):
    """All tables of one detector or recipe."""

    name: str
    detector: DetectorFacts | None = None
    opened: Opened | None = None
    by: LeaveOut
    refitted: bool = Field(
        description="whether the detector was fitted anew without each part; otherwise it is "
        "judged as it is"
    )
    files: int
    no_face: int
    failed: tuple[str, ...] = Field(description="files that could not be read, with the reason")
    summaries: tuple[Summary, ...]
    met: tuple[Summary, ...] = Field(
        (), description="the same for new files of makers that the fits knew; folds only"
    )
    rows: tuple[MethodRow, ...]
    controls: tuple[ControlRow, ...]
    alarms: tuple[AlarmRow, ...]
    results: tuple[FakeResult, ...]
    cautions: tuple[Notice, ...] = ()


class Compared(Record):
    """How much higher the first of two stands, paired by fake."""

    first: str
    second: str
    differences: dict[str, Estimate]


class Material(Record):
    """Files that are judged, with their faces; what every detector of one shape shares."""

    model_config = ConfigDict(arbitrary_types_allowed=True)  # holds arrays

    entries: tuple[Entry, ...]
    faces: tuple[FaceCrops, ...]
    failed: tuple[str, ...]
    pairs: tuple[Pair, ...]
    equal: dict[Pair, tuple[FileView, FileView]]
    views: tuple[FileView, ...]
    template: str

    @property
    def judged(self) -> list[JudgedFile]:
        """The files as the tables want them."""
        return [
            JudgedFile(entry, face.face_px, face.still)
            for entry, face in zip(self.entries, self.faces, strict=True)
        ]


Refit = Callable[
    [Sequence[Entry], Path, LeaveOut, GeneraliseConfig, Progress | None], Generalisation
]


def measure_generalisation(
    manifest: Path,
    detectors: Sequence[str],
    by: LeaveOut,
    config: GeneraliseConfig | None = None,
    *,
    refit: Refit | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> list[Generalisation]:
    """The tables of each detector file or recipe, on the same files.

    Args:
        manifest: with the columns generator (the method), method (the family), source (the
            footage), identities and origin, as far as they are known.
        detectors: 'default', paths of detector files, or recipes of `detect fit` (.toml).
        by: what a recipe is fitted without; a detector file is judged as it is.
        config: which files, how many moments of each.
        refit: judges recipes: `detect.training.leave_out_fit.refit_recipe`, which needs torch.
        progress: called as (done, total, name).
        now: the clock of the log of the test split.

    Raises:
        ConfigError: no files of both classes, or the opening cannot be logged.
        DetectorError: a detector cannot be used.
    """
    config = config or GeneraliseConfig()
    facts = {name: DetectorFacts.load(name) for name in detectors if not is_recipe(name)}
    items, opened, odd = open_manifest(manifest, config, "leave-out", list(facts.values()), now)
    found = []
    for name in detectors:
        if name in facts:
            one = judge_detector(items, name, by, config, progress)
        elif refit is not None:
            one = refit(items, Path(name), by, config, progress)
        else:
            raise ConfigError(f"{name}: a recipe, and nothing to fit it by; name a detector file")
        about = {"detector": facts.get(name), "opened": opened}
        found.append(one.model_copy(update=about | {"cautions": (*odd, *one.cautions)}))
    return found


def is_recipe(name: str) -> bool:
    """Whether a detector is named by the recipe that it is fitted by."""
    return Path(name).suffix.lower() == ".toml"


def judge_detector(
    items: Sequence[Entry],
    name: str,
    by: LeaveOut,
    config: GeneraliseConfig,
    progress: Progress | None = None,
) -> Generalisation:
    """The tables of a detector file, as it is."""
    detector = Detector.load(name)
    info = detector.info
    cut = CropConfig(info.template, info.size, config.frames, info.frames, info.step)
    material = gather(items, cut, config, progress)

    def read(crops: Image) -> Answers:
        return detector.score(crops if info.frames > 1 else crops[:, 0])[0]

    answers = read_material(material, read, f"{detector.sha256} {cut.key}", config, progress)
    logits = {view: float(values.mean()) for view, values in answers.items()}
    scale, offset = info.calibration.scale, info.calibration.offset
    line = info.thresholds.likely_manipulated
    raw = (float(np.log(line / (1 - line))) - offset) / scale
    placed = place_changes(material, logits)
    alarms = count_alarms(material.judged, change_scores(material, logits, PLAIN), raw)
    return assemble(info.name, material, placed, alarms, by, config)


def gather(
    items: Sequence[Entry],
    cut: CropConfig,
    config: GeneraliseConfig,
    progress: Progress | None = None,
) -> Material:
    """The faces of all files that can be read, and how each will be looked at.

    Raises:
        ConfigError: no genuine or no fake file has a face.
    """
    faces = cut_faces(items, cut, _cache(config) / "crops", progress=progress)
    both = [(e, f) for e, f in zip(items, faces, strict=True) if not isinstance(f, str)]
    failed = tuple(
        f"{e.path}: {f}" for e, f in zip(items, faces, strict=True) if isinstance(f, str)
    )
    seen = {e.label for e, f in both if len(f.crops)}
    if seen != {0, 1}:
        where = f"{LABELS[seen.pop()]} files alone" if seen else "none"
        raise ConfigError(
            f"of {len(items)} files {len(both)} could be read; faces are needed in real and in "
            f"fake files, and were found in {where}"
        )
    entries, known = tuple(e for e, _ in both), tuple(f for _, f in both)
    pairs = find_twins(entries)
    equal = plan_twins(known, pairs, cut.template)
    views = dict.fromkeys([*plan_views(known), *(v for pair in equal.values() for v in pair)])
    return Material(
        entries=entries,
        faces=known,
        failed=failed,
        pairs=tuple(pairs),
        equal=equal,
        views=tuple(views),
        template=cut.template,
    )


def read_material(
    material: Material,
    read: Callable[[Image], Answers],
    reader: str,
    config: GeneraliseConfig,
    progress: Progress | None = None,
) -> Mapping[FileView, Answers]:
    """What a detector or backbone says of every view, from the cache where it is known."""
    store = ViewStore(_cache(config) / "views", reader)
    return read_views(material.faces, material.views, read, material.template, store, progress)


def assemble(
    name: str,
    material: Material,
    placed: Mapping[str, Sequence[FakeResult]],
    alarms: tuple[AlarmRow, ...],
    by: LeaveOut,
    config: GeneraliseConfig,
    *,
    refitted: bool = False,
    cautions: tuple[Notice, ...] = (),
) -> Generalisation:
    """The tables from what `place_changes` found; controls that need no detector are added."""
    files, results = material.judged, placed[PLAIN]
    others = {change: placed[change] for change in (RING, EQUALISED)}
    for control in CONTROLS:
        values = [face.controls.get(control, float("nan")) for face in material.faces]
        others[control] = place_fakes(files, np.array(values))
    controls = [
        ControlRow(control=control, name=part.name, auc=part.auc, twins=part.twins)
        for control, found in others.items()
        for part in summarise(found, rounds=config.rounds)
    ]
    return Generalisation(
        name=name,
        by=by,
        refitted=refitted,
        files=len(files),
        no_face=sum(not len(face.crops) for face in material.faces),
        failed=material.failed,
        summaries=summarise(results, rounds=config.rounds),
        rows=tabulate(results),
        controls=tuple(controls),
        alarms=alarms,
        results=tuple(results),
        cautions=cautions,
    )


def compare_generalisation(
    first: Generalisation, second: Generalisation, *, rounds: int = 2000
) -> Compared:
    """The paired differences of two detectors on the same fakes."""
    return Compared(
        first=first.name,
        second=second.name,
        differences=compare_results(first.results, second.results, rounds=rounds),
    )


def change_scores(material: Material, logits: Mapping[FileView, float], change: str) -> Array:
    """(N,) of each file under a change; NaN without a face."""
    count = range(len(material.entries))
    return np.array([logits.get(FileView(index, change), float("nan")) for index in count])


def place_changes(
    material: Material, logits: Mapping[FileView, float], **among: Iterable[int]
) -> dict[str, list[FakeResult]]:
    """Where fakes stand as they are and under each change; the first beside equally sharp twins.

    `among` are `fakes` and `reals` of `place_fakes`.
    """
    equal = {
        pair: (logits[fake], logits[twin])
        for pair, (fake, twin) in material.equal.items()
        if fake in logits and twin in logits
    }
    return {
        change: place_fakes(
            material.judged,
            change_scores(material, logits, change),
            equal if change == PLAIN else None,
            **among,
        )
        for change in (PLAIN, RING, EQUALISED)
    }


def _cache(config: GeneraliseConfig) -> Path:
    return (config.cache or cache_dir()) / "generalisation"
