"""Every registered swap model passes the contract, and exports to ONNX with the same faces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterface.registry import SWAP_MODELS
from counterface.swap.conversion.generate import export_session
from counterface.swap.swap_model import SOURCE, build_model
from counterface.testing import check_swap_model
from counterface.testing.swap import named

LARGE = ("df", "dfaker", "gan", "h128", "liae")  # even their smallest forms take seconds
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name
    for name in sorted(SWAP_MODELS.built_in)
]


@pytest.mark.parametrize("name", NAMES)
def test_a_swap_model_keeps_the_contract(name: str):
    check_swap_model(SWAP_MODELS.load(name))


def test_a_model_of_many_people_keeps_the_contract():
    check_swap_model(SWAP_MODELS.load("many"), identities=3)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_the_exported_model_makes_the_same_faces_for_any_batch(name: str):
    torch.manual_seed(0)
    model = build_model(name, SWAP_MODELS.load(name).TINY).eval()
    images = torch.rand(3, 3, model.in_size, model.in_size)
    made = model(images, SOURCE)
    wanted = [values.numpy() for values in (made.image, made.mask) if values is not None]
    found = export_session(model, SOURCE).run(None, {"image": images.numpy()})
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_the_order_in_memory_changes_nothing(name: str):
    torch.manual_seed(0)
    model = build_model(name, SWAP_MODELS.load(name).TINY).eval()
    images = torch.rand(2, 3, model.in_size, model.in_size)
    plain = model(images, SOURCE)
    last = model.to(memory_format=torch.channels_last)(
        images.contiguous(memory_format=torch.channels_last), SOURCE
    )
    for (key, one), (_, two) in zip(named(plain), named(last), strict=True):
        assert torch.allclose(one, two, atol=1e-4), key
