"""The detector model file: an ONNX network that judges aligned crops, and its metadata.

File format 1: input `image` float32 (B, 3, S, S) RGB in [0, 1], or, for a detector that judges T
frames of a person together, `clip` (B, T, 3, S, S); outputs `logit` (B,), > 0 = fake, and
`activation` (B, h, w), the signed evidence of each cell. Optional outputs: `features` (B, D), what
the logit was read from, `families` (B, K), their squared distances to the families of methods in
`DetectorInfo.families`, and `witnesses` (B, W), the raw logits of `DetectorInfo.weighing`, by which
a scan then judges in place of `logit`. The metadata property `counterface` is JSON with the fields
of `DetectorInfo`.
"""

from __future__ import annotations

import hashlib
from importlib.resources import as_file, files
from pathlib import Path
from shlex import quote
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from counterface.detect.attribute import Families
from counterface.detect.weigh import DetectorPart, Weighing
from counterface.errors import DetectorError
from counterface.faces.align import TEMPLATES
from counterface.onnx.allowed import MOST_BYTES
from counterface.onnx.session import GuardedSession, open_here
from counterface.project_files import parse_json, read_bytes, reading
from counterface.types import Floats
from counterface.wording import unknown_name

DEFAULT = "default"
NOT_CALIBRATED = "Not calibrated: the numbers are not probabilities yet."
BATCH = 4  # crops a run: activations of the shipped net stay under 100 MB, at the same speed


class Calibration(DetectorPart):
    """p(fake) = sigmoid(scale * mean logit + offset), fitted on held-back clips."""

    scale: float = Field(1.0, gt=0)
    offset: float = 0.0


class Thresholds(DetectorPart):
    """Where a calibrated probability becomes a verdict; between the two it is inconclusive."""

    likely_manipulated: float = Field(gt=0, lt=1)
    no_manipulation_found: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> Thresholds:
        if self.no_manipulation_found > self.likely_manipulated:
            raise ValueError(
                f"no_manipulation_found {self.no_manipulation_found} lies above "
                f"likely_manipulated {self.likely_manipulated}"
            )
        return self


class Range(DetectorPart):
    """What the detector was trained and measured on; a face outside it cannot carry a verdict."""

    model_config = ConfigDict(extra="allow")  # later files may state more limits

    min_face_px: float = Field(
        64,
        ge=0,
        description="smallest face that is judged: longer side round the landmarks, pixels",
    )
    max_compression: float = Field(
        1.0, ge=0, le=1, description="strongest compression that is judged, as `probe` estimates it"
    )
    max_yaw: float = Field(180, ge=0, description="largest turn to either side, degrees")
    max_pitch: float = Field(180, ge=0, description="largest tilt up or down, degrees")


class DetectorInfo(DetectorPart):
    """What a detector file says of itself."""

    format: Literal[1]
    name: str
    version: str
    template: str
    size: int = Field(ge=16, le=1024)
    frames: int = Field(1, ge=1, le=64, description="crops of one person that are judged together")
    step: int = Field(1, ge=1, description="distance between those crops, in frames of the video")
    calibration: Calibration = Calibration()
    thresholds: Thresholds
    range: Range = Range()
    families: Families | None = Field(
        None, description="known families, in a file with the output `families`"
    )
    weighing: Weighing | None = Field(
        None, description="rules for the witnesses, in a file with the output `witnesses`"
    )
    card: dict[str, Any] = Field(default_factory=dict)

    @property
    def calibrated_card(self) -> dict[str, Any]:
        """The card without the words that its numbers are no probabilities yet."""
        summary = str(self.card.get("summary", "")).replace(NOT_CALIBRATED, "").strip()
        rest = {name: value for name, value in self.card.items() if name != "summary"}
        return rest | ({"summary": summary} if summary else {})

    @property
    def crop_shape(self) -> tuple[int, ...]:
        """The shape of one judged item, channels last: (S, S, 3) or (T, S, S, 3)."""
        crop = (self.size, self.size, 3)
        return crop if self.frames == 1 else (self.frames, *crop)

    @model_validator(mode="after")
    def _known_template(self) -> DetectorInfo:
        if self.template not in TEMPLATES:
            raise ValueError(unknown_name("template", self.template, TEMPLATES))
        return self


class Judgement(NamedTuple):
    """What a detector file says of B items."""

    logits: Floats  # (B,), > 0 speaks for fake
    maps: Floats  # (B, h, w), the signed evidence of each cell
    families: Floats | None  # (B, K) squared distances; None where the file knows no families
    witnesses: Floats | None  # (B, W) raw logits; None where the file names no witnesses

    def item(self, number: int) -> Judgement:
        """What is said of one item, B = 1."""
        one = slice(number, number + 1)
        families = None if self.families is None else self.families[one]
        witnesses = None if self.witnesses is None else self.witnesses[one]
        return Judgement(self.logits[one], self.maps[one], families, witnesses)


class Detector:
    """A loaded detector: crops in, logits and evidence maps out, on one thread."""

    def __init__(self, session: Any, info: DetectorInfo, sha256: str, path: Path) -> None:
        """Wrap a ready session; use `Detector.load` instead."""
        self.info = info
        self.sha256 = sha256
        self.path = path
        self._session = session

    @classmethod
    def load(cls, name_or_path: str | Path = DEFAULT) -> Detector:
        """The detector behind `default` (shipped in the package) or in an ONNX file.

        Raises:
            DetectorError: no such file, not ONNX, or metadata of another format.
        """
        if str(name_or_path) == DEFAULT:
            return cls.shipped("default.onnx")
        return cls._from_file(Path(name_or_path))

    @classmethod
    def shipped(cls, name: str) -> Detector:
        """The detector in a file that comes with the package, by the name of the file."""
        with as_file(files("counterface.detect.data") / name) as path:
            return cls._from_file(path, trusted=True)

    @classmethod
    def _from_file(cls, path: Path, *, trusted: bool = False) -> Detector:
        _refuse_weights(path)
        advice = f"name an ONNX file, or {DEFAULT!r} for the one in the package"
        with reading(path, DetectorError, advice, what="the detector file cannot be read"):
            content = read_bytes(path, MOST_BYTES)
        session: Any
        if trusted:
            session = open_here(content)
            metadata = session.get_modelmeta().custom_metadata_map
        else:
            session = GuardedSession(content, path, "detector file", DetectorError)
            metadata = session.metadata
        info = read_info(metadata, path)
        _check_signature(session, info, path)
        return cls(session, info, hashlib.sha256(content).hexdigest(), path)

    def score(self, crops: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """The logit of each item, (B,), and its evidence map, (B, h, w); > 0 speaks for fake.

        As `judge`, which also tells the families.
        """
        judged = self.judge(crops)
        return judged.logits, judged.maps

    def judge(self, crops: NDArray[np.uint8]) -> Judgement:
        """Everything that the file says of each item.

        Args:
            crops: RGB uint8, aligned to the detector's template and size: (B, S, S, 3), or
                (B, T, S, S, 3) where the detector judges T frames together.

        Raises:
            DetectorError: crops of another shape or type.
        """
        found = self._run(["logit", "activation", *optional_outputs(self.info)], crops)
        return Judgement(
            found["logit"].reshape(-1),
            found["activation"],
            found.get("families"),
            found.get("witnesses"),
        )

    def features(self, crops: NDArray[np.uint8]) -> Floats:
        """What the logit of each item was read from, (B, D).

        Raises:
            DetectorError: crops of another shape or type, or a file without features.
        """
        if "features" not in {output.name for output in self._session.get_outputs()}:
            raise DetectorError(
                f"{self.path}: detector {self.info.name!r} has no output 'features'; export it "
                "anew from a net with an `embedding`"
            )
        return self._run(["features"], crops)["features"]

    def _run(self, outputs: list[str], crops: NDArray[np.uint8]) -> dict[str, Floats]:
        """Each output for all items, which are run in batches."""
        wanted = self.info.crop_shape
        if crops.dtype != np.uint8 or crops.shape[1:] != wanted:
            shape = ", ".join(["B", *map(str, wanted)])
            raise DetectorError(
                f"detector {self.info.name!r} takes uint8 crops ({shape}) aligned to "
                f"template {self.info.template!r}, got {crops.dtype} {crops.shape}"
            )
        if not len(crops):
            shapes = {"logit": (0,), "activation": (0, 1, 1)}
            shapes |= {name: (0, width) for name, width in optional_outputs(self.info).items()}
            return {name: np.zeros(shapes.get(name, (0, 0)), np.float32) for name in outputs}
        found = []
        for start in range(0, len(crops), BATCH):
            batch = np.moveaxis(crops[start : start + BATCH], -1, -3).astype(np.float32) / 255
            found.append(self._session.run(outputs, {input_name(self.info): batch}))
            self._require_shapes(outputs, found[-1], len(batch))
        parts = zip(outputs, zip(*found, strict=True), strict=True)
        return {name: np.concatenate(part) for name, part in parts}

    def _require_shapes(self, names: list[str], found: list[Floats], count: int) -> None:
        """Refuse outputs that are not arrays of numbers of the documented shapes."""
        widths = optional_outputs(self.info)
        for name, values in zip(names, found, strict=True):
            dimensions = (1, 2) if name == "logit" else (3,) if name == "activation" else (2,)
            fits = values.dtype.kind == "f" and values.ndim in dimensions and len(values) == count
            fits &= name != "logit" or values.size == count
            if not fits or (name in widths and values.shape[1] != widths[name]):
                raise DetectorError(
                    f"{self.path}: for {count} items the output {name!r} of detector "
                    f"{self.info.name!r} is {values.dtype} {values.shape}; "
                    "the file does not keep the format"
                )


def _refuse_weights(path: Path) -> None:
    """Refuse a path of trained weights, or of the run that holds them."""
    weights = path / "best.safetensors" if path.is_dir() else path
    if weights.suffix != ".safetensors" or (weights != path and not weights.exists()):
        return
    target = weights.with_suffix(".onnx")
    raise DetectorError(
        f"{path}: these are trained weights, which a scan cannot use as they are; export them "
        f"first: counterface detect export {quote(str(weights))} {quote(str(target))}"
    )


def input_name(info: DetectorInfo) -> str:
    """What the network calls its input."""
    return "image" if info.frames == 1 else "clip"


def optional_outputs(info: DetectorInfo) -> dict[str, int]:
    """The outputs that a file has beside logit and activation, by what it says, and their width."""
    widths = {}
    if info.families is not None:
        widths["families"] = len(info.families.members)
    if info.weighing is not None:
        widths["witnesses"] = len(info.weighing.witnesses)
    return widths


def read_info(metadata: dict[str, str], path: Path) -> DetectorInfo:
    """What a detector file says of itself, from its ONNX metadata.

    Raises:
        DetectorError: it says nothing, or something that cannot be used.
    """
    if "counterface" not in metadata:
        raise DetectorError(
            f"{path}: the ONNX file has no 'counterface' metadata, so its crop, calibration and "
            "thresholds are unknown; write it with 'counterface detect export'"
        )
    unusable = "detector metadata cannot be used"
    with reading(path, DetectorError, what=unusable, model=DetectorInfo):
        return DetectorInfo.model_validate(parse_json(metadata["counterface"]))


def _check_signature(session: Any, info: DetectorInfo, path: Path) -> None:
    inputs = {i.name: i.shape for i in session.get_inputs()}
    outputs = {o.name for o in session.get_outputs()}
    name = input_name(info)
    needed = {"logit", "activation", *optional_outputs(info)}
    if set(inputs) != {name} or not needed <= outputs:
        raise DetectorError(
            f"{path}: expected input {name!r} and outputs {sorted(needed)}, "
            f"got {sorted(inputs)} and {sorted(outputs)}"
        )
    wanted = (*info.crop_shape[:-3], 3, info.size, info.size)
    takes = inputs[name][1:]
    fits = len(takes) == len(wanted) and all(
        one == other for one, other in zip(takes, wanted, strict=True) if isinstance(one, int)
    )
    if not fits:
        raise DetectorError(
            f"{path}: metadata says {info.size} px crops, {info.frames} together, "
            f"the network takes {inputs[name]}"
        )
