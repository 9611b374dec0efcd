"""Numbers and pictures of a run for TensorBoard.

Written at once and in the caller's thread: TensorBoard's own writer has a thread, which prints what
a full disk does to it, and then takes nothing more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from counterface.errors import TrainingError
from counterface.files import make_folder
from counterface.project_files import writing


class Board:
    """A file of events in a run's folder, `tensorboard/`."""

    def __init__(self, out: Path, purge_from: int | None = None) -> None:
        """Begin a file.

        Args:
            out: folder of the run.
            purge_from: what an earlier file says of this step and later ones is not shown.

        Raises:
            TrainingError: it cannot be written, as on a full disk.
        """
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event: Any = Event
        make_folder(out / "tensorboard", TrainingError)
        self.path = out / "tensorboard" / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        with writing(self.path, TrainingError):
            self._records: Any = RecordWriter(self.path.open("wb"))
        self._add(file_version="brain.Event:2")
        if purge_from is not None:
            self._add(step=purge_from, session_log=SessionLog(status=SessionLog.START))

    def add_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Add numbers by name.

        Raises:
            TrainingError: they cannot be written.
        """
        named = [{"tag": name, "simple_value": value} for name, value in values.items()]
        self._add(step=step, summary={"value": named})

    def add_picture(self, name: str, png: bytes, size: tuple[int, int], step: int) -> None:
        """Add a picture in RGB.

        Args:
            name: under which it is shown.
            png: the file's content.
            size: height and width.
            step: of the run.

        Raises:
            TrainingError: it cannot be written.
        """
        height, width = size
        image = {"height": height, "width": width, "colorspace": 3, "encoded_image_string": png}
        self._add(step=step, summary={"value": [{"tag": name, "image": image}]})

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # what it could not write was told before
            self._records.close()

    def _add(self, **values: Any) -> None:
        with writing(self.path, TrainingError):
            event = self._event(wall_time=time.time(), **values)
            self._records.write(event.SerializeToString())
            self._records.flush()
