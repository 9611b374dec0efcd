"""docs/swap_models.md: the counts, and examples that run."""

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
def test_the_page_has_the_count(name: str):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | "))
    with torch.device("meta"):
        total = count_parameters(build_model(name))["total"]
    assert f"{total / 1e6:.2f} M" in row


@pytest.mark.slow
def test_the_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "swap_models.md", "exec"), names)
