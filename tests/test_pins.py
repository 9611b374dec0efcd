"""What a change of the code alone must leave as it is: crops, logits, and each table on disk.

Files that were written before the change are read to the same records, and the same records are
written to the same columns, types and values. After a wanted change: `python tests/pinned.py TMP`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pinned
import pyarrow.parquet as pq
import pytest
from actors import Expression, draw_actor
from pinned import CASES, MEASURED

from counterface.datasets.manifest import read_manifest, write_manifest
from counterface.detect.detector import Detector
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.generalisation.face_crops import CropConfig, FaceCutter
from counterface.detect.generalisation.views import ViewStore
from counterface.detect.scanning.scan import ScanConfig
from counterface.faces.align import align
from counterface.faceset.row import ROWS, table_to_rows
from counterface.faceset.store import Faceset
from counterface.swap.conversion import footage
from counterface.types import Image, Pose

CROPS = {  # by template, the begin of the SHA-256 of its pixels
    "face": "a75683b17ac9067d",
    "whole_face": "b58eea3a7cfd42e0",
    "head": "722a2c9db151b3be",
}
LOGITS = {"403d9d678fb2": [2.369867, 1.122927]}  # by the begin of the shipped file's SHA-256


def plain(value: object) -> object:
    """Arrays as type, shape and numbers, records as their fields: what can be compared."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tolist()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    return value


def crop(template: str, size: int, identity: int = 3) -> Image:
    actor = draw_actor(identity, Pose(10, 5, 3), Expression(smile=0.5), size=200)
    return align(actor.image, actor.face, template, size).image


@pytest.mark.parametrize("template", CROPS)
def test_crops(template: str) -> None:
    assert hashlib.sha256(crop(template, 96).tobytes()).hexdigest()[:16] == CROPS[template]


def test_logits_of_the_shipped_detector() -> None:
    detector = Detector.load()
    info = detector.info
    crops = np.stack([crop(info.template, info.size, identity) for identity in (1, 3)])
    if info.frames > 1:
        crops = np.stack([crops] * info.frames, axis=1)
    logits = detector.judge(crops).logits.tolist()
    known = LOGITS.get(detector.sha256[:12])
    assert known, f"another detector ships: pin {detector.sha256[:12]!r}: {logits}"
    assert logits == pytest.approx(known, abs=1e-3)


def test_a_faceset_of_before_is_read_with_its_commit() -> None:
    found = Faceset.open(CASES / "faceset")
    assert [plain(row) for row in found] == [plain(r) for r in [*pinned.rows(), pinned.row("c", 5)]]
    (source,) = found.header.sources
    assert (source.next_frame, source.done, source.options) == (12, True, {"every": 1})


def test_a_faceset_is_written_as_before(tmp_path: Path) -> None:
    pinned.write_faceset(tmp_path)
    for name in ("faceset.parquet", ".extract/commit-000000000.parquet"):
        kept, made = (pq.read_table(folder / name) for folder in (CASES / "faceset", tmp_path))
        assert made.equals(kept)
        kept, made = (dict(table.schema.metadata or {}) for table in (kept, made))
        assert made == kept
    folders = CASES / "faceset", tmp_path
    kept, made = (json.loads((folder / "faceset.json").read_text()) for folder in folders)
    assert made | {"tool": ""} == kept | {"tool": ""}
    table = pq.read_table(CASES / "faceset" / "faceset.parquet")
    assert ROWS.to_arrow(table_to_rows(table)).equals(table)


def test_a_faceset_of_format_2_is_read_as_before() -> None:
    before, now = Faceset.open(CASES / "faceset_2"), Faceset.open(CASES / "faceset")
    assert before.header == now.header
    later = {"place": None, "group": None, "original": None, "rights": None}
    assert ROWS.to_arrow(list(before)).equals(ROWS.to_arrow([replace(r, **later) for r in now]))


def test_a_manifest_is_read_and_written_as_before(tmp_path: Path) -> None:
    for name in ("manifest.parquet", "manifest.csv"):
        assert read_manifest(CASES / name) == pinned.entries(CASES)
        write_manifest(pinned.entries(tmp_path), tmp_path / name)
    assert (tmp_path / "manifest.csv").read_bytes() == (CASES / "manifest.csv").read_bytes()
    kept, made = (pq.read_table(folder / "manifest.parquet") for folder in (CASES, tmp_path))
    assert made.equals(kept, check_metadata=True)


def test_a_file_score_is_the_json_of_before() -> None:
    assert pinned.score().model_dump_json() == (CASES / "score.json").read_text().strip()


@pytest.mark.parametrize("write", [pinned.write_scores, pinned.write_views, pinned.write_truth])
def test_tables_are_written_as_before(write: Callable[[Path], Path], tmp_path: Path) -> None:
    made = pq.read_table(write(tmp_path))
    kept = pq.read_table(CASES / f"{write.__name__.removeprefix('write_')}.parquet")
    assert made.equals(kept.cast(made.schema))  # which changes nothing but what may be null
    assert made.schema.types == kept.schema.types


def test_kept_scores_and_answers_are_read(tmp_path: Path) -> None:
    for name, write in (("scores", pinned.write_scores), ("views", pinned.write_views)):
        shutil.copyfile(CASES / f"{name}.parquet", write(tmp_path))
    assert ScoreStore(tmp_path, "0" * 64, ScanConfig()).get("1" * 64) == MEASURED
    known = ViewStore(tmp_path, "a reader").known
    assert plain(known["plain a"]) == plain(pinned.ANSWERS)
    assert len(known["no face"]) == 0


def test_kept_looks_are_read_and_written_as_before(tmp_path: Path) -> None:
    assert plain(footage.read_pieces(CASES)) == plain(pinned.looks())
    kept = pq.read_table(CASES / "look-000000000.parquet")
    assert footage.LOOKS.to_arrow(pinned.looks()).equals(kept)


def test_kept_crops_are_read(tmp_path: Path) -> None:
    cutter = FaceCutter(CropConfig("face", 8, moments=2), tmp_path)
    name = "1" * 64
    shutil.copyfile(CASES / f"{name}.parquet", tmp_path / cutter.config.key / f"{name}.parquet")
    assert plain(cutter.cut(Path("unread.mp4"), name)) == plain(pinned.crops())
