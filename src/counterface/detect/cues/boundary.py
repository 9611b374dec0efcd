"""The contour of the face: is it as rough just inside as just outside?

A swap is laid over its frame along a mask. What lies inside was generated and blended, what lies
outside was filmed; a genuine face has no such line.

Source: Li et al., "Face X-ray for more general face forgery detection", CVPR 2020
(https://arxiv.org/abs/1912.13458), which names this discrepancy and learns it; ours is a ratio.
"""

from __future__ import annotations

from counterface.detect.cues.cue import Still
from counterface.detect.cues.parents import StillCue
from counterface.detect.cues.regions import band, face_region, grey, log_ratio, noise


class MaskBoundary(StillCue):
    """Noise just inside the contour of the face over noise just outside."""

    name = "mask_boundary"
    title = "Contour of the face"
    unit = "log ratio"
    looks_for = "a change of noise across the contour of the face"
    source = "https://arxiv.org/abs/1912.13458"

    def measure_still(self, still: Still) -> float | None:
        """The ratio in one still; None where the contour leaves the picture."""
        detail = band(grey(still), 0, 1)
        inside = face_region(still, 0.98) & ~face_region(still, 0.82)
        outside = face_region(still, 1.22) & ~face_region(still, 1.04)
        return log_ratio(noise(detail, inside), noise(detail, outside))
