"""Pages of the laboratory: every number and every file that has none, and nothing that loads."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn_scores import some_scores, unscored

from counterface.detect.evaluate import DetectorFacts, Evaluation, Opened, evaluate_files
from counterface.detect.evaluation.compare import compare_scores
from counterface.detect.evaluation.cross import cross_table
from counterface.detect.evaluation.degradation import STRENGTHS, Degradation
from counterface.detect.evaluation.openings import Opening
from counterface.detect.evaluation.robustness import RobustnessConfig, summarise_levels
from counterface.errors import ConfigError
from counterface.report.charts import draw_training
from counterface.report.drawing import chart_style, figure_png, figure_uri, write_pngs
from counterface.report.evaluation import (
    write_comparison,
    write_cross,
    write_evaluation,
    write_robustness,
)
from counterface.report.training import best_of, curves_of, read_folds, write_training

EVIL = '"><img src=http://192.0.2.1/x onerror=alert(1)><script>alert(1)</script>$x_{$'
DRAWING = "data:image/svg+xml;base64,"
OPENING = Opening(
    time="2026-11-01", purpose="evaluate", manifest="m", manifest_sha256="0", detectors=("a",)
)


@cache
def evaluated(gap: float = 2.0, name: str = "set") -> Evaluation:
    scores = [
        s.model_copy(update={"method": ["one", EVIL][i // 2 % 2], "compression": "c23"})
        for i, s in enumerate(some_scores(40, gap))
    ]
    scores += [unscored(1, path=f"{EVIL}.mp4"), unscored(0, "failed", path="gone.mp4")]
    detector = DetectorFacts.load("default")
    opened = Opened(
        manifest=f"{name}.parquet", sha256="0" * 64, split="test", splits=True,
        files=len(scores), openings=(OPENING, OPENING),
    )  # fmt: skip
    found = evaluate_files(scores, 0.6, calibration=detector.info.calibration, rounds=100)
    return found.model_copy(update={"detector": detector, "opened": opened})


def check_page(path: Path) -> str:
    """The page's text, once nothing in it can load or run anything."""
    page = path.read_text()
    assert "default-src 'none'; img-src data:;" in page
    assert "script-src" not in page
    assert "<script" not in page
    markup = "".join(re.findall(r"<[^>]+>", page))  # text may say anything
    for address in re.findall(r"""(?:href|src|url)\s*[=(]\s*["']?([^"')\s>]*)""", markup):
        assert address.startswith((DRAWING, "#")), address
    return page


def alts(page: str) -> list[str]:
    """What the page's charts show."""
    return re.findall(
        rf'<img class="chart" src="{re.escape(DRAWING)}[\w+/=]+" alt="([^"]+)">', page
    )


def drawing(address: str) -> ElementTree.Element:
    assert address.startswith(DRAWING)
    return ElementTree.fromstring(b64decode(address.removeprefix(DRAWING)))


@pytest.mark.slow
def test_an_evaluation_shows_numbers_openings_abstentions_and_no_foreign_markup(tmp_path: Path):
    found = evaluated()
    other = compare_scores(found.files, some_scores_like(found), (0.6, 0.6), rounds=100)
    write_evaluation(found, [other], html=tmp_path / "a.html")
    page = check_page(tmp_path / "a.html")
    shown = alts(page)
    assert len(shown) == page.count("<img") == 7
    assert f"{found.video.values['auc'].value:.3f}" in page
    assert "<b>2 times</b> before this report, with 1 different" in page
    assert "could not be scanned" in page
    assert "The data cannot tell" in page
    for chart in ("ROC", "recall", "Scores of real", "Truth and verdict", "Probability said"):
        assert any(chart in label for label in shown), chart


def some_scores_like(found: Evaluation) -> list:
    return [
        s if s.logit is None else s.model_copy(update={"logit": s.logit + 0.01 * (i % 3)})
        for i, s in enumerate(found.files)
    ]


@pytest.mark.slow
def test_one_class_alone_still_has_a_page(tmp_path: Path):
    reals = [s for s in some_scores(20) if s.label == 0]
    write_evaluation(evaluate_files(reals, 0.6, rounds=100), html=tmp_path / "a.html")
    page = check_page(tmp_path / "a.html")
    assert len(alts(page)) == 2
    write_evaluation(evaluate_files([unscored(1)], 0.6), html=tmp_path / "a.html")
    assert "not measured" in check_page(tmp_path / "a.html")


@pytest.mark.slow
def test_a_cross_table_and_a_comparison_have_pages(tmp_path: Path):
    columns = [[evaluated(2.0, "one"), evaluated(0.2, "one")], [evaluated(1.0, "two")] * 2]
    matrix = cross_table(columns)
    write_cross(matrix, [e for c in columns for e in c], html=tmp_path / "cross.html")
    page = check_page(tmp_path / "cross.html")
    for row in matrix.cells:
        for cell in row:
            assert f"{cell.video.values['auc'].value:.3f}" in page
    found = compare_scores(some_scores(40, 3), some_scores(40, 0.5), (0.5, 0.5), rounds=100)
    write_comparison(found, html=tmp_path / "pair.html")
    assert "first is better" in check_page(tmp_path / "pair.html")


@pytest.mark.slow
def test_a_robustness_run_has_a_page_with_every_setting(tmp_path: Path):
    kinds = ("jpeg", "blur")
    plan = [None, *(Degradation(kind, s) for kind in kinds for s in STRENGTHS)]
    scores = [some_scores(40, 3 - 0.2 * i) for i in range(len(plan))]
    found = summarise_levels(plan, scores, 0.6, RobustnessConfig(kinds=kinds, rounds=100))
    write_robustness(found, html=tmp_path / "r.html", png=tmp_path)
    page = check_page(tmp_path / "r.html")
    assert page.count("<td>jpeg</td>") == page.count("<td>blur</td>") == 6
    assert {p.name for p in tmp_path.glob("*.png")} == {"levels.png", "drop.png"}
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in tmp_path.glob("*.png"))


def log_of(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = [{"kind": "train", "step": i, "loss": 1 / i, "lr_factor": 1 - i / 100, "data_ms": 9}
            for i in range(1, 81)]  # fmt: skip
    rows += [
        {"kind": "validate", "step": i, "loss": abs(i - 50) / 50, "auc": 0.5 + i / 200, "files": 8}
        for i in (10, 30, 50, 70)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.slow
def test_a_run_has_curves_and_says_where_it_was_best(tmp_path: Path):
    run = log_of(tmp_path / "run")
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert best_of(rows) == [("loss", 0.0, 50.0), ("auc", 0.85, 70.0)]  # less is better, and more
    assert "data_ms" not in curves_of(rows, "train")
    write_training(run, html=tmp_path / "t.html", png=tmp_path / "png")
    page = check_page(tmp_path / "t.html")
    assert "best on validation, at step 50" in page
    assert {p.stem for p in (tmp_path / "png").iterdir()} == {
        "losses", "validation", "validation_losses", "rates",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"holds no log\.jsonl"):
        write_training(tmp_path, html=tmp_path / "t.html")


def test_steps_are_whole_and_values_are_read_off_the_axis() -> None:
    figure = draw_training("Loss", {"loss": ([2, 4, 6], [0.693303, 0.693305, 0.69331])})
    figure.canvas.draw()
    (axes,) = figure.axes
    assert all(float(step).is_integer() for step in axes.get_xticks())
    assert axes.yaxis.get_offset_text().get_text() == ""


@pytest.mark.slow
def test_folds_stand_side_by_side(tmp_path: Path):
    def grouping(by: str, value: float) -> dict:
        one = {"metrics": {"auc": value, "accuracy": value}, "unseen": {"auc": 0.61}}
        return {"by": by, "folds": [one, one | {"metrics": {"auc": value - 0.02}}]}

    report = {
        "model": "tiny", "folds": 2, "files": 9, "fake_share": 0.5, "test_files": 4,
        "test_fake_share": 0.5,
        "groupings": [grouping("frame", 0.97), grouping("video", 0.9), grouping("identity", 0.7)],
    }  # fmt: skip
    (tmp_path / "folds.json").write_text(json.dumps(report))
    log_of(tmp_path / "folds" / "video" / "fold_0")
    write_training(tmp_path, html=tmp_path / "t.html")
    page = check_page(tmp_path / "t.html")
    for mean in ("0.960", "0.890", "0.690", "0.610"):
        assert mean in page
    assert page.index("0.960") < page.index("0.690")
    (tmp_path / "folds.json").write_text('{"groupings": 3}')
    with pytest.raises(ConfigError, match="cannot be read"):
        read_folds(tmp_path)


def test_what_is_drawn_is_text_neither_markup_nor_a_formula():
    with chart_style() as figure_class:
        figure = figure_class(figsize=(9, 3))
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], label=EVIL)
        axes.set_title(EVIL)
        axes.legend()
    root = drawing(figure_uri(figure, "one"))
    texts = [node for node in root.iter() if node.tag.endswith("}text")]
    assert [node.text for node in texts].count(EVIL) == 2
    assert all("DejaVu" not in node.get("style", "") for node in texts)  # the page's font
    assert not any(key.startswith("on") for node in root.iter() for key in node.attrib)


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path):
    def draw() -> tuple[str, bytes]:
        with chart_style() as figure_class:
            figure = figure_class(figsize=(2, 2))
            figure.add_subplot().plot([0, 1, 2], [0, 3, 1])
        return figure_uri(figure, "x"), figure_png(figure)

    assert draw() == draw()
    assert write_pngs({}, tmp_path / "none") == []
