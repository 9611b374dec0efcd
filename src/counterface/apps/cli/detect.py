"""`counterface detect ...`: train, export and evaluate detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from counterface.apps.cli import output
from counterface.config import read_config

app = App(name="detect", help="Train, evaluate and export detectors.")

Json = Annotated[bool, Parameter(name="--json", negative="", help="print one JSON object a line")]


@app.command
def train(recipe: Path, /, *, out: Path | None = None, json_output: Json = False) -> int:
    """Train a detector from a recipe; run again to continue a run that was stopped.

    Args:
        recipe: TOML file, see `recipes/`.
        out: Folder of the run, instead of the recipe's.
    """
    from counterface.detect.train import TrainConfig, train_detector

    config = read_config(TrainConfig, recipe)
    if out is not None:
        config = config.model_copy(update={"out": out})

    with output.progress("train") as report:

        def told(phase: str, step: int, steps: int, numbers: dict[str, float]) -> None:
            shown = ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())
            report(step, steps, f"{phase}: {shown}")

        result = train_detector(config, told)
    if json_output:
        output.print_json(result)
    else:
        print(f"{result.stopped} at step {result.step}; weights: {result.weights}")
    return 0


@app.command
def fit(recipe: Path, detector: Path, /, *, out: Path | None = None) -> int:
    """Fit linear heads on a frozen backbone's statistics and write the detector: minutes, no GPU.

    The file is not calibrated: run `counterface detect calibrate` on held-back files next.

    Args:
        recipe: TOML file, see `recipes/frame_statistics.toml`.
        detector: The ONNX file to write.
        out: Folder of the run, instead of the recipe's.
    """
    from counterface.detect.training.fit import FitConfig, fit_detector

    config = read_config(FitConfig, recipe)
    if out is not None:
        config = config.model_copy(update={"out": out})
    failures: list[str] = []
    with output.progress("fit") as report:
        fit_detector(config, detector, report, lambda item, why: failures.append(why))
    for why in failures:
        print(f"failed   {output.printable(why)}")
    print(detector)
    return 2 if failures else 0


@app.command
def export(weights: Path, detector: Path, /, *, name: str = "own", recipe: Path) -> int:
    """Write trained weights as a detector file that `counterface scan --detector` reads.

    The file is not calibrated and calls nothing before its logit is certain: run
    `counterface detect calibrate` on held-back files next.

    Args:
        weights: The run's last.safetensors or best.safetensors.
        detector: The ONNX file to write.
        name: What reports call it.
        recipe: The recipe that it was trained by.
    """
    from counterface.detect.train import TrainConfig, load_net
    from counterface.detect.training.export import export_detector, uncalibrated

    config = read_config(TrainConfig, recipe)
    info = uncalibrated(name, config.pairs.template, config.pairs.size)
    export_detector(load_net(config.model, weights), info, detector)
    print(detector)
    return 0


@app.command
def calibrate(detector: Path, manifest: Path, /, *, jobs: int = 1) -> int:
    """Fit a detector's probabilities and thresholds on files that it was not trained on.

    Args:
        detector: ONNX file; its calibration is replaced.
        manifest: CSV with the columns file and label (real or fake), optional method and group.
        jobs: Processes that scan.
    """
    from counterface.datasets.manifest import read_manifest
    from counterface.detect.evaluate import calibrate_file
    from counterface.detect.scan import ScanConfig

    with output.progress("calibrate") as report:
        info = calibrate_file(
            detector, read_manifest(manifest), ScanConfig(), jobs=jobs, progress=report
        )
    print(
        f"{output.printable(str(detector))}: scale {info.calibration.scale:.3f}, "
        f"offset {info.calibration.offset:.3f}, likely_manipulated from "
        f"{info.thresholds.likely_manipulated:.3f}, no_manipulation_found up to "
        f"{info.thresholds.no_manipulation_found:.3f}"
    )
    return 0


@app.command
def evaluate(
    manifest: Path,
    /,
    *,
    detector: str = "default",
    frames: int = 32,
    jobs: int = 1,
    json_output: Json = False,
) -> int:
    """Say how well a detector judges labelled files, by the same path as a scan.

    Args:
        manifest: CSV with the columns file and label (real or fake), optional method and group.
        detector: 'default' or the path of an ONNX detector file.
        frames: Frames of each video.
        jobs: Processes that scan.
    """
    from counterface.datasets.manifest import read_manifest
    from counterface.detect.detector import Detector
    from counterface.detect.evaluate import evaluate_files, score_files
    from counterface.detect.scan import ScanConfig

    config = ScanConfig(frames=frames, detector=detector)
    threshold = Detector.load(detector).info.thresholds.likely_manipulated
    with output.progress("evaluate") as report:
        scores = score_files(read_manifest(manifest), config, jobs=jobs, progress=report)
    evaluation = evaluate_files(scores, threshold)
    if json_output:
        output.print_json(evaluation)
    else:
        print(f"{evaluation.real} real, {evaluation.fake} fake, {evaluation.not_scored} not scored")
        if evaluation.auc:
            value, low, high = evaluation.auc
            print(f"auc {value:.3f} (95 % interval {low:.3f} to {high:.3f})")
        for name, number in evaluation.metrics.items():
            print(f"{name} {number:.3f}")
    return 2 if any(score.error for score in evaluation.files) else 0
