"""The page names every option with its default, and shows flags that exist."""

from __future__ import annotations

import re
from pathlib import Path

from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.preview import PreviewConfig

PAGE = (Path(__file__).parents[3] / "docs" / "swap_convert.md").read_text()
ROWS = {
    name: [cell.strip() for cell in line.split("|")[2:-1]]
    for line in PAGE.split("## Every option")[1].splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`([a-z_.*]+)`", line.split("|")[1])
}
GROUPS = {"smooth", "rights", "merge", "limits"}  # their fields are told as group.field


def test_every_option_is_there() -> None:
    fields = {field.alias or name for name, field in ConvertConfig.model_fields.items()}
    told = {name.split(".")[0] for name in ROWS}
    assert told == fields


def test_defaults_are_those_of_the_program() -> None:
    config = ConvertConfig()
    for name, cells in ROWS.items():
        head, _, field = name.partition(".")
        if head in {"rights", "merge", "limits", "from", "to"}:
            continue
        value = getattr(getattr(config, head), field) if field else getattr(config, head)
        if isinstance(value, bool):
            assert cells[0] == ("yes" if value else "no"), name
        elif isinstance(value, int | float):
            assert float(cells[0]) == value, name
        elif isinstance(value, str):
            assert cells[0] == value, name


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
