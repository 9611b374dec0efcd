"""`counterface detect fit|calibrate`: what takes minutes and no gradient."""

from __future__ import annotations

from pathlib import Path

from counterface.apps.cli import output
from counterface.apps.cli.output import Json
from counterface.config import read_config_with, require_toml


def fit(
    recipe: Path,
    detector: Path,
    /,
    *,
    manifest: Path | None = None,
    out: Path | None = None,
    json_output: Json = False,
) -> int:
    """Fit linear heads on a frozen backbone's statistics and write the detector: minutes, no GPU.

    The file is not calibrated: run `counterface detect calibrate` on held-back files next.

    Args:
        recipe: TOML file, see `recipes/frame_statistics.toml`.
        detector: The ONNX file to write.
        manifest: Labelled files with their methods, instead of the recipe's.
        out: Folder of the run, instead of the recipe's.
    """
    require_toml(recipe)
    from counterface.detect.training.fit import FitConfig, fit_detector

    given = {"manifest": manifest, "out": out}
    values = {name: str(path) for name, path in given.items() if path is not None}
    config = read_config_with(FitConfig, recipe, values)
    failures: list[str] = []
    with output.progress("fit") as report:
        fit_detector(config, detector, report, lambda item, why: failures.append(why))
    if json_output:
        output.print_json({"detector": detector, "failures": failures})
        return 2 if failures else 0
    for why in failures:
        print(f"failed   {output.printable(why)}")
    print(output.printable(str(detector)))
    return 2 if failures else 0


def calibrate(
    detector: Path, manifest: Path, /, *, jobs: int = 1, json_output: Json = False
) -> int:
    """Fit a detector's probabilities and thresholds on files that it was not trained on.

    Where the file names witnesses, what each is worth at each quality is fitted too.

    Args:
        detector: ONNX file; its calibration is replaced.
        manifest: CSV with the columns file and label (real or fake), optional method, group and
            origin.
        jobs: Processes that scan.
    """
    from counterface.datasets.manifest import read_manifest
    from counterface.detect.calibrate import calibrate_file
    from counterface.detect.scan import ScanConfig

    with output.progress("calibrate") as report:
        info = calibrate_file(
            detector, read_manifest(manifest), ScanConfig(), jobs=jobs, progress=report
        )
    if json_output:
        output.print_json(
            {
                "detector": detector,
                "calibration": info.calibration,
                "thresholds": info.thresholds,
                "weighing": info.weighing,
            }
        )
        return 0
    print(
        f"{output.printable(str(detector))}: scale {info.calibration.scale:.3f}, "
        f"offset {info.calibration.offset:.3f}, likely_manipulated from "
        f"{info.thresholds.likely_manipulated:.3f}, no_manipulation_found up to "
        f"{info.thresholds.no_manipulation_found:.3f}"
    )
    if info.weighing is not None:
        for bin_ in info.weighing.bins:
            print(output.printable(f"quality {bin_.name}: {info.weighing.describe(bin_)}"))
    return 0
