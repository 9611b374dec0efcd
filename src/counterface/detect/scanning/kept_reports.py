"""Reports of a scan that is not finished, kept beside its page, so that a kill costs little.

.page.html.scan/
  started.json      what the reports depend on
  reports/          those that were made, with their pictures, in small files
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa

from counterface import __version__
from counterface.detect.detector import Detector
from counterface.detect.findings import Exhibit, Report, Thumb
from counterface.detect.scanning.scan import ScanConfig
from counterface.errors import ConfigError, MediaError
from counterface.files import file_sha256, locked, write_bytes
from counterface.project_files import read_json, reading
from counterface.table import Column, Parts, Table

FLUSH_S = 2.0  # reports of so many seconds are lost at most
_STARTED, _REPORTS = "started.json", "reports"


def _split_thumbs(thumbs: Sequence[Thumb]) -> tuple[list[Any], ...]:
    names = ("pts_s", "width", "height", "jpeg")
    return tuple([getattr(thumb, name) for thumb in thumbs] for name in names)


def _join_thumbs(*columns: list[Any]) -> tuple[Thumb, ...]:
    return tuple(Thumb(*values) for values in zip(*columns, strict=True))


def _split_exhibits(exhibits: Sequence[Exhibit]) -> tuple[list[Any], ...]:
    return (
        [one.track for one in exhibits],
        [value for one in exhibits for value in (one.pts_s, one.logit, one.fake_score)],
        [side for one in exhibits for side in (*one.crop.shape[:2], *one.activation.shape)],
        [one.crop.tobytes() for one in exhibits],
        [np.asarray(one.activation, np.float32).tobytes() for one in exhibits],
    )


def _join_exhibits(
    tracks: list[int],
    numbers: list[float],
    sides: list[int],
    crops: list[bytes],
    activations: list[bytes],
) -> tuple[Exhibit, ...]:
    return tuple(
        Exhibit(
            track=track,
            pts_s=numbers[3 * n],
            logit=numbers[3 * n + 1],
            fake_score=numbers[3 * n + 2],
            crop=np.frombuffer(crops[n], np.uint8).reshape(*sides[4 * n : 4 * n + 2], 3),
            activation=np.frombuffer(activations[n], np.float32).reshape(
                sides[4 * n + 2 : 4 * n + 4]
            ),
        )
        for n, track in enumerate(tracks)
    )


_THUMBS = Column(
    {
        "thumb_times": pa.list_(pa.float64()),
        "thumb_widths": pa.list_(pa.int32()),
        "thumb_heights": pa.list_(pa.int32()),
        "thumbs": pa.list_(pa.binary()),
    },
    _split_thumbs,
    _join_thumbs,
)
_EXHIBITS = Column(  # of all, end to end: time, logit, score; height and width of crop and map
    {
        "exhibit_tracks": pa.list_(pa.int32()),
        "exhibit_numbers": pa.list_(pa.float64()),
        "exhibit_sides": pa.list_(pa.int32()),
        "exhibit_crops": pa.list_(pa.binary()),
        "exhibit_maps": pa.list_(pa.binary()),
    },
    _split_exhibits,
    _join_exhibits,
)


@dataclass(frozen=True, slots=True, eq=False)
class KeptReport:
    """The report on one file, as it lies on disk."""

    key: str  # of the path and the content
    report: str  # JSON, without pictures
    thumbs: Annotated[tuple[Thumb, ...], _THUMBS] = ()
    exhibits: Annotated[tuple[Exhibit, ...], _EXHIBITS] = ()


class KeptReports:
    """The reports of one scan that are there already; made by `keep_reports`."""

    def __init__(self, folder: Path) -> None:
        """Read what is there.

        Raises:
            MediaError: a file in the folder is damaged.
        """
        self.folder = folder
        self._parts = Parts(
            Table(KeptReport),
            folder / _REPORTS,
            lambda kept: kept.key,
            "its files are scanned again",
            flush_s=FLUSH_S,
        )

    def find(self, path: Path) -> Report | None:
        """The report on a file, unless its content has changed since or cannot be read."""
        if not self._parts.known:  # a new scan: no file need be read for its hash
            return None
        try:
            kept = self._parts.known.get(_key(path, file_sha256(path)))
        except MediaError:
            return None
        if kept is None:
            return None
        with reading(self._parts.folder, MediaError, f"delete {self.folder}"):
            report = Report.model_validate_json(kept.report)
        return report.model_copy(update={"thumbs": kept.thumbs, "exhibits": kept.exhibits})

    def put(self, path: Path, report: Report) -> None:
        """Keep a report; that of a file that could not be scanned is made again."""
        if report.status == "scanned" and report.file.sha256 is not None:
            kept = KeptReport(_key(path, report.file.sha256), report.to_json())
            self._parts.put(replace(kept, thumbs=report.thumbs, exhibits=report.exhibits))

    def remove(self) -> None:
        """Delete the folder; call when the page is in place."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def flush(self) -> None:
        """Write what is not on disk yet."""
        self._parts.flush()


@contextmanager
def keep_reports(output: Path, config: ScanConfig) -> Iterator[KeptReports]:
    """What an unfinished scan into the same output has found, for one process.

    Reports that were made otherwise, as by another detector, are dropped.

    Args:
        output: the page or the table; the folder lies beside it.
        config: how files are scanned.

    Raises:
        ConfigError: another process scans into this output, or nothing can be written.
        MediaError: what was kept is damaged.
        DetectorError: the detector file cannot be used.
    """
    folder = output.with_name(f".{output.name}.scan")
    facts = {
        "version": __version__,
        "config": config.settled().model_dump(mode="json"),
        "detector": Detector.load(config.detector).sha256,
    }
    with locked(folder, ConfigError):
        started = folder / _STARTED
        if not started.exists() or read_json(started, ConfigError, "delete it") != facts:
            shutil.rmtree(folder / _REPORTS, ignore_errors=True)
            write_bytes(started, json.dumps(facts, indent=1).encode(), ConfigError)
        kept = KeptReports(folder)
        try:
            yield kept
        finally:
            if folder.exists():
                kept.flush()


def scan_the_rest(
    files: Sequence[Path], kept: KeptReports, scan: Callable[[list[Path]], Iterator[Report]]
) -> Iterator[Report]:
    """The report on each file in their order: the kept one, or one that is made and kept."""
    there = {n: report for n, path in enumerate(files) if (report := kept.find(path))}
    made = scan([path for n, path in enumerate(files) if n not in there])
    try:
        for number, path in enumerate(files):
            if number in there:
                yield there.pop(number)
                continue
            report = next(made)
            kept.put(path, report)
            yield report
    finally:
        if isinstance(made, Generator):  # its processes end now, not when memory is tidied
            made.close()


def _key(path: Path, sha256: str) -> str:
    return hashlib.sha256(os.fsencode(path) + b"\0" + sha256.encode()).hexdigest()
