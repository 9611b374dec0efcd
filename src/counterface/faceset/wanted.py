"""Which of the faces that a frame shows become crops: by size, by person, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from counterface.faces.face_detector import shorter_side
from counterface.faces.identity import IdentityEmbedder, identity_distance
from counterface.faceset.curate.choose import sample_person
from counterface.faceset.store import Faceset
from counterface.files import file_sha256
from counterface.types import Face, Floats, Image

if TYPE_CHECKING:
    from counterface.faceset.extract import ExtractConfig


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """A face of a frame, and why it is no crop if it is not to be one."""

    face: Face
    index: int  # among the faces of its frame, 0 = largest
    left_out: str | None = None  # the reason, in a word or two


class Wanted:
    """Tells which faces of a frame are wanted. Not shared between threads."""

    def __init__(self, config: ExtractConfig) -> None:
        """Read the samples of people, and load the model that compares them, where there are some.

        Raises:
            FacesetError: a sample is a folder, and no faceset or one without crops.
            MediaError: a sample cannot be read, or shows no face or several.
            WeightsError: people are compared and dlib or its model is not there.
        """
        self._config = config
        compares = bool(config.like or config.unlike)
        self._embedder = IdentityEmbedder() if compares else None
        self._like = [sample_person(sample) for sample in config.like]
        self._unlike = [sample_person(sample) for sample in config.unlike]

    def choose(self, image: Image, faces: Sequence[Face]) -> list[SeenFace]:
        """The faces in their order, each with the reason why it is left out, if it is.

        Args:
            image: the frame, RGB uint8 (H, W, 3).
            faces: its faces, largest first, all with landmarks.
        """
        seen, taken = [], 0
        for index, face in enumerate(faces):
            reason = self._misfit(image, face)
            if reason is None and self._config.faces is not None and taken >= self._config.faces:
                reason = "one too many"
            taken += reason is None
            seen.append(SeenFace(face, index, reason))
        return seen

    def _misfit(self, image: Image, face: Face) -> str | None:
        config = self._config
        if config.max_size is not None and shorter_side(face) > config.max_size:
            return "too large"
        if self._embedder is None:
            return None
        assert face.landmarks is not None  # the caller's promise
        person = self._embedder.embed_landmarks(image, face.landmarks)
        if self._like and not self._is_one_of(person, self._like):
            return "another person"
        return "an unlike person" if self._is_one_of(person, self._unlike) else None

    def _is_one_of(self, person: Floats, samples: Sequence[Floats]) -> bool:
        return any(identity_distance(person, one) < self._config.distance for one in samples)


def name_sample(sample: Path) -> str:
    """The sample of a person as a record names it: file name and start of its content's SHA-256.

    Raises:
        FacesetError: a folder that is no faceset.
        MediaError: the file cannot be read, or is empty.
    """
    content = Faceset.open(sample).content_sha256 if sample.is_dir() else file_sha256(sample)
    return f"{sample.name} ({content[:8]})"
