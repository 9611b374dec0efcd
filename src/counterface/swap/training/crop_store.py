"""Faceset crops for training: decoded once while memory lasts, reduced to what a model can use."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from counterface.errors import FacesetError, MediaError, ShapeError, TrainingError
from counterface.faces.align import TEMPLATES, compose, crop_matrix
from counterface.faces.pose import estimate_pose
from counterface.faceset.masks.read_mask import read_mask
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.swap.training.warp import Matrix, invert, move_points, reduce_picture
from counterface.types import Floats, Image, Mask

MOST_LANDMARKS = 2000  # sets that are looked through; of a larger faceset, evenly spaced ones
BAD_SHARE = 0.1  # of an identity's crops; more unreadable ones than this stop the training

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One crop, ready to be sampled."""

    image: Image  # (h, w, 3); not to be written to
    frame_to_picture: Matrix  # (2, 3): unit coordinates of the model's frame to its pixels
    landmarks: Floats  # (68, 2), unit coordinates of the model's frame
    mask: Mask | None = None  # (h, w), of the faceset's mask file

    def nbytes(self) -> int:
        """How much memory it takes."""
        return self.image.nbytes + (0 if self.mask is None else self.mask.nbytes)


class CropStore:
    """The usable crops of one identity, by number, in order of source and frame."""

    def __init__(
        self,
        facesets: Sequence[Faceset],
        template: str,
        size: int,
        max_blur: float = 1.0,
        masks: bool = False,
    ) -> None:
        """Choose the crops; none is read yet.

        Args:
            facesets: facesets of one person; sizes and templates may differ.
            template: alignment of the model's frame.
            size: the most pixels a side that the model sees of the frame.
            max_blur: crops with more are left out, [0, 1].

        Raises:
            FacesetError: no crop is left.
            RightsError: a faceset without a rights record.
            ShapeError: crops that show less than the template.
        """
        for faceset in facesets:
            faceset.require_rights()
            _require_room(faceset, template, size)
        self.template, self.size, self.masks = template, size, masks
        self.crops: list[tuple[Faceset, Row]] = [
            (faceset, row) for faceset in facesets for row in faceset if row.blur <= max_blur
        ]
        if not self.crops:
            names = ", ".join(str(f.folder) for f in facesets)
            raise FacesetError(f"no crop with blur up to {max_blur} in {names}; extract more")
        self._bad: set[int] = set()

    def __len__(self) -> int:
        """Number of crops."""
        return len(self.crops)

    @cached_property
    def yaws(self) -> Floats:
        """How far each head is turned, degrees, > 0 to image right."""
        poses = [
            row.pose or estimate_pose(row.landmarks, (row.frame_height, row.frame_width))
            for _, row in self.crops
        ]
        return np.array([pose.yaw for pose in poses], np.float32)

    @cached_property
    def by_yaw(self) -> NDArray[np.intp]:
        """The numbers of the crops, from the head that is turned furthest to image left on."""
        return np.argsort(self.yaws, kind="stable")

    @cached_property
    def some_landmarks(self) -> tuple[NDArray[np.intp], Floats]:
        """The numbers of up to 2000 crops, evenly spaced, and their landmarks (M, 68, 2)."""
        count = min(len(self), MOST_LANDMARKS)
        numbers = np.linspace(0, len(self) - 1, count).round().astype(np.intp)
        return numbers, np.stack([self.landmarks(int(number)) for number in numbers])

    def landmarks(self, number: int) -> Floats:
        """The landmarks of a crop in the model's frame, unit coordinates, (68, 2)."""
        row = self.crops[number][1]
        return move_points(row.landmarks, _source_to_unit(row, self.template))

    def read(self, number: int) -> tuple[int, Picture]:
        """A crop, or the next one that can be read, and its number.

        A file that cannot be read is told once through `logging`, then passed over.

        Raises:
            TrainingError: more than a tenth of the crops, and more than one, cannot be read.
        """
        for _ in range(len(self)):
            if number not in self._bad:
                try:
                    return number, self._decode(number)
                except (MediaError, FacesetError) as error:
                    self._note(number, error)
            number = (number + 1) % len(self)
        raise TrainingError(f"no crop of {self._folders()} can be read; extract again")

    def _note(self, number: int, error: Exception) -> None:
        _log.warning("crop passed over in training: %s", error)
        self._bad.add(number)
        if len(self._bad) > max(1, BAD_SHARE * len(self)):
            raise TrainingError(
                f"{len(self._bad)} of {len(self)} crops of {self._folders()} cannot be read, the "
                f"last because: {error}; see 'counterface faceset verify', delete or restore them"
            ) from error

    def _folders(self) -> str:
        return ", ".join(sorted({str(faceset.folder) for faceset, _ in self.crops}))

    def _decode(self, number: int) -> Picture:
        faceset, row = self.crops[number]
        image = faceset.read(row).image
        mask: Mask | None = None
        if self.masks and row.mask is not None:
            mask = read_mask(faceset.folder / row.mask, image.shape[:2])
        unit_to_source = invert(_source_to_unit(row, self.template))
        matrix = compose(row.frame_to_crop.astype(np.float64), unit_to_source)
        if mask is not None:
            mask, _ = reduce_picture(mask, matrix, self.size)
        image, matrix = reduce_picture(image, matrix, self.size)
        return Picture(image, matrix, self.landmarks(number), mask)


class PictureCache:
    """Pictures by key, the least recently used ones dropped when a budget is full."""

    def __init__(self, megabytes: float) -> None:
        """An empty cache; 0 megabytes keep nothing."""
        self._budget = int(megabytes * 2**20)
        self._held: OrderedDict[tuple[int, ...], tuple[int, Picture]] = OrderedDict()
        self._used = 0

    def get(
        self, key: tuple[int, ...], make: Callable[[], tuple[int, Picture]]
    ) -> tuple[int, Picture]:
        """What `make` gives, made once while it is held: a crop's number and its picture."""
        if (found := self._held.pop(key, None)) is None:
            found = make()
            self._used += found[1].nbytes()
        self._held[key] = found
        while self._used > self._budget and self._held:
            _, (_, dropped) = self._held.popitem(last=False)
            self._used -= dropped.nbytes()
        return found


def _source_to_unit(row: Row, template: str) -> Matrix:
    """Pixels of the row's source to unit coordinates of the model's frame, (2, 3)."""
    matrix = crop_matrix(row.landmarks, template, 1).astype(np.float64)
    matrix[:, 2] += 0.5  # a crop of one pixel has its centre at 0, the frame at 0.5
    return matrix


def _require_room(faceset: Faceset, template: str, size: int) -> None:
    have, folder = faceset.header.template, faceset.folder
    if TEMPLATES[have][0] < TEMPLATES[template][0]:
        raise ShapeError(
            f"{folder} holds {have!r} crops, which show less than the {template!r} that the model "
            f"sees; extract again: counterface faceset extract FOOTAGE {folder}-{template} "
            f"--template {template} --size {max(size, 256)}"
        )
