"""`counterface detect evaluate|compare|robustness|curves` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor
from tiny_detector import metadata, write_detector

from counterface.apps.cli.main import main
from counterface.datasets.manifest import Entry, write_manifest
from counterface.media.image import write_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark real and a bright fake portrait of two people, and a file that is none."""
    folder = tmp_path_factory.mktemp("set")
    items = []
    for person in range(2):
        plain = draw_actor(person, size=200).image.astype(float)
        for label, gain in ((0, 0.5), (1, 1.3)):
            path = folder / f"{person}_{label}.png"
            write_image(path, np.clip(plain * gain, 0, 255).astype(np.uint8))
            items.append(Entry(path, label, "drawn", identities=(f"p{person}",), split="test"))
    write_manifest(items, folder / "good.csv")
    (folder / "broken.png").write_bytes(b"no picture")
    write_manifest([*items, Entry(folder / "broken.png", 1)], folder / "bad.csv")
    write_detector(folder / "one.onnx")
    write_detector(folder / "two.onnx", metadata(name="other"), gain=-8.0)
    return folder


def run(capsys: pytest.CaptureFixture[str], folder: Path, verb: str, *words: object):
    flags = ("--cache", folder / "scores", "--rounds", 100)
    code = main(["detect", verb, *map(str, (*words, *flags))])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_evaluate_says_numbers_and_outcomes(folder: Path, capsys):
    one = ("--detector", folder / "one.onnx")
    code, text, _ = run(capsys, folder, "evaluate", folder / "good.csv", *one)
    assert code == 0
    assert "2 real, 2 fake, 0 not scored" in text
    assert "auc 1.000" in text
    assert "method drawn: 2 real, 2 fake" in text
    assert "no_face: 0 real, 0 fake" in text
    code, text, _ = run(capsys, folder, "evaluate", folder / "good.csv", *one, "--json")
    assert code == 0
    assert json.loads(text)["opened"]["openings"]  # the run before is in the log
    code, text, _ = run(capsys, folder, "evaluate", folder / "bad.csv", *one, "--split", "all")
    assert code == 2  # a file failed
    assert "failed: 0 real, 1 fake" in text


@pytest.mark.slow
def test_evaluate_against_others_and_across_sets(folder: Path, capsys):
    words = ("--detector", folder / "one.onnx", "--against", folder / "two.onnx")
    page = folder / "page.html"
    code, text, _ = run(capsys, folder, "evaluate", folder / "good.csv", *words, "--html", page)
    assert code == 0
    assert "tiny is better on these files" in text
    assert "other is better" not in text
    assert "Are the classes inverted?" in text
    assert "tiny on good" in page.read_text()
    both = (folder / "good.csv", folder / "bad.csv", "--split", "all")
    code, text, _ = run(capsys, folder, "evaluate", *both, *words, "--json")
    lines = [json.loads(line) for line in text.splitlines()]
    assert code == 2
    assert len(lines) == 4 + 2 + 1  # evaluations, comparisons, the matrix
    assert len(lines[-1]["cells"]) == 2


@pytest.mark.slow
def test_compare_and_robustness(folder: Path, capsys):
    pair = (folder / "one.onnx", folder / "two.onnx", folder / "good.csv")
    code, text, _ = run(capsys, folder, "compare", *pair)
    assert code == 0
    assert text.startswith("tiny is better on these files")
    words = (folder / "good.csv", "--detector", folder / "one.onnx", "--kinds", "jpeg")
    png = folder / "png"
    code, text, _ = run(capsys, folder, "robustness", *words, "--limit", 1, "--png", png)
    assert code == 0
    assert text.count("jpeg ") == 6
    assert "mean auc all" in text
    assert (png / "levels.png").is_file()


def test_curves_and_wrong_use(folder: Path, capsys):
    (folder / "run").mkdir()
    (folder / "empty").mkdir()
    (folder / "empty" / "folds.json").write_text('{"groupings": []}')
    row = {"kind": "train", "step": 3, "loss": 0.5}
    (folder / "run" / "log.jsonl").write_text(json.dumps(row) + "\n")
    assert main(["detect", "curves", str(folder / "run")]) == 0
    assert capsys.readouterr().out == "run: 1 lines, up to step 3\n"
    for words, says in (
        (["evaluate"], "MANIFESTS"),
        (["evaluate", str(folder / "good.csv"), "--html", "/no/such/a.html"], "does not exist"),
        (["evaluate", str(folder / "good.csv"), "--split", "val"], "has the splits test"),
        (["robustness", str(folder / "good.csv"), "--kinds", "fog"], "fog"),
        (["curves", str(folder)], "holds no log.jsonl"),
        (["curves", str(folder / "empty"), "--html", str(folder / "e.html")], "holds no folds"),
    ):
        assert main(["detect", *words]) == 1
        assert says in capsys.readouterr().err
