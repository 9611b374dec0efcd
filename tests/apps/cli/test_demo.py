from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor
from tiny_detector import write_detector

from counterface import weights
from counterface.apps.cli import demo_files
from counterface.apps.cli.main import main
from counterface.errors import MediaError
from counterface.media.image import read_image, write_image
from counterface.media.video_reader import read_video
from counterface.provenance.verify import verify_file


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
    actor = draw_actor(3, size=256)
    copy = demo_files.swap_face(actor.image)
    changed = np.abs(copy.astype(int) - actor.image).max(axis=2) > 0
    x0, y0, x1, y1 = actor.box
    width, height = x1 - x0, y1 - y0
    ys, xs = np.nonzero(changed)
    assert xs.min() > x0 - 0.25 * width
    assert xs.max() < x1 + 0.25 * width
    assert ys.min() > y0 - 0.25 * height
    assert ys.max() < y1 + 0.25 * height
    assert changed[actor.mask > 0.5].mean() > 0.5
    assert np.array_equal(copy, demo_files.swap_face(actor.image))


def test_a_picture_without_a_face_is_told() -> None:
    with pytest.raises(MediaError, match="no face was found"):
        demo_files.swap_face(np.zeros((128, 128, 3), np.uint8))


def test_all_clips_move_alike() -> None:
    image = draw_actor(3, size=96).image
    first, again = list(demo_files.drift(image)), list(demo_files.drift(image))
    assert len(first) == demo_files.FPS * demo_files.SECONDS
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].image, first[-1].image)
    assert float(first[-1].pts) == pytest.approx(demo_files.SECONDS - 1 / demo_files.FPS)


@pytest.mark.slow
def test_the_whole_demonstration(
    tmp_path: Path,
    portrait: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from counterface.detect.scanning import scan as scan_module

    monkeypatch.setattr(demo_files, "SECONDS", 1)
    monkeypatch.setattr(demo_files, "FPS", 3)
    monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path / "user"))
    tiny = write_detector(tmp_path / "tiny.onnx")
    real_load = scan_module.Detector.load
    monkeypatch.setattr(scan_module.Detector, "load", lambda *_: real_load(tiny))
    out = tmp_path / "out"
    assert main(["demo", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    names = [f"{name}.{kind}" for kind in ("png", "mp4") for name in ("genuine", "swapped", "mild")]
    assert [line.split()[0] for line in shown.splitlines()[:6]] == names
    assert "MADE BY A MACHINE" in shown
    assert str(out / "report.html") in shown
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in (*names, "signed.png"))
    assert np.array_equal(read_image(out / "genuine.png"), portrait)
    assert len(list(read_video(out / "swapped.mp4"))) == demo_files.FPS * demo_files.SECONDS
    assert not (tmp_path / "user").exists()  # the demonstration signs with an identity of its own
    for name in ("genuine.png", "signed.png", "mild.mp4"):
        found = verify_file(out / name, home=out / "home")
        made = not name.startswith("genuine")
        assert bool(found.mark) == made
        assert (found.record.state == "agrees") == made
    assert not list(out.glob("unsigned*"))

    told = demo_files.DemoFiles((out / "genuine.png", out / "mild.png"), out / "swapped.png")
    monkeypatch.setattr(demo_files, "make_files", lambda _: told)  # they are there
    assert main(["demo", "--out", str(out), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["file"]["name"] for row in lines] == ["genuine.png", "mild.png", "swapped.png"]
    assert [row["verdict"] == "likely_manipulated" for row in lines][2]
