"""From drawn files to the tables: a detector as it is, and a recipe fitted without each method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scan_media import drawn_picture, empty_picture
from tiny_detector import write_detector

from counterface.apps.cli.main import main
from counterface.datasets.leave_out import training_part
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.detect.generalisation import face_crops
from counterface.detect.generalisation.face_crops import CropConfig
from counterface.detect.generalisation.meter import (
    Generalisation,
    GeneraliseConfig,
    compare_generalisation,
    gather,
    measure_generalisation,
)
from counterface.detect.training import leave_out_fit
from counterface.errors import ConfigError, MediaError
from counterface.media.image import read_image, write_image
from counterface.report.evaluation import write_generalisation

RECIPE = """\
frames = 1
size = 64
[[heads]]
name = "swap"
fakes = { swap = 1.0 }
reals = { real = 1.0 }
[model]
backbone = "test_efficientnet"
cells = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark genuine portraits of six people, and bright fakes of them by two methods."""
    folder = tmp_path_factory.mktemp("many")
    items = []
    for person in range(6):
        plain = read_image(drawn_picture(folder / "plain.png", person, 160)).astype(float)
        (folder / "plain.png").unlink()
        made = ((0, "", 0.5), (1, "bright" if person % 2 else "brighter", 1.2 + 0.1 * person / 6))
        for label, method, gain in made:
            path = folder / f"{person}_{label}.png"
            write_image(path, np.clip(plain * gain, 0, 255).astype(np.uint8))
            family = "swap" if label else "real"
            items.append(
                Entry(
                    path,
                    label,
                    family,
                    f"footage {person}",
                    (f"p{person}",),
                    method,
                    origin="" if label else f"repo {person % 2}",
                )
            )
    items.append(Entry(empty_picture(folder / "empty.png"), 1, "swap", generator="bright"))
    write_manifest(items, folder / "many.parquet")
    (folder / "broken.png").write_bytes(b"no picture")
    write_detector(folder / "good.onnx")
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def config(folder: Path) -> GeneraliseConfig:
    return GeneraliseConfig(rounds=100, cache=folder / "cache")


@pytest.fixture(scope="module")
def found(folder: Path, config: GeneraliseConfig) -> Generalisation:
    """The tables of a detector that reads brightness."""
    detectors = [str(folder / "good.onnx")]
    (found,) = measure_generalisation(folder / "many.parquet", detectors, "method", config)
    return found


def test_a_detector_is_judged_by_method_beside_its_controls(found: Generalisation):
    assert (found.files, found.no_face, found.failed) == (13, 1, ())
    assert [(row.name, row.fakes, row.scored) for row in found.rows] == [
        ("bright", 4, 3),
        ("brighter", 3, 3),
    ]
    everything = found.summaries[0]
    assert everything.auc is not None
    assert everything.twins is not None
    assert (everything.auc.value, everything.twins.value) == (1.0, 1.0)  # it reads brightness
    controls = {(row.control, row.name): row for row in found.controls}
    ring = controls["ring", "all"].auc
    assert ring is not None
    assert ring.value == 1.0  # the surroundings are as bright
    small = controls["small", "all"].auc
    assert small is not None
    assert small.value == 0.5  # all of one size: a tie
    assert [a.origin for a in found.alarms] == ["repo 0", "repo 1"]
    assert {a.called for a in found.alarms} == {0.0}
    assert compare_generalisation(found, found, rounds=100).differences["auc"].value == 0.0


def test_a_recipe_is_fitted_on_nothing_that_a_judged_file_shares(
    folder: Path, config: GeneraliseConfig, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    fit = leave_out_fit.fit_heads

    def spy(net, found, items, recipe):
        seen.append(list(items))
        fit(net, found, items, recipe)

    monkeypatch.setattr(leave_out_fit, "fit_heads", spy)
    manifest = folder / "many.parquet"
    recipes = [str(folder / "recipe.toml")]
    (found,) = measure_generalisation(
        manifest, recipes, "method", config, refit=leave_out_fit.refit_recipe
    )
    assert found.refitted
    assert [row.scored for row in found.rows] == [3, 3]
    assert len(seen) == 8  # two methods, each without every part of the genuine files
    entries = read_manifest(manifest)
    for items in seen:
        methods = {item.generator for item in items if item.label}
        assert len(methods) == 1  # the other one
        people = {name for item in items for name in item.identities}
        judged = [e for e in entries if e.label and e.generator not in methods]
        assert not people & {name for e in judged for name in e.identities}
    with pytest.raises(ConfigError, match="no family could be left out"):
        measure_generalisation(
            manifest, recipes, "family", config, refit=leave_out_fit.refit_recipe
        )
    assert training_part(entries, leave_out_fit.Unit("family", "swap")) == []


def test_both_classes_need_a_face(folder: Path, config: GeneraliseConfig):
    reals = [e for e in read_manifest(folder / "many.parquet") if not e.label]
    with pytest.raises(ConfigError, match="found in real files alone"):
        gather(reals, CropConfig("whole_face", 64, 8), config)
    with pytest.raises(ConfigError, match="were found in none"):
        gather([Entry(folder / "empty.png", 1)], CropConfig("whole_face", 64, 8), config)


def test_the_command_prints_all_tables_and_one_bad_file_ends_nothing(
    found: Generalisation, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch
):
    cut = face_crops.FaceCutter._cut

    def new_only(self: face_crops.FaceCutter, path: Path, sha256: str):
        assert path.name == "broken.png"  # the others were cut before, and are kept
        return cut(self, path, sha256)

    monkeypatch.setattr(face_crops.FaceCutter, "_cut", new_only)
    entries = [*read_manifest(folder / "many.parquet"), Entry(folder / "broken.png", 1, "swap")]
    write_manifest(entries, folder / "with_broken.csv")
    words = ["detect", "evaluate", str(folder / "with_broken.csv"), "--leave-out", "method"]
    words += ["--detector", str(folder / "good.onnx"), "--cache", str(folder / "cache")]
    assert main(words) == 2
    said = capsys.readouterr().out
    assert "all: 2 methods, 7 fakes, auc 1.000" in said
    assert "swap bright: 4 fakes, 3 of 3 above 95 % of genuine files" in said
    assert "control ring: auc 1.000" in said
    assert "genuine repo 1: 3 files, called fake 0.000" in said
    assert "broken.png" in said
    assert main([*words, "--thorough"]) == 1
    assert "drop --thorough" in capsys.readouterr().err


def test_flags_of_an_evaluation_apply_and_defaults_are_of_this_one(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    seen = []

    def stop(manifest, detectors, by, config, **rest):
        seen.append((detectors, by, config.frames, config.rounds, config.split))
        raise ConfigError("enough")

    monkeypatch.setattr("counterface.detect.generalisation.meter.measure_generalisation", stop)
    words = ["detect", "evaluate", str(folder / "many.parquet"), "--leave-out", "origin"]
    assert main(words) == 1
    assert main([*words, "--frames", "16", "--split", "all", "--against", "two.onnx"]) == 1
    assert seen == [
        (("default",), "origin", 8, 2000, None),
        (("default", "two.onnx"), "origin", 16, 2000, "all"),
    ]
    assert main([*words[:3], *words[2:]]) == 1
    assert "takes one manifest, not 2" in capsys.readouterr().err
    (folder / "file").touch()
    cut = CropConfig("whole_face", 64, 8)
    with pytest.raises(MediaError, match="name another with --cache"):
        face_crops.cut_faces([], cut, folder / "file" / "inside")


def test_the_page_has_the_tables_and_loads_nothing(found: Generalisation, tmp_path: Path):
    named = found.model_copy(update={"name": "<b>hostile"})
    assert Generalisation.model_validate_json(named.model_dump_json()) == named
    compared = [compare_generalisation(named, found, rounds=100)]
    write_generalisation(named, compared, html=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>hostile" not in page
    for text in ("Twins made equally sharp", "alone: few bytes a pixel", "repo 1", "brighter"):
        assert text in page
    assert "<script" not in page
