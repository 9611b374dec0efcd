"""docs/swap_models.md: every option as the code has it, the counts, and examples that run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from counterface.registry import SWAP_MODELS
from counterface.swap.swap_model import build_model, count_parameters

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "swap_models.md").read_text()
NAMES = sorted(SWAP_MODELS.built_in)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_every_option_with_its_default_and_meaning(name: str):
    section = next(
        part for part in re.split(r"^###? ", PAGE, flags=re.M) if f"`{name}`" in part.split("\n")[0]
    )
    for option, field in SWAP_MODELS.load(name).Config.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        if option != "template":  # said once for all
            assert f"| `{option}` | {default} | {field.description} |" in section


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_the_count(name: str):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | "))
    with torch.device("meta"):
        total = count_parameters(build_model(name))["total"]
    assert f"{total / 1e6:.2f} M" in row


def test_the_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "swap_models.md", "exec"), names)
