"""Models that were trained before a change of the code: names and shapes of tensors, and faces.

`python tests/swap/models/test_old_models.py` writes what is pinned anew, which a change of the
networks asks for and nothing else does.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from counterface.learn.checkpoint import write_weights
from counterface.swap.swap_model import (
    SOURCE,
    TARGET,
    SwapAbout,
    SwapModel,
    build_model,
    read_model,
)

CASES = Path(__file__).parents[2] / "cases" / "swap"
TINY = {"width": 8, "code": 8}
OPTIONS = {
    "original": TINY,
    "lightweight": TINY,
    "dfaker": TINY,
    "h128": {**TINY, "resolution": 64},
    "iae": {**TINY, "mask": True},
    "liaef128": {**TINY, "resolution": 64},
}
KEPT = "lightweight"  # the smallest, of which a whole file is there
PINNED: dict[str, dict[str, object]] = json.loads((CASES / "pinned.json").read_text())


def tensors_of(net: nn.Module) -> str:
    """The begin of the SHA-256 of all names and shapes."""
    lines = [f"{name} {tuple(tensor.shape)}" for name, tensor in net.state_dict().items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@torch.no_grad()
def fill(net: SwapModel) -> SwapModel:
    """The model with weights that are the same on every machine, of the usual size."""
    for number, weight in enumerate(net.parameters()):
        places = torch.arange(weight.numel(), dtype=torch.int64) * 37 + 11 * number
        scale = max(1, weight[0].numel()) ** -0.5
        weight.copy_(((places % 101 - 50) / 16 * scale).view(weight.shape))
    return net.eval()


@torch.no_grad()
def said(net: SwapModel) -> list[float]:
    """Mean and spread of all that the model makes of a drawn picture, for both people."""
    side = torch.linspace(0, 1, net.in_size)
    image = torch.stack(
        [side.outer(side), side[:, None] * (1 - side), (side[:, None] - side).abs()]
    )
    made = [net(image[None], identity) for identity in (SOURCE, TARGET)]
    maps = [part for one in made for part in (one.image, one.mask) if part is not None]
    return [round(float(number), 7) for part in maps for number in (part.mean(), part.std())]


@torch.no_grad()
def fresh(name: str) -> list[float]:
    """Sum of each part's weights as they start, which depends on the order of building."""
    torch.manual_seed(0)
    parts = dict(build_model(name, OPTIONS[name]).named_children())
    return [round(float(sum(w.abs().sum() for w in p.parameters())), 3) for p in parts.values()]


@pytest.mark.parametrize("name", OPTIONS)
def test_tensors_and_faces_are_those_of_before(name: str):
    net = build_model(name, OPTIONS[name])
    pinned = PINNED[name]
    assert tensors_of(net) == pinned["tensors"]
    assert said(fill(net)) == pytest.approx(pinned["said"], abs=1e-5)
    assert fresh(name) == pytest.approx(pinned["fresh"], rel=1e-5)


def test_a_file_of_before_is_read():
    trained = read_model(CASES / f"{KEPT}.safetensors")
    assert (trained.about.model, trained.step) == (KEPT, 3)
    assert said(trained.model) == pytest.approx(PINNED[KEPT]["said"], abs=1e-5)


if __name__ == "__main__":
    found = {
        name: {
            "tensors": tensors_of(net := build_model(name, options)),
            "said": said(fill(net)),
            "fresh": fresh(name),
        }
        for name, options in OPTIONS.items()
    }
    lines = [f"{json.dumps(name)}: {json.dumps(kept)}" for name, kept in found.items()]
    text = "{\n" + ",\n".join(lines) + "\n}"
    (CASES / "pinned.json").write_text(text + "\n")
    net = fill(build_model(KEPT, OPTIONS[KEPT]))
    about = SwapAbout.of(KEPT, net, ()).model_dump(mode="json")
    write_weights(CASES / f"{KEPT}.safetensors", {"model": net}, {"step": 3, "about": about})
