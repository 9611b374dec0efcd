"""Where a face is visible in its crop: masks by a segmentation net, named as other models are.

`generic` ships with the package and knows nobody (docs/masks.md says how it was made and where it
fails); `xseg:PATH` is a net of the user's own, from `counterface faceset mask train`. Both are ONNX
files that describe themselves; torch is not needed.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import cv2
import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.device import onnx_options
from counterface.errors import ShapeError, WeightsError
from counterface.faces.align import crop_matrix, invert, warp_image
from counterface.faces.named_model import make_model, needs_weights
from counterface.onnx.allowed import find_fault
from counterface.project_files import read_bytes, reading
from counterface.registry import FACE_SEGMENTERS
from counterface.types import Floats, Image, Mask

SHIPPED = "face_mask.onnx"
METADATA = "counterface.face_mask"  # entry of an ONNX file that describes it
INPUT, OUTPUT = "images", "masks"  # float32 RGB (B, 3, S, S) in [0, 1] -> (B, S, S) in [0, 1]
AT_ONCE = 8  # crops; bounds the memory
_LARGEST = 1024  # side of a net, pixels


class SegmenterInfo(Record):
    """What the file of a segmentation net says of itself."""

    format: Literal[1] = Field(1, description="version of the format")
    name: str = Field(description="name in reports")
    version: str = Field("0", description="version of the weights")
    template: Literal["face", "whole_face", "head"] = Field(
        description="of the crops it was made on"
    )
    size: int = Field(ge=16, le=_LARGEST, description="side of its crops, pixels")
    card: dict[str, Any] = Field(default_factory=dict, description="summary of the model card")


@runtime_checkable
class FaceSegmenter(Protocol):
    """Tells where a face is visible. Not shared between threads.

    Made as a `FaceDetector` is: by calling its class, without arguments or with `weights`.
    """

    template: str  # of the crops that it expects, a name in `align.TEMPLATES`
    size: int  # side of the crops that it looks at, pixels; others are scaled

    def segment(self, crops: Image) -> Floats:
        """The share of each pixel that shows the face, float32 (N, S, S) in [0, 1].

        Args:
            crops: RGB uint8 (N, S, S, 3) of its template, of any side S; N may be 0.

        Raises:
            ShapeError: no such crops.
        """
        ...


class OnnxSegmenter:
    """A segmentation net in an ONNX file."""

    def __init__(self, content: bytes, where: str) -> None:
        """Open the net.

        Args:
            content: of the ONNX file.
            where: name of the file in errors.

        Raises:
            WeightsError: no ONNX file, or none of a segmentation net.
        """
        with reading(Path(where), WeightsError, what="no ONNX file that can be used"):
            self._session: Any = _open(content)
        said = self._session.get_modelmeta().custom_metadata_map
        if METADATA not in said:
            raise WeightsError(
                f"{where}: not the file of a face mask; export one with "
                "'counterface faceset mask train'"
            )
        with reading(Path(where), WeightsError, what="its description cannot be read"):
            self.info = SegmenterInfo.model_validate_json(said[METADATA])
        self.template: str = self.info.template
        self.size = self.info.size
        self._where = where

    def segment(self, crops: Image) -> Floats:
        """As `FaceSegmenter.segment`."""
        require_crops(crops)
        masks = np.zeros(crops.shape[:3], np.float32)
        for start in range(0, len(crops), AT_ONCE):
            part = crops[start : start + AT_ONCE]
            small = np.stack([scaled(crop, self.size) for crop in part])
            planes = np.ascontiguousarray(small.transpose(0, 3, 1, 2), np.float32) / 255
            try:
                (found,) = self._session.run([OUTPUT], {INPUT: planes})
            except Exception as error:  # of ONNX Runtime, which has no common parent
                raise WeightsError(f"{self._where}: the net cannot be run: {error}") from error
            if found.shape != small.shape[:3] or not np.isfinite(found).all():
                raise WeightsError(
                    f"{self._where}: gave {found.shape} for crops {small.shape}, or no numbers"
                )
            for number, mask in enumerate(np.clip(found, 0, 1).astype(np.float32)):
                masks[start + number] = scaled(mask, crops.shape[1])
        return masks


class GenericSegmenter(OnnxSegmenter):
    """The mask that ships: any face, without what is before it."""

    def __init__(self) -> None:
        """Open the shipped file."""
        super().__init__(_shipped(), SHIPPED)


class XSeg(OnnxSegmenter):
    """A net that was trained on somebody's own masks."""

    guarded = True  # ONNX Runtime reads its files in native code

    def __init__(self, weights: Path | None = None) -> None:
        """Open a file.

        Args:
            weights: of `counterface faceset mask train`.

        Raises:
            WeightsError: no file is named, or it cannot be used.
        """
        if weights is None:
            raise needs_weights("xseg", "mask.onnx of a run of 'counterface faceset mask train'")
        with reading(weights, WeightsError):
            content = read_bytes(weights)
            if fault := find_fault(content):
                raise WeightsError(f"not used: {fault}")
        super().__init__(content, str(weights))


_loaded = threading.local()


def load_segmenter(name: str = "generic") -> FaceSegmenter:
    """This thread's segmenter of a name, `NAME` or `NAME:PATH`.

    Raises:
        RegistryError: none of that name.
        WeightsError: its file is not there or cannot be used.
    """
    models: dict[str, FaceSegmenter] = _loaded.__dict__.setdefault("models", {})
    if name not in models:
        model = make_model(FACE_SEGMENTERS, name)
        assert isinstance(model, FaceSegmenter)
        models[name] = model
    return models[name]


def segment_crops(crops: Image, segmenter: str = "generic") -> Floats:
    """The share of each pixel that shows the face, float32 (N, S, S) in [0, 1].

    Args:
        crops: RGB uint8 (N, S, S, 3), aligned to the template that the segmenter names.
        segmenter: `NAME` or `NAME:PATH`.

    Raises:
        ShapeError: no such crops.
        RegistryError: no segmenter of that name.
        WeightsError: its file is not there or cannot be used.
    """
    return load_segmenter(segmenter).segment(crops)


def segment_face(image: Image, landmarks: Floats, segmenter: FaceSegmenter) -> Mask:
    """The share of each pixel of any picture that shows a face, float32 (H, W) in [0, 1].

    The face is cut by the segmenter's template, so the picture may be a frame, or a crop of another
    template.

    Args:
        image: RGB uint8 (H, W, 3).
        landmarks: (68, 2) of the face in it.
        segmenter: from `load_segmenter`.

    Raises:
        ShapeError: landmarks are not (68, 2), all the same, or not finite.
    """
    matrix = crop_matrix(landmarks, segmenter.template, segmenter.size)
    crop = warp_image(image, matrix, segmenter.size, "grey")
    (mask,) = segmenter.segment(crop[None])
    height, width = image.shape[:2]
    return np.asarray(cv2.warpAffine(mask, invert(matrix), (width, height)), np.float32)


def require_crops(crops: Image) -> None:
    """Refuse what are no crops.

    Raises:
        ShapeError: not RGB uint8 (N, S, S, 3).
    """
    good = isinstance(crops, np.ndarray) and crops.dtype == np.uint8
    if not good or crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3:
        found = f"{crops.dtype} {crops.shape}" if isinstance(crops, np.ndarray) else type(crops)
        raise ShapeError(f"expected crops RGB uint8 (N, S, S, 3), got {found}")
    if not crops.shape[1]:
        raise ShapeError(f"the crops have no pixels, got {crops.shape}")


def scaled(picture: Any, side: int) -> Any:
    """A square picture or mask at another side, averaged over areas where it becomes smaller."""
    if len(picture) == side:
        return picture
    smooth = cv2.INTER_AREA if side < len(picture) else cv2.INTER_LINEAR
    return cv2.resize(picture, (side, side), interpolation=smooth)


def _open(content: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(content, onnx_options(), providers=["CPUExecutionProvider"])


@cache
def _shipped() -> bytes:
    return files("counterface.faces.data").joinpath(SHIPPED).read_bytes()
