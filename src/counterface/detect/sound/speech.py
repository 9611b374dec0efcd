"""Where in a sound somebody speaks, by Silero VAD.

Model: Silero VAD 6.2 (Silero Team, https://github.com/snakers4/silero-vad), MIT. We use
the file that takes many steps in one call. The rule from probabilities to spans is our own, with
Silero's numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from counterface import weights
from counterface.detect.sound.log_mel import require_rate
from counterface.device import onnx_options
from counterface.media.sound import RATE, Sound
from counterface.types import Floats

STEP = 512  # samples that one probability is about, 32 ms
STEP_S = STEP / RATE
BEGINS, ENDS = 0.5, 0.35  # probability at which speech begins, and below which it ends
PAUSE_S, SHORTEST_S, MARGIN_S = 0.1, 0.25, 0.03  # Silero's defaults, like the two above
_BEFORE = 64  # samples before those of a step that the model sees again
_UNITS = 128  # of the model's memory
_AT_ONCE = 1000  # steps in one call; a minute takes 2,000

Spans = tuple[tuple[float, float], ...]


def speech_probabilities(sound: Sound) -> Floats:
    """The probability that somebody speaks, for every 32 ms.

    Args:
        sound: sound of 16,000 samples a second. The end is filled up with silence.

    Returns:
        float32 (T,) in [0, 1]; number t is about the 32 ms from `sound.start + t * 0.032` on.

    Raises:
        ShapeError: the sound has another rate.
        WeightsError: the model file is absent and cannot be fetched.
    """
    require_rate(sound)
    count = -(-len(sound.samples) // STEP)
    padded = np.zeros(_BEFORE + count * STEP, np.float32)
    padded[_BEFORE:][: len(sound.samples)] = sound.samples
    memory = {name: np.zeros((1, 1, _UNITS), np.float32) for name in ("h", "c")}
    found = [np.zeros(0, np.float32)]
    for first in range(0, count, _AT_ONCE):
        part = padded[first * STEP : (first + _AT_ONCE) * STEP + _BEFORE]
        rows = np.lib.stride_tricks.sliding_window_view(part, _BEFORE + STEP)[::STEP]
        outputs = ["speech_probs", "hn", "cn"]
        made, memory["h"], memory["c"] = _session().run(
            outputs, {"input": np.ascontiguousarray(rows), **memory}
        )
        found.append(made)
    return np.concatenate(found)


def speech_spans(sound: Sound, probabilities: Floats | None = None) -> Spans:
    """The spans of a sound in which somebody speaks.

    Speech begins with a step of 0.5 or more and ends before 0.1 s of steps below 0.35. Speech of
    less than 0.25 s is left out; the rest gets 0.03 s on either side, as far as the sound goes.

    Args:
        sound: sound of 16,000 samples a second.
        probabilities: those of `speech_probabilities` for this sound; None to have them made.

    Returns:
        (start, end) of each span, seconds on the file's own clock, in order, without overlap.

    Raises:
        ShapeError, WeightsError: as `speech_probabilities`.
    """
    if probabilities is None:
        probabilities = speech_probabilities(sound)
    first_s, last_s = float(sound.start), float(sound.start) + sound.duration
    spans: list[tuple[float, float]] = []
    for begin, end in _runs(probabilities):
        if (end - begin) * STEP_S < SHORTEST_S:
            continue
        start_s = max(first_s, first_s + begin * STEP_S - MARGIN_S)
        end_s = min(last_s, first_s + end * STEP_S + MARGIN_S)
        spans.append((start_s, end_s))
    return tuple(spans)


def _runs(probabilities: Sequence[float] | Floats) -> Iterator[tuple[int, int]]:
    """The steps [begin, end) of each stretch of speech, whatever its length."""
    begin: int | None = None
    quiet = 0  # number of steps below the end of speech, up to here
    for step, probability in enumerate(probabilities):
        if probability >= BEGINS:
            begin = step if begin is None else begin
        quiet = quiet + 1 if probability < ENDS else 0
        if begin is not None and quiet * STEP_S >= PAUSE_S:
            yield begin, step + 1 - quiet
            begin = None
    if begin is not None:
        yield begin, len(probabilities) - quiet


@lru_cache(maxsize=1)
def _session() -> Any:
    import onnxruntime

    path = str(weights.path("silero_vad"))
    return onnxruntime.InferenceSession(path, onnx_options(), providers=["CPUExecutionProvider"])
