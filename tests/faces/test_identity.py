"""Identity embeddings: the network of the weight store, where dlib and its file are at hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from counterface import weights
from counterface.errors import ShapeError, WeightsError
from counterface.faces.face_detector import find_faces
from counterface.faces.identity import (
    SAME_PERSON,
    IdentityEmbedder,
    identity_distance,
    mean_embedding,
)
from counterface.media.image import read_image


@pytest.fixture(scope="module")
def embedder() -> IdentityEmbedder:
    try:
        return IdentityEmbedder()
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_one_person_at_another_size_light_and_side_stays_near(embedder: IdentityEmbedder) -> None:
    image = read_image(weights.path("astronaut"))
    changed = cv2.convertScaleAbs(cv2.resize(image, None, fx=0.7, fy=0.7), alpha=0.9, beta=10)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    found = []
    for picture in (image, changed, mirrored):
        (face,) = find_faces(picture)
        assert face.landmarks is not None
        found.append(embedder.embed_landmarks(picture, face.landmarks))
        assert found[-1].shape == (128,)
    assert identity_distance(found[0], found[1]) < SAME_PERSON / 2
    assert identity_distance(found[0], found[2]) < SAME_PERSON
    centre = mean_embedding(found)
    assert max(identity_distance(one, centre) for one in found) < SAME_PERSON


def test_wrong_landmarks_are_refused(embedder: IdentityEmbedder) -> None:
    with pytest.raises(ShapeError, match=r"\(5, 2\)"):
        embedder.embed_landmarks(np.zeros((9, 9, 3), np.uint8), np.zeros((5, 2), np.float32))


def test_distances_need_embeddings_of_one_kind() -> None:
    with pytest.raises(ShapeError, match="different shapes"):
        identity_distance(np.zeros(128, np.float32), np.zeros(512, np.float32))
    with pytest.raises(ShapeError, match="no embedding"):
        mean_embedding([])
