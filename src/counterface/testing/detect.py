"""The steps of `counterface.testing.check_detector_model`: one promise of an architecture each.

Each raises AssertionError with the reason. Needs torch and onnx.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from counterface.detect.detector import Detector
from counterface.detect.models.detector_model import DetectorModel
from counterface.detect.training.export import describe_net, export_detector
from counterface.errors import ShapeError
from counterface.testing import architecture as shared
from counterface.testing.refusal import check_refused

RTOL, ATOL = 1e-3, 1e-4  # convolutions sum in another order in another batch


def build(kind: type[DetectorModel]) -> DetectorModel:
    """The class's tiny model, its norms as after some training."""
    model = kind(kind.Config.model_validate(dict(kind.TINY)))
    for name, values in model.named_buffers():
        if name.endswith("running_mean"):
            torch.nn.init.normal_(values, std=0.1)
        elif name.endswith("running_var"):
            torch.nn.init.uniform_(values, 0.5, 1.5)
    return model


def pictures(model: DetectorModel, count: int = 2) -> Tensor:
    """What the model takes: smooth and fine noise in 256 levels, as a picture has."""
    generator = torch.Generator().manual_seed(1)
    shape = model.input_shape(count)
    fine = torch.rand(shape, generator=generator)
    coarse = torch.rand((*shape[:-2], 6, 6), generator=generator).flatten(0, -4)
    smooth = interpolate(coarse, shape[-2:], mode="bilinear").reshape(shape)
    return ((0.8 * smooth + 0.2 * fine) * 255).round() / 255


def check_config(kind: type[DetectorModel]) -> None:
    """Check the options, and that the docstring explains the map."""
    assert "activation" in (kind.__doc__ or ""), "the docstring does not say what the map means"
    shared.check_options(kind)


@torch.no_grad()
def check_outputs(model: DetectorModel) -> None:
    """Check shapes and types, and that eval mode and single items give the same again."""
    images = pictures(model)
    before = images.clone()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    outputs = model.eval()(images)
    again, alone = model(images), model(images[1:])
    assert torch.equal(images, before), "the model changed its input"
    assert isinstance(outputs, tuple), f"gave {type(outputs).__name__}, not (logit, activation)"
    assert len(outputs) == 2, f"gave {len(outputs)} outputs, not (logit, activation)"
    logit, activation = outputs
    assert logit.shape == (2,), f"logit {tuple(logit.shape)}, not (B,)"
    assert activation.ndim == 3, f"activation {tuple(activation.shape)}, not (B, h, w)"
    assert len(activation) == 2, f"activation {tuple(activation.shape)}, not (B, h, w)"
    for name, one, two, other in zip(("logit", "activation"), outputs, again, alone, strict=True):
        assert one.dtype == torch.float32, f"{name} is {one.dtype}"
        assert torch.isfinite(one).all(), f"{name} is not finite"
        assert torch.equal(one, two), f"{name} differs from call to call in eval mode"
        assert torch.allclose(one[1:], other, RTOL, ATOL), f"{name} depends on the crops beside it"
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), f"judging changed {name!r}"


def check_errors(model: DetectorModel) -> None:
    """Check that inputs of another shape are refused by a ShapeError."""
    images = pictures(model)
    wrongs = [images[0], images[..., :1, :, :], images[:, None]]
    if not model.ANY_SIDE:
        wrongs += [images[..., :-8], images[..., :-8, :-8]]
    if model.frames > 1:
        wrongs.append(images[:, 1:])
    for wrong in wrongs:
        for verb in (model, model.embedding):
            check_refused(ShapeError, str(tuple(wrong.shape)), verb, wrong)


def check_gradients(model: DetectorModel) -> None:
    """Check that both outputs together teach every weight that is not frozen."""
    shared.shake(model.train())
    logit, activation = model(pictures(model, 4))
    shared.check_taught(model, logit.sum() + activation.square().sum())


def check_embedding(model: DetectorModel) -> None:
    """Check that the numbers of each item teach all but the head."""
    values = model.train().embedding(pictures(model, 4))
    assert values.ndim == 2, f"embedding {tuple(values.shape)}, not (B, D)"
    assert len(values) == 4, f"embedding {tuple(values.shape)}, not (B, D)"
    parts = {name for name, _ in model.named_modules()}
    assert set(model.HEAD) <= parts, f"HEAD {model.HEAD} are not all parts: {sorted(parts)}"
    head = tuple(f"{part}." for part in model.HEAD)
    values.square().sum().backward()  # type: ignore[no-untyped-call]
    for name, weight in model.named_parameters():
        if weight.requires_grad and not name.startswith(head):
            assert weight.grad is not None, f"{name} is in no part of HEAD, but not taught"
        else:
            assert weight.grad is None, f"{name} is a part of HEAD, but taught by the embedding"
    model.zero_grad(set_to_none=True)


@torch.no_grad()
def check_export(model: DetectorModel) -> None:
    """Check that the detector file judges as the model does, one item or several."""
    info = describe_net(model, "test")
    images = pictures(model, 3)
    wanted = model.eval()(images)
    crops = (images * 255).round().to(torch.uint8).movedim(-3, -1).numpy()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        path = Path(folder) / "detector.onnx"
        export_detector(model, info, path)
        detector = Detector.load(path)
    for count in (1, 3):
        found = detector.score(crops[:count])
        for name, one, two in zip(("logit", "activation"), found, wanted, strict=True):
            difference = np.abs(one - two[:count].numpy())
            worst = float((difference / (1 + two[:count].abs().numpy())).max())
            assert worst < 1e-3, f"{name} of the exported file differs by {worst:.2g}"
