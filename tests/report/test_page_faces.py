"""Faces are read back from the page as they were written into it."""

from __future__ import annotations

import re
from pathlib import Path

from drawn_reports import a_failure, a_report, a_still

from counterface.report.html import render_html, write_html
from counterface.report.page_faces import read_faces


def test_every_pair_of_the_page_is_read_with_its_track(tmp_path: Path) -> None:
    report = a_report("clip.mp4", [2.0, 3.0, 2.5, 2.8] * 3, [-3.0, -2.0, -2.5] * 4)
    write_html([report], tmp_path / "report.html")
    found = read_faces(tmp_path / "report.html")
    text = render_html([report])
    assert len(found) == len(re.findall(r'<figure class="pair"', text)) > 0
    assert {face.track for face in found} == {track.id for track in report.tracks}
    assert {face.rank for face in found} == {"most", "least"}
    assert all(face.crop in text and (face.heat is None or face.heat in text) for face in found)
    assert any(face.heat for face in found)
    assert all(f"<span>{face.time}</span><b>{face.score}</b>" in text for face in found)


def test_a_page_without_faces_gives_none(tmp_path: Path) -> None:
    write_html([a_failure("a.mp4", "damaged")], tmp_path / "report.html")
    assert read_faces(tmp_path / "report.html") == ()


def test_the_name_of_a_file_cannot_pose_as_a_face(tmp_path: Path) -> None:
    fake = '<figure data-face="7"><img src="data:image/jpeg;base64,AAAA"></figure>.png'
    report = a_still(fake, [2.0])
    write_html([report], tmp_path / "report.html")
    assert {face.track for face in read_faces(tmp_path / "report.html")} == {0}
