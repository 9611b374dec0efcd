"""Every registered swap model passes the contract, and exports to ONNX with the same faces."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from counterface.device import onnx_options
from counterface.registry import SWAP_MODELS
from counterface.swap.swap_model import SOURCE, SwapModel, build_model
from counterface.testing import check_swap_model
from counterface.testing.swap import named

NAMES = sorted(SWAP_MODELS.built_in)


class OneFace(torch.nn.Module):
    """What is exported: the outputs for one identity, as a tuple."""

    def __init__(self, model: SwapModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        made = self.model(images, SOURCE)
        return (made.image,) if made.mask is None else (made.image, made.mask)


@pytest.mark.parametrize("name", NAMES)
def test_a_swap_model_keeps_the_contract(name: str):
    check_swap_model(SWAP_MODELS.load(name))


def test_a_model_of_many_people_keeps_the_contract():
    check_swap_model(SWAP_MODELS.load("many"), identities=3)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_the_exported_model_makes_the_same_faces_for_any_batch(name: str, tmp_path: Path):
    torch.manual_seed(0)
    model = build_model(name, SWAP_MODELS.load(name).TINY).eval()
    images = torch.rand(3, 3, model.in_size, model.in_size)
    wanted = [values.numpy() for key, values in named(model(images, SOURCE)) if key in OUTPUTS]
    path = str(tmp_path / "model.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            OneFace(model).eval(),
            (images[:1],),
            path,
            dynamo=False,
            input_names=["images"],
            output_names=list(OUTPUTS[: len(wanted)]),
            dynamic_axes={key: {0: "batch"} for key in ("images", *OUTPUTS[: len(wanted)])},
        )
    session = onnxruntime.InferenceSession(path, onnx_options(), ["CPUExecutionProvider"])
    found = session.run(None, {"images": images.numpy()})
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


OUTPUTS = ("image", "mask")


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
