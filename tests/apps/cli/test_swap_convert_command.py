"""`counterface swap convert` and `counterface faces list` as they are typed."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from echo_model import DRAWN
from swap_files import write_df
from swap_targets import draw_images, sound_packets, write_target

from counterface.apps.cli.main import main
from counterface.errors import MediaError
from counterface.media.image import read_image, write_image
from counterface.media.video_reader import read_video
from counterface.media.video_writer import VideoWriter
from counterface.provenance.record import read_record, record_path

RIGHTS = ["--rights.shown", "drawn", "--rights.basis", "synthetic", "--rights.reference", "tests"]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_df(tmp_path_factory.mktemp("model") / "df.safetensors", DRAWN)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_target(tmp_path_factory.mktemp("clip") / "a.mp4", draw_images(), sound_s=1.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = draw_images((1, 2), 4, 400, 200)
    return write_target(tmp_path_factory.mktemp("pair") / "pair.mp4", images)


def test_a_video_is_converted(
    model: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    words = ["swap", "convert", str(model), str(clip), str(out), *RIGHTS]
    words += ["--segment-s", "0.5", "--steady", "0.5", "--keep", "masks", "crops", "matrices"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "person 1 replaced in 24 of 24 frames" in told
    assert "jitter of the landmarks" in told
    assert "flicker of the faces" in told
    assert "frames/s; by phase" in told
    assert "signed, watermarked, recorded" in told
    assert sound_packets(out) == sound_packets(clip)
    assert [f.pts for f in read_video(out)] == [f.pts for f in read_video(clip)]
    truth = tmp_path / "out.mp4.truth"
    assert {path.name for path in truth.iterdir()} == {"masks", "crops", "matrices.parquet"}
    assert main(words) == 0
    assert "already" in capsys.readouterr().out


@pytest.mark.slow
def test_a_part_by_a_recipe_and_flags_that_win(
    model: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "convert.toml"
    recipe.write_text(
        "from = 0.25\nto = 0.9\ncrf = 30\nsound = false\nmerge = { blur = 7, opacity = 50 }\n"
        'rights = { shown = "drawn", basis = "synthetic", reference = "tests" }\n'
    )
    out = tmp_path / "out.mp4"
    words = ["swap", "convert", str(model), str(clip), str(out), "--config", str(recipe)]
    assert main([*words, "--to", "0.5", "--merge.opacity", "80", "--json"]) == 0
    [done] = json.loads(capsys.readouterr().out)["files"]
    assert (done["frames"], done["status"]) == (6, "done")
    assert done["jitter_before"] is not None
    assert "sound was left out" in done["notes"]
    settings = read_record(record_path(out)).settings
    assert (settings["merge"]["blur"], settings["merge"]["opacity"]) == (7.0, 80.0)
    assert (settings["from_s"], settings["to_s"], settings["crf"]) == (0.25, 0.5, 30.0)


@pytest.mark.slow
def test_several_people_are_listed_and_one_is_chosen(
    model: Path, clip: Path, pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "out.mp4", tmp_path / "people.png"
    words = ["swap", "convert", str(model), str(pair), str(out), *RIGHTS]
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "shows 2 people" in told
    assert "--person 2" in told
    assert not out.exists()
    assert main(["faces", "list", str(pair), "--sheet", str(sheet)]) == 0
    assert "2 people in 8 frames" in capsys.readouterr().out
    assert main(["faces", "list", str(clip)]) == 0
    assert "1 person in" in capsys.readouterr().out
    assert read_image(sheet).shape[0] > 300
    assert main([*words, "--person", "2", "--who", "all"]) == 1
    assert "--person and --who are given" in capsys.readouterr().err
    assert main([*words, "--person", "2"]) == 0
    assert "person 2 replaced in 8 of 8 frames" in capsys.readouterr().out


def test_the_list_as_json(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faces", "list", str(pair), "--json", "--to", "0.2"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert [person["number"] for person in seen["people"]] == [1, 2]
    assert seen["frames"] == 5


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "carries no rights record"),
        (["--rights.shown", "drawn"], "rights.basis"),
        (["--rights.shown", "drawn", "--rights.basis", "synthetic"], "rights.reference"),
        ([*RIGHTS[:2], "--rights.basis", "because", *RIGHTS[4:]], "basis"),
        (["--rights-file", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_missing_rights_are_named(
    model: Path,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    words: str,
) -> None:
    out = tmp_path / "out.mp4"
    assert main(["swap", "convert", str(model), str(clip), str(out), *flags]) == 1
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_with_a_bad_picture_ends_with_its_code(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "a.png", draw_images()[0])
    write_image(folder / "b.png", np.full((64, 64, 3), 9, np.uint8))
    words = ["swap", "convert", str(model), str(folder), str(tmp_path / "out"), *RIGHTS]
    assert main(words) == 2
    told = capsys.readouterr().out
    assert "done     " in told
    assert "failed   " in told
    assert "1 of 2 failed" in told


def test_people_are_listed_a_line_each(
    model: Path, pair: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["swap", "convert", str(model), str(pair), str(tmp_path / "o.mp4"), *RIGHTS]) == 1
    first, *people = capsys.readouterr().err.splitlines()
    assert first.startswith(f"counterface: {pair} shows 2 people; say who is to be replaced")
    assert [line.split()[:2] for line in people] == [["--person", "1"], ["--person", "2"]]


def test_a_device_that_is_not_there_is_one_line(
    model: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["swap", "convert", str(model), str(clip), str(tmp_path / "o.mp4"), *RIGHTS]
    assert main([*words, "--device", "cuda:77"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("counterface: device 'cuda:77' cannot be used")


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_what_is_done_goes_on(
    model: Path,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(writer: object, packets: object) -> None:
        error = OSError(errno.ENOSPC, "No space left on device")
        raise MediaError(f"segment cannot be written: {error.strerror}") from error

    words = ["swap", "convert", str(model), str(clip), str(tmp_path / "o.mp4"), *RIGHTS]
    with monkeypatch.context() as patch:
        patch.setattr(VideoWriter, "_mux", full)
        assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "No space left on device; make room and run the same command again: what is done is kept"
    )
    assert not (tmp_path / "o.mp4").exists()
    assert main(words) == 0
