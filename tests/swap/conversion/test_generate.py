"""Faces by torch and by ONNX Runtime are the same; what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from echo_model import Echo, echo_model

from counterface.errors import ShapeError, SwapError
from counterface.swap.conversion.generate import CLOSE, Generator
from counterface.swap.swap_model import SOURCE, TARGET, SwapAbout, TrainedModel, build_model


def tiny(name: str = "df") -> TrainedModel:
    torch.manual_seed(0)
    model = build_model(name, build_options(name)).eval().requires_grad_(False)
    return TrainedModel(model, SwapAbout.of(name, model, ()), 0, "0" * 64, Path("tiny"))


def build_options(name: str) -> dict[str, object]:
    from counterface.registry import SWAP_MODELS

    return dict(SWAP_MODELS.load(name).TINY)


def crops(size: int, count: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (count, 8, 8, 3), np.uint8)
    return [np.kron(c, np.ones((size // 8, size // 8, 1), np.uint8)) for c in coarse]


@pytest.mark.parametrize("name", ["df", "original", "liae"])
def test_both_backends_make_the_same_faces(name: str) -> None:
    trained = tiny(name)
    given = crops(trained.model.in_size)
    by_torch = Generator(trained, "torch", batch=2).generate(given, SOURCE)
    by_onnx = Generator(trained, "onnx", batch=2).generate(given, SOURCE)
    for (face, mask), (other, other_mask) in zip(by_torch, by_onnx, strict=True):
        assert np.abs(face.astype(int) - other).max() <= 255 * CLOSE
        assert (mask is None) == (other_mask is None)
        if mask is not None and other_mask is not None:
            assert np.abs(mask - other_mask).max() <= CLOSE


def test_identities_differ_and_sizes_are_the_models() -> None:
    generator = Generator(tiny(), "onnx")
    given = crops(generator.model.in_size, 1)
    [(source, mask)] = generator.generate(given, SOURCE)
    [(target, _)] = generator.generate(given, TARGET)
    assert source.shape == (generator.model.out_size, generator.model.out_size, 3)
    assert mask is not None
    assert mask.shape == source.shape[:2]
    assert not np.array_equal(source, target)


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_batches_and_threads_change_nothing(backend: str) -> None:
    trained = tiny()
    given = crops(trained.model.in_size)
    whole = Generator(trained, backend, batch=8, threads=2).generate(given, SOURCE)
    single = Generator(trained, backend, batch=1, threads=1).generate(given, SOURCE)
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(whole, single, strict=True))


def test_an_echo_comes_back_unchanged() -> None:
    given = crops(32)
    made = Generator(echo_model(32)).generate(given, SOURCE)
    assert all(np.array_equal(face, crop) for (face, _), crop in zip(made, given, strict=True))


class Stubborn(Echo):
    """Decides in Python what to do: an export would build one branch in."""

    def code(self, images: torch.Tensor, identity: object) -> torch.Tensor:
        if images.requires_grad or torch.jit.is_tracing():
            raise RuntimeError("this network cannot be traced")
        return super().code(images, 0)


def test_what_cannot_be_exported_says_so() -> None:
    trained = echo_model(32)
    stubborn = TrainedModel(Stubborn(32).eval(), trained.about, 0, trained.sha256, trained.path)
    given = crops(32, 2)
    assert np.array_equal(Generator(stubborn).generate(given, SOURCE)[0][0], given[0])
    with pytest.raises(SwapError, match=r"cannot be traced; use torch"):
        Generator(stubborn, "onnx").generate(given, SOURCE)


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_masks_that_nobody_wants_are_left_out(backend: str) -> None:
    trained = tiny()
    given = crops(trained.model.in_size, 2)
    faces = {}
    for masks in (True, False, True):
        made = Generator(trained, backend, masks=masks).generate(given, SOURCE)
        assert [mask is not None for _, mask in made] == [masks, masks]
        faces[masks] = [face for face, _ in made]
    assert all(np.array_equal(a, b) for a, b in zip(faces[True], faces[False], strict=True))


@pytest.mark.parametrize("name", ["gan", "many"])
def test_models_that_compose_by_their_mask_keep_it(name: str) -> None:
    trained = tiny(name)
    given = crops(trained.model.in_size, 2)
    with_masks = Generator(trained).generate(given, SOURCE)
    without = Generator(trained, masks=False).generate(given, SOURCE)
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(with_masks, without, strict=True))


def test_wrong_crops_and_identities_are_refused() -> None:
    generator = Generator(echo_model(32))
    with pytest.raises(ShapeError, match=r"\(32, 32, 3\), got uint8 \(64, 64, 3\)"):
        generator.generate(crops(64, 1), SOURCE)
    with pytest.raises(ShapeError, match="identity 2 is unknown"):
        generator.generate(crops(32, 1), 2)
    assert generator.generate([], SOURCE) == []
