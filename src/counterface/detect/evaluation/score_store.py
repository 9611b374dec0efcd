"""Scores that were already made, on disk: nothing is scanned twice, and a kill loses little.

A folder per detector content and scan settings (`<hash>-<hash>/`), in it `table.Parts` of files by
SHA-256 of their content.
"""

from __future__ import annotations

import hashlib
import json
from operator import itemgetter
from pathlib import Path
from typing import Any

from counterface import __version__
from counterface.detect.evaluation.file_score import FAILED, MEASURED
from counterface.detect.scanning.scan import ScanConfig
from counterface.table import Parts, Table
from counterface.weights import cache_dir

FORMAT = 2  # part of the folder's name: scores of another one are made anew, never misread

_SCORES = Table(dict[str, Any], {"sha256": str, **MEASURED})


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
            root: folder of all stores.
            detector_sha256: SHA-256 of the detector file, which holds its calibration too.
            config: how files are scanned.
            change: what is done to the frames before faces are looked for; "" for nothing.

        Raises:
            MediaError: the folder cannot be made.
        """
        self.folder = root / f"{detector_sha256[:16]}-{_settings_key(config, change)}"
        key = itemgetter("sha256")
        self._parts = Parts(_SCORES, self.folder, key, "its files are scanned again")

    def get(self, sha256: str) -> dict[str, Any] | None:
        """The scan's part of a `FileScore`, or None where the content was never scored."""
        row = self._parts.known.get(sha256)
        return None if row is None else {name: row.get(name) for name in MEASURED}

    def put(self, sha256: str, fields: dict[str, Any]) -> None:
        """Keep a file's score; failures are not kept, so that they are tried again."""
        if fields["verdict"] != FAILED:
            self._parts.put({"sha256": sha256, **fields})

    def flush(self) -> None:
        """Write what is new as a further part."""
        self._parts.flush()


def _settings_key(config: ScanConfig, change: str) -> str:
    said = config.settled().model_dump(mode="json")
    for name in ("detector", "marks", "pictures", "limits"):  # none of them moves a score
        said.pop(name, None)
    text = json.dumps([FORMAT, __version__, change, said], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
