"""`counterface detect evaluate --leave-out`: makers that a detector never met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterface.apps.cli import output
from counterface.datasets.leave_out import LeaveOut
from counterface.detect.evaluate import EvaluateConfig
from counterface.errors import ConfigError
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.datasets.manifest import Entry
    from counterface.detect.evaluation.measure import Estimate
    from counterface.detect.generalisation.meter import (
        Compared,
        Generalisation,
        GeneraliseConfig,
    )
    from counterface.types import Progress


def evaluate_left_out(
    manifests: tuple[Path, ...],
    detectors: tuple[str, ...],
    by: LeaveOut,
    config: EvaluateConfig,
    *,
    html: Path | None,
    png: Path | None,
    json_output: bool,
) -> int:
    """Print and write the tables of each detector on one manifest; returns the exit code."""
    from counterface.detect.generalisation.meter import (
        GeneraliseConfig,
        compare_generalisation,
        measure_generalisation,
    )
    from counterface.report.evaluation import write_generalisation

    if len(manifests) != 1:
        raise ConfigError(
            f"--leave-out takes one manifest, not {len(manifests)}; put them into one"
        )
    if config.thorough or config.jobs > 1:
        raise ConfigError(
            "--leave-out cuts the largest face of each file in this process; drop --thorough and "
            "--jobs"
        )
    chosen = {name: getattr(config, name) for name in config.model_fields_set}
    with output.progress("evaluate") as report:
        found = measure_generalisation(
            manifests[0],
            detectors,
            by,
            GeneraliseConfig(**chosen),
            refit=_refit,
            progress=report,
        )
    compared = [compare_generalisation(other, found[0]) for other in found[1:]]
    for one in found:
        output.tell(one, table_lines(one), json_output)
    for pair in compared:
        output.tell(pair, _compared_lines(pair), json_output)
    write_generalisation(found[0], compared, html=html, png=png)
    return 2 if found[0].failed else 0


def _refit(
    items: Sequence[Entry],
    path: Path,
    by: LeaveOut,
    config: GeneraliseConfig,
    progress: Progress | None,
) -> Generalisation:
    from counterface.detect.training.leave_out_fit import refit_recipe  # needs torch

    return refit_recipe(items, path, by, config, progress)


def table_lines(found: Generalisation) -> Iterator[str]:
    """All numbers of a detector on makers that it never met, in words."""
    how = f"fitted without each {found.by}" if found.refitted else "as it is"
    yield f"{found.name}, {how}: {found.files} files, {found.no_face} without a face"
    summaries = [(s.name, s) for s in found.summaries]
    summaries += [(f"{s.name}, new files of known makers", s) for s in found.met]
    for name, s in summaries:
        yield (
            f"{name}: {s.methods} methods, {s.fakes} fakes, auc {_shown(s.auc)}, above twins "
            f"{_shown(s.twins)}, equally sharp {_shown(s.equal)}, worst quarter "
            f"{_share(s.worst_quarter)}, {s.below_chance} of {s.ranked} under 0.5"
        )
    for row in found.controls:
        if row.name == "all":
            yield f"control {row.control}: auc {_shown(row.auc)}, above twins {_shown(row.twins)}"
    for method in found.rows:
        place = f"auc {method.auc:.3f}, " if method.auc is not None else ""
        yield (
            f"{method.family} {method.name}: {counted(method.fakes, 'fake')}, {place}"
            f"{method.found:.3g} of {method.scored} above 95 % of genuine files, above twins "
            f"{_share(method.twins)}, equally sharp {_share(method.equal)}"
        )
    for alarm in found.alarms:
        yield (
            f"genuine {alarm.origin}: {counted(alarm.files, 'file')}, called fake "
            f"{_share(alarm.called)}, above the others' 5 % line {_share(alarm.beyond)}"
        )
    for line in found.failed:
        yield f"failed {line}"
    for caution in found.cautions:
        yield f"! {caution.text}"


def _compared_lines(found: Compared) -> Iterator[str]:
    yield f"{found.first} less {found.second}, paired by fake:"
    for name, number in found.differences.items():
        yield f"{name} {_shown(number)}"


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _shown(number: Estimate | None) -> str:
    if number is None or number.low is None or number.high is None:
        return _share(number.value if number else None)
    return f"{number.value:.3f} ({number.low:.3f} to {number.high:.3f})"
