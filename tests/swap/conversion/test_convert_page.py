"""The page names the options that a preview takes."""

from __future__ import annotations

import re
from pathlib import Path

from counterface.swap.conversion.preview import PreviewConfig

PAGE = (Path(__file__).parents[3] / "docs" / "swap_convert.md").read_text()


def test_the_preview_takes_what_the_page_says() -> None:
    text = PAGE.split("`counterface swap preview` takes")[1].split("\n`counterface faces")[0]
    named = {name.split(".")[0] for name in re.findall(r"`([a-z_]+(?:\.\*)?)`", text)}
    rest = {
        "rights",
        "rights_file",
        "face_detector",
        "landmarker",
    }  # "the two models", "the rights"
    assert named | rest == set(PreviewConfig.model_fields)
