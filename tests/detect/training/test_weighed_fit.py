"""The whole of `detect fit`: what folds learn from, what judges them, and calls that go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn_scores import scored
from scan_media import drawn_picture
from tiny_detector import metadata, weighing, write_detector

from counterface.config import read_config, write_config
from counterface.datasets import leave_out
from counterface.datasets.leave_out import met_paths
from counterface.datasets.manifest import Entry, of_split, read_manifest, write_manifest
from counterface.detect.detector import Detector
from counterface.detect.evaluation import score_files as score_files_module
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.generalisation.meter import Generalisation
from counterface.detect.models.frame_statistics import FrameStatisticsConfig
from counterface.detect.scanning.scan import ScanConfig
from counterface.detect.training import weighed_fit
from counterface.detect.training.fit import FitConfig, HeadConfig, TuningConfig, VoterConfig
from counterface.detect.training.recipe import TrainConfig
from counterface.detect.training.weighed_fit import TABLE, fit_weighed
from counterface.errors import DetectorError, MediaError, StoppedBySignal, TrainingError
from counterface.media.image import read_image, write_image
from counterface.report.evaluation import write_generalisation

HEAD = HeadConfig(
    name="known", looks_for="bright faces", fakes={"swap": 1.0}, reals={"real": 1.0}
)  # fmt: skip


class Work:
    """Stands for what takes hours; writes down what each stage was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fitted: list[list[Entry]] = []
        self.tuned: list[TrainConfig] = []
        self.scored: list[list[Entry]] = []
        self.stop_at: int | None = None  # number of the tuning that a signal stops
        monkeypatch.setattr(weighed_fit, "fit_items", self.fit)
        monkeypatch.setattr(weighed_fit, "train_detector", self.train)
        monkeypatch.setattr(weighed_fit, "score_files", self.score)
        monkeypatch.setattr(weighed_fit, "_is_finished", lambda weights, recipe: weights.is_file())

    def fit(self, config: FitConfig, items: Sequence[Entry], path: Path, *rest: object) -> None:
        self.fitted.append(list(items))
        info = weighing(questions="a")
        info["witnesses"][0]["name"] = "known"
        info["bins"][0]["min_eye_px"] = 20
        write_detector(path, metadata(weighing=info), gain=len(items), witnesses=[(1.0, 0.5)])

    def train(self, config: TrainConfig, told: Any) -> SimpleNamespace:
        self.tuned.append(config)
        if self.stop_at == len(self.tuned):
            return SimpleNamespace(stopped="signal", signal=15)
        (config.out / "last.safetensors").write_bytes(str(config.out).encode())
        return SimpleNamespace(stopped="finished", signal=None)

    def score(self, items: Sequence[Entry], *rest: object, **named: object) -> list[FileScore]:
        self.scored.append(list(items))
        return [_scored(item) for item in items]


def _scored(item: Entry) -> FileScore:
    rng = np.random.default_rng(list(item.path.name.encode()))
    logits = 3.0 * item.label + rng.normal(0, 0.5, (4, 1))
    columns = _columns(item)
    columns.pop("label")
    measured = {"eye_px": 80.0, "sharpness": 0.8, "strength": 0.2, "spread_over": "frames"}
    heard = tuple(map(tuple, logits.tolist()))
    return scored(item.label, 0.0, "g", str(item.path), witness_logits=heard, **columns, **measured)


def _columns(item: Entry) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ("label", "method", "generator", "origin")}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FitConfig:
    """Four methods with twins, six genuine collections, and minted fakes that are only learnt."""
    monkeypatch.setattr(leave_out, "PLENTY", 4)
    entries = []
    for maker in range(4):
        for number in range(5):
            name = f"{maker}_{number}"
            shown = Entry(tmp_path / f"twin_{name}.png", 0, "real", name, (f"p{name}",), "", "")
            made = {"label": 1, "method": "swap", "generator": f"m{maker}", "origin": f"r{maker}"}
            entries += [shown, replace(shown, path=tmp_path / f"fake_{name}.png", **made)]
            mint = {"path": tmp_path / f"mint_{name}.png", "method": "minted", "generator": "mint"}
            entries.append(replace(shown, label=1, split="train", **mint))
    for origin in range(6):
        for number in range(10):
            path = tmp_path / f"genuine_{origin}_{number}.png"
            entries.append(Entry(path, 0, "real", origin=f"collection {origin}"))
    entries.append(Entry(tmp_path / "shut.png", 0, "real", split="test"))
    write_manifest(entries, tmp_path / "list.parquet")
    write_config(TrainConfig(), tmp_path / "tuning.toml")
    return FitConfig(
        out=tmp_path / "run",
        manifest=tmp_path / "list.parquet",
        heads=(HEAD,),
        folds=4,
        faces=tmp_path / "faces",
        tuning=TuningConfig(recipe=tmp_path / "tuning.toml"),
    )


def run(config: FitConfig, **named: Any) -> Generalisation:
    found = fit_weighed(config, config.out / "own.onnx", **named)
    assert found is not None
    return found


def people(entries: Sequence[Entry]) -> set[str]:
    return {name for entry in entries for name in entry.identities}


@pytest.mark.slow
def test_what_judges_a_fold_is_in_none_of_its_fits(config: FitConfig, work: Work):
    run(config)
    whole = read_manifest(config.manifest or Path())
    assert len(work.fitted) == len(work.tuned) == 5  # four folds, and all files
    assert [len(part) for part in work.fitted[4:]] == [len(whole) - 1]  # all but the split test
    for fitted, judged, tuning in zip(work.fitted, work.scored, work.tuned, strict=False):
        listed = read_manifest(tuning.data.manifest or Path())
        for learnt in (fitted, of_split(listed, "train")):
            assert {e.path for e in learnt} == {e.path for e in fitted}
            assert not {e.path for e in learnt} & {e.path for e in judged}
            assert not people(learnt) & people(judged)
            strangers = [e for e in judged if e.path not in met_paths(listed)]
            assert not {e.origin for e in learnt} & {e.origin for e in strangers} - {""}
            assert not {e.generator for e in learnt} & {e.generator for e in strangers} - {""}
            assert any(e.generator == "mint" for e in learnt)
        assert not any(e.generator == "mint" for e in judged)
    judged = {entry.path for part in work.scored for entry in part}
    assert len(judged) == len(whole) - 20 - 1  # all but minted ones and the split test
    met = [met_paths(read_manifest(c.data.manifest or Path())) for c in work.tuned[:4]]
    assert min(map(len, met)) >= 10  # new files of makers and collections that a fold knows
    assert not any(e.path.name == "shut.png" for part in work.fitted for e in part)


@pytest.mark.slow
def test_the_file_says_what_its_witnesses_are_worth_and_the_table_stands_beside_it(
    config: FitConfig, work: Work, tmp_path: Path
):
    found = run(config)
    info = Detector.load(str(config.out / "own.onnx")).info
    assert info.weighing is not None
    (bin_,) = info.weighing.bins
    assert bin_.slopes[0] > 0.5
    assert bin_.promise is not None
    assert info.card["weighed_on"]["methods"] == 4
    assert [row.name for row in found.rows] == ["m0", "m1", "m2", "m3"]
    auc, twins = found.summaries[0].auc, found.summaries[0].twins
    assert auc is not None
    assert twins is not None
    assert (auc.value, twins.value) == (1.0, 1.0)
    assert sum(alarm.files for alarm in found.alarms) == 80
    assert Generalisation.model_validate_json((config.out / TABLE).read_text()) == found
    write_generalisation(found, html=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "collection 3" in page
    assert "all, new files of known makers" in page
    assert found.met[0].fakes > 0


@pytest.mark.slow
def test_a_second_call_makes_nothing_anew_and_other_heads_tune_nothing(
    config: FitConfig, work: Work
):
    run(config)
    work.fitted.clear(), work.tuned.clear()
    run(config)
    assert (work.fitted, work.tuned) == ([], [])
    run(config.model_copy(update={"heads": (HEAD.model_copy(update={"even": True}),)}))
    assert (len(work.fitted), work.tuned) == (5, [])


@pytest.mark.slow
def test_a_call_that_was_stopped_goes_on_where_it_was(config: FitConfig, work: Work):
    work.stop_at = 3
    with pytest.raises(StoppedBySignal, match="while fold 2 was tuned"):
        run(config)
    assert len(work.fitted) == 2
    work.stop_at = None
    run(config)
    assert len(work.fitted) == 5
    assert [c.out.parent.name for c in work.tuned[3:]] == ["fold_2", "fold_3", "run"]


@pytest.mark.slow
def test_a_run_is_not_taken_for_one_on_another_list(config: FitConfig, work: Work):
    run(config)
    entries = read_manifest(config.manifest or Path())[:-4]
    write_manifest(entries, config.manifest or Path())
    with pytest.raises(TrainingError, match="started on another list of files"):
        run(config)


@pytest.mark.slow
def test_a_run_from_elsewhere_is_taken_and_the_table_says_so(config: FitConfig, work: Work):
    taken = config.out / "fold_1" / "tuned"
    taken.mkdir(parents=True)
    (taken / "taken").write_text("another machine")
    with pytest.raises(MediaError, match=r"last\.safetensors"):
        run(config)
    (taken / "last.safetensors").write_bytes(b"weights")
    work.tuned.clear()
    found = run(config)
    assert [c.out.parent.name for c in work.tuned] == ["fold_2", "fold_3", "run"]
    assert "fold 1" in found.cautions[-1].text


@pytest.mark.slow
def test_where_witnesses_tell_nothing_the_table_is_kept(
    config: FitConfig, work: Work, monkeypatch: pytest.MonkeyPatch
):
    def alike(items: Sequence[Entry], *rest: object, **named: object) -> list[FileScore]:
        return [_scored(replace(item, label=0)).model_copy(update=_columns(item)) for item in items]

    monkeypatch.setattr(weighed_fit, "score_files", alike)
    with pytest.raises(DetectorError, match=r"no witness .*left_out\.json"):
        run(config)
    found = Generalisation.model_validate_json((config.out / TABLE).read_text())
    assert "taken at its word" in found.cautions[0].text
    assert len(found.rows) == 4


@pytest.mark.slow
def test_what_a_voter_met_weighs_nothing(config: FitConfig, work: Work, tmp_path: Path):
    whole = read_manifest(config.manifest or Path())
    met = [e for e in whole if e.origin in ("collection 0", "collection 1")]
    write_manifest(met, tmp_path / "met.csv")
    (tmp_path / "voter.safetensors").write_bytes(b"weights")
    voter = VoterConfig(
        weights=tmp_path / "voter.safetensors",
        question="pasted",
        looks_for="seams",
        met=tmp_path / "met.csv",
    )
    found = run(config.model_copy(update={"voters": (voter,)}))
    judged = {entry.path for part in work.scored for entry in part}
    assert not judged & {entry.path for entry in met}
    assert found.files == 80


def test_without_folds_the_file_is_not_calibrated(config: FitConfig, work: Work):
    settled = config.model_copy(update={"folds": 0})
    assert fit_weighed(settled, config.out / "own.onnx") is None
    assert (len(work.fitted), len(work.tuned), work.scored) == (1, 1, [])
    assert "weighed_on" not in Detector.load(str(config.out / "own.onnx")).info.card


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"heads": [{"name": "a", "fakes": {}, "reals": {}}]}, "say looks_for"),
        ({"tuned": "a.safetensors"}, "leave one out"),
    ],
)
def test_recipes_that_cannot_be_are_refused(config: FitConfig, changes: dict[str, Any], says: str):
    values = config.model_dump(mode="json") | changes
    with pytest.raises(ValueError, match=says):
        FitConfig.model_validate(values)


def test_a_tuning_without_faces_is_refused(config: FitConfig):
    with pytest.raises(TrainingError, match="say --faces FOLDER"):
        run(config.model_copy(update={"faces": None}))


@pytest.mark.slow
def test_a_tuning_has_no_share_for_a_family_that_its_fold_lacks(config: FitConfig, work: Work):
    assert config.tuning is not None
    recipe = read_config(TrainConfig, config.tuning.recipe)
    data = {"twins": {"families": {"swap": 1.0, "lipsync": 0.5}}}
    twins = TrainConfig.model_validate(recipe.model_dump(mode="json") | {"data": data})
    write_config(twins, config.tuning.recipe)
    run(config)
    for tuning in work.tuned:
        assert tuning.data.twins is not None
        assert tuning.data.twins.families == {"swap": 1.0}


@pytest.mark.slow
def test_drawn_faces_become_a_weighed_file_and_a_second_call_scans_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    entries = []
    for person in range(24):
        plain = read_image(drawn_picture(tmp_path / f"{person}.png", person, 160)).astype(float)
        entries.append(Entry(tmp_path / f"{person}.png", 0, "real", f"f{person}", (f"p{person}",)))
        if person < 16:
            made = {"path": tmp_path / f"{person}_made.png", "label": 1, "method": "swap"}
            entries.append(replace(entries[-1], generator=f"m{person % 2}", **made))
            green = np.clip(plain + np.array([0, 60, 0]), 0, 255)
            write_image(entries[-1].path, green.astype(np.uint8))
    write_manifest(entries, tmp_path / "list.csv")
    monkeypatch.setattr(weighed_fit, "ScanConfig", partial(ScanConfig, quality_gate=False))
    config = FitConfig(
        out=tmp_path / "run", manifest=tmp_path / "list.csv", heads=(HEAD,), folds=2, size=64,
        model=FrameStatisticsConfig(backbone="test_efficientnet", cells=4),
    )  # fmt: skip
    torch.manual_seed(0)
    found = run(config)
    assert found.summaries[0].auc is not None
    assert found.summaries[0].auc.value > 0.8
    info = Detector.load(str(config.out / "own.onnx")).info
    assert info.weighing is not None
    assert any(bin_.slopes[0] > 0 for bin_ in info.weighing.bins)

    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("done before")

    monkeypatch.setattr(weighed_fit, "fit_items", refuse)
    monkeypatch.setattr(score_files_module, "_scan", lambda paths, *rest: iter(paths and refuse()))
    assert run(config) == found
