"""Jobs of the studio are commands: run, stopped, kept over a crash of the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from actors import Expression, draw_actor
from studio_running import RunningStudio

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
