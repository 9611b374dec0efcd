"""Which family of methods made a face: an open-set answer, in which "unknown" is a real one.

A detector file may carry a family head: for each crop the squared Mahalanobis distance of the
detector's features to the centre of each family that it was shown (Lee et al. 2018,
https://arxiv.org/abs/1807.03888). A family is named only where the features lie as near to it as
those of held-back files of that family do, and where no other is about as near; what nobody
taught the head is "unknown", not the nearest of what it knows (compare Girish et al. 2021,
https://arxiv.org/abs/2105.04580). The head answers "if it was manipulated, how?"; whether it was is
the detector's logit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from counterface.config import Record
from counterface.errors import ShapeError
from counterface.wording import counted

UNKNOWN = "unknown"
MAJORITY = 0.5  # share that a family needs to be named


class Family(Record):
    """One family that the head was shown."""

    name: str = Field(description="name of the family, as in the manifest's column `method`")
    limit: float = Field(
        gt=0, description="squared distance within which 95 % of the family's held-back files lie"
    )
    genuine: bool = Field(
        False,
        description="whether it stands for real faces, which are compared with but never named",
    )
    generators: tuple[str, ...] = Field(
        (), description="programs and models whose output the family was fitted on"
    )
    files: int = Field(0, ge=0, description="number of files that the family was fitted on")


class Families(Record):
    """What the head of a detector file knows, and how often it was right on held-back files."""

    members: tuple[Family, ...] = Field(description="families in the order of the distances")
    temperature: float = Field(
        1.0, gt=0, description="temperature of the distances, fitted on held-back files"
    )
    right: float | None = Field(None, description="share of held-back fakes named correctly")
    wrong: float | None = Field(
        None, description="share of held-back fakes named as another family"
    )
    foreign_unknown: float | None = Field(
        None, description="share of fakes of a left-out family that were called unknown"
    )


class Attribution(Record):
    """The family of one person's faces, or that none can be named."""

    family: str = Field(description="name of the family, or unknown")
    confidence: float | None = Field(
        ge=0,
        le=1,
        description="confidence among the known families, if the face was manipulated; null: "
        "unknown",
    )
    shares: dict[str, float] = Field(description="share of each family, if it was one of them")
    note: str


def attribute(distances: ArrayLike, families: Families) -> Attribution:
    """The family of faces of one person.

    Args:
        distances: (N, K) squared distances of N >= 1 crops to K families, finite.
        families: families of the detector file.

    Raises:
        ShapeError: other shapes, or distances that are not finite.
    """
    values = np.asarray(distances, np.float64)
    names = [member.name for member in families.members]
    if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
        raise ShapeError(f"expected distances (N, {len(names)}), N >= 1, got {values.shape}")
    if not np.isfinite(values).all():
        raise ShapeError(f"{int((~np.isfinite(values)).sum())} distances are not finite")
    mean = values.mean(axis=0)
    scaled = -(mean - mean.min()) / (2 * families.temperature)
    weight = np.exp(scaled)
    share = weight / weight.sum()
    first = int(share.argmax())
    closest = families.members[first]
    shares = {name: round(float(part), 4) for name, part in zip(names, share, strict=True)}
    unknown = _why_unknown(closest, float(mean[first]), float(share[first]))
    if unknown:
        return Attribution(family=UNKNOWN, confidence=None, shares=shares, note=unknown)
    shown = ", ".join(name for name in closest.generators if not name.startswith("counterface "))
    return Attribution(
        family=closest.name,
        confidence=round(float(share[first]), 4),
        shares=shares,
        note=(
            f"Learnt from {counted(closest.files, 'file')}"
            + (f" made by {shown}" if shown else "")
            + "; a method that resembles them cannot be told from them."
        ),
    )


def nearest(distances: ArrayLike, families: Families) -> float | None:
    """How far a crop is from the family that it is nearest to, over what that family keeps to.

    Args:
        distances: (K,) squared, of one crop.
        families: families of the detector file.

    Returns:
        Up to 1 for 95 % of the held-back files of a family; None where no distance is finite.
    """
    limits = np.array([member.limit for member in families.members])
    ratios = np.asarray(distances, np.float64) / limits
    return float(np.nanmin(ratios)) if np.isfinite(ratios).any() else None


def _why_unknown(closest: Family, distance: float, share: float) -> str:
    """Why the nearest family is not named; empty where it is."""
    if closest.genuine:
        return "The features resemble genuine faces more than any family of manipulations."
    if distance > closest.limit:
        return (
            f"Nearest is {closest.name}, but {distance / closest.limit:.1f} times as far as 95 % "
            "of its held-back files."
        )
    if share < MAJORITY:
        return f"Nearest is {closest.name}, but others are about as near."
    return ""
