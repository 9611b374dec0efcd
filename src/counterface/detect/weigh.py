"""Several witnesses, weighed by quality: from their raw logits to one logit, in the open.

A detector file may name *witnesses*, each a logit z of its own, and *quality bins*. In a bin each
witness has a slope and an offset that were fitted on methods which it had never met. What it says
of a frame is `clip(slope * z + offset, -3, 3)`, in log-odds; a slope of 0 means that it cannot tell
at this quality, and it is silent. The witnesses of one question are added; the questions are
joined by log-sum-exp, a soft maximum: a picture that is wholly generated has no seam. So only
witnesses of *one* question can contradict each other. Scan, evaluate and calibrate all weigh here.

The measures of a bin are those of the face as the file holds it. Compression is the strength that
`media/compression.py` estimates, and not bits a pixel: it means the same for pictures and videos,
whereas bits depend on what is shown, on the codec, and in a video on how much moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict, Field, model_validator

from counterface.config import Record
from counterface.errors import ShapeError

LIMIT = 3.0  # log-odds: the most that one witness may say of a frame
CONTRADICTION = 4.0  # log-odds between two witnesses of one question; no verdict beyond
FAINT = 0.5  # log-odds: below, a witness speaks neither way
NEVER = 1.0  # a line that no probability reaches


class DetectorPart(Record):
    """What stands in a detector file."""

    model_config = ConfigDict(allow_inf_nan=False)  # a file may come from anyone


class Quality(NamedTuple):
    """What a face is like in its file; None was not measured, and is not held against it."""

    eye_px: float | None  # between the eyes' centres, pixels of the frame
    sharpness: float | None  # see `scanning/crop_quality.py`
    compression: float | None  # strength, 0 none to 1 heavy


def middle(values: Iterable[float | None]) -> float | None:
    """The median of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


class WitnessInfo(DetectorPart):
    """One of the detector's witnesses."""

    name: str = Field(min_length=1)
    looks_for: str = Field(min_length=1, description="words that complete 'looks for ...'")
    question: str = Field(min_length=1, description="kind of manipulation that it speaks to")
    methods: tuple[str, ...] = Field(
        (), description="families and makers of fakes that it is weighed by; empty: all"
    )

    def speaks_to(self, method: str, generator: str) -> bool:
        """Whether a fake is of a kind that it is weighed by."""
        return not self.methods or method in self.methods or generator in self.methods


class Promise(DetectorPart):
    """What holds of genuine files at a bin's line, on those that it was fitted on."""

    share: float = Field(gt=0, lt=1, description="largest share of genuine files above the line")
    origins: int = Field(
        ge=1, description="number of sources of genuine files; the worst of them keeps the share"
    )
    files: int = Field(ge=1, description="number of genuine files in all of them")

    @property
    def ground(self) -> str:
        """Words for the sources in which it holds."""
        return "one source" if self.origins == 1 else f"the worst of {self.origins} sources"


class QualityBin(DetectorPart):
    """Faces of like quality, and what each witness is worth there."""

    name: str = Field(min_length=1)
    min_eye_px: float = Field(
        0, ge=0, description="smallest distance between the eyes' centres, pixels"
    )
    min_sharpness: float = Field(0, ge=0)
    max_compression: float = Field(1, ge=0, le=1)
    slopes: tuple[float, ...] = Field(description="slope of each witness; 0: silent")
    offsets: tuple[float, ...] = Field(
        description="offset of each witness, log-odds; 0 where silent"
    )
    line: float = Field(
        NEVER, gt=0, le=1, description="line of likely_manipulated; 1: never called"
    )
    promise: Promise | None = Field(
        None, description="what holds for genuine files at the line; null: nothing is promised"
    )

    def holds(self, quality: Quality) -> bool:
        """Whether a face of this quality is good enough."""
        eye_px, sharpness, compression = quality
        return (
            (eye_px is None or eye_px >= self.min_eye_px)
            and (sharpness is None or sharpness >= self.min_sharpness)
            and (compression is None or compression <= self.max_compression)
        )

    @property
    def speaks(self) -> NDArray[np.bool_]:
        """Which witnesses do, (W,)."""
        return np.array(self.slopes) > 0

    @model_validator(mode="after")
    def _whole(self) -> QualityBin:
        if len(self.slopes) != len(self.offsets):
            raise ValueError(f"{len(self.slopes)} slopes and {len(self.offsets)} offsets")
        for slope, offset in zip(self.slopes, self.offsets, strict=True):
            if slope < 0:
                raise ValueError(f"slope {slope} is negative; 0 silences a witness")
            if slope == 0 and offset != 0:
                raise ValueError(f"a silent witness (slope 0) has the offset {offset}")
        return self


class Weighing(DetectorPart):
    """The witnesses of a detector file and what each is worth, bin by bin, the best first."""

    witnesses: tuple[WitnessInfo, ...] = Field(min_length=1)
    bins: tuple[QualityBin, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Weighing:
        for bin_ in self.bins:
            if len(bin_.slopes) != len(self.witnesses):
                raise ValueError(
                    f"bin {bin_.name!r} has {len(bin_.slopes)} slopes for "
                    f"{len(self.witnesses)} witnesses"
                )
        for better, worse in zip(self.bins, self.bins[1:], strict=False):
            if not worse.holds(
                Quality(better.min_eye_px, better.min_sharpness, better.max_compression)
            ):
                raise ValueError(
                    f"bin {worse.name!r} asks for more than {better.name!r} before it; "
                    "the best bin comes first"
                )
        for names in ([w.name for w in self.witnesses], [b.name for b in self.bins]):
            if len(set(names)) < len(names):
                raise ValueError(f"a name stands twice: {names}")
        if not any(bin_.speaks.any() for bin_ in self.bins):
            raise ValueError("every witness is silent in every bin")
        return self

    def unfitted(self) -> Weighing:
        """The same bins, in which every witness is taken at its word and nothing is called."""
        count = len(self.witnesses)
        weights = {"slopes": (1.0,) * count, "offsets": (0.0,) * count}
        plain = {**weights, "line": NEVER, "promise": None}
        return self.model_copy(
            update={"bins": tuple(bin_.model_copy(update=plain) for bin_ in self.bins)}
        )

    def describe(self, bin_: QualityBin) -> str:
        """What a bin asks for, what each witness is worth there, and what its line promises."""
        worth = zip(self.witnesses, bin_.slopes, bin_.offsets, strict=True)
        said = (
            f"{witness.name} {f'{slope:.2g} z {offset:+.2g}' if slope else 'silent'}"
            for witness, slope, offset in worth
        )
        line = "nothing is called likely manipulated"
        if bin_.line < NEVER:
            line = f"likely manipulated from {bin_.line:.3f}"
        if bin_.promise:
            line += (
                f", passed by {bin_.promise.share:.0%} of genuine files at most, from "
                f"{bin_.promise.ground} ({bin_.promise.files} files)"
            )
        return (
            f"eyes {bin_.min_eye_px:g} pixels apart and more, sharpness from "
            f"{bin_.min_sharpness:g}, compression up to {bin_.max_compression:g}; "
            f"{', '.join(said)}; {line}"
        )

    def bin_of(self, quality: Quality) -> QualityBin | None:
        """The best bin that a face belongs to; None where no witness can tell at its quality."""
        found = next((bin_ for bin_ in self.bins if bin_.holds(quality)), None)
        return found if found is not None and found.speaks.any() else None

    def nearest(self, quality: Quality) -> QualityBin:
        """The bin by which a face is weighed; a number of a face too poor for any is no verdict."""
        return self.bin_of(quality) or [b for b in self.bins if b.speaks.any()][-1]

    def hear(self, logits: ArrayLike, bin_: QualityBin) -> NDArray[np.float64]:
        """What each witness says of each frame, (N, W) log-odds; 0 where it is silent.

        Args:
            logits: (N, W), raw.
            bin_: one of `bins`.

        Raises:
            ShapeError: another number of witnesses.
        """
        values = np.asarray(logits, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.witnesses):
            raise ShapeError(f"expected logits (N, {len(self.witnesses)}), got {values.shape}")
        said = np.clip(np.array(bin_.slopes) * values + bin_.offsets, -LIMIT, LIMIT)
        return np.where(bin_.speaks, said, 0.0)

    def weigh(self, logits: ArrayLike, bin_: QualityBin) -> NDArray[np.float64]:
        """The joined logit of each frame, (N,); a question on which all are silent is not asked.

        Args:
            logits: (N, W), raw.
            bin_: one of `bins` in which a witness speaks.

        Raises:
            ShapeError: another number of witnesses.
        """
        said = self.hear(logits, bin_)
        asked = {
            witness.question: [other.question == witness.question for other in self.witnesses]
            for witness, speaks in zip(self.witnesses, bin_.speaks, strict=True)
            if speaks
        }
        odds = [said[:, members].sum(axis=1) for members in asked.values()]
        return np.asarray(np.logaddexp.reduce(odds, axis=0))


class Statement(DetectorPart):
    """What one witness says of one person's face."""

    name: str
    question: str
    looks_for: str
    log_odds: float | None = Field(description="mean log-odds over frames, -3 to 3; null: silent")
    says: Literal["for", "against", "neither", "silent"] = Field(
        description="what the witness says; silent: it cannot tell at this quality"
    )
    text: str = Field(description="the same in one sentence")


def take_statements(
    logits: ArrayLike, weighing: Weighing, bin_: QualityBin
) -> tuple[Statement, ...]:
    """What each witness says of a person.

    Args:
        logits: (N, W), raw, of the frames or views that are pooled, N >= 1.
        weighing: weighing of the detector file.
        bin_: bin of the person.
    """
    mean = weighing.hear(logits, bin_).mean(axis=0)
    return tuple(
        _statement(witness, float(said) if speaks else None)
        for witness, said, speaks in zip(weighing.witnesses, mean, bin_.speaks, strict=True)
    )


def _statement(witness: WitnessInfo, said: float | None) -> Statement:
    says: Literal["for", "against", "neither", "silent"] = "neither"
    if said is None:
        says, verb = "silent", "cannot tell at this quality"
    elif abs(said) < FAINT:
        verb = f"speaks neither for nor against manipulation ({said:+.1f})"
    else:
        says = "for" if said > 0 else "against"
        verb = f"speaks {says} manipulation ({said:+.1f} of at most {LIMIT:g})"
    return Statement(
        name=witness.name,
        question=witness.question,
        looks_for=witness.looks_for,
        log_odds=said,
        says=says,
        text=f"{witness.name!r}, which looks for {witness.looks_for}, {verb}.",
    )


def find_contradiction(said: Sequence[Statement]) -> tuple[Statement, Statement] | None:
    """The two witnesses of one question that contradict each other most, for and against.

    None where no two are more than `CONTRADICTION` apart.
    """
    worst, most = None, CONTRADICTION
    for one in said:
        for other in said:
            if one.question != other.question or one.log_odds is None or other.log_odds is None:
                continue
            if one.log_odds - other.log_odds > most:
                worst, most = (one, other), one.log_odds - other.log_odds
    return worst


def start_weighing(witnesses: Sequence[WitnessInfo]) -> Weighing:
    """Every witness taken at its word, in three bins that `detect calibrate` fits.

    The least of the last bin is where a swap's texture is gone: 35 pixels between the eyes are what
    a net of 128 pixels draws, and half of them show none of it.
    """
    ones, zeros = (1.0,) * len(witnesses), (0.0,) * len(witnesses)
    limits = (("good", 60, 0.62, 0.5), ("fair", 36, 0.57, 0.7), ("poor", 20, 0.52, 0.95))
    bins = tuple(
        QualityBin(
            name=name,
            min_eye_px=eye_px,
            min_sharpness=sharpness,
            max_compression=compression,
            slopes=ones,
            offsets=zeros,
        )
        for name, eye_px, sharpness, compression in limits
    )
    return Weighing(witnesses=tuple(witnesses), bins=bins)
