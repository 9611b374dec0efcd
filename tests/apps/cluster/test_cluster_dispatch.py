"""Every row gives one result, whatever dies or stops on the way; no process is started here."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_crew import FakeCrew, all_rows, list_files, run_fake, scanned

from counterface.apps.cluster.results import Outcome
from counterface.errors import ConfigError


@pytest.mark.parametrize(("count", "shard_rows"), [(1, 7), (7, 7), (500, 7), (20, 100)])
def test_each_row_is_there_once_and_in_order(tmp_path: Path, count: int, shard_rows: int) -> None:
    crew = FakeCrew()
    run = run_fake(tmp_path / "out", list_files(tmp_path, count), crew, shard_rows=shard_rows)
    rows = all_rows(tmp_path / "out")
    assert [row.row for row in rows] == list(range(count))
    assert [row.path for row in rows] == [f"clip{i}.mp4" for i in range(count)]
    assert set(crew.given.values()) == {1}
    assert run.shards == -(-count // shard_rows) == len(run.done())
    assert crew.hired == min(3, count)


def test_a_killed_worker_costs_its_file_one_more_try_and_a_poisoned_file_its_row(
    tmp_path: Path,
) -> None:
    killed = {"clip3.mp4"}

    def act(place: str) -> Outcome | None:
        name = Path(place).name
        if name == "clip10.mp4" or name in killed:
            killed.discard(name)
            return None
        return scanned(place)

    crew = FakeCrew(act)
    run_fake(tmp_path / "out", list_files(tmp_path, 40), crew)
    rows = all_rows(tmp_path / "out")
    assert [row.row for row in rows] == list(range(40))
    poisoned = rows[10]
    assert (poisoned.status, poisoned.error_kind, poisoned.tries) == ("failed", "worker_died", 2)
    assert poisoned.error is not None
    assert "2 times" in poisoned.error
    assert (rows[3].status, rows[3].tries) == ("done", 2)
    others = [row for row in rows if row.row not in (3, 10)]
    assert {(row.status, row.tries) for row in others} == {("done", 1)}
    assert crew.given.total() == 42
    assert crew.hired == 3 + 3


def test_a_stopped_run_goes_on_and_loses_no_more_than_the_shards_in_flight(tmp_path: Path) -> None:
    manifest, out = list_files(tmp_path, 500), tmp_path / "out"
    given = 0
    for stop_at in (90, 1, 250):
        left = stop_at

        def act(place: str) -> Outcome:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return scanned(place)

        crew = FakeCrew(act)
        with pytest.raises(KeyboardInterrupt):
            run_fake(out, manifest, crew)
        given += crew.given.total()
        before = {path: path.stat().st_mtime_ns for path in out.glob("results/*.parquet")}
    last = FakeCrew()
    run_fake(out, manifest, last)
    given += last.given.total()
    assert [row.row for row in all_rows(out)] == list(range(500))
    assert given - 500 <= 3 * (7 + 3)  # a shard and what three workers have, at each stop
    assert {path: path.stat().st_mtime_ns for path in before} == before
    again = FakeCrew()
    run_fake(out, manifest, again)
    assert again.hired == 0


def test_workers_that_cannot_start_end_the_run_with_their_words(tmp_path: Path) -> None:
    manifest = list_files(tmp_path, 5)
    with pytest.raises(ConfigError, match="no worker can start: no such detector"):
        run_fake(tmp_path / "a", manifest, FakeCrew(start=lambda: "no such detector"))
    dying = FakeCrew(start=lambda: None)
    with pytest.raises(ConfigError, match="3 workers in a row died while they loaded"):
        run_fake(tmp_path / "b", manifest, dying)
    assert dying.hired < 8


def test_what_every_file_would_meet_ends_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    def act(place: str) -> Outcome:
        if place.endswith("clip20.mp4"):
            return Outcome("stopped", error_kind="faceset", error="x: no space left on device")
        return scanned(place)

    with pytest.raises(ConfigError, match="no space left"):
        run_fake(tmp_path / "out", list_files(tmp_path, 40), FakeCrew(act))
    rows = all_rows(tmp_path / "out")
    assert [row.row for row in rows] == list(range(14))
