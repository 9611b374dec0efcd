"""The interface of the page Scan: jobs, history, frames, faces, comparison, deletion."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from actors import Expression, draw_actor, draw_clip, write_clip
from studio_running import TOKEN, RunningStudio

from counterface.media.image import write_image
from counterface.types import Pose

pytestmark = pytest.mark.slow
V1 = "/api/v1"


def scan(studio: RunningStudio, place: str, **more: Any) -> dict[str, Any]:
    """The row of a scan, once its job has ended."""
    status, answer = studio.ask("POST", f"{V1}/scans", {"places": [place], **more})
    assert status == 201, answer
    (job,) = answer["jobs"]
    assert studio.wait_for(job["id"])["job"]["state"] == "done"
    _, (row,) = studio.ask("GET", f"{V1}/scans?job={job['id']}")
    return dict(row)


def fetch(studio: RunningStudio, path: str) -> tuple[bytes, Any]:
    request = urllib.request.Request(
        f"{studio.address}{V1}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read(), answer.headers


def frames(studio: RunningStudio, number: int) -> dict[str, Any]:
    """The pack of a scan, once it is whole or cannot be made."""
    for _ in range(600):
        _, pack = studio.ask("GET", f"{V1}/scans/{number}/frames")
        if pack["state"] in ("done", "failed"):
            return dict(pack)
        time.sleep(0.1)
    raise AssertionError(pack["state"])


@pytest.fixture(scope="module")
def clip(studio: RunningStudio, root: Path) -> dict[str, Any]:
    """A drawn clip of two people that was judged."""
    write_clip(root / "two.mp4", draw_clip([1, 2], frames=30, width=800, height=400))
    return scan(studio, "lab/two.mp4", options={"frames": 6})


def test_frames_have_exact_times_and_are_small(studio: RunningStudio, clip: dict[str, Any]) -> None:
    pack = frames(studio, clip["id"])
    assert (pack["state"], pack["read"]) == ("done", 30)
    assert (pack["width"], pack["height"]) == (800, 400)
    assert (pack["shown_width"], pack["shown_height"]) == (640, 320)
    assert [one["pts_s"] for one in pack["frames"]] == pytest.approx([n / 24 for n in range(30)])
    jpeg, headers = fetch(studio, f"/scans/{clip['id']}/frames/{pack['frames'][7]['number']}.jpg")
    assert headers["content-type"] == "image/jpeg"
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    drawn = draw_clip([1, 2], frames=8, width=800, height=400)[7].frame.image
    assert np.abs(picture.astype(int) - cv2.resize(drawn, (640, 320))).mean() < 6
    assert studio.ask("GET", f"{V1}/scans/{clip['id']}/frames/999.jpg")[0] == 404


def test_every_scored_frame_is_in_the_pack(studio: RunningStudio, clip: dict[str, Any]) -> None:
    _, report = studio.ask("GET", f"{V1}/scans/{clip['id']}")
    scored = {f["pts_s"] for track in report["tracks"] for f in track["frames"]}
    there = np.array([one["pts_s"] for one in frames(studio, clip["id"])["frames"]])
    assert scored
    assert all(np.abs(there - one).min() < 1e-4 for one in scored)


def test_faces_come_from_the_page_with_their_track(
    studio: RunningStudio, clip: dict[str, Any]
) -> None:
    _, report = studio.ask("GET", f"{V1}/scans/{clip['id']}")
    _, faces = studio.ask("GET", f"{V1}/scans/{clip['id']}/faces")
    assert {face["track"] for face in faces} == {track["id"] for track in report["tracks"]}
    assert all(face["crop"].startswith("data:image/jpeg;base64,") for face in faces)


def test_downloads_are_those_of_the_command(studio: RunningStudio, clip: dict[str, Any]) -> None:
    _, ended = studio.ask("GET", f"{V1}/jobs/{clip['job']}")
    text, _ = fetch(studio, f"/scans/{clip['id']}/report.json")
    assert json.loads(text) == ended["results"][0]
    assert text.count(b"\n") == 1
    page, headers = fetch(studio, f"/scans/{clip['id']}/report.html")
    written = studio.state / "jobs" / clip["job"] / "report.html"
    assert page.decode() == written.read_text("utf-8").replace(str(studio.root), "lab")
    assert "sandbox" in headers["content-security-policy"]
    assert str(studio.root).encode() not in page + text


def test_a_changed_file_gives_no_frames(studio: RunningStudio, root: Path) -> None:
    path = root / "changes.png"
    write_image(path, draw_actor(3, Pose(0, 0, 0), Expression(), 200).image)
    row = scan(studio, "lab/changes.png")
    write_image(path, draw_actor(4, Pose(0, 0, 0), Expression(), 200).image)
    pack = frames(studio, row["id"])
    assert pack["state"] == "failed"
    assert pack["error"] == "lab/changes.png: has changed since it was judged; scan it again"


def test_two_scans_are_compared_by_their_settings(
    studio: RunningStudio, clip: dict[str, Any]
) -> None:
    other = scan(studio, "lab/two.mp4", options={"frames": 4})
    _, found = studio.ask("GET", f"{V1}/scans/compare/{clip['id']}/{other['id']}")
    assert found["same_file"]
    assert found["settings"] == [{"name": "frames", "first": 6, "second": 4}]
    assert found["detector"] == []
    _, about = studio.ask("GET", f"{V1}/scans/{clip['id']}/about")
    assert other["id"] in [row["id"] for row in about["others"]]
    assert about["html"]
    assert about["present"]


def test_a_scan_again_keeps_its_options_and_has_a_page_of_its_own(
    studio: RunningStudio, clip: dict[str, Any]
) -> None:
    status, job = studio.ask("POST", f"{V1}/scans/{clip['id']}/again")
    assert status == 201
    studio.wait_for(job["id"])
    _, (row,) = studio.ask("GET", f"{V1}/scans?job={job['id']}")
    _, report = studio.ask("GET", f"{V1}/scans/{row['id']}")
    assert report["config"]["frames"] == 6
    assert (studio.state / "jobs" / job["id"] / "report.html").is_file()


def test_tags_are_counted_found_and_bounded(studio: RunningStudio, clip: dict[str, Any]) -> None:
    path = f"{V1}/scans/{clip['id']}/tags"
    _, row = studio.ask("PUT", path, ["100 %", "a_b", " ", "a_b"])
    assert row["tags"] == ["100 %", "a_b"]
    assert studio.ask("GET", f"{V1}/scans/tags")[1] == {"100 %": 1, "a_b": 1}
    assert [r["id"] for r in studio.ask("GET", f"{V1}/scans?tag=a_b")[1]] == [clip["id"]]
    assert studio.ask("GET", f"{V1}/scans?tag=axb")[1] == []
    assert studio.ask("PUT", path, ["x" * 61])[0] == 422
    assert studio.ask("PUT", path, [f"{n}" for n in range(41)])[0] == 422


def test_history_is_read_in_parts(studio: RunningStudio, clip: dict[str, Any]) -> None:
    _, every = studio.ask("GET", f"{V1}/scans")
    _, first = studio.ask("GET", f"{V1}/scans?most=1")
    _, rest = studio.ask("GET", f"{V1}/scans?before={first[0]['id']}")
    assert [r["id"] for r in first + rest] == [r["id"] for r in every]


def test_a_path_below_a_folder_may_be_pasted(studio: RunningStudio, root: Path) -> None:
    write_image(root / "pasted.png", draw_actor(5, Pose(0, 0, 0), Expression(), 200).image)
    assert scan(studio, str(root / "pasted.png"))["place"] == "lab/pasted.png"
    status, answer = studio.ask("POST", f"{V1}/scans", {"places": ["/etc/hostname"]})
    assert status == 403
    assert "/etc" not in json.dumps(answer).replace("'/etc/hostname'", "")


def test_deletion_takes_an_upload_and_leaves_the_users_file(
    studio: RunningStudio, root: Path
) -> None:
    write_image(root / "mine.png", draw_actor(6, Pose(0, 0, 0), Expression(), 200).image)
    body = (root / "mine.png").read_bytes()
    status, sent = studio.ask("POST", f"{V1}/uploads?name=mine.png", body)
    assert status == 201
    own, upload = scan(studio, "lab/mine.png"), scan(studio, sent["place"], again=True)
    assert upload["name"] == "mine.png"
    copy = studio.state / sent["place"]
    assert copy.is_file()
    frames(studio, upload["id"])
    for row in (own, upload):
        assert studio.ask("DELETE", f"{V1}/scans/{row['id']}")[0] == 200
        assert studio.ask("GET", f"{V1}/scans/{row['id']}")[0] == 404
    assert not copy.exists()
    assert (root / "mine.png").read_bytes() == body
    left = [p.name for p in (studio.state / "jobs" / upload["job"]).iterdir()]
    assert left in ([], ["log.txt"])
    assert studio.ask("DELETE", f"{V1}/scans/{own['id']}")[0] == 404


def test_all_scans_are_stopped_at_once(studio: RunningStudio, root: Path) -> None:
    (root / "many").mkdir()
    for number in range(5):
        image = draw_actor(7, Pose(number, 0, 0), Expression(), 120).image
        write_image(root / "many" / f"{number}.png", image)
    _, answer = studio.ask("POST", f"{V1}/scans", {"places": ["lab/many"]})
    assert len(answer["jobs"]) == 5
    assert studio.ask("POST", f"{V1}/scans/stop")[0] == 200
    states = [studio.wait_for(job["id"])["job"]["state"] for job in answer["jobs"]]
    assert states.count("stopped") >= 4


def test_unknown_scans_are_not_found(studio: RunningStudio) -> None:
    for path in ("", "/about", "/frames", "/frames/0.jpg", "/faces", "/report.html", "/report.pdf"):
        assert studio.ask("GET", f"{V1}/scans/99999{path}")[0] == 404
    assert studio.ask("GET", f"{V1}/scans/compare/1/99999")[0] == 404
