"""The block grid of an encoder in the face against the grid around it.

JPEG, MPEG-4 and H.264 leave faint steps at the borders of their blocks, eight pixels apart in the
whole frame. A face that was pasted over a frame that had been encoded before covers them, and
brings none, or its own at other places. The steps of all pictures of a person are added up, since
they have the same places in every frame.

Sources: Fan and de Queiroz, "Identification of bitmap compression history", 2003
(https://doi.org/10.1109/TIP.2002.807361), on the phase and strength of a grid; Li, Yuan and Yu,
"Passive detection of doctored JPEG image via block artifact grid extraction", 2009
(https://doi.org/10.1016/j.sigpro.2009.03.025), on pasted parts; our own simpler measure.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Reads, Still
from counterface.detect.cues.regions import FEW, Region, face_region

BLOCK = 8  # pixels; blocks of 4 and 16 share its borders, or half of them
LARGE = 8  # grey levels: a larger step belongs to the picture, and counts as this
SEEN = 10.0  # standard errors; grids of our files, which begin at the corner, were found from here
FACE, AROUND = 0.95, 1.25  # scales of the face's outline

Sums = NDArray[np.float64]  # (..., 3, 8): number, sum and sum of squares of steps at each phase


class BlockGrid:
    """How much of the grid around the face is found in the face, at the same places."""

    name = "block_grid"
    title = "Block grid of the face"
    unit = "share"
    looks_for = "a face without the encoder's block grid that lies over the rest of its frame"
    source = "https://doi.org/10.1016/j.sigpro.2009.03.025"
    reads: Reads = "stills"
    wants_s: float = 0.0

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        """The grid's strength in the face over its strength around: 1 is the same, 0 none."""
        if not person.stills:
            return NotApplicable("there is no picture of this person")
        sums = np.sum([add_steps(still) for still in person.stills], axis=0)
        if sums[:, :, 0].min() < FEW:
            return NotApplicable("no picture shows the face and enough of what lies around it")
        found = []
        for (face, _), (around, error) in (map(_strengths, axis) for axis in sums):
            phase = int(np.argmax(around))
            if around[phase] > SEEN * error[phase]:
                found.append((face[phase], around[phase]))
        if not found:
            return NotApplicable("no block grid can be seen around the face")
        inner, outer = np.sum(found, axis=0)
        return Measured(float(inner / outer))


def add_steps(still: Still) -> Sums:
    """The steps of a still by axis (x, y), region (face, around) and phase, (2, 2, 3, 8)."""
    plane = cv2.cvtColor(still.image, cv2.COLOR_RGB2GRAY)
    regions = face_region(still, FACE), ~face_region(still, AROUND)
    sums = []
    for axis, start in ((1, still.corner[0]), (0, still.corner[1])):
        excess = _excess(plane, axis)
        sums.append([_by_phase(excess, region, axis, start) for region in regions])
    return np.array(sums)


def _excess(plane: NDArray[np.uint8], axis: int) -> NDArray[np.int16]:
    """Twice by how much the step from each pixel to the next exceeds the steps two pixels off.

    Not the steps beside it: halved colour makes even steps differ from odd ones.
    """
    after = np.roll(plane, -1, axis)  # the last step is none; regions leave the border out
    step = cv2.min(cv2.absdiff(after, plane), LARGE)
    kernel = np.array([[-1, 0, 2, 0, -1]])
    return np.asarray(cv2.filter2D(step, cv2.CV_16S, kernel if axis else kernel.T), np.int16)


def _by_phase(excess: NDArray[np.int16], region: Region, axis: int, start: int) -> Sums:
    """Number, sum and sum of squares of a region's excess, by the phase in the frame, (3, 8)."""
    inside = region.astype(np.uint8)
    inside[:2] = inside[-3:] = inside[:, :2] = inside[:, -3:] = 0  # the reach of a step
    x, y, width, height = cv2.boundingRect(inside)
    box = slice(y, y + height), slice(x, x + width)
    inside, excess = inside[box], excess[box]
    kept = cv2.bitwise_and(excess, excess, mask=inside)
    lines = [
        part.sum(axis=1 - axis, dtype=np.int32) / scale
        for part, scale in ((inside, 1), (kept, 2), (cv2.multiply(kept, kept), 4))
    ]
    first = start + (x if axis else y)
    phase = (np.arange(excess.shape[axis]) + first + 1) % BLOCK  # of the second of two pixels
    return np.array([np.bincount(phase, line, BLOCK) for line in lines])


def _strengths(sums: Sums) -> tuple[Sums, Sums]:
    """How much each phase stands out, grey levels, and its standard error, both (8,)."""
    count, total, square = sums
    mean = total / count
    error = np.sqrt(np.maximum(square / count - mean**2, 0) / count)
    return mean - np.median(mean), error
