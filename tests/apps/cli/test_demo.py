from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor
from tiny_detector import write_detector

from counterface import weights
from counterface.apps.cli import demo
from counterface.apps.cli.main import main
from counterface.media.image import read_image, write_image
from counterface.media.video_reader import read_video


@pytest.fixture
def portrait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A drawn face in the astronaut's place: no download, no real person."""
    image = draw_actor(3, size=256).image
    write_image(tmp_path / "portrait.png", image)
    real_path = weights.path
    monkeypatch.setattr(
        weights,
        "path",
        lambda name, **options: (
            tmp_path / "portrait.png" if name == "astronaut" else real_path(name, **options)
        ),
    )
    return image


def test_only_the_face_is_changed_and_always_in_the_same_way() -> None:
    actor = draw_actor(3, size=512)
    copy = demo.blended_copy(actor.image, actor.face)
    changed = np.abs(copy.astype(int) - actor.image).max(axis=2) > 0
    x0, y0, x1, y1 = actor.box
    width, height = x1 - x0, y1 - y0
    ys, xs = np.nonzero(changed)
    assert xs.min() > x0 - 0.25 * width
    assert xs.max() < x1 + 0.25 * width
    assert ys.min() > y0 - 0.25 * height
    assert ys.max() < y1 + 0.25 * height
    assert changed[actor.mask > 0.5].mean() > 0.25
    assert np.array_equal(copy, demo.blended_copy(actor.image, actor.face))


def test_both_clips_move_alike() -> None:
    image = draw_actor(3, size=256).image
    first, again = list(demo.drift(image)), list(demo.drift(image))
    assert len(first) == demo.FPS * demo.SECONDS
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].image, first[-1].image)
    assert float(first[-1].pts) == pytest.approx(demo.SECONDS - 1 / demo.FPS)


def test_the_whole_demonstration(
    tmp_path: Path,
    portrait: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from counterface.detect import scan as scan_module

    monkeypatch.setattr(demo, "SECONDS", 1)
    tiny = write_detector(tmp_path / "tiny.onnx")
    real_load = scan_module.Detector.load
    monkeypatch.setattr(scan_module.Detector, "load", lambda *_: real_load(tiny))
    out = tmp_path / "out"
    assert main(["demo", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    for name in ("genuine.png", "blended.png", "genuine.mp4", "blended.mp4"):
        assert name in shown
    assert str(out / "report.html") in shown
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in ("genuine.png", "blended.mp4"))
    assert np.array_equal(read_image(out / "genuine.png"), portrait)
    assert len(list(read_video(out / "blended.mp4"))) == demo.FPS * demo.SECONDS
    assert json.loads((out / "made.json").read_text())["manipulated"][0] == "blended.png"
    files = [out / name for name in ("genuine.png", "blended.png")]
    monkeypatch.setattr(demo, "make_files", lambda _: files)  # they are there
    assert main(["demo", "--out", str(out), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["file"]["name"] for row in lines] == ["genuine.png", "blended.png"]
