"""New faces from aligned crops: a trained swap model behind torch or ONNX Runtime.

On a CPU torch makes one face at a time in each thread, 3x3 convolutions by Winograd: that took 15
to 30 % less time than ONNX Runtime, which equals torch without it (docs/results.md).
bfloat16 was eight times slower, for the cores measured lack its instructions.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterface.device import count_cores, onnx_options
from counterface.errors import ShapeError, SwapError
from counterface.faces.align import crop_matrix, warp_image
from counterface.learn.winograd import fix_convolutions
from counterface.swap.models.blocks import Decoder
from counterface.swap.swap_model import SwapModel, TrainedModel
from counterface.types import Floats, Image, Mask

Backend = Literal["auto", "torch", "onnx"]

BATCH = 8
MOST_THREADS = 8
CLOSE = 1 / 255  # the two backends may differ by one grey level

Batch = NDArray[np.float32]
Made = tuple[Image, Mask | None]  # face RGB uint8 (R, R, 3), learned mask (R, R) or None


class Generator:
    """Makes faces with one trained model. Not shared between threads."""

    def __init__(
        self,
        trained: TrainedModel,
        backend: Backend = "auto",
        *,
        batch: int = BATCH,
        threads: int = 0,
        masks: bool = True,
    ) -> None:
        """Keep the model, which is prepared in place for this one generator.

        Args:
            trained: as `read_model` gives it.
            backend: "auto" is torch.
            batch: most crops in one run of the network.
            threads: on a CPU; 0 is one a core, at most 8.
            masks: False leaves out masks that the model can do without, which saves their time.
        """
        self.trained = trained
        self.model: SwapModel = trained.model
        self.in_size, self.out_size = self.model.in_size, self.model.out_size  # sides, pixels
        self.template = self.model.template
        self.batch, self.threads = batch, threads or min(MOST_THREADS, count_cores())
        self.backend: Literal["torch", "onnx"] = "onnx" if backend == "onnx" else "torch"
        self._on_cpu = next(self.model.parameters()).device.type == "cpu"
        self._sessions: dict[int, Any] = {}
        self._pool: ThreadPoolExecutor | None = None
        for part in self.model.modules():
            if isinstance(part, Decoder):
                part.with_mask = masks
        if self.backend == "torch":
            self.model.to(memory_format=torch.channels_last)
            if self._on_cpu:
                fix_convolutions(self.model)
                self._pool = ThreadPoolExecutor(self.threads, "face", torch.set_num_threads, (1,))

    def cut(self, image: Image, landmarks: Floats) -> Image:
        """The crop (in_size, in_size, 3) of the face with these landmarks (68, 2)."""
        return warp_image(image, crop_matrix(landmarks, self.template, self.in_size), self.in_size)

    def frame_to_face(self, landmarks: Floats) -> Floats:
        """`frame_to_crop` (2, 3) of the face that is made for these landmarks (68, 2)."""
        return crop_matrix(landmarks, self.template, self.out_size)

    def generate(self, crops: Sequence[Image], identity: int) -> list[Made]:
        """The faces of the crops as this identity, in order.

        Args:
            crops: RGB uint8 (in_size, in_size, 3) each, aligned to `template`.
            identity: SOURCE for a swap; 0 to N - 1 for models that know N people.

        Raises:
            ShapeError: crops of another shape or type, or an unknown identity.
            SwapError: the network cannot be run by ONNX Runtime, which was asked for.
        """
        shape = (self.in_size, self.in_size, 3)
        for crop in crops:
            if crop.shape != shape or crop.dtype != np.uint8:
                raise ShapeError(f"expected uint8 crops {shape}, got {crop.dtype} {crop.shape}")
        if not 0 <= identity < self.model.identities:
            raise ShapeError(
                f"identity {identity} is unknown; this model knows 0 to {self.model.identities - 1}"
            )
        made: list[Made] = []
        for start in range(0, len(crops), self.batch):
            images = np.stack(crops[start : start + self.batch]).transpose(0, 3, 1, 2)
            scaled = np.ascontiguousarray(images, dtype=np.float32) / np.float32(255)
            made += _unpack(*self._run(scaled, identity))
        return made

    def _run(self, images: Batch, identity: int) -> tuple[Batch, Batch | None]:
        """The network on (B, 3, S, S): faces (B, 3, R, R) and masks (B, 1, R, R) or None."""
        if self.backend == "onnx":
            if identity not in self._sessions:
                self._sessions[identity] = export_session(self.model, identity, self.threads)
            outputs = self._sessions[identity].run(None, {"image": images})
            return outputs[0], outputs[1] if len(outputs) > 1 else None
        if self._pool is None:
            return self._forward(images, identity)
        singles = np.split(images, len(images))
        made = list(self._pool.map(self._forward, singles, [identity] * len(singles)))
        masks = [mask for _, mask in made if mask is not None]
        return np.concatenate([face for face, _ in made]), np.concatenate(masks) if masks else None

    def _forward(self, images: Batch, identity: int) -> tuple[Batch, Batch | None]:
        """As `_run`, by torch, in the thread that calls."""
        device = next(self.model.parameters()).device
        tensor = torch.from_numpy(images).to(device, memory_format=torch.channels_last)
        with torch.inference_mode():
            made = self.model(tensor, identity)
            mask = None if made.mask is None else made.mask.float().cpu().numpy()
            return made.image.float().cpu().numpy(), mask


class _OneIdentity(nn.Module):
    """The network with the identity built in and plain outputs."""

    def __init__(self, model: SwapModel, identity: int) -> None:
        super().__init__()
        self.model, self.identity = model, identity

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        made = self.model(image, self.identity)
        return (made.image,) if made.mask is None else (made.image, made.mask)


def export_session(model: SwapModel, identity: int, threads: int = 1) -> Any:
    """An ONNX Runtime session of a model for one identity, checked against the model.

    Args:
        model: on the CPU, in eval mode; not changed.
        identity: built into the session.

    Raises:
        SwapError: the network cannot be exported, or the copy's faces differ by over 1/255.
    """
    import onnxruntime

    net = _OneIdentity(model, identity).eval()
    size = model.in_size
    ramp = torch.linspace(0, 1, size)
    one = torch.stack([ramp.expand(size, size), ramp.flip(0)[:, None].expand(size, size)])
    example = torch.cat([one, one[:1] * one[1:]])[None].repeat(2, 1, 1, 1)
    try:
        with torch.inference_mode():
            wanted = [output.numpy() for output in net(example)]
        options = onnx_options()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            _export(net, example, len(wanted)), options, providers=["CPUExecutionProvider"]
        )
        got = session.run(None, {"image": example.numpy()})
    except Exception as error:  # whatever torch's exporter and ONNX Runtime raise on odd networks
        raise SwapError(
            f"{type(model).__name__} cannot be run by ONNX Runtime: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}; use torch"
        ) from error
    worst = max(float(np.abs(a - b).max()) for a, b in zip(got, wanted, strict=True))
    if not worst <= CLOSE:
        raise SwapError(
            f"{type(model).__name__} by ONNX Runtime differs from torch by {worst:.3g}; use torch"
        )
    return session


def _export(net: nn.Module, example: Tensor, outputs: int) -> bytes:
    names = ["face", "mask"][:outputs]
    stream = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the shape checks are Python, and hold for any batch
        torch.onnx.export(
            net,
            (example,),
            stream,  # type: ignore[arg-type]  # a stream is taken without dynamo
            input_names=["image"],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in ("image", *names)},
            opset_version=18,
            dynamo=False,
        )
    return stream.getvalue()


def _unpack(faces: Batch, masks: Batch | None) -> list[Made]:
    levels = np.clip(faces * 255 + 0.5, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    images: list[Image] = [np.ascontiguousarray(face) for face in levels]
    if masks is None:
        return [(image, None) for image in images]
    clipped = np.clip(masks[:, 0], 0, 1).astype(np.float32)
    return list(zip(images, clipped, strict=True))
