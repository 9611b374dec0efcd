"""A studio whose disk is full says so, loses nothing, and goes on once there is room."""

from __future__ import annotations

import shutil
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_disk import SmallDisk, may_mount, small_disk
from studio_running import run_studio

from counterface.media.image import write_image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("nsenter") is None, reason="needs unshare and nsenter"),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 64 MB that can be filled."""
    if not may_mount(tmp_path / "disk"):
        pytest.skip("a tmpfs cannot be mounted here")
    with small_disk(tmp_path / "disk", 64) as one:
        yield one


def test_what_finds_no_room_is_told_and_done_later(disk: SmallDisk, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        write_image(lab / f"{number}.png", noise)
    picture = (lab / "0.png").read_bytes()
    upload = "/api/v1/uploads?" + urllib.parse.urlencode({"name": "mine.png"})
    binary = {"Content_Type": "application/octet-stream"}
    state = disk.folder / "state"
    with run_studio(state, lab, under=disk.under) as studio:
        status, kept = studio.ask("POST", upload, picture, **binary)
        assert status == 201
        _, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/0.png"]})
        studio.wait_for(answer["jobs"][0]["id"])
        # one is on its way when the disk is full
        _, answer = studio.ask("POST", "/api/v1/scans", {"places": ["lab/1.png"]})
        disk.fill(0)
        for path, body, headers in (
            (upload, picture, binary),
            ("/api/v1/scans", {"places": ["lab/2.png", "lab/3.png"]}, {}),
        ):
            status, refused = studio.ask("POST", path, body, **headers)
            assert status == 507, refused
            assert "make room" in refused["error"]
        status, _ = studio.ask("GET", "/api/v1/scans")
        assert status == 200  # what is there can be looked at
        time.sleep(2)
        disk.make_room()
        ended = studio.wait_for(answer["jobs"][0]["id"])
        assert ended["job"]["state"] in ("done", "failed")
        if ended["job"]["state"] == "failed":
            assert "run it again" in ended["job"]["error"]
        places = [f"lab/{number}.png" for number in (1, 2, 3)] + [kept["place"]]
        _, answer = studio.ask("POST", "/api/v1/scans", {"places": places, "again": True})
        for job in answer["jobs"]:
            assert studio.wait_for(job["id"])["job"]["state"] == "done"
        names = [path.name for path in (disk.view / "state" / "uploads").iterdir()]
        assert names == [Path(kept["place"]).name]
