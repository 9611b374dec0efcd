"""A face that does not stay the same person from one picture to the next.

A swap is drawn frame by frame: where pose or light leave what its model has learnt, the face drifts
toward the person below. Where dlib and its model file are installed, faces are embedded, and the
distances between pictures of one person are compared with what dlib calls one person.

Source: after Cozzolino et al., "ID-Reveal", ICCV 2021 (https://arxiv.org/abs/2012.02512), which
learns how an identity moves; ours looks only at whether it stays.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Reads
from counterface.errors import WeightsError
from counterface.faces.identity import SAME_PERSON, IdentityEmbedder, identity_distance

MIN_STILLS = 4
MIN_EYE_PX = 24.0


class IdentityDrift:
    """How far apart a person's pictures lie, in distances at which dlib sees two people."""

    name = "identity_drift"
    title = "Identity over time"
    unit = "of dlib's line between two people"
    looks_for = "a face that does not stay the same person"
    source = "https://arxiv.org/abs/2012.02512"
    reads: Reads = "stills"
    wants_s = 0.0

    def measure(self, person: PersonView) -> Measured | NotApplicable:
        """The median distance between two pictures, over `SAME_PERSON`."""
        large = [still for still in person.stills if still.eye_px >= MIN_EYE_PX]
        if len(large) < MIN_STILLS:
            return NotApplicable(
                f"{len(large)} pictures of the person with eyes {MIN_EYE_PX:g} pixels apart are "
                f"fewer than {MIN_STILLS}"
            )
        try:
            embedder = _embedder()
        except WeightsError as error:
            return NotApplicable(" ".join(str(error).split()).rstrip("."))
        embedded = [embedder.embed_landmarks(s.image, s.landmarks) for s in large]
        pairs = combinations(embedded, 2)
        distances = [identity_distance(one, other) / SAME_PERSON for one, other in pairs]
        return Measured(float(np.median(distances)))


@cache
def _embedder() -> IdentityEmbedder:
    return IdentityEmbedder()
