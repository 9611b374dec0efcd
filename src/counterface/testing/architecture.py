"""The steps of the contract tests that detectors and swap models share.

Each raises AssertionError with the reason. Needs torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from counterface.config import Record, read_config, write_config
from counterface.learn.architecture import Architecture
from counterface.testing.refusal import check_refused


def check_options(kind: type[Architecture]) -> list[Record]:
    """The defaults, `TINY` and each preset, once options are described, strict and survive TOML."""
    for name, field in kind.Config.model_fields.items():
        assert field.description, f"option {name!r} has no description"
    options = {**kind.TINY, "no_such_option": 1}
    check_refused(ValidationError, "an unknown option", kind.Config.model_validate, options)
    chosen = ({}, kind.TINY, *kind.PRESETS.values())
    configs = [kind.Config.model_validate(dict(options)) for options in chosen]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        for config in configs:
            write_config(config, path)
            assert read_config(kind.Config, path) == config, f"{config} changes in a TOML file"
    return configs


def shake(model: Architecture) -> None:
    """Move every weight a little: a scale that starts at 0 hides what it scales."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.02)


def check_taught(model: Architecture, loss: Tensor) -> None:
    """Check that a loss of all outputs teaches every weight that is not frozen."""
    loss.backward()  # type: ignore[no-untyped-call]
    taught = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    idle = [n for n, w in taught.items() if w.grad is None or not bool(w.grad.abs().max() > 0)]
    assert taught, "no weight learns from the outputs"
    assert not idle, f"weights that learn nothing: {idle}"
    model.zero_grad(set_to_none=True)


@torch.no_grad()
def check_state(
    model: Architecture, fresh: Architecture, run: Callable[[Architecture], Tensor]
) -> None:
    """Check that all that a model knows is in its state."""
    model.eval()
    fresh.eval()
    wanted = run(model)
    assert not torch.equal(run(fresh), wanted), "new weights are not drawn anew"
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(run(fresh), wanted), "the state does not hold all of the model"
