"""The work folder of a video conversion: finished segments, so that a kill costs one at most.

.OUT.mp4.convert/
  look.json, look/         what the first pass depends on, and what it found
  started.json             what the segments depend on
  segment-000000.mov ...   encoded, without sound, each written at once
  matte-000000.mov ...     their mattes, where one was asked for
  pictures.mov             the target without loss, where it is a folder of pictures
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from counterface.errors import SwapError
from counterface.files import locked, make_folder, name_differences, write_bytes
from counterface.project_files import read_json


class WorkFolder:
    """What is kept of an unfinished conversion."""

    def __init__(self, out: Path) -> None:
        """Name the places beside the output; nothing is written."""
        self.out = out
        self.folder = out.with_name(f".{out.name}.convert")
        self.look = self.folder / "look"
        self.unsigned = self.folder / f"unsigned{out.suffix}"
        self.pictures = self.folder / "pictures.mov"

    @contextmanager
    def opened(self, *, redo: bool = False) -> Iterator[WorkFolder]:
        """The folder for one process; `redo` drops what an earlier run left there.

        Raises:
            SwapError: another process converts into the same output, or nothing can be written.
        """
        with locked(self.folder, SwapError):
            if redo:
                self._drop("*.json", "segment-*", "matte-*", "unsigned*", "pictures.mov")
                shutil.rmtree(self.look, ignore_errors=True)
            yield self

    def open_look(self, facts: dict[str, Any]) -> Path:
        """The folder of the first pass, emptied unless it was made from the same facts."""
        path = self.folder / "look.json"
        if _read(path) != facts:
            shutil.rmtree(self.look, ignore_errors=True)
            make_folder(self.look, SwapError)
            _write(path, facts)
        make_folder(self.look, SwapError)
        return self.look

    def start(self, facts: dict[str, Any]) -> None:
        """Refuse segments that were made from other facts.

        Raises:
            SwapError: they were made from others; the message names the differences.
        """
        path = self.folder / "started.json"
        started = _read(path)
        if started is not None and (differ := name_differences(started, facts)):
            raise SwapError(
                f"{self.out} was begun with other settings: {differ}; use those, or add --redo to "
                "begin again"
            )
        if started is None:
            self._drop("segment-*", "matte-*")
            _write(path, facts)

    def segment(self, number: int, kind: str = "segment") -> Path:
        """Where a segment lies once it is finished; or its "matte"."""
        return self.folder / f"{kind}-{number:06d}.mov"  # MOV holds every codec

    def remove(self) -> None:
        """Delete the folder; call when the output is in place."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _drop(self, *patterns: str) -> None:
        for pattern in patterns:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)


def split_times(times: Sequence[Fraction], segment_s: float) -> list[range]:
    """The positions of the frames of each segment, `segment_s` seconds long at most."""
    length = Fraction(segment_s)
    starts = [0]
    for place, time in enumerate(times):
        if (time - times[0]) // length != (times[starts[-1]] - times[0]) // length:
            starts.append(place)
    return [range(a, b) for a, b in zip(starts, [*starts[1:], len(times)], strict=True)]


def _read(path: Path) -> dict[str, Any] | None:
    if not os.path.lexists(path):
        return None
    values = read_json(path, SwapError, "add --redo to begin again")
    return values if isinstance(values, dict) else {}


def _write(path: Path, facts: dict[str, Any]) -> None:
    write_bytes(path, json.dumps(facts, indent=1).encode(), SwapError)
