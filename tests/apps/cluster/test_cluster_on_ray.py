"""Runs on a real Ray: processes are killed and stopped, and every row is there once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_crew import all_rows
from ray_runs import (
    PATIENCE_S,
    Runs,
    draw_media,
    family,
    ray_workers,
    short_folder,
    stop,
    wait_for,
    wait_gone,
)

from counterface.detect.findings import Report

pytest.importorskip("ray", reason="needs counterface[cluster]")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = 500
BROKEN, MISSING, POISONED = 7, 77, 123


@pytest.fixture
def runs() -> Iterator[Runs]:
    with short_folder() as folder:
        yield Runs(folder)


def write_list(runs: Runs, count: int) -> list[str]:
    """The manifest of drawn files, of which three are not what they should be."""
    names = draw_media(runs.folder / "media", count)
    (runs.folder / "media" / names[BROKEN]).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    (runs.folder / "media" / names[MISSING]).unlink()
    runs.poison(runs.folder / "media" / names[POISONED])
    rows = "".join(f"media/{name}\n" for name in names)
    (runs.folder / "list.csv").write_text(f"path\n{rows}")
    return names


def test_500_files_survive_a_killed_worker_a_stop_and_a_killed_run(runs: Runs) -> None:
    names = write_list(runs, COUNT)
    words = runs.words("--shard-rows", "20", "--json")

    process = runs.start(*words, pause_s=0.05)
    wait_for(lambda: len(runs.shards()) >= 2, process)
    killed, _ = ray_workers(process)
    killed.kill()
    wait_for(lambda: len(runs.shards()) >= 3, process)
    everyone = family(process)
    code, said = stop(process)
    assert code == 130, said
    assert said.rstrip().endswith("interrupted; run the same command again to continue")
    wait_gone(everyone)
    assert list((runs.folder / "tmp").iterdir()) == []
    first = runs.shards()

    process = runs.start(*words, pause_s=0.05)
    wait_for(lambda: len(runs.shards()) >= len(first) + 3, process)
    everyone = family(process)
    process.kill()
    process.communicate()
    wait_gone(everyone)
    second = runs.shards()

    process = runs.start(*words)
    told, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2, said
    assert {path: runs.shards()[path] for path in second} == second
    assert {path: second[path] for path in first} == first
    assert list((runs.folder / "tmp").iterdir()) == []  # what the killed run left is swept too
    assert list((runs.folder / "home").iterdir()) == []
    _check_rows(runs.folder / "out", names, json.loads(told))


def _check_rows(out: Path, names: list[str], summary: dict) -> None:
    rows = all_rows(out)
    assert [row.row for row in rows] == list(range(COUNT))
    assert [row.path for row in rows] == [f"media/{name}" for name in names]
    failed = {row.row: row for row in rows if row.status == "failed"}
    kinds = {row: one.error_kind for row, one in failed.items()}
    assert kinds == {BROKEN: "media", MISSING: "missing", POISONED: "worker_died"}
    assert failed[POISONED].tries == 2
    assert (summary["done"], summary["failed"]) == (COUNT - 3, 3)
    tries = Counter(row.tries for row in rows if row.row != POISONED)
    assert tries[1] >= COUNT - 2
    assert tries[1] + tries[2] == COUNT - 1
    report = Report.model_validate_json(rows[0].report or "")
    assert report.file.path.endswith(f"media/{names[0]}")
    assert report.verdict == rows[0].verdict


def test_facesets_are_extracted_by_address_too(runs: Runs) -> None:
    names = draw_media(runs.folder / "media", 12)
    places = [(runs.folder / "media" / name).as_uri() for name in names]
    (runs.folder / "list.csv").write_text("clip\n" + "\n".join(places))
    process = runs.start(
        *("cluster", "extract", "list.csv", "out", "--workers", "2", "--column", "clip"),
        *("--shard-rows", "5", "--face-detector", "mediapipe", "--size", "64", "--json"),
    )
    told, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    rows = all_rows(runs.folder / "out")
    assert [row.row for row in rows] == list(range(12))
    assert json.loads(told)["crops"] == sum(row.crops or 0 for row in rows) > 0
    assert len({row.faceset for row in rows}) == 12
    for row in rows:
        faces = runs.folder / "out" / (row.faceset or "")
        assert len(list(faces.glob("*.jpg"))) == row.crops
    assert list((runs.folder / "tmp").iterdir()) == []


def test_a_detector_that_no_worker_can_load_ends_the_run(runs: Runs) -> None:
    names = draw_media(runs.folder / "media", 2)
    (runs.folder / "list.csv").write_text("path\n" + "".join(f"media/{n}\n" for n in names))
    (runs.folder / "tiny.onnx").write_bytes(b"no detector")
    process = runs.start(*runs.words())
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "no worker can start" in said
    assert "tiny.onnx" in said
    assert "Traceback" not in said
