"""Scores that were already made, on disk: nothing is scanned twice, and a kill loses little.

A folder per detector content and scan settings (`<hash>-<hash>/`), in it Parquet parts of files by
SHA-256 of their content. A part is written whole or not at all and never changed, so that several
processes may write beside each other; opening reads them all.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from counterface import __version__
from counterface.detect.evaluation.file_score import FAILED
from counterface.detect.scan import ScanConfig
from counterface.errors import MediaError
from counterface.files import make_folder, write_bytes
from counterface.project_files import read_parquet
from counterface.weights import cache_dir

FORMAT = 2  # part of the folder's name: scores of another one are made anew, never misread
_ELSEWHERE = "name another folder with --cache"
FLUSH_FILES, FLUSH_S = 32, 20.0  # a kill loses at most so much

_SCHEMA = pa.schema(
    [
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("logit", pa.float64()),
        pa.field("probability", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("in_range", pa.bool_()),
        pa.field("frame_logits", pa.list_(pa.float64()), nullable=False),
        pa.field("frame_times_s", pa.list_(pa.float64()), nullable=False),
        pa.field("witness_logits", pa.list_(pa.list_(pa.float64())), nullable=False),
        pa.field("spread_over", pa.string(), nullable=False),
        pa.field("eye_px", pa.float64()),
        pa.field("sharpness", pa.float64()),
        pa.field("strength", pa.float64()),
        pa.field("quantiser", pa.float64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("bytes", pa.int64()),
    ]
)


def default_store_folder() -> Path:
    """Where scores are kept unless told otherwise: below the user's cache."""
    return cache_dir() / "scores"


class ScoreStore:
    """Reads and adds scores of one detector under one way of scanning."""

    def __init__(
        self, root: Path, detector_sha256: str, config: ScanConfig, change: str = ""
    ) -> None:
        """Open the folder for these settings, made if absent.

        Args:
            root: of all stores.
            detector_sha256: of the detector file, which holds its calibration too.
            config: how files are scanned.
            change: what is done to the frames before faces are looked for; "" for nothing.

        Raises:
            MediaError: the folder cannot be made.
        """
        self.folder = root / f"{detector_sha256[:16]}-{_settings_key(config, change)}"
        make_folder(self.folder, advice=_ELSEWHERE)
        self._known = {row["sha256"]: row for row in self._read()}
        self._new: dict[str, dict[str, Any]] = {}
        self._written = time.monotonic()

    def get(self, sha256: str) -> dict[str, Any] | None:
        """The scan's part of a `FileScore`, or None where the content was never scored."""
        row = self._known.get(sha256)
        if row is None:
            return None
        fields = {name: value for name, value in row.items() if name != "sha256"}
        lists = {name: tuple(row[name]) for name in ("frame_logits", "frame_times_s")}
        return fields | lists | {"witness_logits": tuple(map(tuple, row["witness_logits"]))}

    def put(self, sha256: str, fields: dict[str, Any]) -> None:
        """Keep one file's; a failure is not kept, so that it is tried again."""
        if fields["verdict"] == FAILED:
            return
        row = {"sha256": sha256, **fields}
        self._known[sha256] = self._new[sha256] = row
        if len(self._new) >= FLUSH_FILES or time.monotonic() - self._written > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Writes what is new as one more part."""
        self._written = time.monotonic()
        if not self._new:
            return
        rows = [dict.fromkeys(_SCHEMA.names) | row for row in self._new.values()]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink)
        part = self.folder / f"{uuid4().hex}.parquet"
        write_bytes(part, bytes(sink.getvalue()), advice=_ELSEWHERE)
        self._new = {}

    def _read(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for part in sorted(self.folder.glob("*.parquet")):
            advice = "delete it, and its files are scanned again"
            rows += read_parquet(part, MediaError, advice, _SCHEMA).to_pylist()
        return rows


def _settings_key(config: ScanConfig, change: str) -> str:
    said = config.settled().model_dump(mode="json")
    for name in ("detector", "marks", "pictures", "limits"):  # none of them moves a score
        said.pop(name, None)
    text = json.dumps([FORMAT, __version__, change, said], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
