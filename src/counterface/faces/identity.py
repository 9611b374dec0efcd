"""Who a face looks like, as 128 numbers: near for one person, far for two.

The network is dlib's 29-layer ResNet (King, 2017; after He et al. 2015, arXiv:1512.03385), trained
by its author on about three million faces; licence CC0. It answers "the same person as this
sample?", never "who is this?": no names, no list of people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterface import weights
from counterface.errors import ShapeError, WeightsError
from counterface.types import Floats, Image

SAME_PERSON = 0.6  # dlib's own threshold: distances below are one person; 99.4 % right on LFW


class IdentityEmbedder:
    """Embeds faces by their landmarks, about 60 ms each on one core. Not shared between threads."""

    def __init__(self) -> None:
        """Load the network.

        Raises:
            WeightsError: dlib is not installed, or its model file cannot be found or fetched.
        """
        try:
            import dlib
        except ImportError as error:
            raise WeightsError(
                "comparing identities needs dlib; "
                "install counterface[train] (in a clone: make full)"
            ) from error
        self._dlib = dlib
        self._net = dlib.face_recognition_model_v1(str(weights.path("dlib_face_recognition")))

    def embed_landmarks(self, image: Image, landmarks: Floats) -> Floats:
        """The embedding (128,) of one face.

        Args:
            image: RGB uint8 (H, W, 3).
            landmarks: (68, 2) xy pixels.

        Raises:
            ShapeError: landmarks are not (68, 2).
        """
        if landmarks.shape != (68, 2):
            raise ShapeError(f"expected landmarks (68, 2), got {landmarks.shape}")
        low, high = np.floor(landmarks.min(axis=0)), np.ceil(landmarks.max(axis=0))
        shape = self._dlib.full_object_detection(
            self._dlib.rectangle(*(int(v) for v in (*low, *high))),
            [self._dlib.point(int(x), int(y)) for x, y in np.round(landmarks)],
        )  # dlib cuts its own 150 px chip by these points
        found = self._net.compute_face_descriptor(np.ascontiguousarray(image), shape)
        return np.array(found, dtype=np.float32)


def identity_distance(one: Floats, other: Floats) -> float:
    """The distance of two embeddings: below `SAME_PERSON` they are one person.

    Raises:
        ShapeError: they are of different length.
    """
    if one.shape != other.shape:
        raise ShapeError(f"embeddings of different shapes: {one.shape} and {other.shape}")
    return float(np.linalg.norm(one - other))


def mean_embedding(embeddings: Sequence[Floats]) -> Floats:
    """The centre of one person's embeddings, (128,).

    Raises:
        ShapeError: there are none.
    """
    if not embeddings:
        raise ShapeError("no embedding to average; is there a face with landmarks?")
    return np.asarray(np.mean(np.stack(embeddings), axis=0), dtype=np.float32)
