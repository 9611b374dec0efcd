"""Changes of a face between neighbouring frames that motion does not explain, learnt.

The all-learnt form of what `flicker.py`, `splotches.py` and `skin_color.py` measure one by one: the
detector `frame_difference` (`detect/models/frame_difference.py`), trained on differences alone, so
that it cannot know a face, a place or a compression by how they look. Two of the systems that we
rebuild name such a network as their future work. Weights and their terms: docs/frame_difference.md.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from counterface.detect.cues.cue import WINDOW_TEMPLATE, Measured, Window
from counterface.detect.cues.parents import WindowCue
from counterface.detect.detector import Detector
from counterface.errors import DetectorError

CLIPS = 12  # of a window, evenly spread


class FrameDifference(WindowCue):
    """The mean logit of short clips from a window; over 0 speaks for frames made one by one."""

    name = "frame_difference"
    title = "Differences between frames"
    unit = "logit"
    looks_for = "changes from frame to frame that a camera does not make"
    source = "https://arxiv.org/abs/2109.01860"

    def __init__(self, path: Path | None = None) -> None:
        """Look with a detector file of one's own; None: with the one in the package.

        Args:
            path: exported by `counterface detect export`, for clips of neighbouring frames, aligned
                to the template of windows.
        """
        self._path = path

    @cached_property
    def _detector(self) -> Detector:
        if self._path is None:
            return Detector.shipped(f"{self.name}.onnx")
        detector = Detector.load(self._path)
        info = detector.info
        if info.frames < 2 or info.step != 1 or info.template != WINDOW_TEMPLATE:
            raise DetectorError(
                f"{self._path}: it judges {info.frames} frames at a distance of {info.step}, "
                f"aligned to {info.template!r}; this cue shows two or more neighbouring frames, "
                f"aligned to {WINDOW_TEMPLATE!r}"
            )
        return detector

    def measure_window(self, window: Window) -> Measured | None:
        """The mean over the clips, and the logit of each at the time of its middle frame."""
        frames, side = self._detector.info.frames, self._detector.info.size
        last = len(window.pts) - frames
        if last < 0:
            return None
        starts = np.unique(np.linspace(0, last, CLIPS).round().astype(int))
        clips = [window.crops[start : start + frames] for start in starts]
        shrunk = [
            [cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA) for crop in clip]
            for clip in clips
        ]
        logits, _ = self._detector.score(np.array(shrunk, np.uint8))
        times = window.pts[starts + frames // 2]
        series = tuple(zip(times.tolist(), logits.tolist(), strict=True))
        return Measured(float(logits.mean()), series)
