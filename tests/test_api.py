"""The public names, and that the examples in the docs run."""

from __future__ import annotations

import re
from pathlib import Path

import actors
import pytest
from tiny_detector import metadata, write_detector

import counterface

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = (pytest.param("scan.md", marks=pytest.mark.slow), "detect.md", "report.md", "../README.md")
PUBLIC = {
    "CounterfaceError",
    "Crop",
    "Face",
    "Frame",
    "Report",
    "Track",
    "Verdict",
    "__version__",
    "align",
    "find_faces",
    "probe",
    "read_image",
    "read_video",
    "scan",
}


def test_the_public_names_are_these():
    assert set(counterface.__all__) == PUBLIC
    assert len(PUBLIC) <= 25


def test_every_public_name_can_be_had_and_says_what_it_is():
    for name in PUBLIC - {"__version__"}:
        assert getattr(counterface, name).__doc__, name
    assert set(dir(counterface)) == PUBLIC
    with pytest.raises(AttributeError, match="no_such"):
        counterface.no_such  # noqa: B018


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with a short clip, and the tiny detector in place of the shipped one."""
    folder = tmp_path_factory.mktemp("desk")
    actors.write_clip(folder / "clip.mp4", actors.draw_clip([1], 12, 320, 240))
    path = write_detector(folder / "tiny.onnx", metadata())
    return folder, path


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_on_a_page_run(page, desk, monkeypatch):
    from counterface.detect.detector import Detector

    folder, tiny = desk
    load = Detector.load.__func__
    monkeypatch.setattr(
        Detector,
        "load",
        classmethod(lambda cls, name="default": load(cls, tiny if name == "default" else name)),
    )
    monkeypatch.chdir(folder)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {"__name__": "example"})
