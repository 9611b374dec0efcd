"""Every knob of putting a generated face into the frame, with its unit, range and default."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from counterface.config import Record
from counterface.registry import COLOR_TRANSFERS
from counterface.wording import unknown_name

HullKind = Literal["whole", "no_forehead", "inner", "lower", "upper", "mouth"]  # of `faces.mask`
MASK_FACTORS = ("hull", "learned", "faceset", "segmented", "made")
Blend = Literal["overlay", "seamless", "raw"]


def _known_mask(kind: str) -> str:
    factors = kind.split("_x_")
    unknown = [factor for factor in factors if factor not in MASK_FACTORS]
    if kind != "none" and unknown:
        raise ValueError(unknown_name("mask", unknown[0], ("none", *MASK_FACTORS)))
    if len(set(factors)) < len(factors):
        raise ValueError(f"mask {kind!r} names one of its factors twice; name each once")
    return kind


MaskKind = Annotated[str, AfterValidator(_known_mask)]


def _known_transfer(name: str) -> str:
    if name not in (known := COLOR_TRANSFERS.names()):
        raise ValueError(unknown_name("colour transfer", name, known))
    return name


ColorTransfer = Annotated[str, AfterValidator(_known_transfer)]


class MergeSettings(Record):
    """How a generated face is put into the frame.

    Shares of the face are shares of its size: the side of the `face` template, 2.7 distances
    between the eye centres, about brows to chin.
    """

    blend: Blend = Field(
        "overlay",
        description="overlay: lay the face over the frame; seamless: pull its colours to those at "
        "the mask's edge (slow); raw: put in the square crop as it is, without mask "
        "or colour transfer",
    )
    mask: MaskKind = Field(
        "hull",
        description="region that is replaced; hull: of the landmarks; learned: the model's own; "
        "faceset: a mask that comes with the face; segmented, made: where a face is visible in the "
        "target and in what was made, by the segmenter; none: the whole crop; products are "
        "spelled as segmented_x_made_x_hull",
    )
    hull: HullKind = Field("whole", description="region of the landmarks")
    erode: float = Field(
        4.0, ge=-30, le=30, description="shrinkage of the mask, % of the face; negative grows it"
    )
    blur: float = Field(10.0, ge=0, le=50, description="width of the soft edge, % of the face")
    edge: float = Field(5.0, ge=0, le=50, description="fade to the crop's border, % of the crop")
    cut_top: float = Field(
        0.0, ge=0, le=90, description="height cut off the mask at the top, % of the crop"
    )
    cut_bottom: float = Field(
        0.0, ge=0, le=90, description="height cut off the mask at the bottom, % of the crop"
    )
    cut_left: float = Field(
        0.0, ge=0, le=90, description="width cut off the mask at the left, % of the crop"
    )
    cut_right: float = Field(
        0.0, ge=0, le=90, description="width cut off the mask at the right, % of the crop"
    )
    opacity: float = Field(100.0, ge=0, le=100, description="opacity of the new face, %")

    color_transfer: ColorTransfer = Field(
        "rct", description=f"colours of the face: {', '.join(sorted(COLOR_TRANSFERS.built_in))}"
    )
    color_strength: float = Field(100.0, ge=0, le=100, description="strength of colour transfer, %")

    face_scale: float = Field(
        100.0, ge=50, le=150, description="size of the new face about its centre, %"
    )
    resample: Literal["linear", "cubic", "lanczos"] = Field(
        "cubic",
        description="interpolation of a face that is enlarged into the frame, from soft to sharp; "
        "none of them adds detail",
    )
    sharpen: Literal["none", "box", "gaussian", "unsharp"] = Field(
        "none",
        description="kind of sharpening; unsharp leaves steps under 3 grey levels alone, so that "
        "grain is not amplified",
    )
    sharpen_amount: float = Field(50.0, ge=0, le=300, description="strength of sharpening, %")
    sharpen_radius: float = Field(
        1.0, gt=0, le=10, description="radius of sharpening, % of the face"
    )
    denoise: float = Field(
        0.0, ge=0, le=60, description="smooth away differences below this, grey levels; 0 = off"
    )
    motion_blur: float = Field(
        0.0,
        ge=0,
        le=200,
        description="blur along the face's motion, % of its path during a frame; 50 is a film "
        "camera's shutter",
    )
    resolution: float = Field(
        100.0, ge=5, le=100, description="size the face is scaled to and back from, %; 100 = off"
    )
    resolution_filter: Literal["area", "bicubic"] = Field(
        "area",
        description="filter of that scaling; area: soft, like a small sensor; bicubic: jagged, "
        "like a bad scaler",
    )
    noise: float = Field(
        0.0, ge=0, le=50, description="strength of grain added to the face, grey levels; 0 = off"
    )
    jpeg_quality: int = Field(
        100, ge=1, le=100, description="JPEG quality of the face; 100 = off, 75 = usual, 30 = poor"
    )

    @property
    def mask_factors(self) -> tuple[str, ...]:
        """The names of `MASK_FACTORS` whose product the mask is; none for the whole crop."""
        return mask_factors(self.mask)


def mask_factors(kind: str) -> tuple[str, ...]:
    """The names of `MASK_FACTORS` in a kind of mask."""
    return () if kind == "none" else tuple(kind.split("_x_"))
