"""`counterface detect fit|calibrate`: what takes minutes and no gradient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.apps.cli.detect.leave_out import table_lines
from counterface.config import read_config_with, require_toml

if TYPE_CHECKING:
    from counterface.detect.weigh import Weighing


def fit(
    recipe: Path,
    detector: Path,
    /,
    *,
    manifest: Path | None = None,
    out: Path | None = None,
    faces: Path | None = None,
    folds: int | None = None,
    jobs: int = 1,
    html: Path | None = None,
    json_output: Json = False,
) -> int:
    """Fit linear heads on a backbone's statistics and write the detector: no GPU is needed.

    With folds, groups of methods and genuine sources are left out in turn, and what those fits say
    of them weighs the file's witnesses; the numbers on what was left out are printed. Without, the
    file is not calibrated: run `counterface detect calibrate` on held-back files next. Run again to
    continue a run that was stopped.

    Args:
        recipe: TOML file, see `recipes/many_methods.toml`.
        detector: The ONNX file to write.
        manifest: Labelled files with their methods, instead of the recipe's.
        out: Folder of the run, instead of the recipe's.
        faces: Store that the recipe's tuning reads, instead of the recipe's.
        folds: Groups of methods that are left out in turn, instead of the recipe's; 0 = none.
        jobs: Processes that scan what the folds left out.
        html: Page of the numbers on what was left out.
    """
    require_toml(recipe)
    from counterface.detect.detector import Detector
    from counterface.detect.training.fit import FitConfig
    from counterface.detect.training.weighed_fit import fit_weighed
    from counterface.report.evaluation import write_generalisation

    given = {"manifest": manifest, "out": out, "faces": faces}
    values: dict[str, object] = {n: str(path) for n, path in given.items() if path is not None}
    config = read_config_with(
        FitConfig, recipe, values | ({} if folds is None else {"folds": folds})
    )
    failures: dict[str, None] = {}
    with output.progress("fit") as report:
        found = fit_weighed(
            config,
            detector,
            jobs=jobs,
            progress=report,
            failed=lambda item, why: failures.setdefault(why),
        )
    info = Detector.load(str(detector)).info
    if found is not None:
        write_generalisation(found, html=html)
    facts = {
        "detector": detector,
        "failures": list(failures),
        "weighing": info.weighing if found is not None else None,
        "left_out": found,
    }
    lines = [
        *(f"failed   {why}" for why in failures),
        *(table_lines(found) if found is not None else ()),
        str(detector),
        *(_bin_lines(info.weighing) if found is not None else ()),
    ]
    return output.tell(facts, lines, json_output, failed=failures)


def _bin_lines(weighing: Weighing | None) -> list[str]:
    """What each witness is worth at each quality, where the file names witnesses."""
    if weighing is None:
        return []
    return [f"quality {bin_.name}: {weighing.describe(bin_)}" for bin_ in weighing.bins]


def calibrate(
    detector: Path, manifest: Path, /, *, jobs: int = 1, json_output: Json = False
) -> int:
    """Fit a detector's probabilities and thresholds on files that it was not trained on.

    Where the file names witnesses, what each is worth at each quality is fitted too.

    Args:
        detector: ONNX file; its calibration is replaced.
        manifest: A data set's list, .parquet or .csv: columns file and label (real or fake),
            optional method, group and origin.
        jobs: Processes that scan.
    """
    from counterface.datasets.manifest import read_manifest
    from counterface.detect.calibrate import calibrate_file
    from counterface.detect.scanning.scan import ScanConfig

    with output.progress("calibrate") as report:
        info = calibrate_file(
            detector, read_manifest(manifest), ScanConfig(), jobs=jobs, progress=report
        )
    facts = {
        "detector": detector,
        "calibration": info.calibration,
        "thresholds": info.thresholds,
        "weighing": info.weighing,
    }
    line = (
        f"{detector}: scale {info.calibration.scale:.3f}, offset {info.calibration.offset:.3f}, "
        f"likely_manipulated from {info.thresholds.likely_manipulated:.3f}, "
        f"no_manipulation_found up to {info.thresholds.no_manipulation_found:.3f}"
    )
    return output.tell(facts, [line, *_bin_lines(info.weighing)], json_output)
