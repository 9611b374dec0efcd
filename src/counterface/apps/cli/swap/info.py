"""`counterface swap info`: what a model file says of itself, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterface.apps.cli import output
from counterface.apps.cli.app import Json

if TYPE_CHECKING:
    from counterface.swap.swap_model import TrainedModel


def info(model: Path, /, *, json_output: Json = False) -> int:
    """Describe a trained model: architecture, options, people and the rights to them, sizes.

    Args:
        model: A training run's folder, a weights file or a checkpoint.
    """
    from counterface.swap.swap_model import read_model

    facts = describe_model(read_model(model))
    return output.tell(facts, model_lines(facts), json_output)


def describe_model(trained: TrainedModel) -> dict[str, Any]:
    """The file's own record, and what follows from it: sizes in pixels, parameters by part."""
    from counterface.swap.swap_model import count_parameters

    model = trained.model
    return {
        "file": str(trained.path),
        "sha256": trained.sha256,
        "step": trained.step,
        **trained.about.model_dump(mode="json"),
        "template": model.template,
        "in_size": model.in_size,
        "out_size": model.out_size,
        "parameters": count_parameters(model),
    }


def model_lines(facts: dict[str, Any]) -> Iterator[str]:
    """The facts of `describe_model` in words."""
    yield f"{facts['file']}: {facts['model']}, step {facts['step']}"
    yield f"sha256 {facts['sha256']}"
    yield f"made by {facts['tool']}"
    yield (
        f"takes {facts['in_size']} px crops of template {facts['template']}, "
        f"gives {facts['out_size']} px"
    )
    for number, person in enumerate(facts["identities"]):
        yield f"identity {number}: {person['name']}"
        for used in person["facesets"]:
            rights = used["rights"]
            yield f"  {used['crops']} crops of {used['folder']}"
            yield f"    shows {rights['shown']}; {rights['basis']}: {rights['reference']}"
    yield "options"
    for name, value in facts["options"].items():
        yield f"  {name} = {value}"
    yield "parameters"
    for part, count in facts["parameters"].items():
        yield f"  {part:16} {count:>12,}"
