"""Generated faces and masks kept from flickering: each is blended with the last, moved along.

A model sees one frame at a time, so its output trembles where the footage does not. The motion of
the target's own face between two frames (DIS optical flow: Kroeger et al. 2016,
https://arxiv.org/abs/1603.03590, by OpenCV) says where each part of the last output belongs now;
there the two are mixed. Where the target changed in a way that the motion does not explain (a
blink, an opening mouth, a hand, a cut), or two faces differ by more than a flicker, the new one is
taken as it is: nothing leaves a ghost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from counterface.errors import ConfigError, ShapeError
from counterface.types import Floats, Image, Mask

_FLOW_SIZE = 128  # side at which motion is found; a face's motion is smooth
_UNEXPLAINED = 7.0  # grey levels of the target left over after the motion; grain stays below
_FLICKER = 18.0  # grey levels between two outputs; more is no flicker but another expression
_SMOOTH = 0.012  # of the side: both differences are looked at over this standard deviation


class Flicker(NamedTuple):
    """Mean grey levels by which a face differs from its predecessor, moved along."""

    before: float
    after: float


@dataclass(slots=True)
class _Last:
    """What is kept of a track's last frame."""

    target: Image
    generated: Image
    blended: Image


class SteadyFaces:
    """Blends each generated face with the last one of the same person.

    Call it in the order of the frames. It keeps one face of each track.

    Args:
        alpha: share of the last output where it is trusted, [0, 1): 0 changes nothing, 0.5 takes
            about half of a flicker away and remembers two or three frames.
    """

    def __init__(self, alpha: float = 0.5) -> None:
        self.alpha = _share(alpha)
        self._last: dict[int, _Last] = {}
        self._motion = _Motion()
        self._sums = np.zeros(2)
        self._weight = 0.0

    def blend(self, track_id: int, generated: Image, target_crop: Image) -> Image:
        """The generated face, steadied; the same one for the first frame of a track.

        Args:
            track_id: whose face it is.
            generated: RGB uint8 (R, R, 3).
            target_crop: RGB uint8 (S, S, 3), the target's face that it was generated from, in the
                same alignment; S may differ from R.

        Raises:
            ShapeError: one of them is not a square RGB picture.
        """
        for image in (generated, target_crop):
            _require_crop(image)
        target = _grey(target_crop, min(_FLOW_SIZE, len(generated)))
        last = self._last.get(track_id)
        blended = generated
        if last is not None and last.generated.shape == generated.shape:
            blended = self._mix(last, generated, target)
        self._last[track_id] = _Last(target, generated, blended)
        return blended

    @property
    def flicker(self) -> Flicker | None:
        """Flicker of all faces given and of all returned so far; None before a second frame.

        Only where the motion explains the target's change: motion itself is no flicker.
        """
        if self._weight < 1e-6:
            return None
        before, after = self._sums / self._weight
        return Flicker(float(before), float(after))

    def _mix(self, last: _Last, generated: Image, target: Image) -> Image:
        flow, explained = self._motion.between(last.target, target, len(generated))
        moved = _move(last.blended, flow).astype(np.float32)
        difference = moved - generated
        apart = _smooth(np.abs(difference).mean(axis=2))
        share = self.alpha * explained * np.exp(-((apart / _FLICKER) ** 2))
        blended = np.clip(np.round(generated + share[..., None] * difference), 0, 255)
        out = np.asarray(blended, dtype=np.uint8)
        before = _move(last.generated, flow).astype(np.float32) - generated
        flickers = [np.abs(change).mean(axis=2) for change in (before, moved - out)]
        self._sums += [float((explained * flicker).sum()) for flicker in flickers]
        self._weight += float(explained.sum())
        return out


class SteadyMasks:
    """Blends each mask with the last one of the same person.

    Call it in the order of the frames. It keeps one mask of each track.

    Args:
        alpha: share of the last mask where it is trusted, [0, 1): 0 changes nothing.
    """

    def __init__(self, alpha: float = 0.5) -> None:
        self.alpha = _share(alpha)
        self._last: dict[int, tuple[Image, Mask]] = {}
        self._motion = _Motion()

    def blend(self, track_id: int, mask: Mask, target_crop: Image) -> Mask:
        """The mask, steadied, float32 (S, S); the same one for the first frame of a track.

        Args:
            track_id: whose face it is.
            mask: float32 (S, S) in [0, 1].
            target_crop: RGB uint8 (S, S, 3), what the mask was found in.

        Raises:
            ShapeError: the crop is not a square RGB picture, or the mask has another size.
        """
        _require_crop(target_crop)
        if mask.shape != target_crop.shape[:2]:
            raise ShapeError(f"expected a mask {target_crop.shape[:2]}, got {mask.shape}")
        target = _grey(target_crop, min(_FLOW_SIZE, len(mask)))
        last = self._last.get(track_id)
        if self.alpha and last is not None and last[1].shape == mask.shape:
            flow, explained = self._motion.between(last[0], target, len(mask))
            mask = mask + self.alpha * explained * (_move(last[1], flow) - mask)
        self._last[track_id] = target, mask
        return mask


class _Motion:
    """How a face moved between two frames, and where that explains what changed."""

    def __init__(self) -> None:
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def between(self, before: Image, now: Image, size: int) -> tuple[Floats, Floats]:
        """The way from each pixel of now to its place before, and the share that it explains.

        (size, size, 2) pixels, and (size, size) in [0, 1].

        Args:
            before: grey uint8 (G, G).
            now: the same, a frame later.
            size: side of what is to be moved.
        """
        flow = self._flow.calc(now, before, None)
        left_over = _smooth(cv2.absdiff(now, _move(before, flow)).astype(np.float32))
        explained = np.exp(-((left_over / _UNEXPLAINED) ** 2))
        explained = cv2.resize(explained, (size, size), interpolation=cv2.INTER_LINEAR)
        flow = cv2.resize(flow, (size, size), interpolation=cv2.INTER_LINEAR) * (size / len(now))
        return flow, explained


def _share(alpha: float) -> float:
    if not 0 <= alpha < 1:
        raise ConfigError(f"alpha is a share from 0 up to, not including, 1; got {alpha}")
    return alpha


def _require_crop(image: Image) -> None:
    if image.ndim != 3 or image.shape[0] != image.shape[1] or image.shape[2] != 3:
        raise ShapeError(f"expected square RGB crops (R, R, 3), got {image.shape}")


def _grey(image: Image, size: int) -> Image:
    how = cv2.INTER_AREA if len(image) > size else cv2.INTER_LINEAR
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (size, size), interpolation=how), dtype=np.uint8)


def _move(image: Any, flow: Floats) -> Any:
    """The image or mask, each pixel taken from where the flow (H, W, 2) points."""
    rows, columns = np.indices(flow.shape[:2], dtype=np.float32)
    at = flow + np.dstack([columns, rows])
    how = cv2.INTER_CUBIC if image.dtype == np.uint8 else cv2.INTER_LINEAR  # which never overshoots
    return cv2.remap(image, at, None, how, borderMode=cv2.BORDER_REPLICATE)


def _smooth(plane: Floats) -> Floats:
    sigma = max(0.8, _SMOOTH * len(plane))
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), dtype=np.float32)
