"""Jobs of the studio are commands: run, stopped, kept over a crash of the server."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from actors import Expression, draw_actor
from sqlalchemy import select
from studio_running import TOKEN, RunningStudio, run_studio

from counterface.apps.studio import queues
from counterface.apps.studio.queues import Runner
from counterface.apps.studio.store import Job, NewJob, Scan, Store
from counterface.media.image import write_image
from counterface.types import Pose

pytestmark = pytest.mark.slow


def test_a_picture_is_judged_and_found_again(studio: RunningStudio, root: Path) -> None:
    write_image(root / "face.png", draw_actor(3, Pose(0, 0, 0), Expression(), 320).image)
    status, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/face.png"]})
    assert status == 201
    (job,) = answer["jobs"]
    ended = studio.wait_for(job["id"])
    assert (ended["job"]["state"], ended["job"]["code"]) == ("done", 0)
    (report,) = ended["results"]
    assert report["file"]["path"] == "lab/face.png"
    _, (row,) = studio.ask("GET", "/api/v1/scans?text=face")
    assert row["verdict"] == report["verdict"]
    _, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/face.png"]})
    assert answer["jobs"] == []
    assert answer["known"][0]["id"] == row["id"]


def until(holds: Callable[[], bool], within_s: float = 120) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def counts_of(studio: RunningStudio) -> dict[str, int]:
    return dict(studio.ask("GET", "/api/v1/jobs/counts")[1])


def pictures(folder: Path, count: int) -> None:
    """Small pictures without a face, each of its own content."""
    folder.mkdir()
    for number in range(count):
        image = np.full((48, 48, 3), 90, np.uint8)
        image[:8, :8] = np.random.default_rng(number).integers(0, 256, (8, 8, 3))
        write_image(folder / f"{number:04d}.png", image)


@pytest.mark.parametrize(
    "count", [40, pytest.param(1000, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)])]
)
def test_no_scan_is_lost_or_made_twice_when_all_is_killed(tmp_path: Path, count: int) -> None:
    lab, state = tmp_path / "lab", tmp_path / "state"
    lab.mkdir()
    pictures(lab / "many", count)
    with run_studio(state, lab) as studio:
        for first in range(0, count, 100):
            names = range(first, min(first + 100, count))
            places = [f"lab/many/{number:04d}.png" for number in names]
            _, answer = studio.ask("POST", "/api/v1/scans", {"places": places})
            assert len(answer["jobs"]) == len(places)
        until(lambda: counts_of(studio).get("done", 0) >= count // 5)
    # Here the server was killed with SIGKILL, and the process of the jobs as well.
    with run_studio(state, lab) as studio:
        until(lambda: not {"waiting", "running"} & set(counts_of(studio)), 3000)
        assert counts_of(studio) == {"done": count}
    store = Store(state)
    with store.session() as session:
        rows = list(session.scalars(select(Scan.name)))
        runs = list(session.scalars(select(Job.runs)))
    assert sorted(rows) == [f"{number:04d}.png" for number in range(count)]
    assert sum(runs) - count <= 1  # the one that was in work


def test_a_job_goes_on_when_the_server_is_killed(tmp_path: Path) -> None:
    lab, state = tmp_path / "lab", tmp_path / "state"
    lab.mkdir()
    pictures(lab / "many", 12)
    with run_studio(state, lab) as studio:
        studio.ask("POST", "/api/v1/scans", {"places": ["lab/many"]})
        studio.process.kill()
        studio.process.wait()
        store = Store(state)
        until(lambda: store.counts() == {"done": 12})
    with store.session() as session:
        assert set(session.scalars(select(Job.runs))) == {1}


def test_a_job_that_runs_or_waits_is_stopped(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    pictures(lab / "many", 30)
    with run_studio(tmp_path / "state", lab) as studio:
        _, whole = studio.ask(
            "POST", "/api/v1/jobs", {"command": "scan", "arguments": ["lab/many"]}
        )
        _, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/many/0001.png"]})
        (waits,) = answer["jobs"]
        _, stopped = studio.ask("POST", f"/api/v1/jobs/{waits['id']}/stop")
        assert stopped["state"] == "stopped"
        path = f"/api/v1/jobs/{whole['id']}"
        until(lambda: studio.ask("GET", path)[1]["job"]["done"] >= 2)
        studio.ask("POST", f"/api/v1/jobs/{whole['id']}/stop")
        ended = studio.wait_for(whole["id"])
        assert ended["job"]["state"] == "stopped"
        assert 0 < len(ended["results"]) < 30  # what was judged before is kept
        _, again = studio.ask("POST", f"/api/v1/jobs/{waits['id']}/again")
        assert studio.wait_for(again["id"])["job"]["state"] == "done"


def test_what_a_command_says_of_itself_is_told(studio: RunningStudio, root: Path) -> None:
    (root / "no_faceset").mkdir()
    asked = {"command": "faceset info", "arguments": ["lab/no_faceset"]}
    _, job = studio.ask("POST", "/api/v1/jobs", asked)
    ended = studio.wait_for(job["id"])
    assert (ended["job"]["state"], ended["job"]["code"]) == ("failed", 1)
    assert ended["job"]["error"].startswith("lab/no_faceset")
    assert str(root) not in ended["job"]["error"]


def test_changes_are_told_as_they_happen(studio: RunningStudio, root: Path) -> None:
    write_image(root / "told.png", np.full((48, 48, 3), 120, np.uint8))
    _, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/told.png"]})
    (job,) = answer["jobs"]
    request = urllib.request.Request(
        f"{studio.address}/api/v1/events?after={job['change'] - 1}",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    states = []
    with urllib.request.urlopen(request, timeout=60) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                told = json.loads(line[6:])
                if told["id"] == job["id"]:
                    states.append(told["state"])
                if states and states[-1] == "done":
                    break
    assert states[-1] == "done"
    assert states == sorted(states, key=["waiting", "running", "done"].index)


def test_an_upload_lies_under_a_name_that_nobody_chose(studio: RunningStudio, root: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    write_image(root / "sent.png", image)
    content = (root / "sent.png").read_bytes()
    name = urllib.parse.quote("../../<b>my face</b>.png")
    status, sent = studio.ask("POST", f"/api/v1/uploads?name={name}", content)
    assert (status, sent["name"], sent["bytes"]) == (201, "../../<b>my face</b>.png", len(content))
    kept = studio.state / "uploads" / sent["place"].removeprefix("uploads/")
    assert kept.read_bytes() == content
    assert "face" not in kept.name
    assert sent["sha256"] == hashlib.sha256(content).hexdigest()
    _, answer = studio.ask("POST", "/api/v1/scans", {"places": [sent["place"]]})
    studio.wait_for(answer["jobs"][0]["id"])
    _, (row,) = studio.ask("GET", "/api/v1/scans?text=my%20face")
    assert row["name"] == "../../<b>my face</b>.png"


def test_uploads_have_limits(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    with run_studio(tmp_path / "state", lab, "--upload-mb", "1", "--uploads", "2") as studio:
        put = "/api/v1/uploads?name=a.mp4"
        assert studio.ask("POST", put, b"x" * 1_000_001)[0] == 413
        assert list((studio.state / "uploads").iterdir()) == []
        assert studio.ask("POST", "/api/v1/uploads?name=a.exe", b"x")[0] == 422
        assert [studio.ask("POST", put, b"x")[0] for _ in range(3)] == [201, 201, 422]


@pytest.mark.skipif(shutil.which("ss") is None, reason="no ss on this machine")
def test_it_listens_on_this_machine_alone(studio: RunningStudio) -> None:
    listed = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    mine = [line for line in listed.splitlines() if f"pid={studio.process.pid}," in line]
    assert [line.split()[3] for line in mine] == [f"127.0.0.1:{studio.port}"]


def test_a_second_studio_on_the_same_state_is_refused(studio: RunningStudio, root: Path) -> None:
    words = ["studio", "--no-open", "--port", "0", "--state", str(studio.state)]
    refused = subprocess.run(
        [sys.executable, "-P", "-m", "counterface", *words, "--root", str(root)],
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert "another studio runs on this folder" in refused.stderr


def test_a_job_that_no_process_can_be_started_for_fails_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    first, second = store.add_jobs(
        [NewJob("weights list", "", ["weights", "list"]) for _ in range(2)]
    )
    runner = Runner(store, lambda job: None)
    with monkeypatch.context() as patch:
        full = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        patch.setattr(queues, "start_child", Mock(side_effect=full))
        runner.run(first.id)
    failed = store.job(first.id)
    assert (failed.state, failed.ended is None) == ("failed", False)
    assert "Resource temporarily unavailable" in failed.error
    runner.run(second.id)
    assert store.job(second.id).state == "done"
    runner.close()


def test_no_change_is_passed_over_however_many_there_are(tmp_path: Path) -> None:
    store = Store(tmp_path)
    jobs = store.add_jobs([NewJob("scan", f"{number}", ["scan"]) for number in range(450)])
    seen, after = [], 0
    while changed := store.changed_after(after):
        seen += [job.id for job in changed]
        after = changed[-1].change
    assert seen == [job.id for job in jobs]


def test_jobs_that_a_killed_server_never_queued_are_run(studio: RunningStudio, root: Path) -> None:
    pictures(root / "unqueued", 3)
    store = Store(studio.state)
    files = sorted((root / "unqueued").iterdir())
    jobs = store.add_jobs([NewJob("scan", f.name, ["scan", "--json", "--", str(f)]) for f in files])
    for job in jobs:
        assert studio.wait_for(job.id)["job"]["state"] == "done"
        assert store.job(job.id).runs == 1
