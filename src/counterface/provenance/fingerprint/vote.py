"""The vote of a file's pictures on which registered file they look like.

A still has one picture, and the nearest registered one decides. Each frame of a video names every
registered file that it looks like, and the file that most frames name is taken: a title or an empty
room that many videos share is a frame or two, a copy is nearly all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterface.provenance.fingerprint.search import Hits

ALONE = 3  # pictures; of so few, one is enough, of more there must be two


@dataclass(frozen=True, slots=True)
class Vote:
    """What some pictures say about the registered file that most of them look like."""

    file: int  # number of the registered file
    row: int  # of its picture that comes closest
    distance: int  # bits that differ there
    mirrored: bool  # most of the pictures look like the mirror image
    pictures: int  # number of those that look like this file


def count_votes(
    hits: Hits, files: NDArray[np.intp], pictures: NDArray[np.intp], mirrored: NDArray[np.bool_]
) -> Vote | None:
    """The outcome; None if too few pictures look like any one file.

    Of files with as many votes, the one with the nearest picture is taken; of pictures as near, the
    first that was looked up as it is, then the first that was registered.

    Args:
        hits: pairs of hashes looked up and registered ones.
        files: (H,), the registered file of each hit.
        pictures: (M,), of each hash looked up: the number of its picture, from 0 without gaps.
        mirrored: (M,), of each hash looked up: whether it is of the mirror image.
    """
    if not len(files):
        return None
    order = np.lexsort((hits.known, hits.wanted, mirrored[hits.wanted], hits.bits))
    wanted = hits.wanted[order]
    several = int(pictures.max()) + 1
    votes = files[order] * several + pictures[wanted]
    nearest = np.unique(votes, return_index=True)[1]  # a picture has one vote for each file
    nearest.sort()
    named, first, turns = np.unique(files[order][nearest], return_index=True, return_inverse=True)
    counts = np.bincount(turns)
    most = np.flatnonzero(counts == counts.max())
    winner = most[first[most].argmin()]
    if several > ALONE and counts[winner] < 2:
        return None
    own = nearest[turns == winner]
    best = own[0]
    turned = mirrored[wanted[own]]
    half = 2 * int(turned.sum()) == len(own)
    return Vote(
        file=int(named[winner]),
        row=int(hits.known[order][best]),
        distance=int(hits.bits[order][best]),
        mirrored=bool(turned[0] if half else 2 * turned.sum() > len(own)),
        pictures=len(own),
    )
