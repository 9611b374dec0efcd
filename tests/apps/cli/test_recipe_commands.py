"""The commands at the head of each recipe are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from counterface.apps.cli.app import build_app
from counterface.apps.cli.main import main

APP = build_app()
RECIPES = sorted((Path(__file__).resolve().parents[3] / "recipes").glob("*.toml"))
PLACES = str.maketrans(dict.fromkeys("[]<>"))  # of what the reader fills in


def commands(recipe: Path) -> list[str]:
    """The lines after `# counterface`, joined where a backslash ends one, without remarks."""
    comments = [line[1:].strip() for line in recipe.read_text().splitlines() if line[:1] == "#"]
    text = re.sub(r"\\\n", " ", "\n".join(comments))
    found = re.findall(r"^(?:Each faceset:\s*)?counterface (.+)$", text, re.MULTILINE)
    return [re.split(r"\s{2,}[A-Za-z]", line)[0] for line in found]


def test_commands_are_found():
    assert sum(len(commands(recipe)) for recipe in RECIPES) > 40


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_commands_of_a_recipe_are_understood(recipe: Path):
    for line in commands(recipe):
        APP.parse_args(
            shlex.split(line.translate(PLACES), comments=True),
            exit_on_error=False,
            print_error=False,
        )


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("swap train", "counterface.swap.training.train"),
        ("detect train", "counterface.detect.training.train"),
        ("detect fit", "counterface.detect.training.fit"),
        ("detect lips", "counterface.detect.lip_sync.training"),
        ("dataset build", "counterface.builds.build"),
    ],
)
def test_a_recipe_that_is_no_toml_is_told_before_torch_is_imported(
    command: str,
    module: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, module, None)  # an import of it fails
    recipe = tmp_path / "deep.toml"
    recipe.write_text(f"x = {'[' * 3000}{']' * 3000}\n")
    words = [*command.split(), str(recipe)]
    assert main(words + (["out.onnx"] if command == "detect fit" else [])) == 1
    assert "deep.toml: is not TOML: values nested deeper than 64" in capsys.readouterr().err
