"""A folder of videos and pictures: natural order, a plan beside a video, no file ends it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from echo_model import DRAWN, echo_model
from swap_targets import draw_images, write_target

from counterface.errors import ConfigError, MediaError
from counterface.media.find_media import natural_key
from counterface.media.image import write_image
from counterface.media.video_reader import read_video
from counterface.provenance.verify import verify_file
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.settings import ConvertConfig, ConvertSummary
from counterface.swap.conversion.targets import video

BRIGHT = echo_model(64, gain=1.3)


def run(target: Path, out: Path, **settings: Any) -> ConvertSummary:
    settings = {"rights": DRAWN, "merge": {"color_transfer": "none"}, "crf": 8, **settings}
    return convert(BRIGHT, target, out, ConvertConfig(**settings))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    images = draw_images(frames=6)[:3]
    for name in ("clip10.mp4", "clip2.mp4", "sub/old.ts"):
        write_target(folder / name, images)
    write_image(folder / "still.png", images[0])
    (folder / "clip3.mp4").write_bytes(b"no video at all")
    (folder / "clip2.toml").write_text("[settings]\nopacity = 0.0\ncolor_transfer = 'none'\n")
    return folder


def brighter(before: Path, after: Path) -> float:
    pairs = zip(read_video(before), read_video(after), strict=True)
    return float(np.mean([np.percentile(b.image.astype(int) - a.image, 95) for a, b in pairs]))


@pytest.mark.slow
def test_every_file_is_converted_by_its_own_plan(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = run(folder, out).files
    names = [Path(file.target).name for file in files]
    assert names == ["clip2.mp4", "clip3.mp4", "clip10.mp4", "still.png", "old.ts"]
    status = ["done", "failed", "done", "done", "done"]
    assert [file.status for file in files] == status
    assert "is text, not a picture or video" in str(files[1].error)
    assert [Path(file.out).relative_to(out).as_posix() for file in files] == [
        *("clip2.mp4", "clip3.mp4", "clip10.mp4", "still.png"),
        "sub/old.ts.mp4",
    ]
    assert "merge plan clip2.toml" in files[0].notes
    assert brighter(folder / "clip2.mp4", out / "clip2.mp4") < 5
    assert brighter(folder / "clip10.mp4", out / "clip10.mp4") > 10
    found = verify_file(out / "sub/old.ts.mp4")
    assert (found.credentials.state, found.record.state) == ("trusted", "agrees")
    again = [file.status for file in run(folder, out).files]
    assert again == ["already", "failed", "already", "already", "already"]


def test_what_is_left_out_is_told_and_sound_finds_a_container(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "notes.txt").write_text("lunch at one")
    write_target(folder / "a.avi", draw_images(frames=6)[:3], sound_s=0.2, sound_codec="pcm_alaw")
    summary = run(folder, tmp_path / "out")
    assert "1" in str(summary.left_out)
    assert ".txt" in str(summary.left_out)
    (done,) = summary.files
    assert (done.status, Path(done.out).name) == ("done", "a.avi.mov")


def test_a_full_disk_ends_the_batch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MediaError("full") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(video.VideoConversion, "run", full)
    with pytest.raises(MediaError, match="full"):
        run(folder, tmp_path / "out")


def test_a_folder_and_a_video_need_a_rate(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="say --fps N"):
        run(folder, tmp_path / "out.mp4")
    with pytest.raises(ConfigError, match="is no folder; fps"):
        run(folder / "clip2.mp4", tmp_path / "out.mp4", fps=24)


def test_numbers_in_names_are_numbers() -> None:
    names = ["img10", "img2", "IMG1", "img02", "a/img1", "b", "img"]
    ordered = [path.as_posix() for path in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["a/img1", "b", "img", "IMG1", "img02", "img2", "img10"]
