"""The steps of `counterface.testing.check_swap_model`: one promise of a swap model each.

Each raises AssertionError with the reason. Needs torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterface.errors import ShapeError
from counterface.swap.swap_model import Generated, SwapModel, count_parameters, make_model
from counterface.testing import architecture as shared
from counterface.testing.refusal import check_refused

CLOSE = 1e-4  # of values in [0, 1]: convolutions sum in another order in another batch


def build(kind: type[SwapModel], identities: int, **options: Any) -> SwapModel:
    """The class's tiny model."""
    return make_model(kind, kind.Config(**{**kind.TINY, **options}), identities)


def pictures(model: SwapModel, count: int = 2) -> Tensor:
    """RGB noise of the size that the model takes."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, model.in_size, model.in_size, generator=generator)


def check_config(kind: type[SwapModel]) -> None:
    """Check the options, and that defaults and presets can be built."""
    for config in shared.check_options(kind):
        with torch.device("meta"):
            model = build(kind, 2, **config.model_dump())
        assert model.config == config, "the model keeps another configuration than it was given"


def check_parts(model: SwapModel) -> None:
    """Check that every tensor lies in exactly one part."""
    counts = count_parameters(model)
    total = counts.pop("total")
    assert sum(counts.values()) == total, f"parts {counts} do not sum to {total}"
    parts = dict(model.named_children())
    assert set(model.INTERS) <= set(parts), f"INTERS {model.INTERS} are not parts: {sorted(parts)}"
    outside = [name for name in model.state_dict() if name.split(".")[0] not in parts]
    assert not outside, f"tensors outside the parts: {outside}"


@torch.no_grad()
def check_outputs(model: SwapModel) -> None:
    """Check shapes, types and ranges, and that eval mode and single items give the same again."""
    images, size = pictures(model), model.out_size
    before = images.clone()
    model.eval()
    code, made = model.encode(images, 0), model(images, 0)
    assert torch.equal(images, before), "the model changed its input"
    flat = model.code_shape[0] * model.code_shape[1] * model.code_shape[2]
    assert code.shape == (2, flat), f"code {tuple(code.shape)}, not (B, {flat}) as code_shape says"
    assert isinstance(made, Generated), f"gave {type(made).__name__}, not Generated"
    again, alone = model(images, 0), model(images[1:], 0)
    for (name, one), (_, two), (_, other) in zip(
        named(made), named(again), named(alone), strict=True
    ):
        channels = 1 if name == "mask" else 3
        assert one.shape[:2] == (2, channels), f"{name} {tuple(one.shape)}"
        assert one.shape[2] == one.shape[3], f"{name} {tuple(one.shape)} is not square"
        if not name.startswith("side"):
            assert one.shape[2] == size, f"{name} {tuple(one.shape)}, not {size} px"
        assert one.dtype == torch.float32, f"{name} is {one.dtype}"
        assert torch.isfinite(one).all(), f"{name} is not finite"
        low, high = float(one.min()), float(one.max())
        assert 0 <= low <= high <= 1, f"{name} runs from {low} to {high}"
        assert torch.equal(one, two), f"{name} differs from call to call in eval mode"
        worst = float((one[1:] - other).abs().max())
        assert worst < CLOSE, f"{name} of a picture depends on those beside it, by {worst}"


def check_errors(model: SwapModel) -> None:
    """Check that wrong inputs are refused by a ShapeError."""
    images = pictures(model)
    count = model.identities
    inputs: list[tuple[Tensor, int | Tensor]] = [
        (images, count),
        (images, -1),
        (images[:, :1], 0),
        (images[0], 0),
        (images[:, :, :-8], 0),
        (images, torch.zeros(3, dtype=torch.long)),
    ]
    if model.MAX_IDENTITIES > 2:
        inputs.append((images, torch.tensor([0, count])))
    for wrong, identity in inputs:
        for verb in (model.encode, model):
            what = f"{tuple(wrong.shape)}, identity {identity}"
            check_refused(ShapeError, what, verb, wrong, identity)


@torch.no_grad()
def check_identities(model: SwapModel) -> None:
    """Check that another identity makes another face, given as a tensor or as an int."""
    model.eval()
    images = pictures(model)
    faces = [model(images, identity).image for identity in range(model.identities)]
    for first in range(model.identities):
        for second in range(first):
            change = float((faces[first] - faces[second]).abs().max())
            assert change > 1e-5, f"identities {second} and {first} make the same face"
    if model.MAX_IDENTITIES > 2:
        mixed = model(images, torch.tensor([1, 0])).image
        expected = torch.stack([faces[1][0], faces[0][1]])
        worst = float((mixed - expected).abs().max())
        assert worst < CLOSE, f"one identity a picture differs from one a batch by {worst}"


def check_gradients(model: SwapModel) -> None:
    """Check that reconstructing every identity, with all outputs, teaches every weight."""
    assert all(weight.requires_grad for weight in model.parameters()), "a weight is frozen"
    shared.shake(model.train())
    images = pictures(model)
    total = torch.zeros(())
    for identity in range(model.identities):
        for _, values in named(model(images, identity)):
            total = total + (values - 0.3).square().mean()
    shared.check_taught(model, total)


def named(made: Generated) -> list[tuple[str, Tensor]]:
    """The outputs that are there, with names."""
    found = [("image", made.image), ("mask", made.mask), ("raw", made.raw)]
    found += [(f"side {index}", side) for index, side in enumerate(made.sides)]
    return [(name, values) for name, values in found if values is not None]
