"""What the processes of a studio hold does not grow while they work."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the studio is not installed: counterface[web]")

from studio_running import run_studio
from studio_soak import Held, Sample, slope_per_hour, soak

MB = 1_000_000
GROWTH = {"server": 25 * MB, "jobs": 15 * MB, "worker": 250 * MB}  # while caches and heaps fill


def samples(values: list[float]) -> list[Sample]:
    """A sample each minute."""
    return [
        Sample(60.0 * number, {"server": Held(int(value), int(value), 9, 3)}, 0)
        for number, value in enumerate(values)
    ]


def test_the_slope_is_that_of_the_last_two_thirds() -> None:
    warm = [500.0 * MB] * 30
    slope, half = slope_per_hour(samples([*warm, *(MB * n for n in range(60))]), "server", "rss")
    assert slope == pytest.approx(60 * MB)
    assert half < MB
    wave = [100 * MB + 5 * MB * math.sin(number) for number in range(90)]
    slope, half = slope_per_hour(samples(wave), "server", "private")
    assert abs(slope) < half


def test_the_interval_is_wide_where_samples_hang_on_those_before() -> None:
    quick = [MB * (number % 2) for number in range(90)]
    slow = [MB * (number // 9 % 2) for number in range(90)]
    halves = [slope_per_hour(samples(values), "server", "rss")[1] for values in (quick, slow)]
    assert halves[1] > 2 * halves[0]
    assert slope_per_hour(samples([1.0, 2.0]), "server", "rss")[1] == math.inf


@pytest.mark.slow
def test_nothing_grows_in_a_minute_of_work(tmp_path: Path, no_home_of_the_user: None) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    with run_studio(tmp_path / "state", lab) as studio:
        found = soak(studio, 75, every_s=1.5, sample_s=2.5)
    assert found.errors == []
    assert found.counts["deleted"] > 0, "too slow to delete anything: nothing was shown"
    assert min(found.counts[name] for name in ("scans", "events", "pages", "listeners")) > 3
    for process, most in GROWTH.items():
        held = [one.processes[process] for one in found.samples if process in one.processes]
        third = len(held) // 3
        before, after = held[third : 2 * third], held[2 * third :]
        assert len(before) > 4
        for name in ("fds", "threads"):
            high = [max(getattr(one, name) for one in part) for part in (before, after)]
            assert high[1] <= high[0] + 2, (process, name, held)  # one more may be open just then
        low = [min(one.private for one in part) for part in (before, after)]
        assert low[1] - low[0] < most, (process, held)
