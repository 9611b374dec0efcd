"""How different two faces look to a network: distance of features at several depths.

After Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep features as a
perceptual metric", CVPR 2018 (arXiv:1801.03924): features of each depth are scaled to unit length
over the channels, subtracted, squared, averaged over places, then over depths. Ours reads the
backbone of CenterFace (MIT, in the weight store) without learned channel weights, so its numbers
compare swaps with each other and are not the paper's LPIPS.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterface import weights
from counterface.device import onnx_options
from counterface.errors import ShapeError, WeightsError
from counterface.types import Image

DEPTHS = ("387", "413", "448", "474", "500")  # residual sums at strides 4, 8, 16, 16 and 32


class PerceptualDistance:
    """Compares pictures of one size; the size must be a multiple of 32."""

    def __init__(self) -> None:
        """Load the network.

        Raises:
            WeightsError: the package onnx is missing, or the model file cannot be had.
        """
        try:
            import onnx
        except ImportError as error:
            raise WeightsError(
                "perceptual distance needs onnx; install counterface[train] (in a clone: make full)"
            ) from (error)
        import onnxruntime

        graph = onnx.load(str(weights.path("centerface")))
        del graph.graph.output[:]
        graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in DEPTHS)
        for dimension, name in zip(
            graph.graph.input[0].type.tensor_type.shape.dim, ("b", "c", "h", "w"), strict=True
        ):
            dimension.dim_param = name  # the file names one fixed size
        del graph.graph.value_info[:]
        self._session: Any = onnxruntime.InferenceSession(
            graph.SerializeToString(), onnx_options(), providers=["CPUExecutionProvider"]
        )
        self._input: str = self._session.get_inputs()[0].name

    def __call__(self, one: Image, other: Image) -> float:
        """The distance of two RGB uint8 (H, W, 3) pictures: 0 for equal ones, 4 at most.

        Raises:
            ShapeError: sizes differ, or are no multiples of 32.
        """
        if one.shape != other.shape or one.shape[0] % 32 or one.shape[1] % 32:
            raise ShapeError(
                f"expected two pictures of one size, sides multiples of 32; got {one.shape} and "
                f"{other.shape}"
            )
        pair = np.stack([one, other]).transpose(0, 3, 1, 2).astype(np.float32)
        total = 0.0
        for features in self._session.run(None, {self._input: pair}):
            lengths = np.sqrt((features**2).sum(axis=1, keepdims=True))
            unit = features / np.maximum(lengths, 1e-6)
            total += float(((unit[0] - unit[1]) ** 2).sum(axis=0).mean())
        return total / len(DEPTHS)
