"""Animated WebP to frames: the decoders of FFmpeg do not know it, Pillow's does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from counterface.errors import MediaError
from counterface.media.image import open_picture, to_rgb_picture
from counterface.media.notes import MediaNote
from counterface.media.open_file import show
from counterface.media.picture.kinds import riff_chunks
from counterface.media.stream.outline import missing_bytes
from counterface.types import Frame

ANIMATED = "The picture is animated; it was read as a clip."
_USUAL_MS = 100  # of a frame that states none, as browsers show it


class AnimationReader:
    """An animation with the verbs of `VideoReader`.

    Frames are always decoded from the first on: each builds on the one before. The file is open
    only while it is read.
    """

    damaged_packets = 0

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        """Open the file and read how long its frames are shown.

        Raises:
            MediaError: it cannot be read, or has frames over `max_pixels`.
        """
        self.path, self.max_pixels = path, max_pixels
        with open_picture(path, max_pixels) as picture:
            self.width, self.height = picture.size
            self.codec, self.pixel_format = str(picture.format).lower(), str(picture.mode)
        data, shown_ms = path.read_bytes(), []
        for kind, at, _ in riff_chunks(data):  # the decoder would have to decode them for it
            if kind == b"ANMF" and at + 16 <= len(data):
                shown_ms.append(int.from_bytes(data[at + 12 : at + 15], "little") or _USUAL_MS)
        if missing_bytes(path):
            shown_ms = shown_ms[:-1] or shown_ms  # the last one is torn
        self._shown_ms = shown_ms
        self.frame_count = len(shown_ms)
        self.duration_s = Fraction(sum(shown_ms), 1000)
        self.fps = self.frame_count / self.duration_s if self.duration_s else None
        self.start_s = Fraction(0)
        self.notes = [MediaNote("animated", ANIMATED)]
        if missing_bytes(path):
            text = "The end of the file is missing. Only what is there was looked at."
            self.notes.append(MediaNote("cut_short", text))

    def frames(self, *, keyframes_only: bool = False) -> Iterator[Frame]:
        """Every frame from the start, in time order; `keyframes_only` makes no difference."""
        with open_picture(self.path, self.max_pixels) as picture:
            pts = Fraction(0)
            for index, shown_ms in enumerate(self._shown_ms):
                try:
                    picture.seek(index)
                    tell = None if index else self.notes.append
                    image = np.array(to_rgb_picture(picture, tell=tell))
                except EOFError:
                    return
                except (OSError, ValueError, SyntaxError) as error:
                    if index == 0:
                        raise MediaError(f"{show(self.path)}: no frame can be decoded") from error
                    text = f"Frame {index + 1} of {self.frame_count} and those after it are missing"
                    self.notes.append(MediaNote("damaged", f"{text}: {error}."))
                    return
                yield Frame(image, index, pts)
                pts += Fraction(shown_ms, 1000)

    def frames_from(self, start: Fraction) -> Iterator[Frame]:
        """Every frame from a time on."""
        return (frame for frame in self.frames() if frame.pts >= start)

    def frames_at(
        self, times: Sequence[Fraction], *, tolerance: Fraction = Fraction(0)
    ) -> Iterator[Frame]:
        """The frames shown at the given times; see `VideoReader.frames_at`."""
        return shown_at(self.frames(), sorted(Fraction(t) for t in times))


def shown_at(frames: Iterator[Frame], times: list[Fraction]) -> Iterator[Frame]:
    """The last frame shown at or before each of the sorted times, else the first frame."""
    waiting = list(times)
    shown: Frame | None = None
    for frame in frames:
        while waiting and shown is not None and frame.pts > waiting[0]:
            yield shown
            waiting.pop(0)
        if not waiting:
            return
        shown = frame
    for _ in waiting:
        if shown is not None:
            yield shown
