"""Which crops are alike: by grey levels, colours, pixels, or by whose face it is.

Likeness puts each crop beside the one most like it: a chain that begins with the most unusual crop
and goes on to the nearest of those left. Its time grows with the square of the number of crops: 2 s
for 10,000. Unlikeness is the distance from the mean of the set: strangers and odd light first.
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.faceset.measures.measure import Measure
from counterface.types import Floats, Image

GREY_LEVELS, COLOUR_LEVELS = 64, 32
THUMB = 16  # pixels a side, of which the absolute difference is taken


def grey_histogram(image: Image) -> Floats:
    """The square roots of the shares of 64 grey levels, (64,): a unit vector.

    The distance of two is that of Hellinger: it lets rare levels count.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    counts = np.bincount((grey // (256 // GREY_LEVELS)).ravel(), minlength=GREY_LEVELS)
    return np.asarray(np.sqrt(counts / grey.size), np.float32)


def colour_histogram(image: Image) -> Floats:
    """The square roots of the shares of 32 levels of red, green and blue, (96,): a unit vector."""
    levels = image.reshape(-1, 3) // (256 // COLOUR_LEVELS)
    counts = [np.bincount(channel, minlength=COLOUR_LEVELS) for channel in levels.T]
    return np.asarray(np.sqrt(np.concatenate(counts) / levels.size), np.float32)


def thumbnail(image: Image) -> Floats:
    """The luma of 16x16 pixels, (256,) in whole numbers of 0 to 255."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return np.asarray(small.ravel(), np.float32)


def embedding_of(embedding: Floats) -> Floats:
    """The embedding itself."""
    return embedding


def distance_from_mean(points: Floats) -> Floats:
    """The distance of each point (N, D) from their mean, (N,)."""
    return np.asarray(np.linalg.norm(points - points.mean(axis=0), axis=1), np.float32)


def chain_places(points: Floats) -> Floats:
    """The place of each point (N, D) in a chain of nearest neighbours, (N,) from 0."""
    return _chain(points, cv2.NORM_L2SQR)


def chain_places_by_difference(points: Floats) -> Floats:
    """The same by the sum of absolute differences, of whole numbers of 0 to 255."""
    return _chain(points.astype(np.uint8), cv2.NORM_L1)


def _chain(points: np.ndarray[tuple[int, ...], np.dtype[np.generic]], norm: int) -> Floats:
    """Places by nearest neighbour; begins with the point that is farthest from the mean."""
    rest, index = points.copy(), np.arange(len(points))
    kind = cv2.CV_32S if rest.dtype == np.uint8 else cv2.CV_32F
    place = np.zeros(len(points), np.float32)
    at = int(distance_from_mean(points.astype(np.float32)).argmax())
    for step, last in enumerate(range(len(points) - 1, -1, -1)):
        here = rest[at].copy()
        place[index[at]] = step
        rest[at], index[at] = rest[last], index[last]  # the ones left stay in one block
        if last:
            _, nearest = cv2.batchDistance(here[None], rest[:last], kind, normType=norm, K=1)
            at = int(nearest[0, 0])
    return place


GREY = Measure(
    name="grey_likeness",
    says="place in a chain of crops with like grey levels",
    unit="place",
    reads="crop",
    of=grey_histogram,
    together=chain_places,
)
GREY_UNLIKE = Measure(
    name="grey_unlikeness",
    says="distance of the grey levels from the mean of all",
    unit="0 to 1",
    reads="crop",
    of=grey_histogram,
    together=distance_from_mean,
    largest_first=True,
)
COLOUR = Measure(
    name="colour_likeness",
    says="place in a chain of crops with like colours",
    unit="place",
    reads="crop",
    of=colour_histogram,
    together=chain_places,
)
COLOUR_UNLIKE = Measure(
    name="colour_unlikeness",
    says="distance of the colours from the mean of all",
    unit="0 to 1",
    reads="crop",
    of=colour_histogram,
    together=distance_from_mean,
    largest_first=True,
)
DIFFERENCE = Measure(
    name="difference",
    says="place in a chain of crops with the least absolute difference of their pixels",
    unit="place",
    reads="crop",
    of=thumbnail,
    together=chain_places_by_difference,
)
IDENTITY = Measure(
    name="identity_likeness",
    says="place in a chain of like people",
    unit="place",
    reads="identity",
    of=embedding_of,
    together=chain_places,
)
IDENTITY_UNLIKE = Measure(
    name="identity_unlikeness",
    says="distance of the person from the mean of all; 0.6 and more is somebody else",
    unit="0 to 2",
    reads="identity",
    of=embedding_of,
    together=distance_from_mean,
    largest_first=True,
)
