"""What a run has found, counted from its shards; the page shows the same and runs nothing."""

from __future__ import annotations

from pathlib import Path

from fake_crew import FakeCrew, list_files, run_fake

from counterface.apps.cli.main import main
from counterface.apps.cluster.results import Outcome
from counterface.apps.cluster.run import Pace, describe_pace
from counterface.apps.cluster.run_folder import RunFolder
from counterface.apps.cluster.summary import find_status, summarize
from counterface.report.run_page import write_run_page

EVIL = '"><script>alert(1)</script>'


def act(place: str) -> Outcome | None:
    number = int(Path(place).stem.removeprefix("clip"))
    if number % 10 == 0:
        return Outcome("failed", 2.0, error_kind="time_out", error=f"{number} {EVIL}")
    if number == 33:
        return None
    verdict = "no_face" if number % 10 == 1 else "likely_manipulated"
    score = None if verdict == "no_face" else 1.0 if number % 2 else 0.0
    return Outcome("done", float(number), verdict=verdict, score=score, report="{}")


def some_run(folder: Path) -> RunFolder:
    return run_fake(folder / "out", list_files(folder, 40), FakeCrew(act))


def test_everything_is_counted(tmp_path: Path) -> None:
    found = summarize(some_run(tmp_path))
    assert (found.done, found.failed, found.tried_again) == (35, 5, 0)
    assert found.verdicts == {"likely_manipulated": 31, "no_face": 4}
    assert (found.scores[0], found.scores[-1], sum(found.scores)) == (16, 15, 31)
    assert found.unscored == 4
    assert [slow.path for slow in found.slowest[:2]] == ["clip39.mp4", "clip38.mp4"]
    assert [(e.kind, e.files) for e in found.errors] == [("time_out", 4), ("worker_died", 1)]
    assert len(found.errors[0].examples) == 3
    assert found.status.rows_done == found.status.rows == 40
    assert found.crops is None


def test_the_status_of_half_a_run(tmp_path: Path) -> None:
    run = some_run(tmp_path)
    for shard in (1, 5):  # the last one is short
        run.path_of(shard).unlink()
    found = find_status(run)
    assert (found.rows_done, found.shards_done, found.shards) == (28, 4, 6)
    assert found.rate_per_s is not None
    assert found.left_s == 12 / found.rate_per_s
    assert not found.running
    told: list[tuple[int, int | None, str]] = []
    Pace(run, lambda *words: told.append(words))
    assert told[0][:2] == (28, 40)
    assert describe_pace(2.0, 30) == "2.00 files/s, 15 s left"
    assert describe_pace(0.5, 3600) == "0.50 files/s, 2.0 h left"
    assert describe_pace(0.0, 3) == ""


def test_the_page_shows_the_numbers_and_runs_nothing(tmp_path: Path) -> None:
    run = some_run(tmp_path)
    write_run_page(tmp_path / "run.html", summarize(run).model_dump(mode="json"))
    page = (tmp_path / "run.html").read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page
    for text in ("35", "likely manipulated", "time out", "clip39.mp4", "&lt;script&gt;"):
        assert text in page


def test_the_commands_tell_it(tmp_path: Path, capsys) -> None:
    run = some_run(tmp_path)
    page = tmp_path / "run.html"
    assert main(["cluster", "summary", str(run.out), "--html", str(page)]) == 0
    told = capsys.readouterr().out
    assert "35 done, 5 failed" in told
    assert "31  likely manipulated" in told
    assert page.is_file()
    assert main(["cluster", "status", str(run.out)]) == 0
    assert "40 of 40 files (100.0%), 6 of 6 shards" in capsys.readouterr().out
    assert main(["cluster", "summary", str(tmp_path)]) == 1
    assert "run.json" in capsys.readouterr().err
