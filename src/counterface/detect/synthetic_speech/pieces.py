"""What a small network says of the speech of a file, two seconds at a time.

A row joins what `lfcc` and `swings` say of 10 ms. Only rows in which somebody speaks are looked at:
pauses differ more between a recording and a program than voices do, and whoever cuts them decides
the result (Müller et al. 2021, https://arxiv.org/abs/2106.12914).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterface.detect.open_net import NetInfo, open_net
from counterface.detect.sound import lfcc, swings
from counterface.detect.sound.speech import Spans
from counterface.media.sound import Sound
from counterface.types import Floats

METADATA = "counterface_speech_swings"
COLUMNS = lfcc.COLUMNS + swings.COLUMNS
PIECE = 200  # rows, two seconds of speech
STEP = 100  # rows from one piece to the next
_AT_ONCE = 32  # pieces in one call


class Pieces(NamedTuple):
    """The speech of a sound in pieces."""

    rows: Floats  # (N, PIECE, 100); speech that is shorter than a piece is repeated
    times: NDArray[np.float64]  # (N,) of their middles, seconds on the file's clock, rising


class SpeechScore(NamedTuple):
    """What a network says of a sound."""

    logit: float  # the mean over the pieces; above 0: synthetic
    series: tuple[tuple[float, float], ...]  # (time, seconds; logit) of each piece


class SpeechFile:
    """An ONNX file that tells synthetic from real speech."""

    def __init__(self, path: Path | None = None) -> None:
        """Load a file; None: the one that comes with the package.

        Raises:
            DetectorError: it cannot be read, or is no file of this kind.
        """
        absent = f"it has no entry {METADATA!r}; make a file with 'counterface detect speech'"
        self._session, self.info = open_net(
            path, "synthetic_speech.onnx", METADATA, NetInfo, absent
        )

    def logits(self, rows: Floats) -> Floats:
        """The log-odds that each piece is synthetic, (N,), for rows (N, PIECE, 100)."""
        said = [np.zeros(0, np.float32)]
        for first in range(0, len(rows), _AT_ONCE):
            said += self._session.run(["logits"], {"rows": rows[first : first + _AT_ONCE]})
        return np.concatenate(said)

    def score(self, sound: Sound, speech: Spans) -> SpeechScore | None:
        """What the network says of the speech; None where no row is speech.

        Raises:
            ShapeError: sound of another rate than 16,000 samples a second.
        """
        pieces = cut_pieces(*speech_rows(sound, speech))
        if not len(pieces.rows):
            return None
        said = self.logits(pieces.rows).astype(np.float64)
        series = tuple(zip(pieces.times.tolist(), said.tolist(), strict=True))
        return SpeechScore(float(said.mean()), series)


def speech_rows(sound: Sound, speech: Spans) -> tuple[Floats, NDArray[np.float64]]:
    """The rows in which somebody speaks, and their times.

    Args:
        sound: sound of 16,000 samples a second.
        speech: start and end of each span, seconds on the file's clock.

    Returns:
        float32 (T, 100), `lfcc` beside `swings`; (T,) seconds, within the sound.

    Raises:
        ShapeError: the sound has another rate.
    """
    rows = np.concatenate([lfcc.lfcc(sound), swings.swings(sound)], axis=1)
    counted = np.arange(len(rows), dtype=np.float64)
    times: NDArray[np.float64] = float(sound.start) + counted * lfcc.HOP_S
    spoken = np.zeros(len(rows), bool)
    for start_s, end_s in speech:
        spoken |= (times >= start_s) & (times <= end_s)
    return rows[spoken], times[spoken]


def cut_pieces(rows: Floats, times: NDArray[np.float64]) -> Pieces:
    """Rows of speech in pieces of two seconds that overlap by half; the last ends with the rows."""
    count = len(rows)
    if not count:
        return Pieces(np.zeros((0, PIECE, COLUMNS), np.float32), times)
    firsts = list(range(0, max(1, count - PIECE + 1), STEP))
    if firsts[-1] + PIECE < count:
        firsts.append(count - PIECE)
    at = np.array([(first + np.arange(PIECE)) % count for first in firsts])
    middles = times[np.array(firsts) + min(PIECE, count) // 2]
    return Pieces(rows[at], middles)
