"""Noise of the face against the rest of its frame, in brightness and in colour.

A camera and an encoder leave the same noise in a face as beside it. A face that was generated at
another size, or drawn by a network, is smoother or rougher, most of all in colour.

Sources: Zhou et al., "Two-stream neural networks for tampered face detection", 2017
(https://arxiv.org/abs/1803.11276), on local noise residuals; our own simpler measure.
"""

from __future__ import annotations

from counterface.detect.cues.cue import Still
from counterface.detect.cues.parents import StillCue
from counterface.detect.cues.regions import band, chroma, face_region, grey, log_ratio, noise

FACE, AROUND = 0.85, 1.25  # scales of the face's outline: within, and beyond


class FaceNoise(StillCue):
    """How rough the face is in brightness, against what lies around it."""

    name = "face_noise"
    title = "Noise of the face"
    unit = "log ratio"
    looks_for = "a face that is smoother or rougher than the rest of its frame"
    source = "https://arxiv.org/abs/1803.11276"

    def measure_still(self, still: Still) -> float | None:
        """Noise of the face over noise around it; None where either is too small."""
        detail = band(grey(still), 0, 1)
        around = ~face_region(still, AROUND)
        return log_ratio(noise(detail, face_region(still, FACE)), noise(detail, around))


class ColorNoise(StillCue):
    """How rough the face is in colour, against what lies around it."""

    name = "color_noise"
    title = "Colour noise of the face"
    unit = "log ratio"
    looks_for = "a face with less or more colour noise than the rest of its frame"
    source = "https://arxiv.org/abs/1803.11276"

    def measure_still(self, still: Still) -> float | None:
        """Mean over the two channels of noise of the face over noise around it."""
        face, around = face_region(still, FACE), ~face_region(still, AROUND)
        found = [
            log_ratio(noise(detail, face), noise(detail, around))
            for detail in (band(plane, 0, 1) for plane in chroma(still))
        ]
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None
